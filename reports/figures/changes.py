"""Differences between two reports: each variant's change with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from reports.compare_variants import VariantChange
from reports.figures.style import COLUMN_IN, INK, QUIET, Picture, new_figure, save, wrap_label
from reports.formatting import format_estimate
from reports.stats import AVERAGE, LEVEL

_SIGNIFICANT, _WITHIN_NOISE = "#D55E00", QUIET


def draw(rows: Sequence[VariantChange], folder: Path) -> Picture | None:
    """Draw the figure; None where every variant shows the same runs."""
    changes = [change for change in rows if change.condition == AVERAGE and not change.same_runs]
    if not changes:
        return None
    figure = new_figure(COLUMN_IN, 0.27 * len(changes) + 0.9)
    ax = figure.subplots()
    positions = np.arange(len(changes))
    for y, change in zip(positions, changes, strict=True):
        colour = _SIGNIFICANT if change.is_significant else _WITHIN_NOISE
        if np.isfinite(change.estimate.low):
            ax.hlines(y, change.estimate.low, change.estimate.high, color=colour, linewidth=1.8)
        ax.plot(change.estimate.value, y, "D" if change.is_significant else "o", color=colour, markersize=4.5)
    ax.axvline(0, color=INK, linewidth=0.8)
    ax.set_yticks(positions, [wrap_label(change.variant, 20) for change in changes])
    ax.set_ylim(len(changes) - 0.4, -0.6)
    ax.grid(visible=False, axis="y")
    ax.set_xlabel("PSNR difference (dB), after \N{MINUS SIGN} before")
    handles = [
        ax.plot([], [], "D-", color=_SIGNIFICANT, label="more than noise")[0],
        ax.plot([], [], "o-", color=_WITHIN_NOISE, label="within noise")[0],
    ]
    figure.legend(handles=handles, loc="outside upper right", ncols=2)
    values = "; ".join(
        f"{change.variant}: {format_estimate(change.estimate)}, {change.significance}" for change in changes
    )
    return save(
        figure,
        folder,
        "moved",
        title="What moved since",
        alt=f"Change of the column average of PSNR of {len(changes)} variants with intervals. {values}.",
        caption=f"Lines are {LEVEL:.0%} intervals, simultaneous over the variants; colour and marker show which "
        "exclude zero.",
    )
