"""What every launcher is and does: the job, the call, what a worker does, and what is written of one that died."""

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
from ablations.harness.provenance import now
from ablations.harness.run_one import find_run, is_done, names_in, run_one
from ablations.harness.run_status import last_step
from ablations.harness.training.accelerate import use
from ablations.harness.training.distributed import SINGLE_PROCESS, ProcessGroup
from ablations.harness.training.train import Progress
from ablations.measures.compute import compute_measures, missing_measures
from ablations.recipe import Acceleration
from ablations.spec import MeasureConfig, RunSpec
from reports.files import write_json
from reports.schema import ERROR_FILE, ErrorFile

HANG_S = 3600.0
"""A run without a step or an image for so long hangs, unless asked otherwise."""


@dataclass(frozen=True, kw_only=True)
class JobOptions:
    """What all jobs of a study have in common."""

    root: Path  # folder of all runs, at the same path on every machine
    device: str  # its name
    force: bool = False  # do a run again even if it is done
    measures: tuple[str, ...] = ()  # to take of each finished run
    sizes: MeasureConfig = field(default_factory=MeasureConfig)  # how much they look at
    hang_s: float | None = HANG_S  # seconds without a step or an image after which a worker ends itself; None: never
    log: str = "jsonl"  # one of `scalars.LOGS`
    acceleration: Acceleration = field(default_factory=Acceleration)


@dataclass(frozen=True, kw_only=True)
class Job(JobOptions):
    """What a worker is asked to do: a run; it travels to other processes and machines."""

    spec: RunSpec

    @property
    def folder(self) -> Path:
        """Where the run lies or will lie."""
        return find_run(self.root, self.spec)


class Launcher(Protocol):
    """Makes runs true somewhere."""

    def __call__(self, jobs: Sequence[Job], *, max_parallel: int, progress: StudyProgress) -> list[Job]:
        """Do the jobs, distinct runs left to do, at most `max_parallel` at once; `progress` is told what happens.

        Returns those that failed, each of which has an error row in its folder.
        """
        ...


class MissingExtraError(ValueError):
    """A launcher whose library is not installed."""


def pending_jobs(specs: Iterable[RunSpec], options: JobOptions, progress: StudyProgress) -> list[Job]:
    """The jobs of those runs that are not done, or lack a measure; `progress` is told of the others."""
    jobs, names = [], names_in(options.root)
    for spec in specs:
        folder = find_run(options.root, spec, names)
        if (
            not options.force
            and is_done(folder)
            and not missing_measures(spec, folder, options.measures, options.sizes)
        ):
            progress.reused(spec)
        else:
            jobs.append(Job(spec=spec, **vars(options)))
    return jobs


def execute_job(job: Job, report: Callable[[Progress], None], team: ProcessGroup = SINGLE_PROCESS) -> bool:
    """Do a job in this process: the run, then its measures. Returns whether the run is done.

    Several processes share the run (see `run_one`); its measures are taken by the first.

    Raises:
        BusyError: another process works on the run.
    """
    device = torch.device(job.device)
    use(job.acceleration)
    with watchdog(job.hang_s, trace_file(job.folder)):
        done = run_one(job.spec, job.root, device, report, force=job.force, team=team, log=job.log)
        if done and job.measures:
            steps = job.spec.recipe.steps
            report(Progress(step=steps, steps=steps, stage="measure"))
            notify_heartbeat()
            with run_lock(job.folder):
                compute_measures(job.spec, job.folder, job.measures, device, job.sizes)
    return done


def execute_when_free(job: Job, wait_s: float) -> bool:
    """`execute_job` without a word on the way, as soon as nobody else works on its run."""
    while True:
        try:
            return execute_job(job, lambda progress: None)
        except BusyError:
            time.sleep(wait_s)


def begin_attempt(job: Job, *, elsewhere: bool = False) -> None:
    """Away with what an earlier attempt left: what is said of this one must not be of that.

    The trace goes too where the worker is `elsewhere`, no process of this machine: it may meet that of an earlier one.
    """
    (job.folder / ERROR_FILE).unlink(missing_ok=True)
    if elsewhere:
        trace_file(job.folder).unlink(missing_ok=True)


def end_attempt(job: Job, progress: StudyProgress, *, done: bool, how: str, hung: bool = False) -> list[Job]:
    """Say that a job is done, or that it failed, with an error row; the job where it failed.

    `how` ends the sentence "The run's process ended with ..."; `hung`: it was ended for its silence.
    """
    if done:
        progress.finished(job.spec)
        return []
    write_crash_record(job, how, hung=hung)
    progress.failed(job.spec, job.folder)
    return [job]


def write_crash_record(job: Job, how: str, *, hung: bool = False) -> None:
    """Give a run whose worker died without a word its error row (see `end_attempt`); one that it wrote itself stays."""
    folder, trace = job.folder, trace_file(job.folder)
    if (folder / ERROR_FILE).is_file():
        return
    try:
        stood = trace.read_text(encoding="utf-8", errors="replace")
    except OSError:
        stood = ""
    trace.unlink(missing_ok=True)
    kind, message = "ProcessDied", f"The run's process ended with {how} before it could say why (out of memory?)."
    if hung or stood.startswith("Timeout"):
        kind, message = "Hung", f"No training step and no image for {job.hang_s or 0:g} s: the run was ended."
    write_json(folder / ERROR_FILE, ErrorFile(type=kind, message=message, traceback=stood, at=now(), step=None))


def report_progress_from_log(job: Job, progress: StudyProgress) -> None:
    """Tell how far a run elsewhere is, as its log in the shared folder says."""
    last = last_step(job.folder)
    if last is not None:
        steps = job.spec.recipe.steps
        word = Progress(step=last.step, steps=steps, stage="train", loss=last.loss, images_per_s=last.images_per_s)
        progress.update(job.spec.digest, word)


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
