"""Information a block loses: the share of its input's variance that its output no longer explains, 1 - R2."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from reports import schema
from reports.document import Column, Table, rows_of, text_cell, text_column
from reports.labels import condition_label
from reports.measures import intervals
from reports.messages import TransformedText, join_sentences, message
from reports.stats import Analysis, Estimate

ALL = "all"
MEAN = "mean over levels"
LATENT = 4
LATENT_COLUMN = "latent"
PARTS: dict[str, str] = {"block": message("whole block"), "channel": message("channel part (DGCPM)")}


@dataclass(frozen=True, kw_only=True)
class Information:
    """Information losses.

    Attributes:
        variants: in the study's order.
        levels: of the blocks, ascending.
        parts: "block", "channel": those that were measured.
        conditions: of the images; ALL first.
        losses: (part, condition) -> losses, a column a level and `MEAN`.
    """

    variants: tuple[str, ...]
    levels: tuple[int, ...]
    parts: tuple[str, ...]
    conditions: tuple[str, ...]
    losses: dict[tuple[str, str], Analysis]


def level_column(level: int) -> str:
    """The name of a level's column in `Information.losses`."""
    return LATENT_COLUMN if level == LATENT else f"level {level}"


def summarize(table: pd.DataFrame) -> Information | None:
    """Summarize the measure "information"; None without a score over all conditions together."""
    if not (table["condition"] == ALL).any():
        return None
    rows = table.assign(at=table["level"].map(level_column))
    level_means = rows.groupby(["variant", "seed", "part", "condition"], sort=False)["loss"].mean().reset_index()
    with_means = pd.concat([rows, level_means.assign(at=MEAN)], ignore_index=True)
    losses = {
        (str(part), str(condition)): intervals.over_seeds(subset, subset["loss"], subset["at"])
        for (part, condition), subset in with_means.groupby(["part", "condition"], sort=False)
    }
    parts = [p for p in PARTS if (table["part"] == p).any()]
    conditions = sorted(set(table["condition"]) - {ALL}, key=schema.condition_sort_key)
    return Information(
        variants=tuple(dict.fromkeys(table["variant"])),
        levels=tuple(sorted(int(v) for v in table["level"].unique())),
        parts=(*parts, *sorted(set(table["part"]) - set(parts))),
        conditions=(ALL, *conditions),
        losses=losses,
    )


def level_label(column: str) -> str:
    """Label of a column of `Information.losses`."""
    if column == LATENT_COLUMN:
        return message("latent")
    return message("mean over levels") if column == MEAN else message("level {n}", n=column.removeprefix("level "))


def sentences(information: Information, axis_values: dict[str, float], axis: str) -> list[str]:
    """The variants whose blocks lose most and least, and the change of the loss along the study's axis."""
    part = information.parts[0]
    analysis = information.losses.get((part, ALL))
    if analysis is None:
        return [message("No {part} was scored over all conditions.", part=PARTS.get(part, part))]
    means = {v: analysis.estimate(v, MEAN) for v in analysis.scores.variants}
    highest = max(means, key=lambda v: means[v].value)
    lowest = min(means, key=lambda v: means[v].value)
    levels = {c: analysis.estimate(highest, c).value for c in analysis.scores.conditions if c != MEAN}
    worst_level = max((c for c in levels if not np.isnan(levels[c])), key=lambda c: levels[c])
    values = {
        "variant": highest,
        "share": _format_share(means[highest]),
        "part": PARTS.get(part, part),
        "level": level_label(worst_level),
        "most": f"{levels[worst_level]:.0%}",
    }
    if highest == lowest:
        sentence = message(
            "In {variant} a linear map can't recover {share} of the input's variance from the {part} (mean over "
            "levels; most at {level}: {most}).",
            **values,
        )
        return [sentence, *intervals.caveats(analysis, "seeds")]
    sentence = message(
        "In {variant} a linear map can't recover {share} of the input's variance from the {part} (mean over levels; "
        "most at {level}: {most}), in {other} {least}.",
        **values,
        other=lowest,
        least=_format_share(means[lowest]),
    )
    if means[highest].value - means[lowest].value < 0.005:
        sentence = message(
            "The variants lose the same, {share:.1%} of the input's variance, to within half a percent.",
            share=means[highest].value,
        )
    return [sentence, *_axis_sentences(analysis, axis_values, axis), *intervals.caveats(analysis, "seeds")]


def _format_share(e: Estimate) -> str:
    return f"{e.value:.0%}" if np.isnan(e.low) else f"{e.value:.0%} [{max(e.low, 0):.0%}, {e.high:.0%}]"


def _axis_sentences(analysis: Analysis, axis_values: dict[str, float], axis: str) -> list[str]:
    """The difference between the two ends of the axis."""
    variants = sorted((v for v in analysis.scores.variants if v in axis_values), key=axis_values.__getitem__)
    if len(variants) < 2:
        return []
    difference = analysis.difference(variants[-1], variants[0], MEAN)
    clause = message(
        "From {axis} = {first:g} to {last:g} the mean loss changes by {change}",
        axis=axis,
        first=axis_values[variants[0]],
        last=axis_values[variants[-1]],
        change=intervals.change_cell(difference, 3).full,
    )
    return [message("{clauses}.", clauses=intervals.flag_unresolved(clause, difference))]


def make_tables(information: Information) -> list[Table]:
    """Losses by level over all conditions; and, folded, by condition as a mean over levels."""
    by_level, by_condition = [], []
    for part in information.parts:
        for variant in information.variants:
            labels = (text_cell(variant), text_cell(PARTS.get(part, part)))
            all_conditions = information.losses.get((part, ALL))
            if all_conditions is not None and variant in all_conditions.scores.variants:
                columns = (*map(level_column, information.levels), MEAN)
                by_level.append(
                    (
                        *labels,
                        *(intervals.value_cell(intervals.estimate(all_conditions, variant, c), 3) for c in columns),
                    )
                )
            losses = [information.losses.get((part, c)) for c in information.conditions]
            by_condition.append(
                (*labels, *(intervals.value_cell(intervals.estimate(b, variant, MEAN), 3) for b in losses))
            )
    heads = (text_column(message("Variant")), text_column(message("Part")))
    interval = message("Intervals: 95% over seeds, absent with one.")
    tables = [
        Table(
            title=message("Loss by level"),
            caption=join_sentences(
                [message("1 \N{MINUS SIGN} R² on images of all conditions: 0 for no loss."), interval]
            ),
            columns=(
                *heads,
                *(
                    Column(head=TransformedText(level_label(level_column(level)), str.capitalize))
                    for level in information.levels
                ),
                Column(head=TransformedText(level_label(MEAN), str.capitalize)),
            ),
            rows=rows_of(by_level),
        )
    ]
    if len(information.conditions) > 1:
        condition_columns = [
            Column(head=message("All") if c == ALL else condition_label(c)) for c in information.conditions
        ]
        tables.append(
            Table(
                title=message("Loss by condition"),
                caption=join_sentences(
                    [message("1 \N{MINUS SIGN} R², mean over the levels that have a block."), interval]
                ),
                columns=(*heads, *condition_columns),
                rows=rows_of(by_condition),
                is_collapsed=True,
            )
        )
    return tables


def to_frame(information: Information) -> pd.DataFrame:
    """Every loss with its interval."""
    return pd.DataFrame(
        [
            {
                "variant": variant,
                "part": part,
                "condition": condition,
                "at": column,
                **intervals.to_columns(analysis.estimate(variant, column)),
            }
            for (part, condition), analysis in information.losses.items()
            for variant in analysis.scores.variants
            for column in analysis.scores.conditions
        ]
    )
