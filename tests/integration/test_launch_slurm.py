"""Slurm through submitit, with its executors that need no Slurm: a job array, pre-emption, errors, settings."""

import gc
import io
import json
import os
import re
import signal
import threading
import time

import pandas as pd
import pytest
import torch
from rich.console import Console

from ablations.harness.launch import LaunchOptions, make_launcher
from ablations.harness.launch.job import JobOptions, MissingExtraError, import_extra, pending_jobs
from ablations.harness.launch.slurm import SlurmLauncher
from ablations.harness.progress import StudyProgress
from reports.run_state import is_done
from reports.schema import read_images
from tests.support.tiny_study import run_here, tiny_plan

submitit = pytest.importorskip("submitit", reason="the extra slurm is not installed")
CPU = torch.device("cpu")


def launch(launcher, root, plan, hang_s=None):
    said = io.StringIO()
    with StudyProgress(plan.specs, Console(file=said, width=300)) as progress:
        jobs = pending_jobs(plan.specs, JobOptions(root=root, device="cpu", hang_s=hang_s), progress)
        failed = launcher(jobs, max_parallel=2, progress=progress)
    return failed, jobs, said.getvalue()


def numbers(folder):
    return read_images(folder / "images.parquet")


# submitit leaves the debug executor's log files to the garbage collector
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_the_debug_executor_does_the_runs_here(tmp_path):
    plan = tiny_plan(only=("dfpir_g50",))
    failed, (job,), said = launch(SlurmLauncher(cluster="debug", poll_s=0.1, file_delay_s=0), tmp_path, plan)
    assert failed == []
    assert is_done(job.folder)
    assert "dfpir_g50 seed 0: done (1 of 1 run)" in said
    gc.collect()


@pytest.mark.slow
def test_a_run_pre_empted_in_the_middle_is_queued_again_and_ends_with_the_same_numbers(tmp_path):
    plan = tiny_plan(only=("dfpir_g50", "dfpir_g100"), log_every=1)
    for spec in plan.specs:
        run_here(spec, tmp_path / "whole")
    root = tmp_path / "preempted"
    launcher = SlurmLauncher(cluster="local", poll_s=0.1, file_delay_s=0)
    preempted: list[int] = []

    def preempt():
        # as soon as its log shows a step: Slurm's warning to the job's own process
        (run,) = (job.folder for job in jobs_to_do if job.spec.variant == "dfpir_g50")
        deadline = time.monotonic() + 120
        while not (run / "train.jsonl").is_file() or not (run / "train.jsonl").read_text():
            if time.monotonic() > deadline or (run / "DONE").is_file():
                return
            time.sleep(0.005)
        owner = json.loads((root / f".{run.name}.lock").read_text())
        preempted.append(owner["pid"])
        os.kill(owner["pid"], signal.SIGUSR2)

    with StudyProgress(plan.specs, Console(file=io.StringIO())) as progress:
        jobs_to_do = pending_jobs(plan.specs, JobOptions(root=root, device="cpu", hang_s=None), progress)
        thread = threading.Thread(target=preempt)
        thread.start()
        failed = launcher(jobs_to_do, max_parallel=2, progress=progress)
        thread.join()
    assert failed == []
    logs = "".join(p.read_text() for p in (root / ".slurm").glob("*.err")) + "".join(
        p.read_text() for p in (root / ".slurm").glob("*.out")
    )
    assert preempted
    assert "Requeued job" in logs
    for job in jobs_to_do:
        whole = tmp_path / "whole" / job.spec.run_id
        pd.testing.assert_frame_equal(numbers(whole), numbers(job.folder), check_exact=True)


def test_a_failing_run_is_an_error_row_and_a_hang_too(tmp_path):
    plan = tiny_plan(only=("dfpir_g50",))
    failed, jobs, said = launch(SlurmLauncher(cluster="local", poll_s=0.1, file_delay_s=0), tmp_path, plan, hang_s=0.02)
    assert failed == jobs
    assert json.loads((jobs[0].folder / "ERROR.json").read_text())["type"] == "Hung"
    assert "FAILED, Hung" in said


@pytest.mark.parametrize(
    ("settings", "gpus", "message"),
    [
        ({"partion": "gpu"}, 0, "Unknown Slurm setting 'partion'. Did you mean 'partition'?"),
        ({"partition": "gpu\n#SBATCH --wrap=x"}, 0, "letters, digits"),
        ({"partition": "$(id)"}, 0, "letters, digits"),
        ({"time": "1:00"}, 0, "a whole number is needed"),
        ({}, 0.5, "whole GPUs"),
    ],
)
def test_settings_that_could_be_misread_are_refused(settings, gpus, message):
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        SlurmLauncher(settings=settings, gpus=gpus)
    assert "\n" not in str(caught.value)


def test_without_slurm_the_error_is_one_line(tmp_path):
    plan = tiny_plan(only=("dfpir_g50",))
    with pytest.raises(ValueError, match="srun"):
        launch(make_launcher(LaunchOptions(launcher="slurm"), CPU), tmp_path, plan)


def test_a_missing_library_names_the_extra():
    with pytest.raises(MissingExtraError, match=r"pip install 'dfpir-suite\[slurm\]'"):
        import_extra("submitit_that_is_not_there", "slurm")
