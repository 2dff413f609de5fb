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
    heatmap,
    interval_bars,
    is_constant,
    lines_by_variant,
    new_figure,
    panel_grid,
    plain,
    save,
    wrap_label,
)
from reports.formatting import shown_variants_note
from reports.labels import condition_label
from reports.measures import intervals
from reports.measures.interference import ALL, Interference
from reports.measures.interference_report import EXACT_INTERVALS
from reports.messages import join_clauses, join_sentences, message
from reports.study import Study

MAX_MATRICES, MAX_LINES = 6, 8


def draw_pairs(interference: Interference, study: Study, folder: Path) -> Picture | None:
    """Heat maps of the mean cosine of the resolved pairs at the end of training; None where no pair is resolved."""
    resolved_variants = [v for v in interference.variants if interference.resolved(v)]
    variants = study.select_variants(resolved_variants, MAX_MATRICES)
    if not variants:
        return None
    # Cosines of real gradients are small: one scale for all variants, and no wider than the largest needs.
    limit = max(0.1, *(abs(c.value) for v in variants for c in interference.resolved(v).values()))
    n_columns = min(3, len(variants))
    figure = new_figure(
        PAGE_IN if n_columns > 1 else COLUMN_IN,
        0.24 * len(interference.tasks) * (1 + (len(variants) - 1) // n_columns) + 1.1,
    )
    axes = panel_grid(figure, len(variants), n_columns, sharex=True, sharey=True)
    meshes = [_draw_matrix(ax, interference, variant, limit) for ax, variant in zip(axes, variants, strict=True)]
    if len(variants) > 1:
        for ax, variant in zip(axes, variants, strict=True):
            ax.set_title(wrap_label(study.label(variant), 24), loc="left")
    figure.colorbar(meshes[0], ax=axes, location="right", aspect=25, pad=0.01).set_label("cosine")
    means = [
        message("{label}: {value}", label=v, value=intervals.number(interference.cosines[v][ALL].value, 2))
        for v in variants
    ]
    return save(
        figure,
        folder,
        "interference_pairs",
        title=message("Cosine between the gradients of two tasks"),
        alt=message(
            "Heat maps of the mean cosine between the tasks' gradients. Mean over pairs: {values}.",
            values=join_clauses(means),
        ),
        caption=join_sentences(
            [
                message(
                    "Cosine between the gradients of two tasks over all shared parameters at the end of "
                    "training, mean over draws of images, then seeds. Below 0 the gradients conflict. Diagonal: "
                    "a task against itself on other images. Blank: not resolved, since the cosine of one of the "
                    "tasks with itself does not differ from zero."
                ),
                *shown_variants_note(len(variants), len(interference.variants)),
            ]
        ),
    )


def _draw_matrix(ax: Any, interference: Interference, variant: str, limit: float) -> Any:
    matrix, resolved = interference.matrix(variant), interference.resolved(variant)
    for a, b in interference.pairs[variant]:
        if (a, b) not in resolved:
            matrix.loc[a, b] = matrix.loc[b, a] = np.nan
    names = [plain(condition_label(t)) for t in interference.tasks]
    matrix = matrix.set_axis(names).set_axis(names, axis=1)
    texts = matrix.map(lambda v: intervals.number(v, 2))
    mesh = heatmap(ax, matrix, texts=texts, cmap="PuOr", vmin=-limit, vmax=limit)
    for position, task in enumerate(interference.tasks):
        self_cosine = interference.alone[variant].get(task)
        if self_cosine is not None:  # uncoloured: it is no pair, and larger than the scale
            text = intervals.number(self_cosine.value, 2)
            ax.text(
                position + 0.5, position + 0.5, text, ha="center", va="center", fontsize=7, color=QUIET, style="italic"
            )
    return mesh


def draw_progress(interference: Interference, study: Study, folder: Path) -> Picture | None:
    """Share of conflicting pairs against the share of training done; None where it is one number throughout."""
    all_shares = [s.value for shares in interference.progress.values() for s in shares.values()]
    if len({moment for shares in interference.progress.values() for moment in shares}) < 2 or is_constant(all_shares):
        return None
    variants = study.select_variants([v for v in interference.variants if interference.progress[v]], MAX_LINES)
    styles = lines_by_variant(study)
    figure = new_figure(COLUMN_IN, 2.6)
    ax = figure.subplots()
    for number, variant in enumerate(variants):
        shares = list(interference.progress[variant].values())
        # Bars of several variants would hide each other at one x.
        x = np.array(list(interference.progress[variant])) + 0.008 * (number - (len(variants) - 1) / 2)
        interval_bars(ax, x, shares, styles[variant]["color"])
        ax.plot(x, [s.value for s in shares], marker="o", **styles[variant])
    ax.set(xlabel="share of training done", ylabel="conflicting pairs of tasks", ylim=(-0.02, None))
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(lambda v, _: f"{v:.0%}")
    figure.legend(loc="outside lower center", ncols=2)
    last_moment = max(max(interference.progress[v]) for v in variants)
    final_shares = [
        message("{label}: {value}", label=v, value=f"{interference.progress[v][last_moment].value:.0%}")
        for v in variants
        if last_moment in interference.progress[v]
    ]
    counting_rule = (
        message("A pair counts at a moment only if it is resolved and both tasks are learned by then.")
        if interference.is_known
        else message("All resolved pairs count: what was learned by then is not known.")
    )
    return save(
        figure,
        folder,
        "interference_progress",
        title=message("Conflicting pairs of tasks over training"),
        alt=message(
            "Share of pairs of tasks with a negative cosine against training progress. At the end {shares}.",
            shares=join_clauses(final_shares),
        ),
        caption=join_sentences(
            [
                message("Share of pairs of tasks whose gradients of all shared parameters have a negative cosine."),
                counting_rule,
                EXACT_INTERVALS,
                message("Variants are offset slightly to keep their bars visible."),
                *shown_variants_note(len(variants), len(interference.variants)),
            ]
        ),
    )
