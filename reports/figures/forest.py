"""The planned contrasts of a study: each with its simultaneous interval, the column average and every task."""

from __future__ import annotations

import textwrap
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from reports.contrasts import ContrastResult, Contrasts
from reports.figures.style import INK, PAGE_IN, QUIET, Picture, new_figure, plain, save
from reports.formatting import format_estimate
from reports.labels import task_label
from reports.messages import joined, message, series
from reports.stats import AVERAGE, LEVEL

SHOWN = 12
"""Contrasts that the figure has room for, the first of the plan; the table has all."""

_ABOVE, _BELOW = "#0072B2", "#D55E00"
_LINE_IN, _MORE_IN = 0.27, 0.08  # a contrast, and each further line of its label
_LABEL_CHARACTERS = 32


def draw(found: Contrasts, folder: Path) -> Picture | None:
    """Draw the figure; None where no planned contrast can be estimated yet.

    The panel of the average has the room of two; those of tasks share one scale, so that they can be compared.
    """
    shown = found.in_column()[:SHOWN]
    if not shown:
        return None
    columns = [AVERAGE, *found.tasks]
    labels = [textwrap.fill(plain(one.contrast.label), _LABEL_CHARACTERS) for one in shown]
    figure = new_figure(PAGE_IN, sum(_LINE_IN + _MORE_IN * label.count("\n") for label in labels) + 0.75)
    axes = figure.subplots(1, len(columns), sharey=True, squeeze=False, width_ratios=[1.6, *[1] * len(found.tasks)])[0]
    tasks = [t for contrast in shown for t in found.by_task(contrast.contrast).values()]
    for ax, column in zip(axes, columns, strict=True):
        tested = shown if column == AVERAGE else [found.by_task(one.contrast)[column] for one in shown]
        for place, one in enumerate(tested):
            _line(ax, place, one)
        ax.axvline(0, color=INK, linewidth=0.8)
        ax.grid(visible=False, axis="y")
        ax.set_title("Average" if column == AVERAGE else task_label(column).capitalize())
        ax.tick_params(axis="y", length=0)
        if column != AVERAGE:
            ax.set_xlim(*_limits(tasks))
            ax.spines["left"].set_visible(False)
    axes[0].set_yticks(np.arange(len(shown)), labels, linespacing=1.05)
    axes[0].set_ylim(len(shown) - 0.5, -0.5)
    axes[0].set_xlabel("PSNR difference (dB)")
    told = [joined([one.contrast.label, format_estimate(one.simultaneous)], ": ") for one in shown]
    return save(
        figure,
        folder,
        "forest",
        title=message("Planned contrasts"),
        alt=message(
            "PSNR differences of {n} planned contrasts with intervals: {list}.", n=len(shown), list=series(told)
        ),
        caption=message(
            "PSNR differences with simultaneous {level:.0%} intervals, for other training runs and other photographs. "
            "Filled: differs from zero. Tasks share one scale.",
            level=LEVEL,
        ),
    )


def _line(ax: Axes, place: int, tested: ContrastResult) -> None:
    estimate = tested.simultaneous
    differs = tested.differs
    colour = QUIET if not differs else _ABOVE if estimate.value > 0 else _BELOW
    if np.isfinite(estimate.low):
        ax.hlines(place, estimate.low, estimate.high, color=colour, linewidth=1.8)
    ax.plot(
        estimate.value, place, "o", color=colour, markersize=5, markerfacecolor=colour if differs else "white", zorder=3
    )


def _limits(tested: list[ContrastResult]) -> tuple[float, float]:
    """One scale for all tasks that holds zero and every interval, but for those that would leave the rest no room."""
    ends = np.array([v for t in tested for v in (t.simultaneous.low, t.simultaneous.high, t.estimate.value, 0.0)])
    ends = ends[np.isfinite(ends)]
    margin = 0.05 * (ends.max() - ends.min() or 1.0)
    return float(ends.min() - margin), float(ends.max() + margin)
