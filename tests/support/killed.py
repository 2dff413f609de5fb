"""A run, or a whole study, in a process of its own that is killed at a chosen moment."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

import ablations.harness.launch.local as launch_local
import ablations.harness.training.train as training
from ablations.budgets import register_budget
from ablations.harness import probes, run_one, study
from ablations.harness.launch.job import Job, JobOptions
from ablations.harness.training import async_checkpoint, checkpoint
from ablations.run import main
from ablations.spec import RunSpec
from reports.files import write_text
from tests.support.tiny_study import TINY, VARIANTS, run_here


def run_and_be_killed(spec: RunSpec, root: Path, moment: int) -> None:
    """Run the spec with a checkpoint at every row of the log; SIGKILL at the given training step or write to disk."""
    passed = 0

    def at(function: Callable[..., Any], *, after: bool) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **named: Any) -> Any:
            nonlocal passed
            passed += 1
            kill_now = passed == moment
            if kill_now and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            result = function(*arguments, **named)
            if kill_now:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return wrapped

    training.SECONDS_BETWEEN_CHECKPOINTS = async_checkpoint.MIN_INTERVAL_COST_RATIO = 0.0
    torch.set_num_threads(1)
    training.batch_of_step = at(training.batch_of_step, after=True)
    for module, name in ((checkpoint, "_write"), (run_one, "write_bytes"), (probes, "write_bytes")):
        setattr(module, name, at(vars(module)[name], after=bool(moment % 2)))
    run_here(spec, root)


def command(out: Path) -> None:
    """`python -m ablations.run` of a tiny study in this process, in a process group of its own.

    The launcher's workers are forks too, no measure is taken and no figure drawn, so that a kill meets training and writing rather than
    what comes before and after.
    """
    os.setsid()
    with (out.parent / f"{out.name}.said").open("a") as output:
        for descriptor in (1, 2):
            os.dup2(output.fileno(), descriptor)
    register_budget(TINY)
    forks = get_context("fork")
    launch_local.multiprocessing.get_context = lambda *_: forks  # type: ignore[attr-defined,assignment]
    launch_local.BUSY_RETRY_S = 0.1
    training.SECONDS_BETWEEN_CHECKPOINTS = async_checkpoint.MIN_INTERVAL_COST_RATIO = 0.0
    study.pending_jobs = partial(_without_measures, study.pending_jobs)  # type: ignore[assignment]
    study.build_report = lambda _, folder: write_text(folder / "report.html", "drawn")  # type: ignore[assignment,misc]
    torch.set_num_threads(1)
    arguments_of_run = ["gamma_sweep", "--budget", TINY.name, "--only", *VARIANTS, "--jobs", "2", "--device", "cpu"]
    sys.exit(main([*arguments_of_run, "--out", str(out)]))


def _without_measures(
    pending_jobs: Callable[..., list[Job]], specs: list[RunSpec], options: JobOptions, progress: Any
) -> list[Job]:
    return pending_jobs(specs, replace(options, measures=()), progress)
