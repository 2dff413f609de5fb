"""A complete gamma sweep of tiny models with its report: runs per hour, one at a time and in parallel."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from ablations.bench.measurement import Measurement, summarize
from reports.schema import DONE_FILE

_MAX_REPEATS = 2  # a study takes minutes
_SEEDS = ("0", "1")  # an even number of runs: no core is idle during the last one


def run(device: torch.device, repeats: int) -> list[Measurement]:
    """The study with one run at a time, then with as many parallel runs as the harness chooses."""
    repeats = min(repeats, _MAX_REPEATS)
    reference = summarize(
        "study: one run after another", "runs/h", [_measure_study(["1"], device) for _ in range(repeats)]
    )
    jobs = [] if device.type == "cpu" else ["auto"]
    parallel = [_measure_study(jobs, device) for _ in range(repeats)]
    return [
        reference,
        summarize("study: as many runs at once as the harness chooses", "runs/h", parallel, reference.value),
    ]


def _measure_study(jobs: list[str], device: torch.device) -> float:
    """Runs per hour; `jobs` are the values of `--jobs`, if any."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "runs"
        command = [sys.executable, "-m", "ablations.run", "gamma_sweep", "--budget", "smoke", "--seeds", *_SEEDS]
        command += ["--device", device.type, "--out", str(root), *(["--jobs", *jobs] if jobs else [])]
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        hours = (time.perf_counter() - started) / 3600
        return len(list(root.glob(f"*/{DONE_FILE}"))) / hours
