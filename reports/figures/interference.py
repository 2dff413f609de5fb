"""Gradient interference: by pair of tasks, and over training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from reports.figures.style import (
    COLUMN_IN,
    PAGE_IN,
    QUIET,
    Picture,
    grid_of,
    heatmap,
    interval_bars,
    is_constant,
    lines_by_variant,
    new_figure,
    plain,
    save,
    wrapped,
)
from reports.formatting import shown_variants_note
from reports.labels import condition_label
from reports.measures import intervals
from reports.measures.interference import ALL, Interference
from reports.measures.interference_report import EXACT_INTERVALS
from reports.messages import message, sentences, series
from reports.study import Study

MOST_MATRICES, MOST_LINES = 6, 8


def draw_pairs(found: Interference, study: Study, folder: Path) -> Picture | None:
    """Heat maps of the mean cosine of the resolved pairs at the end of training; None where no pair is resolved."""
    resolved = [v for v in found.variants if found.resolved(v)]
    shown = study.to_show(resolved, MOST_MATRICES)
    if not shown:
        return None
    # Cosines of real gradients are small: one scale for all variants, and no wider than the largest needs.
    end = max(0.1, *(abs(c.value) for v in shown for c in found.resolved(v).values()))
    wide = min(3, len(shown))
    figure = new_figure(
        PAGE_IN if wide > 1 else COLUMN_IN, 0.3 * len(found.tasks) * (1 + (len(shown) - 1) // wide) + 1.1
    )
    axes = grid_of(figure, len(shown), wide, sharex=True, sharey=True)
    drawn = [_pairs(ax, found, variant, end) for ax, variant in zip(axes, shown, strict=True)]
    if len(shown) > 1:
        for ax, variant in zip(axes, shown, strict=True):
            ax.set_title(wrapped(study.label(variant), 24), loc="left")
    figure.colorbar(drawn[0], ax=axes, location="right", aspect=25, pad=0.01).set_label("cosine")
    told = [message("{label}: {value}", label=v, value=intervals.number(found.cosines[v][ALL].value, 2)) for v in shown]
    return save(
        figure,
        folder,
        "interference_pairs",
        title=message("Cosine between the gradients of two tasks"),
        alt=message(
            "Heat maps of the mean cosine between the tasks' gradients. Mean over pairs: {told}.", told=series(told)
        ),
        caption=sentences(
            [
                message(
                    "Cosine between the gradients of two tasks over all shared parameters at the end of training, mean "
                    "over draws of images, then seeds. Below 0 a step for one task undoes the other. On the diagonal a "
                    "task against itself on other images; blank: a pair that is not resolved, since the cosine of one "
                    "of its tasks with itself can't be told from zero."
                ),
                *shown_variants_note(len(shown), len(found.variants)),
            ]
        ),
    )


def _pairs(ax: Any, found: Interference, variant: str, end: float) -> Any:
    matrix, resolved = found.matrix(variant), found.resolved(variant)
    for a, b in found.pairs[variant]:
        if (a, b) not in resolved:
            matrix.loc[a, b] = matrix.loc[b, a] = np.nan
    names = [plain(condition_label(t)) for t in found.tasks]
    matrix = matrix.set_axis(names).set_axis(names, axis=1)
    texts = matrix.map(lambda v: intervals.number(v, 2))
    drawn = heatmap(ax, matrix, texts=texts, cmap="PuOr", vmin=-end, vmax=end)
    for place, task in enumerate(found.tasks):
        own = found.alone[variant].get(task)
        if own is not None:  # uncoloured: it is no pair, and larger than the scale
            text = intervals.number(own.value, 2)
            ax.text(place + 0.5, place + 0.5, text, ha="center", va="center", fontsize=7, color=QUIET, style="italic")
    return drawn


def draw_progress(found: Interference, study: Study, folder: Path) -> Picture | None:
    """Share of conflicting pairs against the share of training done; None where it is one number throughout."""
    every = [s.value for shares in found.progress.values() for s in shares.values()]
    if len({at for shares in found.progress.values() for at in shares}) < 2 or is_constant(every):
        return None
    shown = study.to_show([v for v in found.variants if found.progress[v]], MOST_LINES)
    looks = lines_by_variant(study)
    figure = new_figure(COLUMN_IN, 2.6)
    ax = figure.subplots()
    for number, variant in enumerate(shown):
        shares = list(found.progress[variant].values())
        # Bars of several variants would hide each other at one x.
        x = np.array(list(found.progress[variant])) + 0.008 * (number - (len(shown) - 1) / 2)
        interval_bars(ax, x, shares, looks[variant]["color"])
        ax.plot(x, [s.value for s in shares], marker="o", **looks[variant])
    ax.set(xlabel="share of training done", ylabel="conflicting pairs of tasks", ylim=(-0.02, None))
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(lambda v, _: f"{v:.0%}")
    figure.legend(loc="outside lower center", ncols=2)
    last = max(max(found.progress[v]) for v in shown)
    told = [
        message("{label}: {value}", label=v, value=f"{found.progress[v][last].value:.0%}")
        for v in shown
        if last in found.progress[v]
    ]
    counted = (
        message("A pair counts at a moment only if it is resolved and both tasks are learned by then.")
        if found.is_known
        else message("All resolved pairs count: what was learned by then is not known.")
    )
    return save(
        figure,
        folder,
        "interference_progress",
        title=message("Conflicting pairs of tasks over training"),
        alt=message(
            "Share of pairs of tasks with a negative cosine against training progress. At the end {told}.",
            told=series(told),
        ),
        caption=sentences(
            [
                message("Share of pairs of tasks whose gradients of all shared parameters have a negative cosine."),
                counted,
                EXACT_INTERVALS,
                message("Variants are moved aside a little so that their bars can be told apart."),
                *shown_variants_note(len(shown), len(found.variants)),
            ]
        ),
    )
