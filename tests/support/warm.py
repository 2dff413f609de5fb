"""A process that has made a run and a report already: its forks begin at once, without the seconds that imports take.

Imported by the fork server alone (see `forks`).
"""

from __future__ import annotations

import os

os.environ["CUDA_VISIBLE_DEVICES"] = ""  # a process with CUDA's threads could not be forked
os.environ["OMP_NUM_THREADS"] = "1"

import tempfile
from pathlib import Path

import torch

import tests.support.killed
import tests.support.races  # noqa: F401
from ablations.spec import RunSpec
from reports import build  # noqa: F401
from tests.support.tiny_study import run_here, tiny_plan


def _warm(spec: RunSpec) -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        run_here(spec, Path(folder))


_warm(tiny_plan(only=("dfpir_g50",)).specs[0])
