"""One measured line, and where it was measured."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch

from ablations.harness.provenance import environment
from reports.files import write_text


@dataclass(frozen=True, kw_only=True)
class Line:
    """A measurement.

    Attributes:
        what: what was done.
        unit: of the value ("patches/s").
        value: median over the repeats.
        spread: largest over smallest value of the repeats.
        ratio: value over the reference's in the same run; 1 for the reference.
        series: which curve of a figure the value belongs to; empty for none.
        x: where on the curve, None for a value that belongs to none.
        x_unit: of `x` ("megapixels", "runs").
    """

    what: str
    unit: str
    value: float
    spread: float
    ratio: float
    series: str = ""
    x: float | None = None
    x_unit: str = ""


def rate(work: Callable[[], int], repeats: int) -> list[float]:
    """Units of work a second in each repeat, after one unmeasured call; `work` returns the units it did."""
    work()
    rates = []
    for _ in range(repeats):
        started = time.perf_counter()
        done = work()
        rates.append(done / (time.perf_counter() - started))
    return rates


def line(what: str, unit: str, rates: Sequence[float], reference: float | None = None) -> Line:
    """A line from the rates of the repeats; `reference` is the reference's value, None for itself."""
    value = statistics.median(rates)
    ratio = value / reference if reference else 1.0
    return Line(
        what=what, unit=unit, value=value, spread=max(rates) / min(rates) if min(rates) > 0 else 1.0, ratio=ratio
    )


def table(name: str, lines: Sequence[Line], device: torch.device) -> pd.DataFrame:
    """The lines with device, versions and commit."""
    env = environment(device)
    facts = {
        "bench": name,
        "device": env["device"],
        "threads": env["threads"],
        "torch": env["packages"].get("torch", ""),
        "python": env["python"],
        "commit": str(env["commit"])[:12],
        "dirty": env["dirty"],
        "at": env["started_at"],
    }
    rows = [vars(each) | facts for each in lines]
    return pd.DataFrame(rows).map(_rounded)


def _rounded(value: object) -> object:
    """Four digits: more are noise, and fewer would make a small error nought."""
    return float(f"{value:.4g}") if isinstance(value, float) else value


def write(frame: pd.DataFrame, path: Path) -> Path:
    """Write the table as CSV."""
    return write_text(path, frame.to_csv(index=False, lineterminator="\n"))
