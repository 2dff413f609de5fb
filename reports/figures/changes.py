"""What moved between two reports: each variant's change with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from reports.compare_variants import VariantChange
from reports.figures.style import COLUMN_IN, INK, QUIET, Picture, new_figure, save, wrapped
from reports.formatting import format_estimate
from reports.stats import AVERAGE, LEVEL

_REAL, _NOT = "#D55E00", QUIET


def draw(rows: Sequence[VariantChange], folder: Path) -> Picture | None:
    """Draw the figure; None where every variant shows the same runs."""
    shown = [m for m in rows if m.condition == AVERAGE and not m.same_runs]
    if not shown:
        return None
    figure = new_figure(COLUMN_IN, 0.27 * len(shown) + 0.9)
    ax = figure.subplots()
    places = np.arange(len(shown))
    for place, m in zip(places, shown, strict=True):
        colour = _REAL if m.is_significant else _NOT
        if np.isfinite(m.estimate.low):
            ax.hlines(place, m.estimate.low, m.estimate.high, color=colour, linewidth=1.8)
        ax.plot(m.estimate.value, place, "D" if m.is_significant else "o", color=colour, markersize=4.5)
    ax.axvline(0, color=INK, linewidth=0.8)
    ax.set_yticks(places, [wrapped(m.variant, 20) for m in shown])
    ax.set_ylim(len(shown) - 0.4, -0.6)
    ax.grid(visible=False, axis="y")
    ax.set_xlabel("PSNR difference (dB), after \N{MINUS SIGN} before")
    lines = [
        ax.plot([], [], "D-", color=_REAL, label="more than noise")[0],
        ax.plot([], [], "o-", color=_NOT, label="not told from noise")[0],
    ]
    figure.legend(handles=lines, loc="outside upper right", ncols=2)
    told = "; ".join(f"{m.variant}: {format_estimate(m.estimate)}, {m.significance}" for m in shown)
    return save(
        figure,
        folder,
        "moved",
        title="What moved since",
        alt=f"Change of the column average of PSNR of {len(shown)} variants with intervals. {told}.",
        caption=f"Lines are {LEVEL:.0%} intervals, simultaneous over the variants; colour and marker say which leave "
        "zero out.",
    )
