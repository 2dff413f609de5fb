"""Information a block loses: by level, and against what the study varies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from reports.figures.style import INK, Picture, new_figure, plain, save, short, variant_colours, variant_dashes
from reports.labels import axis_label
from reports.measures import intervals
from reports.measures.information import ALL, MEAN, PARTS, Information, column, level_label
from reports.messages import Changed, comma, message, sentences, series
from reports.study import Study
from reports.wording import hidden_variants

MOST_LINES = 10
_MARKERS = ("o", "s", "D", "^")
_CAPTION = message(
    "Share of the input's variance that the best linear map can't recover from the output, images of all conditions. "
    "Bars: 95\N{NO-BREAK SPACE}% intervals over seeds, absent with one."
)
_LOSS = "information loss (1 \N{MINUS SIGN} R²)"


def draw_levels(found: Information, study: Study, folder: Path) -> Picture:
    """Loss by level, a panel a part, a line a variant."""
    shown = found.variants[:MOST_LINES]
    parts = _parts(found)
    colours, dashes = variant_colours(study), variant_dashes(study)
    figure = new_figure(3.7 * len(parts) + 1.9, 3.4)
    axes = figure.subplots(1, len(parts), squeeze=False, sharey=True)[0]
    for ax, part in zip(axes, parts, strict=True):
        for number, variant in enumerate(shown):
            known = _known(found, part, variant)
            if not known:
                continue
            x = np.array([found.levels.index(level) for level in known]) + 0.03 * (number - (len(shown) - 1) / 2)
            estimates = list(known.values())
            look = {"color": colours[variant], "linestyle": dashes[variant], "linewidth": 1.5}
            ax.vlines(
                x, [e.low for e in estimates], [e.high for e in estimates], color=colours[variant], alpha=0.3, lw=2.5
            )
            ax.plot(x, [e.value for e in estimates], marker="o", markersize=4, label=plain(short(variant)), **look)
        ax.set_title(PARTS.get(part, part), loc="left")
        ax.set_xticks(range(len(found.levels)), [column(level) for level in found.levels])
    axes[0].set_ylabel(_LOSS)
    _legend(figure, axes)
    told = series(
        message(
            "{label}: {value}",
            label=v,
            value=comma(
                message("{level} {loss:.2f}", level=level_label(column(level)), loss=e.value)
                for level, e in _known(found, parts[0], v).items()
            ),
        )
        for v in shown
        if _known(found, parts[0], v)
    )
    return save(
        figure,
        folder,
        "information_levels",
        title=message("Information loss by level"),
        alt=message(
            "Information loss by level of the block. {part}, {told}.",
            part=Changed(PARTS.get(parts[0], parts[0]), str.capitalize),
            told=told,
        ),
        caption=sentences([_CAPTION, *hidden_variants(len(shown), len(found.variants))]),
    )


def draw_axis(found: Information, study: Study, folder: Path) -> Picture | None:
    """Loss against the study's axis, a panel a part, a line a level; None with fewer than two variants on it."""
    on = sorted((v for v in found.variants if v in study.axis_values), key=study.axis_values.__getitem__)
    if len(on) < 2:
        return None
    parts = _parts(found)
    names = [*(column(level) for level in found.levels), MEAN]
    ramp = matplotlib.colormaps["viridis"]
    figure = new_figure(3.7 * len(parts) + 1.9, 3.4)
    axes = figure.subplots(1, len(parts), squeeze=False, sharey=True)[0]
    for ax, part in zip(axes, parts, strict=True):
        for number, name in enumerate(names):
            every = {study.axis_values[v]: intervals.estimate(found.losses[part, ALL], v, name) for v in on}
            known = {x: e for x, e in every.items() if e is not None}
            is_mean = name == MEAN
            colour = INK if is_mean else ramp(0.85 * number / max(len(names) - 2, 1))
            look: dict[str, Any] = {"color": colour, "linestyle": "--" if is_mean else "-", "linewidth": 1.5}
            marker = None if is_mean else _MARKERS[number % len(_MARKERS)]
            if not is_mean:
                ends = [[getattr(e, end) for e in known.values()] for end in ("low", "high")]
                ax.vlines(list(known), *ends, color=colour, alpha=0.25, linewidth=5)
            ax.plot(list(known), [e.value for e in known.values()], marker=marker, markersize=4.5, label=name, **look)
        ax.set_title(PARTS.get(part, part), loc="left")
        ax.set_xlabel(axis_label(study.axis_name))
        ax.set_xticks([study.axis_values[v] for v in on], [f"{study.axis_values[v]:g}" for v in on])
    axes[0].set_ylabel(_LOSS)
    _legend(figure, axes)
    means = "; ".join(
        f"{study.axis_values[v]:g}: {e.value:.3f}"
        for v in on
        if (e := intervals.estimate(found.losses[parts[0], ALL], v, MEAN)) is not None
    )
    return save(
        figure,
        folder,
        "information_axis",
        title=message("Information loss against {axis}", axis=axis_label(study.axis_name)),
        alt=message(
            "Information loss by {axis}, a line a level. Mean over levels, {part}: {means}.",
            axis=study.axis_name,
            part=PARTS.get(parts[0], parts[0]),
            means=means,
        ),
        caption=_CAPTION,
    )


def _parts(found: Information) -> list[str]:
    return [p for p in found.parts if (p, ALL) in found.losses]


def _known(found: Information, part: str, variant: str) -> dict[int, Any]:
    """Level -> the variant's loss, of the levels that it has."""
    every = {level: intervals.estimate(found.losses[part, ALL], variant, column(level)) for level in found.levels}
    return {level: e for level, e in every.items() if e is not None}


def _legend(figure: Any, axes: Any) -> None:
    """One legend for all panels: a variant may lack a part."""
    handles: dict[str, Any] = {}
    for ax in axes:
        for handle, name in zip(*ax.get_legend_handles_labels(), strict=True):
            handles.setdefault(name, handle)
    figure.legend(list(handles.values()), list(handles), loc="outside right center")
