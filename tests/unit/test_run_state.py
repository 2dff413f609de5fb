"""The status of a run: launchers, `ablations.status` and reports read the same files by the same rule."""

import hashlib
import json

import pytest

from ablations.harness.run_status import status_of
from reports.run_state import Status, failure_of, find_status, is_done
from tests.support.fake_runs import FakeStudy, run_id_of, write_runs
from tests.support.read_run import read_run


@pytest.fixture
def run(tmp_path):
    write_runs(tmp_path, FakeStudy(effect_db={"a": 0.0}, seeds=(0,), pictures=False))
    return tmp_path / run_id_of("a", 0)


def verdicts(run):
    return status_of(run), is_done(run), read_run(run).status


def test_a_finished_run_is_done_for_all_readers(run):
    assert verdicts(run) == (Status.DONE, True, Status.DONE)


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        "[" * 9999,
        '{"files": []}',
        '{"files": {"spec.json": "", "images.parquet": ""}, "needs": 5}',
        '{"files": {"spec.json": "", "images.parquet": "", "gone": ""}}',
        '{"files": {"spec.json": ""}}',
    ],
)
def test_a_broken_done_is_damage_for_all_readers(run, content):
    (run / "DONE").write_text(content)
    assert verdicts(run) == (Status.DAMAGED, False, Status.DAMAGED)
    assert "\n" not in read_run(run).reason


def test_hashes_are_checked_by_launchers_and_reports(run):
    with (run / "summary.json").open("a") as stream:
        stream.write(" ")
    assert verdicts(run) == (Status.DONE, False, Status.DAMAGED)
    assert read_run(run).reason == "summary.json has changed since the run finished (SHA-256 differs from DONE)."


def test_a_file_outside_of_the_folder_is_refused_in_a_report(run):
    (run.parent / "other").write_text("x")
    done = json.loads((run / "DONE").read_text())
    done["files"]["../other"] = hashlib.sha256(b"x").hexdigest()
    (run / "DONE").write_text(json.dumps(done))
    assert read_run(run).reason == "DONE lists a file outside of the folder: ../other."


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"type": "ValueError", "message": "loss"}, "ValueError: loss"),
        ({"type": "AssertionError", "message": ""}, "AssertionError"),
        ({}, "unknown: no reason can be read"),
    ],
)
def test_the_reason_of_a_failure(run, record, reason):
    (run / "DONE").unlink()
    (run / "ERROR.json").write_text(json.dumps(record))
    assert str(failure_of(record)) == reason
    assert verdicts(run) == (Status.FAILED, False, Status.FAILED)
    assert read_run(run).reason == reason


@pytest.mark.parametrize(
    ("file_names", "is_locked", "status"),
    [
        (None, None, Status.MISSING),
        ([], None, Status.RUNNING),  # a report reads no locks
        ([], False, Status.INTERRUPTED),
        ([], True, Status.RUNNING),
        (["ERROR.json"], True, Status.RUNNING),  # the next attempt
        (["ERROR.json"], False, Status.FAILED),
        (["ERROR.json"], None, Status.FAILED),
        (["DONE", "ERROR.json"], True, Status.DONE),
    ],
)
def test_status_by_files_and_lock(file_names, is_locked, status):
    lock = None if is_locked is None else lambda: is_locked
    assert find_status(file_names, check_files=lambda: None, is_locked=lock)[0] is status
