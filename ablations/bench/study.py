"""A gamma sweep of tiny models, whole study with its report: runs an hour, one after another and several at once."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from ablations.bench.measurement import Line, line
from reports.schema import DONE_FILE

_MOST_REPEATS = 2  # a study takes minutes
_SEEDS = ("0", "1")  # an even number of runs: a core idle beside the last one says nothing of longer studies


def run(device: torch.device, repeats: int) -> list[Line]:
    """The same study, made anew each time: one run after another, then as many at once as the harness chooses."""
    repeats = min(repeats, _MOST_REPEATS)
    reference = line("study: one run after another", "runs/h", [_timed(["1"], device) for _ in range(repeats)])
    own = [] if device.type == "cpu" else ["auto"]
    several = [_timed(own, device) for _ in range(repeats)]
    return [reference, line("study: as many runs at once as the harness chooses", "runs/h", several, reference.value)]


def _timed(jobs: list[str], device: torch.device) -> float:
    """Runs an hour; `jobs` is what `--jobs` is given, if anything."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "runs"
        command = [sys.executable, "-m", "ablations.run", "gamma_sweep", "--budget", "smoke", "--seeds", *_SEEDS]
        command += ["--device", device.type, "--out", str(root), *(["--jobs", *jobs] if jobs else [])]
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        hours = (time.perf_counter() - started) / 3600
        return len(list(root.glob(f"*/{DONE_FILE}"))) / hours
