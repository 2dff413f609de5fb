"""Two degradations at once, restored under the prompt of either."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pandas as pd

from reports import schema
from reports.document import Cell, Column, Table, rows_of, text_cell, text_column
from reports.labels import condition_in_sentence, condition_label
from reports.measures import intervals
from reports.messages import join_clauses, join_commas, join_sentences, message
from reports.stats import Analysis, Estimate


@dataclass(frozen=True, kw_only=True)
class MixedDegradations:
    """PSNR of restored images with two degradations.

    Attributes:
        prompts: condition -> the prompts under which its images were restored, in the order of its name.
        restored: prompt -> PSNR in dB, a column a condition; likewise `gains` over the input.
        inputs_db: condition -> mean PSNR of the degraded input.
        gaps: condition -> PSNR under its first prompt minus that under its second, in dB.
    """

    prompts: dict[str, tuple[str, ...]]
    restored: dict[str, Analysis]
    gains: dict[str, Analysis]
    inputs_db: dict[str, float]
    gaps: dict[str, Analysis]

    @property
    def variants(self) -> tuple[str, ...]:
        """Variants, those of the first prompt first."""
        return tuple(dict.fromkeys(v for b in self.gains.values() for v in b.scores.variants))

    def lines(self) -> list[tuple[str, str, str]]:
        """(condition, variant, prompt) of every measurement."""
        return [
            (condition, variant, prompt)
            for condition, prompts in self.prompts.items()
            for variant in self.variants
            for prompt in prompts
            if intervals.estimate(self.gains[prompt], variant, condition) is not None
        ]


def summarize(table: pd.DataFrame) -> MixedDegradations | None:
    """Summarize the measure "mixed"; None without PSNR."""
    rows = table[table["metric"] == schema.PSNR]
    if rows.empty:
        return None
    prompts: dict[str, tuple[str, ...]] = {}
    gaps: dict[str, Analysis] = {}
    for name, subset in rows.groupby("condition", sort=False):
        condition = str(name)
        from_name = [g for g in condition.split("+") if (subset["prompt"] == g).any()]
        prompts[condition] = (*from_name, *sorted(set(subset["prompt"]) - set(from_name)))
        if len(prompts[condition]) > 1:
            wide = subset.pivot(index=intervals.IMAGE_KEY, columns="prompt", values="value")
            difference = wide[prompts[condition][0]] - wide[prompts[condition][1]]
            differences = difference.dropna().rename("gap").reset_index()
            if len(differences):
                gaps[condition] = intervals.over_images(differences, differences["gap"])
    by_prompt = {str(g): subset for g, subset in rows.groupby("prompt", sort=False)}
    return MixedDegradations(
        prompts=prompts,
        restored={g: intervals.over_images(subset, subset["value"]) for g, subset in by_prompt.items()},
        gains={
            g: intervals.over_images(subset, subset["value"] - subset["input_value"]) for g, subset in by_prompt.items()
        },
        inputs_db={str(c): float(v) for c, v in rows.groupby("condition")["input_value"].mean().items()},
        gaps=gaps,
    )


def sentences(mixed: MixedDegradations) -> list[str]:
    """Variants for which restoration fails, and the better of the two prompts."""
    gains = {key: mixed.gains[key[2]].estimate(key[1], key[0]) for key in mixed.lines()}
    better = [_better_prompt_sentence(mixed, condition) for condition in mixed.gaps]
    return [_failure_sentence(gains), *better, *intervals.caveats(next(iter(mixed.gains.values())))]


def _failure_sentence(gains: dict[tuple[str, str, str], Estimate]) -> str:
    worse = sorted((key for key, e in gains.items() if e.value < 0), key=lambda key: gains[key].value)
    if not worse:
        smallest_gain = min(gains, key=lambda key: gains[key].value)
        smallest = message(
            "With two degradations at once no variant's mean falls below its input's under either prompt; the "
            "smallest gain is {change} dB, {variant} on {condition} with the prompt of {prompt}",
            change=intervals.change_cell(gains[smallest_gain]).full,
            condition=condition_in_sentence(smallest_gain[0]),
            variant=smallest_gain[1],
            prompt=condition_in_sentence(smallest_gain[2]),
        )
        return message("{clauses}.", clauses=intervals.flag_unresolved(smallest, gains[smallest_gain]))
    cases = dict.fromkeys((condition, prompt) for condition, _, prompt in worse)
    clauses = []
    for condition, prompt in cases:
        tested = [key for key in gains if (key[0], key[2]) == (condition, prompt)]
        failing = [key for key in worse if key in tested]
        variants = _format_variants([variant for _, variant, _ in failing], len(tested))
        values = {
            "condition": condition_in_sentence(condition),
            "prompt": condition_in_sentence(prompt),
            "variants": variants,
            "change": intervals.change_cell(gains[failing[0]]).full,
        }
        clauses.append(
            message(
                "on {condition} with the prompt of {prompt} for {variants} (worst: {change} dB, {variant})",
                **values,
                variant=failing[0][1],
            )
            if len(failing) > 1
            else message("on {condition} with the prompt of {prompt} for {variants} ({change} dB)", **values)
        )
    return message(
        "Restoring fails, the result being worse than the degraded input, {where}.", where=join_clauses(clauses)
    )


def _better_prompt_sentence(mixed: MixedDegradations, condition: str) -> str:
    """For how many variants each prompt is better, by intervals."""
    first, second = mixed.prompts[condition][:2]
    differences = {v: mixed.gaps[condition].estimate(v, condition) for v in mixed.gaps[condition].scores.variants}
    for_first = [v for v, e in differences.items() if e.excludes_zero and e.value > 0]
    for_second = [v for v, e in differences.items() if e.excludes_zero and e.value < 0]
    undecided = len(differences) - len(for_first) - len(for_second)
    parts = [
        message(
            "the prompt of {prompt} is better for {variants}",
            prompt=condition_in_sentence(prompt),
            variants=_format_variants(names, len(differences)),
        )
        for prompt, names in ((first, for_first), (second, for_second))
        if names
    ]
    if undecided:
        parts.append(
            message("no significant difference between the two for {n} of {all}", n=undecided, all=len(differences))
            if parts
            else message("no significant difference between the two")
        )
    return message(
        "On {condition}, {clauses}.", condition=condition_in_sentence(condition), clauses=join_clauses(parts)
    )


def _format_variants(names: list[str], total: int) -> str:
    if len(names) == total:
        return message("every variant") if total > 1 else names[0]
    return join_commas(names) if len(names) <= 3 else message("{n} of the {all} variants", n=len(names), all=total)


def make_table(mixed: MixedDegradations) -> Table:
    """A line for each condition, variant and prompt."""
    rows = []
    for condition, variant, prompt in mixed.lines():
        difference = intervals.estimate(mixed.gaps.get(condition), variant, condition)
        position = mixed.prompts[condition].index(prompt)
        input_db = mixed.inputs_db[condition]
        rows.append(
            (
                text_cell(variant),
                text_cell(condition_label(condition)),
                text_cell(condition_label(prompt)),
                Cell(text=f"{input_db:.2f}", value=input_db),
                intervals.value_cell(intervals.estimate(mixed.restored[prompt], variant, condition), 2),
                intervals.change_cell(intervals.estimate(mixed.gains[prompt], variant, condition)),
                intervals.change_cell(_negate(difference) if position == 1 else difference)
                if position < 2 and difference
                else Cell(text=""),
            )
        )
    return Table(
        title=message("Restored under either prompt"),
        caption=join_sentences(
            [
                message(
                    "PSNR in dB; gain: restored minus input; the last column: this prompt's result minus the other's, "
                    "both paired within each image."
                ),
                intervals.describe_sample(next(iter(mixed.gains.values()))),
            ]
        ),
        columns=(
            text_column(message("Variant")),
            text_column(message("Degradations")),
            text_column(message("Told")),
            Column(head=message("Input")),
            Column(head=message("Restored")),
            Column(head=message("Gain")),
            Column(head=message("Against the other prompt")),
        ),
        rows=rows_of(rows),
    )


def _negate(e: Estimate) -> Estimate:
    """The same difference in the other direction."""
    return replace(e, value=-e.value, low=-e.high, high=-e.low)


def to_frame(mixed: MixedDegradations) -> pd.DataFrame:
    """PSNR and gain of every line, and the difference between the two prompts."""
    rows = []
    for condition, variant, prompt in mixed.lines():
        keys = {"variant": variant, "condition": condition, "prompt": prompt, "input_db": mixed.inputs_db[condition]}
        for quantity, by_prompt in (("psnr", mixed.restored), ("gain", mixed.gains)):
            numbers = intervals.to_columns(by_prompt[prompt].estimate(variant, condition), "db")
            rows.append({"quantity": quantity, **keys, **numbers})
    for condition, analysis in mixed.gaps.items():
        first, second = mixed.prompts[condition][:2]
        for variant in analysis.scores.variants:
            keys = {"variant": variant, "condition": condition, "prompt": f"{first} minus {second}"}
            rows.append(
                {"quantity": "gap", **keys, **intervals.to_columns(analysis.estimate(variant, condition), "db")}
            )
    return pd.DataFrame(rows)
