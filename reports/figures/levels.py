"""Gain over the degraded input against the strength of noise and rain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from reports.figures.style import (
    INK,
    PAGE_IN,
    QUIET,
    Picture,
    interval_bars,
    lines_by_variant,
    new_figure,
    save,
    wrap_label,
)
from reports.formatting import format_signed, shown_variants_note
from reports.labels import SIGMA, condition_in_sentence, condition_label, in_sentence
from reports.measures import intervals
from reports.measures.levels import Levels, strength
from reports.messages import join_clauses, join_commas, join_sentences, message
from reports.study import Study

MAX_LINES = 6
_AXES = {"noise": f"noise {SIGMA} (0 to 255)", "rain": "rain, % of the usual drops"}


def draw(levels: Levels, study: Study, folder: Path) -> Picture:
    """A panel a kind of degradation, a line a variant; levels that were trained on are filled and marked."""
    variants = study.select_variants(levels.variants, MAX_LINES)
    reference = str(study.reference) if study.reference in variants and len(variants) > 1 else None
    rows = 2 if reference else 1
    figure = new_figure(PAGE_IN, 0.7 + 2.0 * rows)
    grid = figure.subplots(rows, len(levels.families), squeeze=False, sharex="col", height_ratios=[3, 2][:rows])
    for axes, (task, conditions) in zip(grid.T, levels.families.items(), strict=True):
        x = np.array([levels.strengths[c] for c in conditions])
        _draw_gains(axes[0], levels, study, variants, conditions)
        if reference:
            _draw_differences(axes[1], levels, study, variants, conditions)
        for ax in axes:
            ax.axhline(0, color=INK, linewidth=0.8)
            for c in conditions:
                if any(c in levels.trained[v] for v in variants):
                    ax.axvline(levels.strengths[c], color=QUIET, linestyle=":", linewidth=0.8, zorder=0)
        axes[-1].set_xticks(x, [f"{v:g}" for v in x])
        axes[-1].set_xlabel(_AXES.get(task, f"strength of {in_sentence(condition_label(task))}"))
        if len(levels.families) > 1:
            axes[0].set_title(condition_label(task), loc="left")
    grid[0, 0].set_ylabel("PSNR gain over\nthe input (dB)")
    if reference:
        grid[1, 0].set_ylabel(f"difference from\n{wrap_label(study.label(reference))} (dB)")
    figure.align_ylabels(grid[:, 0])
    handles, labels = grid[0, 0].get_legend_handles_labels()
    handles.append(grid[0, 0].plot([], [], color=QUIET, linestyle=":", linewidth=0.8)[0])
    figure.legend(handles, [*labels, "trained on"], loc="outside lower center", ncols=4)
    return save(figure, folder, "levels", **_texts(levels, variants))


def _draw_gains(ax: Axes, levels: Levels, study: Study, variants: list[str], conditions: tuple[str, ...]) -> None:
    for number, (variant, style) in enumerate(_styles(study, variants)):
        estimates = {c: intervals.estimate(levels.gains, variant, c) for c in conditions}
        gains = {c: e.value for c, e in estimates.items() if e is not None}
        x, y = (
            _shifted_strengths(levels, conditions, list(gains), 0.004 * (number - (len(variants) - 1) / 2)),
            np.array([*gains.values()]),
        )
        ax.plot(x, y, **style)
        filled = np.array([levels.is_trained(variant, c) for c in gains], dtype=bool)
        for mask, face_colour in ((filled, style["color"]), (~filled, "white")):
            ax.scatter(x[mask], y[mask], s=14, facecolor=face_colour, edgecolor=style["color"], linewidth=1, zorder=3)


def _draw_differences(ax: Axes, levels: Levels, study: Study, variants: list[str], conditions: tuple[str, ...]) -> None:
    """Paired differences from the reference with their intervals: lines of gains often lie on one another."""
    compared = [v for v in variants if v != study.reference]
    for number, (variant, style) in enumerate(_styles(study, compared)):
        estimates = {c: levels.gains.difference(variant, str(study.reference), c) for c in conditions}
        differences = {c: e for c, e in estimates.items() if not np.isnan(e.value)}
        x = _shifted_strengths(levels, conditions, list(differences), 0.01 * (number - (len(compared) - 1) / 2))
        interval_bars(ax, x, list(differences.values()), style["color"])
        ax.plot(x, [e.value for e in differences.values()], marker="o", markersize=2.5, **style)


def _styles(study: Study, variants: list[str]) -> list[tuple[str, dict[str, Any]]]:
    styles = lines_by_variant(study)
    return [(v, styles[v]) for v in variants]


def _shifted_strengths(levels: Levels, conditions: tuple[str, ...], plotted: list[str], share: float) -> np.ndarray:
    """Strengths of the plotted conditions, shifted by a share of the axis so that variants do not hide each other."""
    strengths = [levels.strengths[c] for c in conditions]
    return np.array([levels.strengths[c] for c in plotted]) + share * (max(strengths) - min(strengths))


def _extremes(levels: Levels, variant: str) -> str:
    """Lowest and highest gain of each kind of degradation."""
    extremes = []
    for conditions in levels.families.values():
        estimates = {c: intervals.estimate(levels.gains, variant, c) for c in conditions}
        gains = {c: e.value for c, e in estimates.items() if e is not None}
        if gains:
            lowest_and_highest = (min(gains, key=gains.__getitem__), max(gains, key=gains.__getitem__))
            parts = [
                message(
                    "{change} dB on {condition}", change=format_signed(gains[c], 2), condition=condition_in_sentence(c)
                )
                for c in lowest_and_highest
            ]
            extremes.append(message("{before} and {last}", before=parts[0], last=parts[1]))
    return join_commas(extremes)


def _texts(levels: Levels, variants: list[str]) -> dict[str, str]:
    extremes = join_clauses(message("{label}: {value}", label=v, value=_extremes(levels, v)) for v in variants)
    by_prompt: dict[str, list[str]] = {}
    for conditions in levels.families.values():
        for condition in conditions:
            if strength(levels.prompt_of[condition]) != strength(condition):
                by_prompt.setdefault(levels.prompt_of[condition], []).append(condition_in_sentence(condition))
    prompts = [
        message("{names} with the prompt of {prompt}", names=join_commas(names), prompt=condition_in_sentence(prompt))
        for prompt, names in by_prompt.items()
    ]
    caption = message(
        "Restored minus degraded PSNR, mean over images, then seeds. Filled points and dotted lines: levels "
        "trained on. Below the line at 0 the restored image is worse than its input. Below: the paired "
        "difference from the study's reference, where it has one, with 95% intervals; its points are moved aside "
        "a little. Levels without a prompt of their own: {prompts}.",
        prompts=join_clauses(prompts) if prompts else message("none"),
    )
    return {
        "title": message("Gain by strength of the degradation"),
        "alt": message(
            "PSNR gain over the degraded input by strength of the degradation. Lowest and highest, {extremes}.",
            extremes=extremes,
        ),
        "caption": join_sentences([caption, *shown_variants_note(len(variants), len(levels.variants))]),
    }
