"""What all launchers share: one interface, what a worker does, and what is written of a worker that died."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Protocol

import torch

from ablations.harness.heartbeat import beat, watchdog
from ablations.harness.lock import alone, trace_file
from ablations.harness.progress import StudyProgress
from ablations.harness.provenance import now
from ablations.harness.run_one import find_run, is_done, names_in, run_one
from ablations.harness.training.accelerate import Acceleration, use
from ablations.harness.training.distributed import ALONE, COMMAND, Team, is_one_of_many
from ablations.harness.training.scalars import check_log
from ablations.harness.training.train import Progress
from ablations.measures.take import missing, take_measures
from ablations.spec import Measuring, RunSpec
from dfpir.registry import UnknownNameError, suggestion
from reports.files import write_json
from reports.schema import ERROR_FILE, ErrorFile

LAUNCHERS = ("local", "ray", "slurm", "torchrun")

HANG_S = 3600.0
"""A run without a step or an image for so long hangs, unless asked otherwise."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a worker is asked to do; it travels to other processes and machines.

    Attributes:
        spec: the run.
        root: folder of all runs, at the same path on every machine.
        device: name of the device.
        force: do it again even if it is done.
        measures: to take of the finished run.
        sizes: how much they look at.
        hang_s: seconds without a step or an image after which the worker ends itself; None: never.
        log: one of `scalars.LOGS`.
        acceleration: switches of speed and memory.
    """

    spec: RunSpec
    root: Path
    device: str
    force: bool = False
    measures: tuple[str, ...] = ()
    sizes: Measuring = field(default_factory=Measuring)
    hang_s: float | None = HANG_S
    log: str = "jsonl"
    acceleration: Acceleration = field(default_factory=Acceleration)

    @property
    def folder(self) -> Path:
        """Where the run lies or will lie."""
        return find_run(self.root, self.spec)


class Launcher(Protocol):
    """Makes runs true somewhere."""

    def __call__(self, jobs: Sequence[Job], *, at_once: int, progress: StudyProgress) -> list[Job]:
        """Do all jobs and return those that failed, each of which has an error row in its folder.

        Args:
            jobs: distinct runs that are left to do.
            at_once: runs at once, at most.
            progress: told what happens.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to launch, as asked on the command line.

    Attributes:
        launcher: one of `LAUNCHERS`.
        ray_address: of a running Ray cluster, `auto` to find one, None to start one for the study.
        gpus: GPUs a run asks the cluster for; a fraction shares one.
        slurm: settings of Slurm's job array, as `--slurm` took them.
        hang_s: see `Job.hang_s`.
        log: see `Job.log`.
        acceleration: see `Job.acceleration`.
    """

    launcher: str = "local"
    ray_address: str | None = None
    gpus: float | None = None
    slurm: Mapping[str, str] = field(default_factory=dict)
    hang_s: float | None = HANG_S
    log: str = "jsonl"
    acceleration: Acceleration = field(default_factory=Acceleration)


class MissingExtraError(ValueError):
    """A launcher whose library is not installed."""


def make_launcher(options: Options, device: torch.device, team: Team = ALONE) -> Launcher:
    """The launcher that was asked for, ready to be called; `team` is whom torchrun started.

    Raises:
        ValueError: an unknown launcher, one whose library is missing, or settings of another one.
    """
    name = options.launcher
    check_log(options.log)
    if name not in LAUNCHERS:
        raise UnknownNameError(f"Unknown launcher {name!r}.{suggestion(name, LAUNCHERS)}")
    for flag, given, owner in (
        ("--ray-address", options.ray_address is not None, "ray"),
        ("--slurm", bool(options.slurm), "slurm"),
    ):
        if given and name != owner:
            raise ValueError(f"{flag} goes with --launcher {owner}, not with {name}.")
    if options.gpus is not None and name == "local":
        raise ValueError("--gpus goes with --launcher ray or slurm; with local, --jobs says how many runs share a GPU.")
    if options.gpus is not None and name == "torchrun":
        raise ValueError("--gpus goes with --launcher ray or slurm; torchrun's --nproc-per-node says how many GPUs.")
    if name != "torchrun" and is_one_of_many():
        raise ValueError(f"torchrun started several processes, which share runs with --launcher torchrun: {COMMAND}")
    gpus = options.gpus if options.gpus is not None else float(device.type == "cuda")
    if name == "ray":
        from ablations.harness.launch_ray import RayLauncher

        return RayLauncher(address=options.ray_address, gpus=gpus)
    if name == "slurm":
        from ablations.harness.launch_slurm import SlurmLauncher

        return SlurmLauncher(settings=options.slurm, gpus=gpus)
    if name == "torchrun":
        from ablations.harness.launch_torchrun import TorchrunLauncher

        return TorchrunLauncher(team)
    from ablations.harness.launch_local import launch

    return launch


def jobs_of(
    specs: Iterable[RunSpec],
    root: Path,
    device: torch.device,
    *,
    force: bool,
    progress: StudyProgress,
    measures: Sequence[str] = (),
    sizes: Measuring | None = None,
    hang_s: float | None = HANG_S,
    log: str = "jsonl",
    acceleration: Acceleration | None = None,
) -> list[Job]:
    """The jobs of those runs that are not done, or lack a measure; `progress` is told of the others."""
    sizes = sizes or Measuring()
    jobs, names = [], names_in(root)
    for spec in specs:
        folder = find_run(root, spec, names)
        if not force and is_done(folder) and not missing(spec, folder, measures, sizes):
            progress.reused(spec)
        else:
            jobs.append(
                Job(
                    spec=spec,
                    root=root,
                    device=str(device),
                    force=force,
                    measures=tuple(measures),
                    sizes=sizes,
                    hang_s=hang_s,
                    log=log,
                    acceleration=acceleration or Acceleration(),
                )
            )
    return jobs


def perform(job: Job, report: Callable[[Progress], None], team: Team = ALONE) -> bool:
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
            beat()
            with alone(job.folder):
                take_measures(job.spec, job.folder, job.measures, device, job.sizes)
    return done


def explain_death(job: Job, how: str, *, hung: bool = False) -> None:
    """Give a run whose worker died without a word its error row; a row that the worker wrote itself stays.

    Args:
        job: what the worker did.
        how: its end, as in "The run's process ended with {how}".
        hung: whether it was ended for its silence.
    """
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
        kind = "Hung"
        message = f"No training step and no image for {job.hang_s or 0:g} s: the run was ended."
    write_json(folder / ERROR_FILE, ErrorFile(type=kind, message=message, traceback=stood, at=now(), step=None))


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
