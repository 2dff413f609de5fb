"""PSNR against what the study varies, for the average and each condition."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from reports.figures.style import INK, QUIET, Picture, new_figure, plain, save, short
from reports.labels import axis_label, condition_label
from reports.messages import message, sentences, series
from reports.stats import AVERAGE, LEVEL, Analysis, seed_means
from reports.study import Study

_COLOUR = "#0072B2"


def draw(study: Study, analysis: Analysis, folder: Path) -> Picture | None:
    """Draw the figure; None where the study has no axis or fewer than two of its variants are finished."""
    scores = analysis.scores
    on_axis = sorted((v for v in scores.variants if v in study.axis_values), key=study.axis_values.__getitem__)
    if len(on_axis) < 2:
        return None
    columns = [AVERAGE, *scores.conditions]
    wide = min(4, len(columns))
    rows = math.ceil(len(columns) / wide)
    figure = new_figure(2.75 * wide, 2.35 * rows + 0.5)
    grid = figure.subplots(rows, wide, squeeze=False, sharex=True)
    for ax, column in zip(grid.flat, columns, strict=False):
        _panel(ax, study, analysis, column, on_axis)
    for ax in grid.flat[len(columns) :]:
        ax.set_axis_off()
    for number, ax in enumerate(grid.flat[: len(columns)]):
        if number % wide == 0:
            ax.set_ylabel("PSNR (dB)")
        if number + wide >= len(columns):
            ax.set_xlabel(axis_label(study.axis_name))
            ax.tick_params(labelbottom=True)
    handles, names = grid.flat[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=min(len(names), 6))
    return save(figure, folder, f"axis_{_file_name(study.axis_name)}", **_texts(study, analysis, on_axis))


def _panel(ax: Any, study: Study, analysis: Analysis, column: str, on_axis: list[str]) -> None:
    x = np.array([study.axis_values[v] for v in on_axis])
    by_seed = [seed_means(analysis.scores, v, column) for v in on_axis]
    y = np.array([s.mean() for s in by_seed])
    spread = [y.min(), y.max()]
    reference = study.reference if study.reference in analysis.scores.variants else None
    if reference is not None:
        base = float(seed_means(analysis.scores, reference, column).mean())
        gaps = [analysis.difference(v, reference, column) for v in on_axis]
        low, high = (base + np.array([getattr(g, side) for g in gaps]) for side in ("low", "high"))
        told = f"{LEVEL:.0%} interval of the difference from {plain(short(reference))}"
        ax.vlines(x, low, high, color=_COLOUR, alpha=0.25, linewidth=7, label=told)
        ax.axhline(base, color=INK, linestyle="--", linewidth=1, label=f"{plain(short(reference))} (reference)")
        spread += [float(np.nanmin([*low, base])), float(np.nanmax([*high, base]))]
    ax.plot(x, y, color=_COLOUR, marker="o", markersize=4.5, linewidth=1.6, label="mean over seeds")
    points = np.concatenate([np.full(len(s), at) for s, at in zip(by_seed, x, strict=True)])
    ax.scatter(
        points,
        np.concatenate(by_seed),
        s=16,
        facecolor="none",
        edgecolor=INK,
        linewidth=0.8,
        zorder=3,
        label="one seed",
    )
    _aliases(ax, study, dict(zip(on_axis, y, strict=True)))
    _off_axis(ax, study, analysis, column, min(spread), max(spread))
    ax.set_title(condition_label(column), fontweight="bold" if column == AVERAGE else "normal", loc="left")
    ax.set_xticks(x, [f"{v:g}" for v in x])


def _aliases(ax: Any, study: Study, level: dict[str, float]) -> None:
    """Values of the axis that give a model which was trained under another value: a mark at that model's PSNR."""
    found = [
        (study.axis_values[e.variant], level[v])
        for v in level
        for e in study.aliases.get(v, ())
        if e.variant in study.axis_values
    ]
    if found:
        x, y = zip(*found, strict=True)
        ax.scatter(
            x, y, marker="D", s=26, facecolor="white", edgecolor=_COLOUR, zorder=3, label="same model, other value"
        )


def _off_axis(ax: Any, study: Study, analysis: Analysis, column: str, low: float, high: float) -> None:
    """Variants without a value on the axis: a line where it fits, a remark where it would flatten the curve."""
    room = 1.5 * max(high - low, 0.05)
    remarks = []
    for number, variant in enumerate(v for v in analysis.scores.variants if v not in study.axis_values):
        level = float(seed_means(analysis.scores, variant, column).mean())
        if np.isnan(level):
            continue
        style = (":", "-.", (0, (5, 1, 1, 1, 1, 1)))[number % 3]
        if low - room <= level <= high + room:
            ax.axhline(level, color=QUIET, linestyle=style, linewidth=1.4, label=plain(short(variant)))
        else:
            remarks.append(f"{plain(short(variant))}: {level:.2f} dB (off scale)")
    if remarks:
        ax.text(0.02, 0.03, "\n".join(remarks), transform=ax.transAxes, fontsize=7.5, color=QUIET)


def _texts(study: Study, analysis: Analysis, on_axis: list[str]) -> dict[str, str]:
    average = {v: float(seed_means(analysis.scores, v).mean()) for v in on_axis}
    told = "; ".join(f"{study.axis_values[v]:g}: {m:.2f} dB" for v, m in average.items())
    seeds = max(len(analysis.scores.seeds[v]) for v in on_axis)
    bars: list[str] = []
    if study.reference:
        clauses = [
            message(
                "Bars are unadjusted {level:.0%} intervals of the difference from {reference} for other training runs "
                "and other photographs, drawn around the means",
                level=LEVEL,
                reference=study.reference,
            )
        ]
        clauses += [message("with one seed they leave out seed-to-seed variance")] if seeds == 1 else []
        bars = [message("{clauses}.", clauses=series(clauses))]
    return {
        "title": message("PSNR against {axis}", axis=axis_label(study.axis_name)),
        "alt": message(
            "PSNR averaged over the columns by {axis}: {told}. One panel for the average and each condition.",
            axis=study.axis_name,
            told=told,
        ),
        "caption": sentences([*bars, message("Small rings are single seeds. Each panel has its own PSNR scale.")]),
    }


def _file_name(text: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in text)
