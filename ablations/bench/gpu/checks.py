"""The checks, each in a process of its own: `python -m ablations.bench gpu --check NAME`."""

from __future__ import annotations

import importlib
import json
import math
from collections.abc import Callable, Iterator
from typing import Any

from ablations.bench.gpu.runner import RESULT

CHECKS = {
    "card": "card",
    "ceilings": "check_pace",
    "pace": "check_pace",
    "memory_format": "check_memory",
    "fixtures": "check_fixtures",
    "kernels": "check_kernels",
    "kernel_times": "check_kernels",
    "switches": "check_training",
    "compiled": "check_training",
    "repeat": "check_training",
    "resume": "check_training",
    "out_of_memory": "check_memory",
}
"""Name of a check -> module of this package that holds its function.

A check is a generator: it takes the device and whether to run at toy size, and yields results. `ok` in a result tells
whether it is correct.
"""


def run_check(name: str, device: str) -> int:
    """Print a check's results as they come; returns the exit code.

    Args:
        name: one of CHECKS.
        device: `cuda`, or `cpu` at toy size.
    """
    import torch

    module = importlib.import_module(f"ablations.bench.gpu.{CHECKS[name]}")
    check: Callable[[torch.device, bool], Iterator[dict[str, Any]]] = getattr(module, name)
    for result in check(torch.device(device), device == "cpu"):
        print(RESULT + json.dumps({key: _plain(value) for key, value in result.items()}), flush=True)
    return 0


def _plain(value: Any) -> Any:
    """Round floats to five digits; infinite and nan become text."""
    if isinstance(value, float):
        return float(f"{value:.5g}") if math.isfinite(value) else str(value)
    return value
