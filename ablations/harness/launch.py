"""The launcher that was asked for, and the jobs that a study leaves for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import torch

from ablations.harness.launch_job import HANG_S, Job, Launcher, Options
from ablations.harness.progress import StudyProgress
from ablations.harness.run_one import find_run, is_done, names_in
from ablations.harness.training.accelerate import Acceleration
from ablations.harness.training.distributed import COMMAND, SINGLE_PROCESS, ProcessGroup, is_one_of_many
from ablations.harness.training.scalars import check_log
from ablations.launchers import LAUNCHERS, refuse_settings_of_others
from ablations.measures.take import missing
from ablations.spec import MeasureConfig, RunSpec


def make_launcher(options: Options, device: torch.device, team: ProcessGroup = SINGLE_PROCESS) -> Launcher:
    """The launcher that was asked for, ready to be called; `team` is whom torchrun started.

    Raises:
        ValueError: an unknown launcher, one whose library is missing, or settings of another one.
    """
    check_log(options.log)
    entry = LAUNCHERS[options.launcher]
    refuse_settings_of_others(options)
    if not entry.joins and is_one_of_many():
        raise ValueError(f"torchrun started several processes, which share runs with --launcher torchrun: {COMMAND}")
    return entry.make(options, device, team)


def pending_jobs(
    specs: Iterable[RunSpec],
    root: Path,
    device: torch.device,
    *,
    force: bool,
    progress: StudyProgress,
    measures: Sequence[str] = (),
    sizes: MeasureConfig | None = None,
    hang_s: float | None = HANG_S,
    log: str = "jsonl",
    acceleration: Acceleration | None = None,
) -> list[Job]:
    """The jobs of those runs that are not done, or lack a measure; `progress` is told of the others."""
    sizes = sizes or MeasureConfig()
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
