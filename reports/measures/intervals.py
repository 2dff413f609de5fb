"""Intervals for measures: the study's analysis (reports/stats.py) over whatever a measure repeats.

A difference that is taken within an image enters as it is, which makes the interval a paired one. Gradients have draws
of images where scores have scenes; a number that a run has once varies over seeds alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import pandas as pd

from reports import schema
from reports.measures.section import Value
from reports.stats import AVERAGE, Analysis, Estimate, collect
from reports.verdict import signed

MINUS = "\N{MINUS SIGN}"
FEW_SCENES = 10


class Interval(Protocol):
    """A number with its interval, whatever it was made of; NaN bounds where there is none."""

    @property
    def value(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...
    @property
    def n_seeds(self) -> int: ...


def over_images(rows: pd.DataFrame, value: pd.Series) -> Analysis:
    """Over seeds and scenes.

    Args:
        rows: variant, seed, dataset, condition, image, scene; one row an image and condition.
        value: what is averaged, in the index of `rows`.
    """
    keys = rows[["variant", "seed", "dataset", "condition", "image", "scene"]]
    return Analysis(scores=collect(keys.assign(metric=schema.PSNR, value=value, input_value=0.0)))


def over_draws(rows: pd.DataFrame, value: pd.Series, condition: pd.Series | str) -> Analysis:
    """Over seeds and draws of images; `rows` has variant, seed and draw, `condition` names the column."""
    draw = rows["draw"].astype(str)
    keys = rows[["variant", "seed"]].assign(dataset="draws", condition=condition, image=draw, scene=draw)
    return over_images(keys, value)


def over_seeds(rows: pd.DataFrame, value: pd.Series, condition: pd.Series | str) -> Analysis:
    """Over seeds alone; `rows` has variant and seed, and each run one row a condition."""
    return over_draws(rows.assign(draw=0), value, condition)


def estimate(analysis: Analysis | None, variant: str, column: str = AVERAGE) -> Estimate | None:
    """The variant's mean in the column; None where it was not measured."""
    if analysis is None or variant not in analysis.scores.variants:
        return None
    if column != AVERAGE and column not in analysis.scores.conditions:
        return None
    found = analysis.estimate(variant, column)
    return None if np.isnan(found.value) else found


def columns(estimate: Interval, unit: str = "") -> dict[str, float | int]:
    """An estimate for a CSV file."""
    tail = f"_{unit}" if unit else ""
    return {
        f"value{tail}": estimate.value,
        f"ci_low{tail}": estimate.low,
        f"ci_high{tail}": estimate.high,
        "seeds": estimate.n_seeds,
    }


def change(estimate: Interval | None, digits: int = 2) -> Value:
    """A signed difference with its interval for a table; its unit stands in the caption."""
    return _value(estimate, lambda v: signed(v, digits))


def level(estimate: Interval | None, digits: int = 3) -> Value:
    """A number without a forced sign, with its interval, for a table."""
    return _value(estimate, lambda v: number(v, digits))


def percent(estimate: Interval | None, digits: int = 1) -> Value:
    """A share in percent with its interval, cut to 0 to 100 %, for a table."""
    return _value(estimate, lambda v: f"{number(100 * min(max(v, 0.0), 1.0), digits)}%")


def number(value: float, digits: int) -> str:
    """A number with a true minus sign; a rounded zero has none."""
    text = f"{value:.{digits}f}"
    return (text.lstrip("-") if float(text) == 0 else text).replace("-", MINUS)


def bracket(low: float, high: float, digits: int) -> str:
    """An interval in a sentence; says so where there is none."""
    return "[no interval]" if np.isnan(low) else f"[{number(low, digits)}, {number(high, digits)}]"


def doubt(estimate: Estimate) -> str:
    """What a sentence says of a number whose interval holds zero; "" of any other, and where there is no interval."""
    return "" if estimate.excludes_zero or np.isnan(estimate.low) else ", which can't be told from zero"


def loss_text(estimate: Estimate) -> str:
    """A change in dB told as a loss: 1.20 dB [0.81, 1.60]."""
    return f"{number(-estimate.value, 2)} dB {bracket(-estimate.high, -estimate.low, 2)}"


def limits(analysis: Analysis, what: str = "scenes") -> str:
    """What the intervals leave out, one or two sentences; "" where there is nothing to warn of."""
    counts = [len(s) for s in analysis.scores.seeds.values()]
    said = []
    if counts and max(counts) == 1:
        said.append("With one seed a variant this is true of these trained models, not of the variants.")
    elif counts and min(counts) == 1:
        said.append("A variant with one seed has no measure of seed-to-seed variance.")
    if analysis.scores.n_scenes < FEW_SCENES and what == "scenes":
        n = analysis.scores.n_scenes
        said.append(f"{n} {'scene says' if n == 1 else 'scenes say'} little about photographs in general.")
    return " ".join(said)


def basis(analysis: Analysis, what: str = "images") -> str:
    """What the intervals rest on, for a caption."""
    counts = sorted({len(s) for s in analysis.scores.seeds.values()})
    seeds = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    units = f"{analysis.scores.n_images} {what}"
    if what == "images":
        units += f" of {analysis.scores.n_scenes} scenes"
    return f"Intervals: 95\N{NO-BREAK SPACE}%, over {seeds} {'seed' if counts[-1] == 1 else 'seeds'} and {units}."


def _value(estimate: Interval | None, text: Callable[[float], str]) -> Value:
    if estimate is None or np.isnan(estimate.value):
        return Value(text="not measured")
    known = not np.isnan(estimate.low)
    interval = f"[{text(estimate.low)}, {text(estimate.high)}]" if known else ""
    return Value(text=text(estimate.value), sort=estimate.value, interval=interval)
