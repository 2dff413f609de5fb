"""Gradient interference: by pair of tasks, over training, and against what the study varies."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reports.figures.measured_axis import panel
from reports.figures.style import QUIET, Picture, new_figure, plain, save, short, variant_colours, variant_dashes
from reports.labels import axis_label, condition_label
from reports.measures import intervals
from reports.measures.interference import ALL, Interference
from reports.measures.interference_shown import EXACT
from reports.measures.mechanism import magnitude, on_axis
from reports.messages import message, sentences
from reports.study import Study
from reports.wording import hidden_variants

MOST_VARIANTS = 12
MOST_LINES = 10


def draw_pairs(found: Interference, folder: Path) -> Picture:
    """Heat maps of the mean cosine between tasks at the end of training."""
    shown = found.variants[:MOST_VARIANTS]
    wide = min(4, len(shown))
    rows = math.ceil(len(shown) / wide)
    side = 0.44 * len(found.tasks)
    figure = new_figure((side + 0.15) * wide + 2.0, (side + 0.4) * rows + 1.2)
    figure.set_layout_engine("compressed")  # made for axes of a fixed aspect
    grid = figure.subplots(rows, wide, squeeze=False)
    # Cosines of real gradients are small: one scale for all variants, and no wider than the largest needs.
    end = max(0.1, *(float(np.nanmax(np.abs(found.matrices[v].to_numpy()))) for v in shown))
    drawn: Any = None
    for number, ax in enumerate(grid.flat):
        if number >= len(shown):
            ax.set_axis_off()
            continue
        drawn = _pairs(ax, found.matrices[shown[number]], found.alone.get(shown[number], {}), end)
        ax.set_title(plain(short(shown[number], 20)), loc="left", fontweight="bold")
        ax.tick_params(labelleft=number % wide == 0, labelbottom=number + wide >= len(shown))
    bar = figure.colorbar(drawn, ax=grid, location="right", shrink=0.8, aspect=25, pad=0.01)
    bar.set_label("cosine")
    told = "; ".join(f"{v}: {intervals.number(found.cosines[v][ALL].value, 2)}" for v in shown)
    return save(
        figure,
        folder,
        "interference_pairs",
        title=message("Cosine between the gradients of two tasks"),
        alt=message("Heat maps of the mean cosine between the tasks' gradients. Mean over pairs: {told}.", told=told),
        caption=sentences(
            [
                message(
                    "Cosine between the gradients of two tasks over all shared parameters at the end of training, mean "
                    "over draws of images, then seeds. Below 0 a step for one task undoes the other. On the diagonal, "
                    "where measured, a task against itself on other images."
                ),
                *hidden_variants(len(shown), len(found.variants)),
            ]
        ),
    )


def _pairs(ax: Any, matrix: pd.DataFrame, alone: dict[str, float], end: float) -> Any:
    shown = matrix.to_numpy()
    drawn = ax.imshow(shown, cmap="PuOr", vmin=-end, vmax=end)
    labels = [plain(condition_label(t)) for t in matrix.index]
    ax.set_xticks(range(len(labels)), labels, rotation=90)
    ax.set_yticks(range(len(labels)), labels)
    ax.grid(visible=False)
    for (r, c), value in np.ndenumerate(shown):
        if not np.isnan(value):
            text = intervals.number(value, 2)
            ax.text(
                c,
                r,
                text,
                ha="center",
                va="center",
                fontsize=6.5,
                color="white" if abs(value) > 0.66 * end else "black",
            )
    for place, task in enumerate(matrix.index):
        if task in alone:  # uncoloured: it is no pair, and larger than the scale
            text = intervals.number(alone[task], 2)
            ax.text(place, place, text, ha="center", va="center", fontsize=6.5, color=QUIET, style="italic")
    return drawn


def draw_progress(found: Interference, study: Study, folder: Path) -> Picture | None:
    """Share of conflicting pairs against the share of training done; None where only one moment has any."""
    if len({fraction for shares in found.progress.values() for fraction in shares}) < 2:
        return None
    shown = [v for v in found.variants if found.progress[v]][:MOST_LINES]
    colours, dashes = variant_colours(study), variant_dashes(study)
    figure = new_figure(7.2, 3.4)
    ax = figure.subplots()
    for number, variant in enumerate(shown):
        shares = list(found.progress[variant].values())
        # Bars of several variants would hide each other at one x.
        shift = 0.006 * (number - (len(shown) - 1) / 2)
        x = np.array(list(found.progress[variant])) + shift
        ax.vlines(
            x, [s.low for s in shares], [s.high for s in shares], color=colours[variant], alpha=0.3, linewidth=2.5
        )
        look: dict[str, Any] = {"color": colours[variant], "linestyle": dashes[variant], "linewidth": 1.5}
        ax.plot(x, [s.value for s in shares], marker="o", markersize=4, label=plain(short(variant)), **look)
    ax.set(xlabel="share of training done", ylabel="conflicting pairs of tasks", ylim=(-0.02, None))
    ax.yaxis.set_major_formatter(lambda v, _: f"{v:.0%}")
    ax.xaxis.set_major_formatter(lambda v, _: f"{v:.0%}")
    figure.legend(loc="outside right center")
    last = max(max(found.progress[v]) for v in shown)
    told = "; ".join(f"{v}: {found.progress[v][last].value:.0%}" for v in shown if last in found.progress[v])
    counted = (
        message("A pair counts at a moment only if both tasks are learned by then.")
        if found.is_known
        else message("All pairs count: what was learned by then is not known.")
    )
    return save(
        figure,
        folder,
        "interference_progress",
        title=message("Conflicting pairs of tasks over training"),
        alt=message(
            "Share of pairs of tasks with a negative cosine against training progress. At the end {told}.", told=told
        ),
        caption=sentences(
            [
                message("Share of pairs of tasks whose gradients of all shared parameters have a negative cosine."),
                counted,
                EXACT,
                message("Variants are moved aside a little so that their bars can be told apart."),
                *hidden_variants(len(shown), len(found.variants)),
            ]
        ),
    )


def draw_axis(found: Interference, study: Study, folder: Path) -> Picture | None:
    """Interference against the study's axis; None where fewer than two of its variants were measured."""
    quantity = magnitude(found)
    variants = on_axis(study, (quantity,))
    if len(variants) < 2:
        return None
    figure = new_figure(6.6, 3.1)
    ax = figure.subplots()
    panel(ax, study, quantity, variants)
    ax.set_xlabel(axis_label(study.axis_name))
    figure.legend(loc="outside lower center", ncols=2)
    told = "; ".join(
        f"{study.axis_values[v]:g}: {intervals.number(e.value, 3)}" for v in variants if (e := quantity.estimate(v))
    )
    return save(
        figure,
        folder,
        "interference_axis",
        title=message("Gradient interference against {axis}", axis=axis_label(study.axis_name)),
        alt=message("Interference, 1 minus the mean cosine, by {axis}: {told}.", axis=study.axis_name, told=told),
        caption=sentences(
            [
                message(
                    "1 \N{MINUS SIGN} mean cosine over pairs of tasks, all shared parameters, end of training: 0 where "
                    "all tasks pull the same way, 1 where they are unrelated, more where they are opposed."
                ),
                intervals.basis(found.magnitude, "draws of images"),
            ]
        ),
    )
