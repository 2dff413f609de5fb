"""A panel that shows one measured quantity against what the study varies."""

from __future__ import annotations

from typing import Any

import numpy as np

from reports.figures.style import INK, plain, short
from reports.measures.mechanism import Quantity
from reports.stats import LEVEL, seed_means
from reports.study import Study

_COLOUR = "#0072B2"


def panel(ax: Any, study: Study, quantity: Quantity, variants: tuple[str, ...], *, colour: str = _COLOUR) -> None:
    """Means over seeds, single seeds as rings, intervals of the difference from the reference as bars.

    As in the study's own PSNR figure the bars are drawn around the means and keep the paired difference's width.
    """
    x = np.array([study.axis_values[v] for v in variants])
    by_seed = [seed_means(quantity.analysis.scores, v, quantity.column) for v in variants]
    y = np.array([s.mean() for s in by_seed])
    if study.reference in variants:
        reference = str(study.reference)
        gaps = [quantity.analysis.difference(v, reference, quantity.column) for v in variants]
        low, high = (y + np.array([end - g.value for g, end in zip(gaps, ends, strict=True)]) for ends in _ends(gaps))
        if not np.isnan(low).all():
            told = f"{LEVEL:.0%} interval of the difference from {plain(short(reference))}"
            ax.vlines(x, low, high, color=colour, alpha=0.25, linewidth=7, label=told)
        base = float(y[variants.index(reference)])
        ax.axhline(base, color=INK, linestyle="--", linewidth=1, label=f"{plain(short(reference))} (reference)")
    several = max(len(s) for s in by_seed) > 1
    label = "mean over seeds" if several else "one seed"
    ax.plot(x, y, color=colour, marker="o", markersize=4.5, linewidth=1.6, label=label)
    if several:
        points = np.concatenate([np.full(len(s), at) for s, at in zip(by_seed, x, strict=True)])
        rings = {"s": 16, "facecolor": "none", "edgecolor": INK, "linewidth": 0.8, "zorder": 3}
        ax.scatter(points, np.concatenate(by_seed), label="one seed", **rings)
    _aliases(ax, study, dict(zip(variants, y, strict=True)), colour)
    ax.set_ylabel(quantity.label)
    ax.set_xticks(x, [f"{v:g}" for v in x])


def _ends(gaps: list[Any]) -> tuple[list[float], list[float]]:
    return [g.low for g in gaps], [g.high for g in gaps]


def _aliases(ax: Any, study: Study, at: dict[str, float], colour: str) -> None:
    """Values of the axis that give a model which was trained under another value."""
    found = [
        (study.axis_values[e.variant], y)
        for variant, y in at.items()
        for e in study.aliases.get(variant, ())
        if e.variant in study.axis_values
    ]
    if found:
        x, y = zip(*found, strict=True)
        look = {"marker": "D", "s": 26, "facecolor": "white", "edgecolor": colour, "zorder": 3}
        ax.scatter(x, y, label="same model, other value", **look)
