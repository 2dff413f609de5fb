"""A gamma sweep of tiny models, whole study with its report: runs an hour, one after another and several at once."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from ablations.bench.record import Line, line

_RUNS = 5  # of the sweep's seven variants two keep as many entries as another at this size


def run(device: torch.device, repeats: int) -> list[Line]:
    """The same study, made anew each time, with one process and with the harness's own choice or four on a GPU."""
    at_once = 4 if device.type == "cuda" else max(1, os.cpu_count() or 1)
    reference = line("study: one run after another", "runs/h", [_timed(1, device) for _ in range(repeats)])
    several = [_timed(at_once, device) for _ in range(repeats)]
    return [reference, line(f"study: {at_once} runs at once", "runs/h", several, reference.value)]


def _timed(jobs: int, device: torch.device) -> float:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "ablations.run", "gamma_sweep", "--budget", "smoke"]
        command += ["--jobs", str(jobs), "--device", device.type, "--out", str(Path(folder) / "runs")]
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return _RUNS * 3600 / (time.perf_counter() - started)
