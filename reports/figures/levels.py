"""Gain over the degraded input against the strength of noise and rain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from reports.figures.style import INK, QUIET, Picture, new_figure, plain, save, short, variant_colours, variant_dashes
from reports.labels import SIGMA, condition_label, in_sentence
from reports.measures import intervals
from reports.measures.levels import Levels, strength
from reports.messages import comma, message, sentences, series
from reports.study import Study
from reports.verdict import signed
from reports.wording import hidden_variants

MOST_LINES = 10
_AXES = {"noise": f"noise {SIGMA} (0 to 255)", "rain": "rain, % of the usual drops"}


def draw(found: Levels, study: Study, folder: Path) -> Picture:
    """A panel a kind of degradation, a line a variant; levels that were trained on are filled and marked."""
    shown = _chosen(found.variants, study.reference)
    colours, dashes = variant_colours(study), variant_dashes(study)
    reference = study.reference if study.reference in shown and len(shown) > 1 else None
    rows = 2 if reference else 1
    figure = new_figure(4.1 * len(found.families) + 1.9, 0.4 + 2.9 * rows)
    grid = figure.subplots(rows, len(found.families), squeeze=False, sharex="col", height_ratios=[3, 2][:rows])
    axes = grid[0]
    for column, (task, conditions) in enumerate(found.families.items()):
        ax = axes[column]
        for number, variant in enumerate(shown):
            look = {"color": colours[variant], "linestyle": dashes[variant]}
            _line(ax, found, variant, conditions, look, number - (len(shown) - 1) / 2)
        ax.axhline(0, color=INK, linewidth=1)
        trained = [c for c in conditions if any(c in found.trained[v] for v in shown)]
        for c in trained:
            for panel in grid[:, column]:
                panel.axvline(found.strengths[c], color=QUIET, linestyle=":", linewidth=1, zorder=0)
        if reference:
            _differences(grid[1, column], found, conditions, [v for v in shown if v != reference], reference, study)
        ax.set_xticks([found.strengths[c] for c in conditions], [f"{found.strengths[c]:g}" for c in conditions])
        grid[-1, column].set_xlabel(_AXES.get(task, f"strength of {in_sentence(condition_label(task))}"))
        ax.set_title(condition_label(task), loc="left", fontweight="bold")
    axes[0].set_ylabel("gain over the input\n(PSNR, dB)")
    if reference:
        grid[1, 0].set_ylabel(f"against {plain(short(reference))}\n(PSNR, dB)")
    handles, names = axes[0].get_legend_handles_labels()
    handles.append(axes[0].plot([], [], color=QUIET, linestyle=":", linewidth=1)[0])
    figure.legend(handles, [*names, "trained on"], loc="outside right center")
    return save(figure, folder, "levels", **_texts(found, shown))


def _line(
    ax: Any, found: Levels, variant: str, conditions: tuple[str, ...], look: dict[str, Any], place: float
) -> None:
    every = {c: intervals.estimate(found.gains, variant, c) for c in conditions}
    known = {c: e for c, e in every.items() if e is not None}
    if not known:
        return
    span = max(found.strengths[c] for c in conditions) - min(found.strengths[c] for c in conditions)
    x = np.array([found.strengths[c] for c in known]) + 0.004 * span * place
    y = np.array([e.value for e in known.values()])
    ax.plot(x, y, linewidth=1.5, label=plain(short(variant)), **look)
    filled = np.array([found.is_trained(variant, c) for c in known])
    for mask, face in ((filled, look["color"]), (~filled, "white")):
        ax.scatter(x[mask], y[mask], s=22, facecolor=face, edgecolor=look["color"], linewidth=1.2, zorder=3)


def _differences(
    ax: Any, found: Levels, conditions: tuple[str, ...], variants: list[str], reference: str, study: Study
) -> None:
    """Paired differences from the reference with their intervals: lines of gains often lie on one another."""
    colours, dashes = variant_colours(study), variant_dashes(study)
    span = max(found.strengths[c] for c in conditions) - min(found.strengths[c] for c in conditions)
    ax.axhline(0, color=INK, linewidth=1)
    for number, variant in enumerate(variants):
        every = {c: found.gains.difference(variant, reference, c) for c in conditions}
        known = {c: e for c, e in every.items() if not np.isnan(e.value)}
        x = np.array([found.strengths[c] for c in known]) + 0.01 * span * (number - (len(variants) - 1) / 2)
        ends = [[getattr(e, end) for e in known.values()] for end in ("low", "high")]
        ax.vlines(x, *ends, color=colours[variant], alpha=0.3, linewidth=2.5)
        look: dict[str, Any] = {"color": colours[variant], "linestyle": dashes[variant], "linewidth": 1.2}
        ax.plot(x, [e.value for e in known.values()], marker="o", markersize=3, **look)


def _chosen(variants: tuple[str, ...], reference: str | None) -> tuple[str, ...]:
    """The first `MOST_LINES`, the reference always among them."""
    kept = variants[:MOST_LINES]
    return kept if reference not in variants or reference in kept else (*kept[:-1], str(reference))


def _extremes(found: Levels, variant: str) -> str:
    """Lowest and highest gain of each kind of degradation."""
    said = []
    for conditions in found.families.values():
        every = {c: intervals.estimate(found.gains, variant, c) for c in conditions}
        known = {c: e.value for c, e in every.items() if e is not None}
        if known:
            ends = (min(known, key=known.__getitem__), max(known, key=known.__getitem__))
            told = [message("{change} dB on {condition}", change=signed(known[c], 2), condition=_said(c)) for c in ends]
            said.append(message("{before} and {last}", before=told[0], last=told[1]))
    return comma(said)


def _said(condition: str) -> str:
    return in_sentence(condition_label(condition))


def _texts(found: Levels, shown: tuple[str, ...]) -> dict[str, str]:
    told = series(message("{label}: {value}", label=v, value=_extremes(found, v)) for v in shown)
    by_prompt: dict[str, list[str]] = {}
    for conditions in found.families.values():
        for condition in conditions:
            if strength(found.told[condition]) != strength(condition):
                by_prompt.setdefault(found.told[condition], []).append(_said(condition))
    prompts = [
        message("{names} told as {given}", names=comma(names), given=_said(given)) for given, names in by_prompt.items()
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
        "caption": sentences([caption, *hidden_variants(len(shown), len(found.variants))]),
    }
