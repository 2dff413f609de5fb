"""Information a block loses: the share of its input's variance that its output no longer tells, 1 - R2."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from reports import schema
from reports.document import Column, Table, rows_of, text_column, words
from reports.labels import condition_label
from reports.measures import intervals
from reports.messages import TransformedText, message
from reports.messages import sentences as texts
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


def column(level: int) -> str:
    """The name of a level's column in `Information.losses`."""
    return LATENT_COLUMN if level == LATENT else f"level {level}"


def information(table: pd.DataFrame) -> Information | None:
    """Sum up the measure "information"; None where it holds no score over all conditions together."""
    if not (table["condition"] == ALL).any():
        return None
    rows = table.assign(at=table["level"].map(column))
    mean = rows.groupby(["variant", "seed", "part", "condition"], sort=False)["loss"].mean().reset_index()
    both = pd.concat([rows, mean.assign(at=MEAN)], ignore_index=True)
    losses = {
        (str(part), str(condition)): intervals.over_seeds(mine, mine["loss"], mine["at"])
        for (part, condition), mine in both.groupby(["part", "condition"], sort=False)  # type: ignore[misc]
    }
    parts = [p for p in PARTS if (table["part"] == p).any()]
    named = sorted(set(table["condition"]) - {ALL}, key=schema.condition_sort_key)
    return Information(
        variants=tuple(dict.fromkeys(table["variant"])),
        levels=tuple(sorted(int(v) for v in table["level"].unique())),
        parts=(*parts, *sorted(set(table["part"]) - set(parts))),
        conditions=(ALL, *named),
        losses=losses,
    )


def level_label(name: str) -> str:
    """A column of `Information.losses` as a reader sees it."""
    if name == LATENT_COLUMN:
        return message("latent")
    return message("mean over levels") if name == MEAN else message("level {n}", n=name.removeprefix("level "))


def sentences(found: Information, axis_values: dict[str, float], axis: str) -> list[str]:
    """Which variant's blocks lose most and least, and whether the loss follows the study's axis."""
    part = found.parts[0]
    analysis = found.losses.get((part, ALL))
    if analysis is None:
        return [message("No {part} was scored over all conditions.", part=PARTS.get(part, part))]
    means = {v: analysis.estimate(v, MEAN) for v in analysis.scores.variants}
    most = max(means, key=lambda v: means[v].value)
    least = min(means, key=lambda v: means[v].value)
    levels = {c: analysis.estimate(most, c).value for c in analysis.scores.conditions if c != MEAN}
    at = max((c for c in levels if not np.isnan(levels[c])), key=lambda c: levels[c])
    told = {
        "variant": most,
        "share": _share(means[most]),
        "part": PARTS.get(part, part),
        "level": level_label(at),
        "most": f"{levels[at]:.0%}",
    }
    if most == least:
        said = message(
            "In {variant} a linear map can't recover {share} of the input's variance from the {part} (mean over "
            "levels; most at {level}: {most}).",
            **told,
        )
        return [said, *_limit(analysis)]
    said = message(
        "In {variant} a linear map can't recover {share} of the input's variance from the {part} (mean over levels; "
        "most at {level}: {most}), in {other} {least}.",
        **told,
        other=least,
        least=_share(means[least]),
    )
    if means[most].value - means[least].value < 0.005:
        said = message(
            "The variants lose the same, {share:.1%} of the input's variance, to within half a percent.",
            share=means[most].value,
        )
    return [said, *_along(analysis, axis_values, axis), *_limit(analysis)]


def _share(e: Estimate) -> str:
    return f"{e.value:.0%}" if np.isnan(e.low) else f"{e.value:.0%} [{max(e.low, 0):.0%}, {e.high:.0%}]"


def _along(analysis: Analysis, values: dict[str, float], axis: str) -> list[str]:
    """The difference between the two ends of the axis."""
    on = sorted((v for v in analysis.scores.variants if v in values), key=values.__getitem__)
    if len(on) < 2:
        return []
    gap = analysis.difference(on[-1], on[0], MEAN)
    said = message(
        "From {axis} = {first:g} to {last:g} the mean loss changes by {change}",
        axis=axis,
        first=values[on[0]],
        last=values[on[-1]],
        change=intervals.change(gap, 3).full,
    )
    return [message("{clauses}.", clauses=intervals.doubted(said, gap))]


def _limit(analysis: Analysis) -> list[str]:
    said = intervals.limits(analysis, "seeds")
    return [said] if said else []


def grids(found: Information) -> list[Table]:
    """Losses by level over all conditions; and, folded, by condition as a mean over levels."""
    by_level, by_condition = [], []
    for part in found.parts:
        for variant in found.variants:
            start = (words(variant), words(PARTS.get(part, part)))
            whole = found.losses.get((part, ALL))
            if whole is not None and variant in whole.scores.variants:
                at = [c for c in (*map(column, found.levels), MEAN)]
                by_level.append((*start, *(intervals.level(intervals.estimate(whole, variant, c), 3) for c in at)))
            apart = [found.losses.get((part, c)) for c in found.conditions]
            by_condition.append((*start, *(intervals.level(intervals.estimate(b, variant, MEAN), 3) for b in apart)))
    heads = (text_column(message("Variant")), text_column(message("Part")))
    interval = message("Intervals: 95\N{NO-BREAK SPACE}% over seeds, absent with one.")
    made = [
        Table(
            title=message("Loss by level"),
            caption=texts(
                [message("1 \N{MINUS SIGN} R² on images of all conditions: 0 where nothing is lost."), interval]
            ),
            columns=(
                *heads,
                *(Column(head=TransformedText(level_label(column(level)), str.capitalize)) for level in found.levels),
                Column(head=TransformedText(level_label(MEAN), str.capitalize)),
            ),
            rows=rows_of(by_level),
        )
    ]
    if len(found.conditions) > 1:
        named = [Column(head=message("All") if c == ALL else condition_label(c)) for c in found.conditions]
        made.append(
            Table(
                title=message("Loss by condition"),
                caption=texts([message("1 \N{MINUS SIGN} R², mean over the levels that have a block."), interval]),
                columns=(*heads, *named),
                rows=rows_of(by_condition),
                is_folded=True,
            )
        )
    return made


def summary(found: Information) -> pd.DataFrame:
    """Every loss with its interval."""
    return pd.DataFrame(
        [
            {
                "variant": variant,
                "part": part,
                "condition": condition,
                "at": at,
                **intervals.columns(analysis.estimate(variant, at)),
            }
            for (part, condition), analysis in found.losses.items()
            for variant in analysis.scores.variants
            for at in analysis.scores.conditions
        ]
    )
