"""Measurements of a benchmark and the CSV file that they are written to."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from ablations.harness.provenance import environment
from reports.files import write_text

MIN_REPEAT_S = 1.0
"""Shortest duration of a repeat: shorter ones would measure the clock and launches."""

WARM_UP = {"cpu": 1, "cuda": 10}
"""Calls before the first repeat, in which a GPU's libraries choose their algorithms and its clock rate rises."""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """A measurement, a row of the CSV file.

    Attributes:
        what: label of what was measured.
        unit: of the value ("patches/s").
        value: median over the repeats; nan where nothing could be measured; `note` is the reason.
        spread: largest over smallest value of the repeats.
        ratio: value over the reference's in the same run; 1 for the reference, nan where none was measured.
        series: the curve of a figure that the value belongs to; empty for none.
        x: position on the curve, or None.
        x_unit: of `x` ("megapixels", "runs").
        note: remark; may be empty.
    """

    what: str
    unit: str
    value: float
    spread: float
    ratio: float
    series: str = ""
    x: float | None = None
    x_unit: str = ""
    note: str = ""

    def __str__(self) -> str:
        """A line for the terminal."""
        value = "-" if math.isnan(self.value) else f"{self.value:.4g}"
        ratio = "" if math.isnan(self.ratio) else f"x {self.ratio:.3g}"
        note = f" ({self.note})" if self.note else ""
        return f"{value:>9} {self.unit:9} {ratio:>7}  spread {self.spread:4.2f}  {self.what}{note}"


def synchronize(device: torch.device | None) -> None:
    """Wait until a GPU has finished all work."""
    if device is not None and device.type == "cuda":
        torch.cuda.synchronize(device)


def measure_rate(
    work: Callable[[], int], repeats: int, device: torch.device | None = None, warm_up: int | None = None
) -> list[float]:
    """Units of work per second in each repeat.

    A repeat calls `work` until `MIN_REPEAT_S` have passed and synchronizes once at its end.

    Args:
        work: returns the units it did; it need not synchronize.
        repeats: number of repeats.
        device: on which `work` runs asynchronously; None where it synchronizes itself.
        warm_up: unmeasured calls before; None: `WARM_UP`.
    """
    for _ in range(WARM_UP["cpu" if device is None else device.type] if warm_up is None else warm_up):
        work()
    rates: list[float] = []
    calls = 1
    while len(rates) < repeats:
        synchronize(device)
        started = time.perf_counter()
        units = sum(work() for _ in range(calls))
        synchronize(device)
        seconds = time.perf_counter() - started
        if seconds < MIN_REPEAT_S and not rates:  # too short: call it more often
            calls = max(calls + 1, math.ceil(1.2 * calls * MIN_REPEAT_S / max(seconds, 1e-3)))
            continue
        rates.append(units / seconds)
    return rates


def measure_host_ms(work: Callable[[], object], repeats: int, device: torch.device) -> list[float]:
    """Milliseconds until the host has queued a call of `work` on an idle device.

    Where the device's queue is full this includes waiting for it: an upper bound of the launch cost.
    """
    times = []
    for _ in range(repeats):
        synchronize(device)
        started = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - started))
    synchronize(device)
    return times


def summarize(
    what: str, unit: str, values: Sequence[float], reference: float | None = None, note: str = ""
) -> Measurement:
    """The measurement of repeated values; `reference` is the reference's value, None for itself, nan for none."""
    value = statistics.median(values)
    return Measurement(
        what=what,
        unit=unit,
        value=value,
        spread=max(values) / min(values) if min(values) > 0 else 1.0,
        ratio=value / reference if reference else 1.0,
        note=note,
    )


class ResultsFile:
    """The measurements of a benchmark, written to its CSV file after each one, so that an error loses none.

    Args:
        name: of the benchmark.
        device: on which it runs.
        path: of the CSV file.
    """

    def __init__(self, name: str, device: torch.device, path: Path) -> None:
        self.path = path
        self.measurements: list[Measurement] = []
        self._environment = _environment_columns(name, device)

    def add(self, measurement: Measurement) -> None:
        """Add a measurement and write the file."""
        self.measurements.append(measurement)
        write_csv(self.frame(), self.path)

    def frame(self) -> pd.DataFrame:
        """The measurements with device, versions and commit."""
        return pd.DataFrame([vars(measurement) | self._environment for measurement in self.measurements]).map(_round)


def _environment_columns(name: str, device: torch.device) -> dict[str, Any]:
    env = environment(device)
    return {
        "bench": name,
        "device": env["device"],
        "threads": env["threads"],
        "torch": env["packages"].get("torch", ""),
        "python": env["python"],
        "commit": str(env["commit"])[:12],
        "dirty": env["dirty"],
        "at": env["started_at"],
    }


def _round(value: object) -> object:
    """Round to four significant digits; more are noise."""
    return float(f"{value:.4g}") if isinstance(value, float) else value


def write_csv(frame: pd.DataFrame, path: Path) -> Path:
    """Write the table as CSV."""
    return write_text(path, frame.to_csv(index=False, lineterminator="\n"))
