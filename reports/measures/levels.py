"""Levels not trained on: noise and rain of other strengths than the models were trained on."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from reports import schema
from reports.document import Column, Table, rows_of, text_cell, text_column
from reports.labels import condition_in_sentence, condition_label
from reports.measures import intervals
from reports.messages import join_and, join_commas, join_sentences, message
from reports.stats import Analysis
from reports.study import Study

USUAL_RAIN = 100
"""Percent of drops of the condition "rain", which has no number in its name."""
_MAX_LISTED = 6


@dataclass(frozen=True, kw_only=True)
class Levels:
    """Gains over the degraded input by strength of the degradation.

    Attributes:
        gains: gains in dB, a column a condition.
        families: task -> its conditions by rising strength.
        strengths: condition -> noise sigma (0 to 255), or percent of drops.
        trained: variant -> conditions that it was trained on.
        prompt_of: condition -> the condition of its prompt.
    """

    gains: Analysis
    families: dict[str, tuple[str, ...]]
    strengths: dict[str, float]
    trained: dict[str, frozenset[str]]
    prompt_of: dict[str, str]

    @property
    def variants(self) -> tuple[str, ...]:
        """Variants in the study's order."""
        return self.gains.scores.variants

    def is_trained(self, variant: str, condition: str) -> bool:
        """Whether the variant was trained on this very level."""
        return condition in self.trained[variant]

    def untrained_conditions(self) -> tuple[str, ...]:
        """Conditions that no variant was trained on."""
        return tuple(c for cs in self.families.values() for c in cs if not any(c in t for t in self.trained.values()))


def strength(condition: str) -> float:
    """Noise sigma or percent of drops, from the name: "noise-35" -> 35, "rain" -> 100; NaN where there is none."""
    match = re.search(r"-(\d+)$", condition)
    if match:
        return float(match.group(1))
    return float(USUAL_RAIN) if condition == "rain" else float("nan")


def summarize(table: pd.DataFrame, study: Study) -> Levels | None:
    """Summarize the measure "levels"; None without PSNR of a condition with a strength.

    Where a condition was restored under several prompts, the one of the nearest strength counts, as a user who
    knows the level would choose; of two equally near ones the stronger.
    """
    rows = table[(table["metric"] == schema.PSNR) & table["condition"].map(strength).notna()]
    if rows.empty:
        return None
    prompt_of = {
        str(c): _nearest(str(c), subset["prompt"].unique()) for c, subset in rows.groupby("condition", sort=False)
    }
    rows = rows[rows["prompt"] == rows["condition"].map(prompt_of)]
    conditions = sorted(rows["condition"].unique(), key=strength)
    families: dict[str, list[str]] = {}
    for condition in sorted(conditions, key=lambda c: schema.condition_sort_key(c)[0]):
        families.setdefault(schema.task_of(condition), []).append(condition)
    return Levels(
        gains=intervals.over_images(rows, rows["value"] - rows["input_value"]),
        families={task: tuple(cs) for task, cs in families.items()},
        strengths={c: strength(c) for c in conditions},
        trained={
            str(v): trained_conditions(study, str(v), frozenset(subset["prompt"]))
            for v, subset in rows.groupby("variant")
        },
        prompt_of=prompt_of,
    )


def _nearest(condition: str, available: np.ndarray) -> str:
    """The prompt of the condition's task with the nearest strength; any prompt where none is of its task."""
    task = schema.task_of(condition)
    prompts = [str(g) for g in available if schema.task_of(str(g)) == task] or [str(g) for g in available]

    def distance(prompt: str) -> tuple[float, float]:
        prompt_strength = strength(prompt)
        if np.isnan(prompt_strength):
            return float("inf"), 0.0
        return abs(prompt_strength - strength(condition)), -prompt_strength

    return min(prompts, key=distance)


def trained_conditions(study: Study, variant: str, default: frozenset[str]) -> frozenset[str]:
    """Conditions that the variant's runs were planned to train on, "rain" also as "rain-100".

    Args:
        study: with the runs' specs.
        variant: one of the study's.
        default: assumed for runs whose spec has no conditions.
    """
    for run in study.done_runs_of(variant):
        identity = run.spec.get("identity")
        conditions = identity.get("conditions") if isinstance(identity, dict) else None
        if isinstance(conditions, list):
            default = frozenset(map(str, conditions))
            break
    return default | ({f"rain-{USUAL_RAIN}"} if "rain" in default else set())


def sentences(levels: Levels, reference: str | None) -> list[str]:
    """Whether models still help on new levels, and whether any differs there from the reference."""
    new_conditions = levels.untrained_conditions()
    if not new_conditions:
        return [message("Every level was trained on by some variant: no evidence on new levels.")]
    gains = {
        (variant, condition): levels.gains.estimate(variant, condition)
        for variant in levels.variants
        for condition in new_conditions
    }
    gains = {key: e for key, e in gains.items() if not np.isnan(e.value)}
    worse = sorted((key for key, e in gains.items() if e.value < 0), key=lambda k: gains[k].value)
    if worse:
        cases: str = join_commas(
            message(
                "{variant} on {condition} ({change} dB)",
                variant=variant,
                condition=condition_in_sentence(condition),
                change=intervals.change_cell(gains[variant, condition]).full,
            )
            for variant, condition in worse[:_MAX_LISTED]
        )
        if len(worse) > _MAX_LISTED:
            remainder = message("{n} more", n=len(worse) - _MAX_LISTED)
            cases = join_and([cases, remainder])
        lines: list[str] = [
            message("On levels not trained on, these make the image worse than it was: {where}.", where=cases)
        ]
    else:
        variant, condition = min(gains, key=lambda k: gains[k].value)
        smallest = message(
            "No variant's mean falls below the degraded input's on any level not trained on; the smallest gain is "
            "{change} dB, {variant} on {condition}",
            change=intervals.change_cell(gains[variant, condition]).full,
            variant=variant,
            condition=condition_in_sentence(condition),
        )
        lines = [message("{clauses}.", clauses=intervals.flag_unresolved(smallest, gains[variant, condition]))]
    lines += _reference_sentences(levels, reference, new_conditions)
    return [*lines, *intervals.caveats(levels.gains)]


def _reference_sentences(levels: Levels, reference: str | None, new: tuple[str, ...]) -> list[str]:
    """Number of significant differences from the reference, on levels that no variant was trained on."""
    if reference not in levels.variants or len(levels.variants) < 2:
        return []
    differences = {
        (v, c): levels.gains.difference(v, str(reference), c) for v in levels.variants if v != reference for c in new
    }
    finite = {key: e for key, e in differences.items() if not np.isnan(e.low)}
    if not finite:
        return []
    significant = {key: e for key, e in finite.items() if e.excludes_zero}
    if not significant:
        return [
            message(
                "None of the {n} differences from the reference, {reference}, is significant there.",
                n=len(finite),
                reference=reference,
            )
        ]
    better = sum(e.value > 0 for e in significant.values())
    v, c = max(significant, key=lambda k: abs(significant[k].value))
    return [
        message(
            "{n} of the {all} differences from the reference, {reference}, leave zero out there ({better} better, "
            "{worse} worse; not corrected for their number); the largest is {change} dB, {variant} on {condition}.",
            n=len(significant),
            all=len(finite),
            reference=reference,
            better=better,
            worse=len(significant) - better,
            change=intervals.change_cell(significant[v, c]).full,
            variant=v,
            condition=condition_in_sentence(c),
        )
    ]


def make_tables(levels: Levels, reference: str | None) -> list[Table]:
    """For each family a table: gains, or differences from the study's reference where it has one."""
    against = reference if reference in levels.variants else None
    tables = []
    for task, conditions in levels.families.items():
        rows = []
        for variant in levels.variants:
            is_reference = against is None or variant == against
            cells = [
                intervals.change_cell(
                    intervals.estimate(levels.gains, variant, c)
                    if is_reference
                    else levels.gains.difference(variant, str(against), c)
                )
                for c in conditions
            ]
            rows.append(
                (
                    text_cell(message("{variant} (gain)", variant=variant) if is_reference and against else variant),
                    *cells,
                )
            )
        caption = message("Gain over the degraded input, PSNR in dB, paired within each image.")
        if against:
            caption = message(
                "Gain of {reference}; of the others the difference from it, PSNR in dB, paired within each image.",
                reference=against,
            )
        heads = [Column(head=_make_heading(levels, c)) for c in conditions]
        tables.append(
            Table(
                title=message("{task} by strength", task=condition_label(task)),
                caption=join_sentences([caption, intervals.describe_sample(levels.gains)]),
                columns=(text_column(message("Variant")), *heads),
                rows=rows_of(rows),
            )
        )
    return tables


def _make_heading(levels: Levels, condition: str) -> str:
    label = condition_label(condition)
    return label if _is_new(levels, condition) else message("{condition} (trained)", condition=label)


def _is_new(levels: Levels, condition: str) -> bool:
    return condition in levels.untrained_conditions()


def to_frame(levels: Levels, reference: str | None) -> pd.DataFrame:
    """Gains, and differences from the reference, with their intervals."""
    rows = []
    for variant in levels.variants:
        for condition in levels.gains.scores.conditions:
            keys = {
                "variant": variant,
                "condition": condition,
                "strength": levels.strengths[condition],
                "trained": levels.is_trained(variant, condition),
                "prompt": levels.prompt_of[condition],
            }
            gain = intervals.to_columns(levels.gains.estimate(variant, condition), "db")
            rows.append({"quantity": "gain", **keys, **gain})
            if reference in levels.variants and variant != reference:
                difference = intervals.to_columns(levels.gains.difference(variant, str(reference), condition), "db")
                rows.append({"quantity": f"difference from {reference}", **keys, **difference})
    return pd.DataFrame(rows)
