"""Prompt codes in half precision: how far the channel orders move, and what it does to the images."""

from __future__ import annotations

import pandas as pd

from reports import schema
from reports.document import Column, Table, rows_of, text_column, words
from reports.measures import intervals
from reports.messages import message
from reports.messages import sentences as texts
from reports.stats import AVERAGE, Analysis

EXACT = "fp32"
_IMAGE = ["variant", "seed", "dataset", "scene", "image", "condition"]


def changes(table: pd.DataFrame) -> dict[str, Analysis]:
    """Number format -> PSNR changes against fp32 codes, in dB, from the measure "precision"."""
    rows = table[table["metric"] == schema.PSNR]
    exact = rows[rows["number_format"] == EXACT].set_index(_IMAGE)["value"]
    base = exact.reindex(pd.MultiIndex.from_frame(rows[_IMAGE])).to_numpy()
    rows = rows.assign(change=rows["value"].to_numpy() - base).dropna(subset="change")
    return {
        str(given): intervals.over_images(mine, mine["change"])
        for given, mine in rows[rows["number_format"] != EXACT].groupby("number_format", sort=False)
    }


def moves(table: pd.DataFrame) -> dict[str, Analysis]:
    """Number format -> shares of moved positions, a column a block, from the measure "order_moves".

    Prompts are no sample of anything: they are averaged, and only seeds vary.
    """
    by_run = (
        table.groupby(["number_format", "variant", "seed", "block"], sort=False)["moved_share"].mean().reset_index()
    )
    return {
        str(given): intervals.over_seeds(mine, mine["moved_share"], mine["block"])
        for given, mine in by_run.groupby("number_format", sort=False)
    }


def grid(changed: dict[str, Analysis], moved: dict[str, Analysis]) -> Table:
    """A line for each variant and number format."""
    formats = list(dict.fromkeys([*moved, *changed]))
    names = {b for analysis in moved.values() for b in analysis.scores.conditions}
    blocks = sorted(names, key=lambda b: (b == "latent", b))
    rows = []
    for given in formats:
        of_images, of_orders = changed.get(given), moved.get(given)
        known = [b.scores.variants for b in (of_orders, of_images) if b is not None]
        for variant in dict.fromkeys(v for names in known for v in names):
            shares = [intervals.estimate(of_orders, variant, b) for b in blocks]
            change = intervals.estimate(of_images, variant)
            rows.append(
                (
                    words(variant),
                    words(given),
                    intervals.change(change, 3),
                    *(intervals.percent(share) for share in shares),
                )
            )
    basis = [intervals.basis(b) for b in list(changed.values())[:1]]
    return Table(
        title=message("Codes rounded to a number format"),
        caption=texts(
            [
                message("PSNR: change against fp32 codes in dB, averaged over the columns, paired within each image."),
                *basis,
                message(
                    "Blocks: share of channel positions that hold another channel than in fp32, mean over prompts; its "
                    "interval is over seeds, and absent with one."
                ),
            ]
        ),
        columns=(
            text_column(message("Variant")),
            text_column(message("Format")),
            Column(head="PSNR"),
            *(Column(head=message("Moved, {block}", block=b)) for b in blocks),
        ),
        rows=rows_of(rows),
    )


def sentences(changed: dict[str, Analysis], moved: dict[str, Analysis]) -> list[str]:
    """For each number format the most moved block and the largest change of PSNR."""
    said: list[str] = []
    for given in dict.fromkeys([*moved, *changed]):
        parts = [*_most_moved(moved.get(given)), *_most_changed(changed.get(given))]
        told = parts[0] if len(parts) == 1 else message("{moves} and {changes}", moves=parts[0], changes=parts[-1])
        said.append(message("Rounding the prompt codes to {format} {told}.", format=given, told=told))
    said += [intervals.limits(b) for b in list(changed.values())[:1]]
    return [s for s in said if s]


def _most_moved(analysis: Analysis | None) -> list[str]:
    if analysis is None:
        return []
    s = analysis.scores
    found = {(v, b): intervals.estimate(analysis, v, b) for v in s.variants for b in s.conditions}
    every = {key: e.value for key, e in found.items() if e is not None}
    if not every:
        return []
    variant, block = max(every, key=every.__getitem__)
    most = every[variant, block]
    if most == 0:
        return [message("moves no channel")]
    return [
        message(
            "moves {least:.1%} to {most:.1%} of the channel positions (most: {block} of {variant})",
            least=min(every.values()),
            most=most,
            block=block,
            variant=variant,
        )
    ]


def _most_changed(analysis: Analysis | None) -> list[str]:
    if analysis is None:
        return []
    found = {v: intervals.estimate(analysis, v) for v in analysis.scores.variants}
    every = {v: e for v, e in found.items() if e is not None}
    if not every:
        return []
    variant = max(every, key=lambda v: abs(every[v].value))
    e = every[variant]
    size = intervals.change(e, 3).full
    if all(abs(x.value) < 0.0005 for x in every.values()):
        return [message("changes no variant's PSNR by 0.001 dB")]
    said = message("changes PSNR by {change} dB", change=size)
    if len(every) > 1:
        said = message("changes PSNR by {change} dB at most, in {variant}", change=size, variant=variant)
    return [intervals.doubted(said, e)]


def summary(changed: dict[str, Analysis], moved: dict[str, Analysis]) -> pd.DataFrame:
    """Every number of the table, unrounded, and the changes of each condition."""
    rows = []
    for given, analysis in changed.items():
        for variant in analysis.scores.variants:
            for condition in (AVERAGE, *analysis.scores.conditions):
                numbers = intervals.columns(analysis.estimate(variant, condition))
                keys = {"quantity": "psnr_change_db", "variant": variant, "number_format": given, "at": condition}
                rows.append({**keys, **numbers})
    for given, analysis in moved.items():
        for variant in analysis.scores.variants:
            for block in analysis.scores.conditions:
                numbers = intervals.columns(analysis.estimate(variant, block))
                rows.append(
                    {"quantity": "moved_share", "variant": variant, "number_format": given, "at": block, **numbers}
                )
    return pd.DataFrame(rows)
