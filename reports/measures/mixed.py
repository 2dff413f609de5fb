"""Two degradations at once, restored under the prompt of either."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pandas as pd

from reports import schema
from reports.document import Cell, Column, Table, rows_of, text_column, words
from reports.labels import condition_in_sentence, condition_label
from reports.measures import intervals
from reports.messages import comma, message, series
from reports.messages import sentences as texts
from reports.stats import Analysis, Estimate

_IMAGE = ["variant", "seed", "dataset", "scene", "image", "condition"]


@dataclass(frozen=True, kw_only=True)
class Mixed:
    """PSNR of restored images with two degradations.

    Attributes:
        prompts: condition -> the prompts under which its images were restored, in the order of its name.
        restored: given prompt -> PSNR in dB, a column a condition; likewise `gains` over the input.
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
        """(condition, variant, given prompt) of everything that was measured."""
        return [
            (condition, variant, given)
            for condition, prompts in self.prompts.items()
            for variant in self.variants
            for given in prompts
            if intervals.estimate(self.gains[given], variant, condition) is not None
        ]


def mixed(table: pd.DataFrame) -> Mixed | None:
    """Sum up the measure "mixed"; None where it holds no PSNR."""
    rows = table[table["metric"] == schema.PSNR]
    if rows.empty:
        return None
    prompts: dict[str, tuple[str, ...]] = {}
    gaps: dict[str, Analysis] = {}
    for name, mine in rows.groupby("condition", sort=False):
        condition = str(name)
        named = [g for g in condition.split("+") if (mine["prompt"] == g).any()]
        prompts[condition] = (*named, *sorted(set(mine["prompt"]) - set(named)))
        if len(prompts[condition]) > 1:
            wide = mine.pivot(index=_IMAGE, columns="prompt", values="value")
            apart = wide[prompts[condition][0]] - wide[prompts[condition][1]]
            both = apart.dropna().rename("gap").reset_index()
            if len(both):
                gaps[condition] = intervals.over_images(both, both["gap"])
    by_prompt = {str(g): mine for g, mine in rows.groupby("prompt", sort=False)}
    return Mixed(
        prompts=prompts,
        restored={g: intervals.over_images(mine, mine["value"]) for g, mine in by_prompt.items()},
        gains={g: intervals.over_images(mine, mine["value"] - mine["input_value"]) for g, mine in by_prompt.items()},
        inputs_db={str(c): float(v) for c, v in rows.groupby("condition")["input_value"].mean().items()},
        gaps=gaps,
    )


def sentences(found: Mixed) -> list[str]:
    """For which variant restoring fails, and which of the two prompts is better."""
    gains = {line: found.gains[line[2]].estimate(line[1], line[0]) for line in found.lines()}
    said = [_failures(gains), *(_better(found, condition) for condition in found.gaps)]
    said.append(intervals.limits(next(iter(found.gains.values()))))
    return [s for s in said if s]


def _failures(gains: dict[tuple[str, str, str], Estimate]) -> str:
    below = sorted((line for line, e in gains.items() if e.value < 0), key=lambda line: gains[line].value)
    if not below:
        worst = min(gains, key=lambda line: gains[line].value)
        smallest = message(
            "With two degradations at once no variant's mean falls below its input's under either prompt; the smallest "
            "gain is {change} dB, {variant} on {condition} told {given}",
            change=intervals.change(gains[worst]).full,
            condition=condition_in_sentence(worst[0]),
            variant=worst[1],
            given=condition_in_sentence(worst[2]),
        )
        return message("{clauses}.", clauses=intervals.doubted(smallest, gains[worst]))
    cases = dict.fromkeys((condition, given) for condition, _, given in below)
    told = []
    for condition, given in cases:
        mine = [line for line in gains if (line[0], line[2]) == (condition, given)]
        failed = [line for line in below if line in mine]
        who = _who([variant for _, variant, _ in failed], len(mine))
        values = {
            "condition": condition_in_sentence(condition),
            "prompt": condition_in_sentence(given),
            "who": who,
            "change": intervals.change(gains[failed[0]]).full,
        }
        told.append(
            message(
                "on {condition} told {given} for {who} (worst: {change} dB, {variant})", **values, variant=failed[0][1]
            )
            if len(failed) > 1
            else message("on {condition} told {given} for {who} ({change} dB)", **values)
        )
    return message("Restoring fails, the result being worse than the degraded input, {where}.", where=series(told))


def _better(found: Mixed, condition: str) -> str:
    """For how many variants each prompt is better, by intervals."""
    first, second = found.prompts[condition][:2]
    gaps = {v: found.gaps[condition].estimate(v, condition) for v in found.gaps[condition].scores.variants}
    for_first = [v for v, e in gaps.items() if e.excludes_zero and e.value > 0]
    for_second = [v for v, e in gaps.items() if e.excludes_zero and e.value < 0]
    rest = len(gaps) - len(for_first) - len(for_second)
    parts = [
        message(
            "the prompt of {given} is better for {who}", given=condition_in_sentence(given), who=_who(names, len(gaps))
        )
        for given, names in ((first, for_first), (second, for_second))
        if names
    ]
    if rest:
        parts.append(
            message("the two can't be told apart for {n} of {all}", n=rest, all=len(gaps))
            if parts
            else message("the two can't be told apart")
        )
    return message("On {condition}, {told}.", condition=condition_in_sentence(condition), told=series(parts))


def _who(names: list[str], total: int) -> str:
    if len(names) == total:
        return message("every variant") if total > 1 else names[0]
    return comma(names) if len(names) <= 3 else message("{n} of the {all} variants", n=len(names), all=total)


def grid(found: Mixed) -> Table:
    """A line for each condition, variant and given prompt."""
    rows = []
    for condition, variant, given in found.lines():
        gap = intervals.estimate(found.gaps.get(condition), variant, condition)
        at = found.prompts[condition].index(given)
        before = found.inputs_db[condition]
        rows.append(
            (
                words(variant),
                words(condition_label(condition)),
                words(condition_label(given)),
                Cell(text=f"{before:.2f}", value=before),
                intervals.level(intervals.estimate(found.restored[given], variant, condition), 2),
                intervals.change(intervals.estimate(found.gains[given], variant, condition)),
                intervals.change(_turned(gap) if at == 1 else gap) if at < 2 and gap else Cell(text=""),
            )
        )
    return Table(
        title=message("Restored under either prompt"),
        caption=texts(
            [
                message(
                    "PSNR in dB; gain: restored minus input; the last column: this prompt's result minus the other's, "
                    "both paired within each image."
                ),
                intervals.basis(next(iter(found.gains.values()))),
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


def _turned(e: Estimate) -> Estimate:
    """The same difference seen from the other prompt."""
    return replace(e, value=-e.value, low=-e.high, high=-e.low)


def summary(found: Mixed) -> pd.DataFrame:
    """PSNR and gain of every line, and the difference between the two prompts."""
    rows = []
    for condition, variant, given in found.lines():
        keys = {"variant": variant, "condition": condition, "prompt": given, "input_db": found.inputs_db[condition]}
        for quantity, by_prompt in (("psnr", found.restored), ("gain", found.gains)):
            numbers = intervals.columns(by_prompt[given].estimate(variant, condition), "db")
            rows.append({"quantity": quantity, **keys, **numbers})
    for condition, analysis in found.gaps.items():
        first, second = found.prompts[condition][:2]
        for variant in analysis.scores.variants:
            keys = {"variant": variant, "condition": condition, "prompt": f"{first} minus {second}"}
            rows.append({"quantity": "gap", **keys, **intervals.columns(analysis.estimate(variant, condition), "db")})
    return pd.DataFrame(rows)
