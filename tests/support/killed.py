"""A run in a process of its own that is killed at a chosen moment."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import ablations.harness.training.train as training
from ablations.harness import probes, run_one
from ablations.harness.training import checkpoint
from ablations.spec import RunSpec
from tests.support.tiny_study import run_here


def run_and_be_killed(spec: RunSpec, root: Path, moment: int) -> None:
    """Run the spec with a checkpoint at every row of the log; SIGKILL at the given training step or write to disk."""
    passed = 0

    def at(function: Callable[..., Any], *, after: bool) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **named: Any) -> Any:
            nonlocal passed
            passed += 1
            mine = passed == moment
            if mine and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            result = function(*arguments, **named)
            if mine:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return wrapped

    training.SECONDS_BETWEEN_CHECKPOINTS = 0.0
    torch.set_num_threads(1)
    training._step = at(training._step, after=True)
    for module in (checkpoint, run_one, probes):
        setattr(module, "write_bytes", at(vars(module)["write_bytes"], after=bool(moment % 2)))  # noqa: B010
    run_here(spec, root)
