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
    wrapped,
)
from reports.formatting import shown_variants_note, signed
from reports.labels import SIGMA, condition_in_sentence, condition_label, in_sentence
from reports.measures import intervals
from reports.measures.levels import Levels, strength
from reports.messages import comma, message, sentences, series
from reports.study import Study

MOST_LINES = 6
_AXES = {"noise": f"noise {SIGMA} (0 to 255)", "rain": "rain, % of the usual drops"}


def draw(found: Levels, study: Study, folder: Path) -> Picture:
    """A panel a kind of degradation, a line a variant; levels that were trained on are filled and marked."""
    shown = study.to_show(found.variants, MOST_LINES)
    reference = str(study.reference) if study.reference in shown and len(shown) > 1 else None
    rows = 2 if reference else 1
    figure = new_figure(PAGE_IN, 0.7 + 2.0 * rows)
    grid = figure.subplots(rows, len(found.families), squeeze=False, sharex="col", height_ratios=[3, 2][:rows])
    for axes, (task, conditions) in zip(grid.T, found.families.items(), strict=True):
        x = np.array([found.strengths[c] for c in conditions])
        _gains(axes[0], found, study, shown, conditions)
        if reference:
            _differences(axes[1], found, study, shown, conditions)
        for ax in axes:
            ax.axhline(0, color=INK, linewidth=0.8)
            for c in conditions:
                if any(c in found.trained[v] for v in shown):
                    ax.axvline(found.strengths[c], color=QUIET, linestyle=":", linewidth=0.8, zorder=0)
        axes[-1].set_xticks(x, [f"{v:g}" for v in x])
        axes[-1].set_xlabel(_AXES.get(task, f"strength of {in_sentence(condition_label(task))}"))
        if len(found.families) > 1:
            axes[0].set_title(condition_label(task), loc="left")
    grid[0, 0].set_ylabel("gain over the input\n(PSNR, dB)")
    if reference:
        grid[1, 0].set_ylabel(f"against\n{wrapped(study.label(reference))}\n(PSNR, dB)")
    handles, names = grid[0, 0].get_legend_handles_labels()
    handles.append(grid[0, 0].plot([], [], color=QUIET, linestyle=":", linewidth=0.8)[0])
    figure.legend(handles, [*names, "trained on"], loc="outside lower center", ncols=4)
    return save(figure, folder, "levels", **_texts(found, shown))


def _gains(ax: Axes, found: Levels, study: Study, shown: list[str], conditions: tuple[str, ...]) -> None:
    for number, (variant, look) in enumerate(_looks(study, shown)):
        every = {c: intervals.estimate(found.gains, variant, c) for c in conditions}
        known = {c: e.value for c, e in every.items() if e is not None}
        x, y = (
            _aside(found, conditions, list(known), 0.004 * (number - (len(shown) - 1) / 2)),
            np.array([*known.values()]),
        )
        ax.plot(x, y, **look)
        filled = np.array([found.is_trained(variant, c) for c in known], dtype=bool)
        for mask, face in ((filled, look["color"]), (~filled, "white")):
            ax.scatter(x[mask], y[mask], s=14, facecolor=face, edgecolor=look["color"], linewidth=1, zorder=3)


def _differences(ax: Axes, found: Levels, study: Study, shown: list[str], conditions: tuple[str, ...]) -> None:
    """Paired differences from the reference with their intervals: lines of gains often lie on one another."""
    others = [v for v in shown if v != study.reference]
    for number, (variant, look) in enumerate(_looks(study, others)):
        every = {c: found.gains.difference(variant, str(study.reference), c) for c in conditions}
        known = {c: e for c, e in every.items() if not np.isnan(e.value)}
        x = _aside(found, conditions, list(known), 0.01 * (number - (len(others) - 1) / 2))
        interval_bars(ax, x, list(known.values()), look["color"])
        ax.plot(x, [e.value for e in known.values()], marker="o", markersize=2.5, **look)


def _looks(study: Study, variants: list[str]) -> list[tuple[str, dict[str, Any]]]:
    looks = lines_by_variant(study)
    return [(v, looks[v]) for v in variants]


def _aside(found: Levels, conditions: tuple[str, ...], known: list[str], share: float) -> np.ndarray:
    """Places of the known conditions, moved aside by a share of the axis."""
    every = [found.strengths[c] for c in conditions]
    return np.array([found.strengths[c] for c in known]) + share * (max(every) - min(every))


def _extremes(found: Levels, variant: str) -> str:
    """Lowest and highest gain of each kind of degradation."""
    said = []
    for conditions in found.families.values():
        every = {c: intervals.estimate(found.gains, variant, c) for c in conditions}
        known = {c: e.value for c, e in every.items() if e is not None}
        if known:
            ends = (min(known, key=known.__getitem__), max(known, key=known.__getitem__))
            told = [
                message("{change} dB on {condition}", change=signed(known[c], 2), condition=condition_in_sentence(c))
                for c in ends
            ]
            said.append(message("{before} and {last}", before=told[0], last=told[1]))
    return comma(said)


def _texts(found: Levels, shown: list[str]) -> dict[str, str]:
    told = series(message("{label}: {value}", label=v, value=_extremes(found, v)) for v in shown)
    by_prompt: dict[str, list[str]] = {}
    for conditions in found.families.values():
        for condition in conditions:
            if strength(found.prompt_of[condition]) != strength(condition):
                by_prompt.setdefault(found.prompt_of[condition], []).append(condition_in_sentence(condition))
    prompts = [
        message("{names} told as {given}", names=comma(names), given=condition_in_sentence(given))
        for given, names in by_prompt.items()
    ]
    caption = message(
        "Restored minus degraded PSNR, mean over images, then seeds. Filled points and dotted lines: levels trained "
        "on. Below the line at 0 the restored image is worse than its input. Below: the paired difference from the "
        "study's reference, where it has one, with 95\N{NO-BREAK SPACE}% intervals; its points are moved aside a "
        "little. Levels without a prompt of their own: {prompts}.",
        prompts=series(prompts) if prompts else message("none"),
    )
    return {
        "title": message("Gain by strength of the degradation"),
        "alt": message(
            "PSNR gain over the degraded input by strength of the degradation. Lowest and highest, {told}.", told=told
        ),
        "caption": sentences([caption, *shown_variants_note(len(shown), len(found.variants))]),
    }
