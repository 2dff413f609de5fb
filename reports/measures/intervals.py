"""Intervals for measures: the study's analysis (reports/stats.py) over the repetitions of a measure.

A difference that is taken within an image enters as it is, which makes the interval a paired one. Gradients have draws
of images where scores have scenes; a number that a run has once varies over seeds alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import pandas as pd

from reports import schema
from reports.document import Cell
from reports.formatting import format_seed_range, format_signed
from reports.messages import join_sentences, message, ngettext
from reports.stats import AVERAGE, Analysis, Estimate, collect

MINUS = "\N{MINUS SIGN}"
FEW_SCENES = 10
IMAGE_KEY = ["variant", "seed", "dataset", "scene", "image", "condition"]
"""Columns that identify one degraded image of one run."""


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
    keys = rows[IMAGE_KEY]
    return Analysis(scores=collect(keys.assign(metric=schema.PSNR, value=value, input_value=0.0)))


def paired_changes(rows: pd.DataFrame, reference: pd.DataFrame) -> pd.Series:
    """The column `value` of each row less that of the same image in `reference`; NaN for an image without one."""
    values = reference.set_index(IMAGE_KEY)["value"].reindex(pd.MultiIndex.from_frame(rows[IMAGE_KEY]))
    changes: pd.Series = rows["value"] - values.to_numpy()
    return changes


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
    mean = analysis.estimate(variant, column)
    return None if np.isnan(mean.value) else mean


def to_columns(estimate: Interval, unit: str = "") -> dict[str, float | int]:
    """An estimate for a CSV file."""
    suffix = f"_{unit}" if unit else ""
    return {
        f"value{suffix}": estimate.value,
        f"ci_low{suffix}": estimate.low,
        f"ci_high{suffix}": estimate.high,
        "seeds": estimate.n_seeds,
    }


def change_cell(estimate: Interval | None, digits: int = 2) -> Cell:
    """A signed difference with its interval for a table; its unit is in the caption."""
    return _make_cell(estimate, lambda v: format_signed(v, digits))


def value_cell(estimate: Interval | None, digits: int = 3) -> Cell:
    """A number without a forced sign, with its interval, for a table."""
    return _make_cell(estimate, lambda v: number(v, digits))


def percent_cell(estimate: Interval | None, digits: int = 1) -> Cell:
    """A share in percent with its interval, cut to 0 to 100 %, for a table."""
    return _make_cell(estimate, lambda v: f"{number(100 * min(max(v, 0.0), 1.0), digits)}%")


def number(value: float, digits: int) -> str:
    """A number with a true minus sign; a rounded zero has none."""
    text = f"{value:.{digits}f}"
    return (text.lstrip("-") if float(text) == 0 else text).replace("-", MINUS)


def format_interval(low: float, high: float, digits: int) -> str:
    """An interval in a sentence, or that there is none."""
    return message("[no interval]") if np.isnan(low) else f"[{number(low, digits)}, {number(high, digits)}]"


def flag_unresolved(clause: str, estimate: Interval) -> str:
    """The clause, with a remark where the interval of its number contains zero."""
    if not estimate.low <= 0 <= estimate.high:
        return clause
    return message("{clause}, not significantly different from zero", clause=clause)


def format_loss(estimate: Estimate) -> str:
    """A change in dB as a loss: 1.20 dB [0.81, 1.60]."""
    return message(
        "{value} dB {interval}",
        value=number(-estimate.value, 2),
        interval=format_interval(-estimate.high, -estimate.low, 2),
    )


def caveats(analysis: Analysis, unit: str = "scenes") -> list[str]:
    """Sources of variance that the intervals do not cover, as one text; empty where there is none."""
    counts = [len(s) for s in analysis.scores.seeds.values()]
    lines = []
    if counts and max(counts) == 1:
        lines.append(message("With one seed per variant, this holds for these trained models only."))
    elif counts and min(counts) == 1:
        lines.append(message("A variant with one seed has no measure of seed-to-seed variance."))
    if analysis.scores.n_scenes < FEW_SCENES and unit == "scenes":
        lines.append(
            ngettext(
                "{n} scene says little about photographs in general.",
                "{n} scenes say little about photographs in general.",
                analysis.scores.n_scenes,
            )
        )
    return [join_sentences(lines)] if lines else []


def describe_sample(analysis: Analysis, unit: str = "images") -> str:
    """What the intervals are taken over, for a caption; `unit`: images, or draws of images."""
    counts = sorted({len(s) for s in analysis.scores.seeds.values()})
    values = {
        "seeds": format_seed_range(counts),
        "images": analysis.scores.n_images,
        "scenes": analysis.scores.n_scenes,
    }
    if unit == "images":
        return message("Intervals: 95%, over {seeds} and {images} images of {scenes} scenes.", **values)
    return message("Intervals: 95%, over {seeds} and {images} draws of images.", **values)


def _make_cell(estimate: Interval | None, format_value: Callable[[float], str]) -> Cell:
    if estimate is None or np.isnan(estimate.value):
        return Cell(text=message("not measured"))
    has_interval = not np.isnan(estimate.low)
    interval = (f"[{format_value(estimate.low)}, {format_value(estimate.high)}]",) if has_interval else ()
    return Cell(text=format_value(estimate.value), value=estimate.value, below=interval)
