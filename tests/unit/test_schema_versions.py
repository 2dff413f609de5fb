"""Folders and tables of schema version 1 are read as before, under today's column names; later versions are refused."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reports import schema
from reports.costs import COST_COLUMNS, read_costs, write_costs
from reports.files import sha256_of
from reports.image_rows import decode_texts, read_rows
from reports.load import load
from reports.run_state import Status
from reports.subsets import other_subsets
from tests.support.fake_measures import write_measures
from tests.support.fake_runs import FakeStudy, run_id_of, write_done_marker, write_runs
from tests.support.read_run import read_run
from tests.unit.test_cost_report import made_up

PUBLISHED = Path(schema.__file__).parents[1] / "published"
RUN = "restormer-s0-0388510c"
RENAMED_MEASURES = ("prompts", "levels", "mixed", "precision", "order_moves")


def write_as_version_1(path: Path, names: dict[str, str], *, version: str = "1") -> None:
    """Give the columns of a Parquet file their old names (new -> old) and the file another version."""
    table = pq.read_table(path)
    metadata = {**table.schema.metadata, b"schema": version.encode()}
    table = table.rename_columns([names.get(name, name) for name in table.column_names])
    pq.write_table(table.replace_schema_metadata(metadata), path)


def with_old_scores(folder: Path) -> None:
    """A finished run as version 1 wrote it, half of its scenes in the training set."""
    path = folder / schema.IMAGES_FILE
    frame = schema.read_images(path)
    is_first = frame["scene"] == frame["scene"].iloc[0]
    frame = frame.drop(columns="in_training_set")
    frame.insert(9, "seen", is_first.map({True: "seen", False: "unseen"}))
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata({"schema": "1"})
    pq.write_table(table, path)
    spec = json.loads((folder / schema.SPEC_FILE).read_text())
    (folder / schema.SPEC_FILE).write_text(json.dumps(spec | {"schema": 1}))
    write_done_marker(folder)


@pytest.fixture
def runs(tmp_path):
    study = FakeStudy(effect_db={"a": 0.0}, seeds=(0,), pictures=False)
    write_runs(tmp_path, study)
    write_measures(tmp_path, study, RENAMED_MEASURES)
    return tmp_path


def test_a_published_run_of_version_1_gives_its_table_and_stays_as_it_is(tmp_path):
    folder = shutil.copytree(PUBLISHED / "components-small-BSDS500" / "runs" / RUN, tmp_path / RUN)
    path = folder / schema.IMAGES_FILE
    written = pq.read_table(path).to_pandas()
    assert "seen" in written  # else the published runs are of this version, and this test of nothing
    expected = written.rename(columns={"seen": "in_training_set"})
    digests = {file: sha256_of(file) for file in folder.rglob("*") if file.is_file()}
    assert read_run(folder).status is Status.DONE
    pd.testing.assert_frame_equal(schema.read_images(path), expected)
    pd.testing.assert_frame_equal(read_rows(path, path.read_bytes()).to_pandas().astype(expected.dtypes), expected)
    separation, _ = schema.read_measure(folder, "separation")
    assert list(separation.columns) == [column.name for column in schema.MEASURE_COLUMNS["separation"]]
    assert {file: sha256_of(file) for file in folder.rglob("*") if file.is_file()} == digests


@pytest.mark.parametrize("name", ["components-small-BSDS500", "superseded/components-small-BSDS500-five-tasks"])
def test_published_tables_of_version_1_are_read(name):
    frame = schema.read_images(PUBLISHED / name / schema.IMAGES_FILE)
    assert set(frame["in_training_set"]) == {""}


def test_marks_of_training_images_have_todays_values(runs):
    folder = runs / run_id_of("a", 0)
    with_old_scores(folder)
    frame = schema.read_images(folder / schema.IMAGES_FILE)
    assert frame["in_training_set"].value_counts().index.tolist() == ["no", "yes"]
    study = load([runs])
    pd.testing.assert_frame_equal(decode_texts(study.rows), frame, check_dtype=False)
    assert len(other_subsets(study)) == 2


def test_further_scores_of_version_1_are_read(runs):
    folder = runs / run_id_of("a", 0)
    scores = schema.read_images(folder / schema.IMAGES_FILE).query("metric == 'ssim'").assign(metric="mse")
    path = schema.write_measure(scores, folder, "metric-mse", metadata={})
    write_as_version_1(path, {"in_training_set": "seen"})
    pd.testing.assert_frame_equal(schema.read_measure(folder, "metric-mse")[0], scores.reset_index(drop=True))


@pytest.mark.parametrize("name", RENAMED_MEASURES)
def test_a_measure_of_version_1_is_the_same_table(runs, name):
    folder = runs / run_id_of("a", 0)
    expected, metadata = schema.read_measure(folder, name)
    old_names = {new: old for old, new in schema.RENAMED_COLUMNS[name].items()}
    assert old_names.keys() <= set(expected.columns)
    write_as_version_1(folder / schema.MEASURES_FOLDER / f"{name}.parquet", old_names)
    table, old_metadata = schema.read_measure(folder, name)
    pd.testing.assert_frame_equal(table, expected)
    assert old_metadata == metadata | {"schema": "1"}


def test_costs_under_earlier_column_names_are_the_same_table(tmp_path):
    path = write_costs(made_up(), tmp_path / "costs.csv")
    expected = read_costs(path)
    old_names = {new: old for old, new in schema.RENAMED_COLUMNS[schema.COSTS_TABLE].items()}
    assert old_names.keys() <= {column.name for column in COST_COLUMNS}
    pd.read_csv(path, dtype=str, keep_default_na=False).rename(columns=old_names).to_csv(path, index=False)
    pd.testing.assert_frame_equal(read_costs(path), expected)


@pytest.mark.parametrize(("version", "hint"), [("3", " Update dfpir-suite."), ("0", ""), ("new", "")])
def test_a_table_of_another_version_is_refused_in_one_line(runs, version, hint):
    folder = runs / run_id_of("a", 0)
    images, measure = folder / schema.IMAGES_FILE, folder / schema.MEASURES_FOLDER / "mixed.parquet"
    for path in (images, measure):
        write_as_version_1(path, {}, version=version)
    for call in (
        lambda: schema.read_images(images),
        lambda: read_rows(images, images.read_bytes()),
        lambda: schema.read_measure(folder, "mixed"),
    ):
        with pytest.raises(
            ValueError, match=rf"parquet.* has schema '?{version}'?; this version reads 1 to 2"
        ) as error:
            call()
        assert str(error.value).endswith(f"reads 1 to 2.{hint}")
        assert "\n" not in str(error.value)
