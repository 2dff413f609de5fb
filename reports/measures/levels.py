"""Levels not trained on: noise and rain of other strengths than those that the models learnt from."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from reports import schema
from reports.document import Column, Table, rows_of, text_column, words
from reports.labels import condition_in_sentence, condition_label
from reports.measures import intervals
from reports.messages import comma, listed, message
from reports.messages import sentences as texts
from reports.stats import Analysis
from reports.study import Study

USUAL_RAIN = 100
"""Percent of drops of the condition "rain", which has no number in its name."""
_MOST_NAMED = 6


@dataclass(frozen=True, kw_only=True)
class Levels:
    """Gains over the degraded input by strength of the degradation.

    Attributes:
        gains: gains in dB, a column a condition.
        families: task -> its conditions by rising strength.
        strengths: condition -> noise sigma (0 to 255), or percent of drops.
        trained: variant -> conditions that it was trained on.
        told: condition -> the condition of its prompt.
    """

    gains: Analysis
    families: dict[str, tuple[str, ...]]
    strengths: dict[str, float]
    trained: dict[str, frozenset[str]]
    told: dict[str, str]

    @property
    def variants(self) -> tuple[str, ...]:
        """Variants in the study's order."""
        return self.gains.scores.variants

    def is_trained(self, variant: str, condition: str) -> bool:
        """Whether the variant was trained on this very level."""
        return condition in self.trained[variant]

    def new_to_all(self) -> tuple[str, ...]:
        """Conditions that no variant was trained on."""
        return tuple(c for cs in self.families.values() for c in cs if not any(c in t for t in self.trained.values()))


def strength(condition: str) -> float:
    """Noise sigma or percent of drops, from the name: "noise-35" -> 35, "rain" -> 100; NaN where there is none."""
    found = re.search(r"-(\d+)$", condition)
    if found:
        return float(found.group(1))
    return float(USUAL_RAIN) if condition == "rain" else float("nan")


def levels(table: pd.DataFrame, study: Study) -> Levels | None:
    """Sum up the measure "levels"; None where it holds no PSNR of a condition with a strength.

    Where a condition was restored under several prompts, the one whose own strength is nearest counts, as a user who
    knows the level would choose it; of two equally near ones the stronger.
    """
    rows = table[(table["metric"] == schema.PSNR) & table["condition"].map(strength).notna()]
    if rows.empty:
        return None
    told = {str(c): _nearest(str(c), mine["prompt"].unique()) for c, mine in rows.groupby("condition", sort=False)}
    rows = rows[rows["prompt"] == rows["condition"].map(told)]
    conditions = sorted(rows["condition"].unique(), key=strength)
    families: dict[str, list[str]] = {}
    for condition in sorted(conditions, key=lambda c: schema.condition_sort_key(c)[0]):
        families.setdefault(schema.task_of(condition), []).append(condition)
    return Levels(
        gains=intervals.over_images(rows, rows["value"] - rows["input_value"]),
        families={task: tuple(cs) for task, cs in families.items()},
        strengths={c: strength(c) for c in conditions},
        trained={str(v): trained_on(study, str(v), frozenset(mine["prompt"])) for v, mine in rows.groupby("variant")},
        told=told,
    )


def _nearest(condition: str, given: np.ndarray) -> str:
    """The prompt of the condition's task with the nearest strength; any prompt where none is of its task."""
    task = schema.task_of(condition)
    prompts = [str(g) for g in given if schema.task_of(str(g)) == task] or [str(g) for g in given]

    def apart(prompt: str) -> tuple[float, float]:
        own = strength(prompt)
        return (float("inf"), 0.0) if np.isnan(own) else (abs(own - strength(condition)), -own)

    return min(prompts, key=apart)


def trained_on(study: Study, variant: str, otherwise: frozenset[str]) -> frozenset[str]:
    """Conditions that the variant's runs were planned to train on, "rain" also as "rain-100".

    Args:
        study: whose runs' specs say so.
        variant: one of the study's.
        otherwise: what is assumed of runs whose spec does not say.
    """
    for run in study.done_runs_of(variant):
        identity = run.spec.get("identity")
        named = identity.get("conditions") if isinstance(identity, dict) else None
        if isinstance(named, list):
            otherwise = frozenset(map(str, named))
            break
    return otherwise | ({f"rain-{USUAL_RAIN}"} if "rain" in otherwise else set())


def sentences(found: Levels, reference: str | None) -> list[str]:
    """Whether models still help on new levels, and whether any differs there from the reference."""
    new = found.new_to_all()
    if not new:
        return [message("Every level was trained on by some variant: nothing here tells of new ones.")]
    gains = {(v, c): found.gains.estimate(v, c) for v in found.variants for c in new}
    gains = {key: e for key, e in gains.items() if not np.isnan(e.value)}
    below = sorted((key for key, e in gains.items() if e.value < 0), key=lambda k: gains[k].value)
    if below:
        where: str = comma(
            message(
                "{variant} on {condition} ({change} dB)",
                variant=v,
                condition=condition_in_sentence(c),
                change=intervals.change(gains[v, c]).full,
            )
            for v, c in below[:_MOST_NAMED]
        )
        if len(below) > _MOST_NAMED:
            more = message("{n} more", n=len(below) - _MOST_NAMED)
            where = listed([where, more])
        said: list[str] = [
            message("On levels not trained on, these make the image worse than it was: {where}.", where=where)
        ]
    else:
        v, c = min(gains, key=lambda k: gains[k].value)
        smallest = message(
            "No variant's mean falls below the degraded input's on any level not trained on; the smallest gain is "
            "{change} dB, {variant} on {condition}",
            change=intervals.change(gains[v, c]).full,
            variant=v,
            condition=condition_in_sentence(c),
        )
        said = [message("{clauses}.", clauses=intervals.doubted(smallest, gains[v, c]))]
    said += _against(found, reference, new)
    limit = intervals.limits(found.gains)
    return [*said, *([limit] if limit else [])]


def _against(found: Levels, reference: str | None, new: tuple[str, ...]) -> list[str]:
    """How many of the differences from the reference leave zero out, on levels that nobody trained on."""
    if reference not in found.variants or len(found.variants) < 2:
        return []
    gaps = {(v, c): found.gains.difference(v, str(reference), c) for v in found.variants if v != reference for c in new}
    known = {key: e for key, e in gaps.items() if not np.isnan(e.low)}
    if not known:
        return []
    apart = {key: e for key, e in known.items() if e.excludes_zero}
    if not apart:
        return [
            message(
                "None of the {n} differences from the reference, {reference}, leaves zero out there.",
                n=len(known),
                reference=reference,
            )
        ]
    better = sum(e.value > 0 for e in apart.values())
    v, c = max(apart, key=lambda k: abs(apart[k].value))
    return [
        message(
            "{n} of the {all} differences from the reference, {reference}, leave zero out there ({better} better, "
            "{worse} worse; not corrected for their number); the largest is {change} dB, {variant} on {condition}.",
            n=len(apart),
            all=len(known),
            reference=reference,
            better=better,
            worse=len(apart) - better,
            change=intervals.change(apart[v, c]).full,
            variant=v,
            condition=condition_in_sentence(c),
        )
    ]


def grids(found: Levels, reference: str | None) -> list[Table]:
    """For each family a table: gains, or differences from the study's reference where it has one."""
    against = reference if reference in found.variants else None
    made = []
    for task, conditions in found.families.items():
        rows = []
        for variant in found.variants:
            is_base = against is None or variant == against
            cells = [
                intervals.change(
                    intervals.estimate(found.gains, variant, c)
                    if is_base
                    else found.gains.difference(variant, str(against), c)
                )
                for c in conditions
            ]
            rows.append(
                (words(message("{variant} (gain)", variant=variant) if is_base and against else variant), *cells)
            )
        caption = message("Gain over the degraded input, PSNR in dB, paired within each image.")
        if against:
            caption = message(
                "Gain of {reference}; of the others the difference from it, PSNR in dB, paired within each image.",
                reference=against,
            )
        heads = [Column(head=_head(found, c)) for c in conditions]
        made.append(
            Table(
                title=message("{task} by strength", task=condition_label(task)),
                caption=texts([caption, intervals.basis(found.gains)]),
                columns=(text_column(message("Variant")), *heads),
                rows=rows_of(rows),
            )
        )
    return made


def _head(found: Levels, condition: str) -> str:
    label = condition_label(condition)
    return label if _new(found, condition) else message("{condition} (trained)", condition=label)


def _new(found: Levels, condition: str) -> bool:
    return condition in found.new_to_all()


def summary(found: Levels, reference: str | None) -> pd.DataFrame:
    """Gains, and differences from the reference, with their intervals."""
    rows = []
    for variant in found.variants:
        for condition in found.gains.scores.conditions:
            keys = {
                "variant": variant,
                "condition": condition,
                "strength": found.strengths[condition],
                "trained": found.is_trained(variant, condition),
                "prompt": found.told[condition],
            }
            gain = intervals.columns(found.gains.estimate(variant, condition), "db")
            rows.append({"quantity": "gain", **keys, **gain})
            if reference in found.variants and variant != reference:
                gap = intervals.columns(found.gains.difference(variant, str(reference), condition), "db")
                rows.append({"quantity": f"difference from {reference}", **keys, **gap})
    return pd.DataFrame(rows)
