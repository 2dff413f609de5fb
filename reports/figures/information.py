"""Information a block loses, by level."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from reports.figures.style import (
    COLUMN_IN,
    PAGE_IN,
    Picture,
    interval_bars,
    is_constant,
    lines_by_variant,
    new_figure,
    save,
)
from reports.formatting import shown_variants_note
from reports.measures import intervals
from reports.measures.information import ALL, PARTS, Information, level_column, level_label
from reports.messages import TransformedText, join_clauses, join_commas, join_sentences, message
from reports.stats import Estimate
from reports.study import Study

MAX_LINES = 8
_CAPTION = message(
    "Share of the input's variance that the best linear map can't recover from the output, images of all "
    "conditions. Bars: 95% intervals over seeds, absent with one."
)


def draw_levels(information: Information, study: Study, folder: Path) -> Picture | None:
    """Loss by level, a panel a part, a line a variant; None where all lose the same."""
    variants = study.select_variants(information.variants, MAX_LINES)
    parts = [p for p in information.parts if (p, ALL) in information.losses]
    losses = {(part, v): _losses_by_level(information, part, v) for part in parts for v in variants}
    if not parts or is_constant([e.value for levels in losses.values() for e in levels.values()]):
        return None
    styles = lines_by_variant(study)
    figure = new_figure(PAGE_IN if len(parts) > 1 else COLUMN_IN, 2.7)
    axes = figure.subplots(1, len(parts), squeeze=False, sharey=True)[0]
    handles = {}
    for ax, part in zip(axes, parts, strict=True):
        for number, variant in enumerate(v for v in variants if losses[part, v]):
            estimates = list(losses[part, variant].values())
            x = np.array([information.levels.index(level) for level in losses[part, variant]])
            x = x + 0.03 * (number - (len(variants) - 1) / 2)
            interval_bars(ax, x, estimates, styles[variant]["color"])
            (handles[variant],) = ax.plot(x, [e.value for e in estimates], marker="o", **styles[variant])
        if len(parts) > 1:
            ax.set_title(PARTS.get(part, part), loc="left")
        ax.set_xticks(range(len(information.levels)), [level_column(level) for level in information.levels])
    axes[0].set_ylabel("information loss (1 \N{MINUS SIGN} R²)")
    figure.legend(handles=list(handles.values()), loc="outside lower center", ncols=4 if len(parts) > 1 else 2)
    values = [
        message(
            "{label}: {value}",
            label=v,
            value=join_commas(
                message("{level} {loss:.2f}", level=level_label(level_column(level)), loss=e.value)
                for level, e in losses[parts[0], v].items()
            ),
        )
        for v in variants
        if losses[parts[0], v]
    ]
    return save(
        figure,
        folder,
        "information_levels",
        title=message("Information loss by level"),
        alt=message(
            "Information loss by level of the block. {part}, {values}.",
            part=TransformedText(PARTS.get(parts[0], parts[0]), str.capitalize),
            values=join_clauses(values),
        ),
        caption=join_sentences([_CAPTION, *shown_variants_note(len(variants), len(information.variants))]),
    )


def _losses_by_level(information: Information, part: str, variant: str) -> dict[int, Estimate]:
    """Level -> the variant's loss, of the levels that it has."""
    estimates = {
        level: intervals.estimate(information.losses[part, ALL], variant, level_column(level))
        for level in information.levels
    }
    return {level: e for level, e in estimates.items() if e is not None}
