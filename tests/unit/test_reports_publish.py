"""Tables with their provenance, put where they can be committed."""

from __future__ import annotations

import hashlib
import json
import shutil

import pandas as pd
import pytest

from reports import schema
from reports.__main__ import main
from reports.build import build_report
from reports.load import load
from reports.publish import publish, publish_runs
from reports.run_state import Status, is_done
from tests.support.fake_runs import FakeStudy, write_runs

STUDY = FakeStudy(effect_db={"a": 0.0, "b": 0.5}, seeds=(0, 1), scenes=3, crops=1, pictures=False)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    root = tmp_path_factory.mktemp("built")
    folder = write_runs(root / "runs", STUDY)
    plan = json.loads((folder / schema.STUDY_FILE).read_text())
    plan["command"] = "python -m ablations.run x --data /home/someone/photos --out /home/someone/runs"
    (folder / schema.STUDY_FILE).write_text(json.dumps(plan))
    build_report([folder], folder)
    return folder


@pytest.fixture
def study(built, tmp_path):
    shutil.copytree(built.parents[1], tmp_path / "runs")
    return tmp_path / "runs" / built.relative_to(built.parents[1])


def images_of_one(study):
    return schema.read_images(next(study.parent.parent.glob("a-s0-*")) / schema.IMAGES_FILE)


def test_what_is_published_is_what_was_made(study, tmp_path):
    out = tmp_path / "published" / "study"
    out.mkdir(parents=True)
    (out / "crops_by_task.png").write_bytes(b"of an earlier publication; these runs have no pictures")
    assert publish(study, out) == out
    assert "crops_by_task.png" in (out / "SHA256SUMS").read_text()
    assert not list(out.glob("*.svg"))
    for line in (out / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((out / name).read_bytes()).hexdigest() == digest
    assert json.loads((out / "study.json").read_text())["command"].endswith("--data photos --out runs")
    for name in ("table.md", "means.csv", "pairs.csv", "contrasts.csv"):
        assert (out / name).read_bytes() == (study / name).read_bytes()
    rows = pd.read_csv(out / "provenance.csv")
    assert list(zip(rows["variant"], rows["seed"], strict=True)) == [("a", 0), ("a", 1), ("b", 0), ("b", 1)]
    assert rows["commit"].notna().all()
    assert rows["run_id"].is_unique
    assert not list(out.rglob("*.safetensors"))
    assert len(schema.read_images(out / "images.parquet")) == 4 * len(images_of_one(study))


def test_a_study_without_a_report_is_refused_in_one_line(study, tmp_path, capsys):
    (study / schema.MEANS_CSV_FILE).unlink()
    assert main(["publish", str(study), str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert "means.csv" in error
    assert error.count("\n") == 1
    assert main(["publish", str(tmp_path / "nowhere"), str(tmp_path / "out")]) == 2


def test_published_runs_count_as_done_where_they_are_put_back(study, tmp_path):
    out = tmp_path / "published" / "runs"
    assert main(["publish", str(study), str(out), "--runs"]) == 0
    assert len(list(out.iterdir())) == 4
    assert not list(out.rglob("*.safetensors")) + list(out.rglob("*.png"))
    assert publish_runs(study, out) == []  # what is there stays
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(out, elsewhere)
    shutil.copytree(study, elsewhere / schema.STUDIES_FOLDER / study.name)
    again = load([elsewhere / schema.STUDIES_FOLDER / study.name])
    assert {run.status for run in again.runs.values()} == {Status.DONE}
    pd.testing.assert_frame_equal(again.rows, load([study]).rows)
    assert all(is_done(run) for run in elsewhere.iterdir() if run.name != schema.STUDIES_FOLDER)
