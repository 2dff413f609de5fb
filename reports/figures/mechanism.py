"""PSNR, gradient interference and information loss against what the study varies, one above the other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from reports.figures.style import (
    COLUMN_IN,
    INK,
    Picture,
    alias_marks,
    is_constant,
    new_figure,
    save,
    seed_rings,
    wrap_label,
)
from reports.labels import axis_label
from reports.measures import intervals
from reports.measures.mechanism import Mechanism, Quantity
from reports.messages import join_clauses, join_commas, message
from reports.stats import seed_means
from reports.study import Study

_COLOURS = ("#0072B2", "#D55E00", "#009E73")


def draw(mechanism: Mechanism, study: Study, folder: Path) -> Picture | None:
    """Draw the figure; None where nothing but one quantity changes at all.

    The paper sketches two of the curves on twin axes. Stacked panels that share x read better: where two curves on
    twin axes cross is an accident of their scales, and each quantity here has its own unit.
    """
    values = {q.name: {v: e.value for v in mechanism.variants if (e := q.estimate(v))} for q in mechanism.quantities}
    quantities = [q for q in mechanism.quantities if not is_constant(list(values[q.name].values()), 10**-q.digits)]
    if len(quantities) < 2:
        return None
    figure = new_figure(COLUMN_IN, 1.35 * len(quantities) + 0.75)
    axes = figure.subplots(len(quantities), 1, sharex=True)
    for ax, quantity, colour in zip(axes, quantities, _COLOURS, strict=False):
        _draw_panel(ax, study, quantity, mechanism.variants, colour)
    axes[-1].set_xlabel(axis_label(study.axis_name))
    figure.align_ylabels(axes)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    value_lists = [
        message(
            "{label}: {value}",
            label=q.display_name,
            value=join_commas(
                f"{study.axis_values[v]:g}: {intervals.number(x, q.digits)}" for v, x in values[q.name].items()
            ),
        )
        for q in quantities
    ]
    return save(
        figure,
        folder,
        "mechanism",
        title=mechanism.title(study),
        alt=message(
            "Panels that share the axis {axis}. {values}.", axis=study.axis_name, values=join_clauses(value_lists)
        ),
        caption=message(
            "PSNR averaged over the columns; interference: 1 \N{MINUS SIGN} mean cosine of the tasks' gradients at the "
            "end of training (0: all pull the same way, 1: unrelated, more: opposed); information loss: "
            "1 \N{MINUS SIGN} R² of the whole block, mean over levels. Bars are 95% intervals of the difference from "
            "the reference, drawn around the means; information loss has none with one seed. Each panel has its own "
            "scale; a quantity that is the same everywhere has none."
        ),
    )


def _draw_panel(ax: Axes, study: Study, quantity: Quantity, variants: tuple[str, ...], colour: str) -> None:
    """Means over seeds, single seeds as rings, intervals of the difference from the reference as bars.

    As in the study's own PSNR figure the bars are drawn around the means and keep the paired difference's width.
    """
    x = np.array([study.axis_values[v] for v in variants])
    by_seed = [seed_means(quantity.analysis.scores, v, quantity.column) for v in variants]
    y = np.array([s.mean() for s in by_seed])
    if study.reference in variants:
        reference = str(study.reference)
        differences = [quantity.analysis.difference(v, reference, quantity.column) for v in variants]
        low, high = (y + np.array([getattr(g, end) - g.value for g in differences]) for end in ("low", "high"))
        ax.vlines(x, low, high, color=colour, alpha=0.3, linewidth=4)
        name = wrap_label(f"{study.label(reference)} (reference)", 24)
        ax.axhline(float(y[variants.index(reference)]), color=INK, linestyle="--", linewidth=0.8, label=name)
    has_seeds = max(len(s) for s in by_seed) > 1
    ax.plot(x, y, color=colour, marker="o", label="mean over seeds" if has_seeds else "one seed")
    seed_rings(ax, x, by_seed)
    alias_marks(ax, study, dict(zip(variants, y, strict=True)), colour)
    ax.set_ylabel(quantity.label)
    ax.set_xticks(x, [f"{v:g}" for v in x])
