"""The planned contrasts of a study: each with its simultaneous interval, the column average and every task."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.contrasts import ContrastResult, Contrasts
from reports.figures.style import COLUMN_IN, INK, PAGE_IN, QUIET, Picture, new_figure, plain, save_with_column
from reports.formatting import format_estimate
from reports.labels import task_label
from reports.messages import join_clauses, join_sentences, join_texts, message
from reports.stats import AVERAGE, LEVEL

MAX_CONTRASTS = 12
"""Contrasts that the figure shows, the first of the plan; the table has all."""

_ABOVE, _BELOW = "#0072B2", "#D55E00"
_LINE_IN, _EXTRA_LINE_IN = 0.27, 0.08  # a contrast, and each further line of its label
_LABEL_CHARACTERS, _COLUMN_LABEL_CHARACTERS = 32, 26


def draw(contrasts: Contrasts, folder: Path) -> Picture | None:
    """Draw the figure; None where no planned contrast can be estimated yet.

    The panel of the average has the room of two; those of tasks share one scale, so that they can be compared. The form
    for a column has the average alone.
    """
    average_tests = contrasts.in_column()[:MAX_CONTRASTS]
    if not average_tests:
        return None
    values = [
        join_texts([tested.contrast.label, format_estimate(tested.simultaneous)], ": ") for tested in average_tests
    ]
    return save_with_column(
        _figure(contrasts, average_tests, [AVERAGE, *contrasts.tasks], PAGE_IN, _LABEL_CHARACTERS),
        _figure(contrasts, average_tests, [AVERAGE], COLUMN_IN, _COLUMN_LABEL_CHARACTERS),
        folder,
        "forest",
        title=message("Planned contrasts"),
        alt=message(
            "PSNR differences of {n} planned contrasts with intervals: {list}.",
            n=len(average_tests),
            list=join_clauses(values),
        ),
        caption=_caption(average_tests),
    )


def _caption(average_tests: Sequence[ContrastResult]) -> str:
    text = message(
        "PSNR differences with simultaneous {level:.0%} intervals, for other training runs and other photographs. "
        "Filled: differs from zero, never with one seed. Tasks share one scale.",
        level=LEVEL,
    )
    if all(tested.estimate.n_seeds > 1 for tested in average_tests):
        return text
    return join_sentences([text, message("Dashed: one seed, not tested; the interval omits the variance over runs.")])


def _figure(
    contrasts: Contrasts, average_tests: Sequence[ContrastResult], columns: list[str], width_in: float, characters: int
) -> Figure:
    """A panel for each of the columns, the first of which is the average."""
    labels = [textwrap.fill(plain(tested.contrast.label), characters) for tested in average_tests]
    figure = new_figure(width_in, sum(_LINE_IN + _EXTRA_LINE_IN * label.count("\n") for label in labels) + 0.75)
    axes = figure.subplots(1, len(columns), sharey=True, squeeze=False, width_ratios=[1.6, *[1] * (len(columns) - 1)])[
        0
    ]
    task_tests = [t for contrast in average_tests for t in contrasts.by_task(contrast.contrast).values()]
    for ax, column in zip(axes, columns, strict=True):
        column_tested = (
            average_tests
            if column == AVERAGE
            else [contrasts.by_task(tested.contrast)[column] for tested in average_tests]
        )
        for y, tested in enumerate(column_tested):
            _draw_interval(ax, y, tested)
        ax.axvline(0, color=INK, linewidth=0.8)
        ax.grid(visible=False, axis="y")
        ax.set_title("Average" if column == AVERAGE else task_label(column).capitalize())
        ax.tick_params(axis="y", length=0)
        if column != AVERAGE:
            ax.set_xlim(*_limits(task_tests))
            ax.spines["left"].set_visible(False)
    axes[0].set_yticks(np.arange(len(average_tests)), labels, linespacing=1.05)
    axes[0].set_ylim(len(average_tests) - 0.5, -0.5)
    figure.supxlabel("PSNR difference (dB)")
    return figure


def _draw_interval(ax: Axes, y: int, tested: ContrastResult) -> None:
    estimate = tested.simultaneous
    differs = tested.differs
    colour = QUIET if not differs else _ABOVE if estimate.value > 0 else _BELOW
    is_tested = tested.estimate.n_seeds > 1
    if np.isfinite(estimate.low):
        style = {"linewidth": 1.8} if is_tested else {"linewidth": 0.9, "linestyle": (0, (2, 2))}
        ax.hlines(y, estimate.low, estimate.high, color=colour, **style)
    ax.plot(
        estimate.value, y, "o", color=colour, markersize=5, markerfacecolor=colour if differs else "white", zorder=3
    )


def _limits(tested: list[ContrastResult]) -> tuple[float, float]:
    """One scale for all tasks that holds zero and every interval."""
    ends = np.array([v for t in tested for v in (t.simultaneous.low, t.simultaneous.high, t.estimate.value, 0.0)])
    ends = ends[np.isfinite(ends)]
    margin = 0.05 * (ends.max() - ends.min() or 1.0)
    return float(ends.min() - margin), float(ends.max() + margin)
