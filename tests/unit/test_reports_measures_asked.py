"""Which of the measures that runs share a study's page shows."""

from __future__ import annotations

import json

import pytest

from reports import schema
from reports.build import build_report
from reports.load import load
from reports.measures import load_measures
from reports.run_state import Status
from tests.support.fake_measures import write_measures
from tests.support.fake_runs import FakeStudy, write_runs

SMALL = FakeStudy(effect_db={"dfpir_g90": 0.2, "dfpir_g100": 0.0}, seeds=(0,), pictures=False)


@pytest.mark.parametrize(("asked", "shown"), [(["interference"], True), ([], False), (None, True)])
def test_measures_taken_for_another_study_of_some_runs_alone_are_not_shown(tmp_path, asked, shown):
    folder = write_runs(tmp_path / "runs", SMALL)
    write_measures(tmp_path / "runs", SMALL, ("interference", "levels"))
    plan = json.loads((folder / schema.STUDY_FILE).read_text())
    if asked is not None:
        plan["measures"] = asked
    (folder / schema.STUDY_FILE).write_text(json.dumps(plan))
    study = load([folder])
    first = next(run for run in study.runs.values() if run.status is Status.DONE)
    (first.path / schema.MEASURES_FOLDER / "interference.parquet").unlink()
    measures = load_measures(study)
    assert ("interference" in measures.tables) == shown
    assert "levels" in measures.tables, "all runs have it, asked for or not"


@pytest.mark.usefixtures("blank_figures")
def test_a_table_that_the_page_no_longer_has_is_removed(tmp_path):
    folder = write_runs(tmp_path / "runs", SMALL)
    write_measures(tmp_path / "runs", SMALL, ("levels",))
    build_report([folder], tmp_path / "out")
    assert (tmp_path / "out" / schema.MEASURES_FOLDER / "levels.csv").is_file()
    for path in (tmp_path / "runs").glob("*/measures/levels.parquet"):
        path.unlink()
    build_report([folder], tmp_path / "out")
    assert not list((tmp_path / "out").rglob("levels.csv"))
