"""The local launcher: a worker that dies or hangs is an error row, and the others finish."""

import io
import json
import time

import pytest
import torch
from rich.console import Console

from ablations.harness.launch import LaunchOptions, make_launcher
from ablations.harness.launch import local as launch_local
from ablations.harness.launch.job import Job, JobOptions, pending_jobs, write_crash_record
from ablations.harness.lock import trace_file
from ablations.harness.progress import StudyProgress
from reports.run_state import is_done
from tests.support import workers
from tests.support.tiny_study import tiny_plan

CPU = torch.device("cpu")


def launch(root, *, hang_s, only=("dfpir_g50",), max_parallel=1, first=Job):
    """Failed jobs, all jobs, and what was said; the first job is of this kind."""
    said = io.StringIO()
    console = Console(file=said, width=300)
    specs = tiny_plan(only=only).specs
    with StudyProgress(specs, console) as progress:
        jobs = pending_jobs(specs, JobOptions(root=root, device="cpu", hang_s=hang_s), progress)
        jobs[0] = first(**vars(jobs[0]))
        failed = launch_local.launch(jobs, max_parallel=max_parallel, progress=progress)
    return failed, jobs, said.getvalue()


def error_of(job):
    return json.loads((job.folder / "ERROR.json").read_text())


def test_a_silent_worker_is_killed_with_an_error_row(tmp_path, monkeypatch):
    monkeypatch.setattr(launch_local, "GRACE_S", 0.0)
    monkeypatch.setattr(launch_local, "STARTUP_TIMEOUT_S", 0.0)
    failed, jobs, said = launch(tmp_path, hang_s=0.5, first=workers.Hangs)
    assert failed == jobs
    assert error_of(jobs[0])["type"] == "Hung"
    assert "FAILED, Hung: No training step and no image for 0.5 s" in said


@pytest.mark.parametrize(("began", "silent_s", "killed"), [(False, 300, False), (False, 700, True), (True, 300, True)])
def test_a_worker_that_still_imports_has_longer(tmp_path, began, silent_s, killed):
    class Process:
        kills = 0

        def kill(self):
            self.kills += 1

    (spec,) = tiny_plan(only=("dfpir_g50",)).specs
    job = Job(spec=spec, root=tmp_path, device="cpu", hang_s=60)
    last = time.monotonic() - silent_s
    process = Process()
    worker = launch_local._Worker(process=process, job=job, pipe=None, last_heartbeat=last, is_ready=began)
    launch_local._kill_if_hung(worker)
    launch_local._kill_if_hung(worker)
    assert (worker.was_killed, process.kills) == (killed, killed)


def test_a_killed_worker_is_an_error_row_that_names_the_signal(tmp_path):
    failed, jobs, said = launch(tmp_path, hang_s=None, first=workers.IsKilled)
    assert failed == jobs
    assert "signal SIGKILL" in error_of(jobs[0])["message"]
    assert "FAILED, ProcessDied" in said


@pytest.mark.slow
def test_a_hang_of_one_harms_no_other_and_the_next_call_mends_it(tmp_path, monkeypatch):
    monkeypatch.setattr(launch_local, "_kill_if_hung", _kill_g50_once_the_other_is_done)
    two = {"hang_s": 100, "only": ("dfpir_g50", "dfpir_g100"), "max_parallel": 2}
    failed, jobs, _ = launch(tmp_path, **two, first=workers.Hangs)
    assert [job.spec.variant for job in failed] == ["dfpir_g50"]
    assert is_done(jobs[1].folder)
    assert error_of(jobs[0])["type"] == "Hung"
    monkeypatch.undo()
    failed, _, said = launch(tmp_path, **two)
    assert failed == []
    assert "dfpir_g100 seed 0: done before" in said
    assert is_done(jobs[0].folder)


def _kill_g50_once_the_other_is_done(worker):
    if worker.job.spec.variant == "dfpir_g50" and any(worker.job.root.glob("dfpir_g100-*/DONE")):
        worker.was_killed = True
        worker.process.kill()


def test_a_watchdog_says_where_a_run_stood(tmp_path, monkeypatch):
    # a limit that passes while the data are still read: the process ends itself, however slow the machine
    monkeypatch.setattr(launch_local, "GRACE_S", 300.0)
    failed, jobs, _ = launch(tmp_path, hang_s=0.02)
    assert failed == jobs
    error = error_of(jobs[0])
    assert error["type"] == "Hung"
    assert "most recent call first" in error["traceback"]
    assert "in execute_job" in error["traceback"]
    assert not trace_file(jobs[0].folder).exists()


def test_a_row_that_the_worker_wrote_stays(tmp_path):
    (spec,) = tiny_plan(only=("dfpir_g50",)).specs
    job = Job(spec=spec, root=tmp_path, device="cpu")
    job.folder.mkdir()
    (job.folder / "ERROR.json").write_text('{"type": "ValueError"}')
    write_crash_record(job, "exit code 1")
    assert error_of(job)["type"] == "ValueError"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (LaunchOptions(launcher="locl"), "Did you mean 'local'?"),
        (LaunchOptions(slurm=("partition=gpu",)), "--slurm goes with --launcher slurm"),
        (LaunchOptions(launcher="slurm", ray_address="auto"), "--ray-address goes with --launcher ray"),
        (LaunchOptions(gpus=1.0), "--gpus goes with"),
    ],
)
def test_settings_of_another_launcher_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        make_launcher(options, CPU)
