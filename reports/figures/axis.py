"""PSNR against what the study varies, for the average and each condition."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from reports.contrasts import difference_from_reference
from reports.figures.style import (
    COLUMN_IN,
    INK,
    PAGE_IN,
    QUIET,
    Picture,
    alias_marks,
    new_figure,
    plain,
    save_with_column,
    seed_rings,
)
from reports.labels import axis_label, condition_label
from reports.messages import join_clauses, join_sentences, message
from reports.stats import AVERAGE, LEVEL, Analysis, seed_means
from reports.study import Study

_COLOUR = "#0072B2"


def draw(study: Study, analysis: Analysis, folder: Path) -> Picture | None:
    """Draw the figure; None where the study has no axis or fewer than two of its variants are finished.

    Where the study has a reference, PSNR differences from it are drawn: a large panel for the average, and one for each
    condition, all of these on one scale. Elsewhere PSNR itself is, each condition on its own scale.
    """
    scores = analysis.scores
    on_axis = sorted((v for v in scores.variants if v in study.axis_values), key=study.axis_values.__getitem__)
    if len(on_axis) < 2:
        return None
    reference = study.reference if study.reference in scores.variants else None
    n_columns = min(4, math.ceil(len(scores.conditions) / 2))
    rows = math.ceil(len(scores.conditions) / n_columns)
    figure = new_figure(PAGE_IN, 1.35 * max(rows, 2) + 0.6)
    grid = figure.add_gridspec(rows, n_columns + 1, width_ratios=[1.7, *[1] * n_columns])
    average_axes = figure.add_subplot(grid[:, 0])
    _average_panel(average_axes, study, analysis, on_axis, reference)
    first_axes = None
    for number, column in enumerate(scores.conditions):
        shared_axes = first_axes if reference is not None else None
        ax = figure.add_subplot(grid[number // n_columns, number % n_columns + 1], sharey=shared_axes)
        first_axes = first_axes or ax
        _panel(ax, study, analysis, column, on_axis, reference)
        ax.tick_params(labelleft=reference is None or number % n_columns == 0)
        ax.tick_params(labelbottom=number + n_columns >= len(scores.conditions))
    handles, labels = average_axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 4))
    return save_with_column(
        figure,
        _average_figure(study, analysis, on_axis, reference),
        folder,
        f"axis_{_file_name(study.axis_name)}",
        **_texts(study, analysis, on_axis),
    )


def _average_figure(study: Study, analysis: Analysis, on_axis: list[str], reference: str | None) -> Figure:
    """The form for a column: the average alone."""
    figure = new_figure(COLUMN_IN, 2.7)
    axes = figure.subplots()
    _average_panel(axes, study, analysis, on_axis, reference)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure


def _average_panel(axes: Any, study: Study, analysis: Analysis, on_axis: list[str], reference: str | None) -> None:
    _panel(axes, study, analysis, AVERAGE, on_axis, reference)
    axes.set_xlabel(axis_label(study.axis_name))
    axes.set_ylabel("PSNR (dB)" if reference is None else f"PSNR difference from\n{plain(study.label(reference))} (dB)")


def _panel(ax: Any, study: Study, analysis: Analysis, column: str, on_axis: list[str], reference: str | None) -> None:
    x = np.array([study.axis_values[v] for v in on_axis])
    offset = 0.0 if reference is None else float(seed_means(analysis.scores, reference, column).mean())
    by_seed = [seed_means(analysis.scores, v, column) - offset for v in on_axis]
    y = np.array([s.mean() for s in by_seed])
    extent = [y.min(), y.max()]
    if reference is not None:
        differences = [difference_from_reference(study, analysis, v, column) for v in on_axis]
        low, high = (np.array([getattr(g, side) for g in differences]) for side in ("low", "high"))
        ax.vlines(x, low, high, color=_COLOUR, linewidth=1.4, label=f"{LEVEL:.0%} interval")
        ax.axhline(0, color=INK, linewidth=0.8)
        extent += [float(np.nanmin([*low, 0])), float(np.nanmax([*high, 0]))]
    ax.plot(x, y, color=_COLOUR, marker="o", markersize=4, linewidth=1.2, label="mean over seeds")
    seed_rings(ax, x, by_seed)
    alias_marks(ax, study, dict(zip(on_axis, y, strict=True)), _COLOUR)
    _off_axis(ax, study, analysis, column, offset, min(extent), max(extent))
    ax.set_title(condition_label(column), fontweight="bold" if column == AVERAGE else "normal", loc="left")
    ax.set_xticks(x, [f"{v:g}" for v in x])
    if column == AVERAGE and (kept := _kept_entries(study, on_axis)):
        ax.set_xticks(x, [f"{v:g}\n{text}" for v, text in zip(x, kept, strict=True)])


def _kept_entries(study: Study, on_axis: list[str]) -> list[str]:
    """Entries that the mask keeps of a row of the attention map: "7/8"; empty where a variant has no such number."""
    texts = []
    for variant in on_axis:
        specs = [run.spec for run in study.runs_of(variant)]
        kept = [(spec.get("identity") or {}).get("model", {}).get("kept") for spec in specs]
        sizes = [(spec.get("model") or {}).get("config", {}) for spec in specs]
        counts = {count for entry in kept if isinstance(entry, dict) for count in entry.values()}
        widths = {size["dim"] // size["heads"][0] for size in sizes if {"dim", "heads"} <= size.keys()}
        if len(counts) != 1 or len(widths) != 1:
            return []
        texts.append(f"{counts.pop()}/{widths.pop()}")
    return texts


def _off_axis(ax: Any, study: Study, analysis: Analysis, column: str, offset: float, low: float, high: float) -> None:
    """Variants without a value on the axis: a line where it fits, a remark where it would flatten the curve."""
    margin = 1.5 * max(high - low, 0.05)
    remarks = []
    for number, variant in enumerate(v for v in analysis.scores.variants if v not in study.axis_values):
        level = float(seed_means(analysis.scores, variant, column).mean()) - offset
        if np.isnan(level):
            continue
        style = (":", "-.", (0, (5, 1, 1, 1, 1, 1)))[number % 3]
        name = plain(study.label(variant))
        if low - margin <= level <= high + margin:
            ax.axhline(level, color=QUIET, linestyle=style, linewidth=1.2, label=name)
        elif column == AVERAGE:
            remarks.append(f"{name}: {level:+.2f} dB (off scale)" if offset else f"{name}: {level:.2f} dB (off scale)")
    if remarks:
        ax.text(0.02, 0.03, "\n".join(remarks), transform=ax.transAxes, fontsize=7, color=QUIET)


def _texts(study: Study, analysis: Analysis, on_axis: list[str]) -> dict[str, str]:
    average = {v: float(seed_means(analysis.scores, v).mean()) for v in on_axis}
    values = "; ".join(f"{study.axis_values[v]:g}: {m:.2f} dB" for v, m in average.items())
    seeds = max(len(analysis.scores.seeds[v]) for v in on_axis)
    remarks: list[str] = []
    if study.reference:
        clauses = [
            message(
                "Lines are {level:.0%} intervals of the difference from {reference}, simultaneous over the {n} "
                "differences of a panel, for other training runs and other photographs",
                level=LEVEL,
                n=max(1, len(study.variants) - 1),
                reference=study.label(study.reference),
            )
        ]
        clauses += [message("with one seed they leave out seed-to-seed variance")] if seeds == 1 else []
        remarks = [message("{clauses}.", clauses=join_clauses(clauses))]
    remarks += [] if seeds == 1 else [message("Rings are single seeds.")]
    one_scale = message("The conditions share one scale.")
    kept = [message("Fractions: entries kept of each row of the attention map.")] * bool(_kept_entries(study, on_axis))
    own_scales = message("Each panel has its own PSNR scale.")
    return {
        "title": message("PSNR against {axis}", axis=axis_label(study.axis_name)),
        "alt": message(
            "PSNR averaged over the columns by {axis}: {values}. One panel for the average and each condition.",
            axis=study.axis_name,
            values=values,
        ),
        "caption": join_sentences([*remarks, one_scale if study.reference else own_scales, *kept]),
    }


def _file_name(text: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in text)
