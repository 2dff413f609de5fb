"""Shared by all launchers: the job, the launcher's interface, the work of a worker, and crash records."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Protocol

import torch

from ablations.harness.heartbeat import notify_heartbeat, watchdog
from ablations.harness.lock import BusyError, run_lock, trace_file
from ablations.harness.progress import StudyProgress
from ablations.harness.provenance import utc_now
from ablations.harness.run_one import find_run, list_names, run_one
from ablations.harness.run_status import last_step
from ablations.harness.training.acceleration import set_acceleration
from ablations.harness.training.distributed import SINGLE_PROCESS, ProcessGroup
from ablations.harness.training.train import Progress
from ablations.measures.compute import compute_measures, missing_measures
from ablations.recipe import Acceleration
from ablations.spec import MeasureConfig, RunSpec
from reports.files import write_json
from reports.run_state import is_done
from reports.schema import ERROR_FILE, ErrorFile

HANG_S = 3600.0
"""Default: a run without a step or an image for so long hangs."""


@dataclass(frozen=True, kw_only=True)
class JobOptions:
    """What all jobs of a study have in common."""

    root: Path  # folder of all runs, at the same path on every machine
    device: str  # its name
    force: bool = False  # do a run again even if it is done
    measures: tuple[str, ...] = ()  # to take of each finished run
    measure_config: MeasureConfig = field(default_factory=MeasureConfig)  # sizes of the measures
    hang_s: float | None = HANG_S  # seconds without a step or an image after which a worker ends itself; None: never
    log: str = "jsonl"  # one of `metric_logger.LOGS`
    acceleration: Acceleration = field(default_factory=Acceleration)


@dataclass(frozen=True, kw_only=True)
class Job(JobOptions):
    """One run for a worker; it is sent to other processes and machines."""

    spec: RunSpec

    @property
    def folder(self) -> Path:
        """The run's folder, existing or not."""
        return find_run(self.root, self.spec)


class Launcher(Protocol):
    """Executes runs somewhere."""

    def __call__(self, jobs: Sequence[Job], *, max_parallel: int, progress: StudyProgress) -> list[Job]:
        """Execute the jobs, distinct pending runs, at most `max_parallel` at once; reports to `progress`.

        Returns those that failed, each of which has an error row in its folder.
        """
        ...


class MissingExtraError(ValueError):
    """A launcher whose library is not installed."""


def pending_jobs(specs: Iterable[RunSpec], options: JobOptions, progress: StudyProgress) -> list[Job]:
    """The jobs of the runs that are not done, or lack a measure; the others are reported to `progress`."""
    jobs, names = [], list_names(options.root)
    for spec in specs:
        folder = find_run(options.root, spec, names)
        if (
            not options.force
            and is_done(folder)
            and not missing_measures(spec, folder, options.measures, options.measure_config)
        ):
            progress.reused(spec)
        else:
            jobs.append(Job(spec=spec, **vars(options)))
    return jobs


def execute_job(
    job: Job, on_progress: Callable[[Progress], None], process_group: ProcessGroup = SINGLE_PROCESS
) -> bool:
    """Do a job in this process: the run, then its measures. Returns whether the run is done.

    Several processes share the run (see `run_one`); its measures are taken by the first.

    Raises:
        BusyError: another process works on the run.
    """
    device = torch.device(job.device)
    set_acceleration(job.acceleration)
    with watchdog(job.hang_s, trace_file(job.folder)):
        done = run_one(
            job.spec, job.root, device, on_progress, force=job.force, process_group=process_group, log=job.log
        )
        if done and job.measures:
            steps = job.spec.recipe.steps
            on_progress(Progress(step=steps, steps=steps, stage="measure"))
            notify_heartbeat()
            with run_lock(job.folder):
                compute_measures(job.spec, job.folder, job.measures, device, job.measure_config)
    return done


def execute_when_free(job: Job, retry_s: float) -> bool:
    """`execute_job` without progress reports, as soon as no other process works on its run."""
    while True:
        try:
            return execute_job(job, lambda progress: None)
        except BusyError:
            time.sleep(retry_s)


def begin_attempt(job: Job, *, is_remote: bool = False) -> None:
    """Remove the error row of an earlier attempt, which must not be taken for this one's.

    The trace is removed, too, where the worker `is_remote`, no process of this machine.
    """
    (job.folder / ERROR_FILE).unlink(missing_ok=True)
    if is_remote:
        trace_file(job.folder).unlink(missing_ok=True)


def end_attempt(
    job: Job, progress: StudyProgress, *, done: bool, exit_description: str, hung: bool = False
) -> list[Job]:
    """Report that a job is done, or that it failed, with an error row; returns the failed job, if any.

    `exit_description` ends the sentence "The run's process ended with ..."; `hung`: it sent no heartbeat.
    """
    if done:
        progress.finished(job.spec)
        return []
    write_crash_record(job, exit_description, hung=hung)
    progress.failed(job.spec, job.folder)
    return [job]


def write_crash_record(job: Job, exit_description: str, *, hung: bool = False) -> None:
    """Write the error row of a run whose worker died without one (see `end_attempt`)."""
    folder, trace = job.folder, trace_file(job.folder)
    if (folder / ERROR_FILE).is_file():
        return
    try:
        stack_trace = trace.read_text(encoding="utf-8", errors="replace")
    except OSError:
        stack_trace = ""
    trace.unlink(missing_ok=True)
    error_type, message = (
        "ProcessDied",
        f"The run's process ended with {exit_description} before it could say why (out of memory?).",
    )
    if hung or stack_trace.startswith("Timeout"):
        error_type, message = "Hung", f"No training step and no image for {job.hang_s or 0:g} s: the run was ended."
    write_json(
        folder / ERROR_FILE, ErrorFile(type=error_type, message=message, traceback=stack_trace, at=utc_now(), step=None)
    )


def report_progress_from_log(job: Job, progress: StudyProgress) -> None:
    """Report the progress of a remote run from its log in the shared folder."""
    last_row = last_step(job.folder)
    if last_row is not None:
        steps = job.spec.recipe.steps
        update = Progress(
            step=last_row.step, steps=steps, stage="train", loss=last_row.loss, images_per_s=last_row.images_per_s
        )
        progress.update(job.spec.digest, update)


def import_extra(module: str, extra: str) -> ModuleType:
    """An optional library.

    Raises:
        MissingExtraError: it is not installed; names the extra.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"--launcher {extra} needs {module}, which is not installed: pip install 'dfpir-suite[{extra}]'."
        ) from error
