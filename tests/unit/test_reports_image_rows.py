"""Rows as a study keeps them hold what the schema reads, and what is odd is refused as the schema refuses it."""

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reports import schema
from reports.image_rows import RowCollector, decode_texts, read_rows
from reports.load import load, load_study
from tests.support.fake_runs import FakeStudy, run_id_of, write_runs


@pytest.fixture
def root(tmp_path):
    write_runs(tmp_path, FakeStudy(effect_db={"b": 0.0, "a": 0.1}, seeds=(0, 1), pictures=False))
    return tmp_path


def test_all_runs_together_are_what_the_schema_reads_of_each(root):
    ids = [run_id_of(v, s) for v in ("b", "a") for s in (0, 1)]
    want = pd.concat([schema.read_images(root / i / schema.IMAGES_FILE) for i in ids], ignore_index=True)
    pd.testing.assert_frame_equal(decode_texts(load([root]).rows), want)


def test_texts_are_sorted_as_texts(root):
    rows = load([root]).rows
    assert list(rows["variant"].cat.categories) == ["a", "b"]
    assert list(rows["variant"].unique()) == ["b", "a"]


def test_perfect_scores_are_capped(root):
    path = root / run_id_of("a", 0) / schema.IMAGES_FILE
    frame = schema.read_images(path)
    frame.loc[frame["metric"] == schema.PSNR, "value"] = float("inf")
    schema.write_images(frame, path)
    gathered = RowCollector()
    gathered.add(read_rows(path, path.read_bytes()), variant="a", seed=0)
    rows = gathered.frame()
    assert set(rows.loc[rows["metric"] == schema.PSNR, "value"]) == {100.0}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: pd.concat([f, f.iloc[:1]]), "a row occurs twice"),
        (lambda f: f.assign(metric="lpips"), "Column 'metric' holds 'lpips'"),
        (lambda f: f.assign(value=float("nan")), "Column 'value' holds a missing value"),
        (lambda f: f.assign(value=float("-inf")), "holds -inf"),
        (lambda f: f.assign(scene=1), "Column 'scene' must be str"),
        (lambda f: f.drop(columns="scene"), "Column 'scene' is missing"),
        (lambda f: f.assign(more="x"), "Column 'more' is unknown"),
    ],
)
def test_what_is_odd_is_refused(root, change, said):
    path = root / run_id_of("a", 0) / schema.IMAGES_FILE
    pq.write_table(pa.Table.from_pandas(change(schema.read_images(path)), preserve_index=False), path)
    with pytest.raises(ValueError, match=said):
        read_rows(path, path.read_bytes())


def test_half_a_file_is_refused(root):
    path = root / run_id_of("a", 0) / schema.IMAGES_FILE
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ValueError, match="can't be read"):
        read_rows(path, path.read_bytes())


def test_terms_tell_each_row_apart(root):
    study = load_study(next((root / schema.STUDIES_FOLDER).iterdir()))
    told = study.test_settings.iloc[study.setting_of_row].reset_index(drop=True)
    pd.testing.assert_frame_equal(told, decode_texts(study.rows)[list(told.columns)], check_dtype=False)
