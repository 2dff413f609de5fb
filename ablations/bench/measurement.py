"""One measured line, and where it was measured."""

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

LEAST_S = 1.0
"""Of a repeat: shorter ones would measure clocks and launches."""

WARM_UP = {"cpu": 1, "cuda": 10}
"""Calls before the first repeat: a GPU's libraries choose their algorithms and its clocks rise in the first ones."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A measurement.

    Attributes:
        what: what was done.
        unit: of the value ("patches/s").
        value: median over the repeats; nan where nothing could be measured, and `note` says why.
        spread: largest over smallest value of the repeats.
        ratio: value over the reference's in the same run; 1 for the reference, nan where none was measured.
        series: which curve of a figure the value belongs to; empty for none.
        x: where on the curve, None for a value that belongs to none.
        x_unit: of `x` ("megapixels", "runs").
        note: what a reader must know of this line; empty for nothing.
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
        """As the terminal shows it."""
        value = "-" if math.isnan(self.value) else f"{self.value:.4g}"
        ratio = "" if math.isnan(self.ratio) else f"x {self.ratio:.3g}"
        note = f" ({self.note})" if self.note else ""
        return f"{value:>9} {self.unit:9} {ratio:>7}  spread {self.spread:4.2f}  {self.what}{note}"


def wait(device: torch.device | None) -> None:
    """Until a GPU has done all that it was given."""
    if device is not None and device.type == "cuda":
        torch.cuda.synchronize(device)


def rate(
    work: Callable[[], int], repeats: int, device: torch.device | None = None, warm_up: int | None = None
) -> list[float]:
    """Units of work a second in each repeat.

    A repeat calls `work` as often as fills `LEAST_S` and waits for the device once, when it is through.

    Args:
        work: returns the units it did; it need not wait for the device.
        repeats: how many.
        device: where `work` queues what it does; None where it waits itself.
        warm_up: unmeasured calls before; None: `WARM_UP`.
    """
    for _ in range(WARM_UP["cpu" if device is None else device.type] if warm_up is None else warm_up):
        work()
    rates: list[float] = []
    calls = 1
    while len(rates) < repeats:
        wait(device)
        started = time.perf_counter()
        done = sum(work() for _ in range(calls))
        wait(device)
        seconds = time.perf_counter() - started
        if seconds < LEAST_S and not rates:  # too short to count: as often as should do
            calls = max(calls + 1, math.ceil(1.2 * calls * LEAST_S / max(seconds, 1e-3)))
            continue
        rates.append(done / seconds)
    return rates


def host_ms(work: Callable[[], object], repeats: int, device: torch.device) -> list[float]:
    """Milliseconds until the host has queued a call of `work`, the queue being empty before.

    Where the device's queue is full the host waits for a place in it: no less than what launching costs.
    """
    found = []
    for _ in range(repeats):
        wait(device)
        started = time.perf_counter()
        work()
        found.append(1e3 * (time.perf_counter() - started))
    wait(device)
    return found


def line(what: str, unit: str, rates: Sequence[float], reference: float | None = None, note: str = "") -> Line:
    """A line from the rates of the repeats; `reference` is the reference's value, None for itself, nan for none."""
    value = statistics.median(rates)
    return Line(
        what=what,
        unit=unit,
        value=value,
        spread=max(rates) / min(rates) if min(rates) > 0 else 1.0,
        ratio=value / reference if reference else 1.0,
        note=note,
    )


class Record:
    """The lines of a benchmark, written to its CSV as each is made: what ends it early loses none.

    Args:
        name: of the benchmark.
        device: where it runs.
        path: of the CSV.
    """

    def __init__(self, name: str, device: torch.device, path: Path) -> None:
        self.path = path
        self.lines: list[Line] = []
        self._facts = _facts(name, device)

    def add(self, each: Line) -> None:
        """Take a line and write all that there are."""
        self.lines.append(each)
        write(self.frame(), self.path)

    def frame(self) -> pd.DataFrame:
        """The lines with device, versions and commit."""
        return pd.DataFrame([vars(each) | self._facts for each in self.lines]).map(_rounded)


def _facts(name: str, device: torch.device) -> dict[str, Any]:
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


def _rounded(value: object) -> object:
    """Four digits: more are noise, and fewer would make a small error nought."""
    return float(f"{value:.4g}") if isinstance(value, float) else value


def write(frame: pd.DataFrame, path: Path) -> Path:
    """Write the table as CSV."""
    return write_text(path, frame.to_csv(index=False, lineterminator="\n"))
