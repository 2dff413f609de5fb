"""Prompt codes in half precision: how far the channel orders move, and what it does to the images."""

from __future__ import annotations

import pandas as pd

from reports import schema
from reports.document import Column, Table, rows_of, text_cell, text_column
from reports.measures import intervals
from reports.messages import join_sentences, message
from reports.stats import AVERAGE, Analysis

REFERENCE_FORMAT = "fp32"


def summarize_changes(table: pd.DataFrame) -> dict[str, Analysis]:
    """Number format -> PSNR changes against fp32 codes, in dB, from the measure "precision"."""
    rows = table[table["metric"] == schema.PSNR]
    is_reference = rows["number_format"] == REFERENCE_FORMAT
    changes = rows.assign(change=intervals.paired_changes(rows, rows[is_reference]))[~is_reference]
    return {
        str(number_format): intervals.over_images(subset, subset["change"])
        for number_format, subset in changes.dropna(subset="change").groupby("number_format", sort=False)
    }


def summarize_moves(table: pd.DataFrame) -> dict[str, Analysis]:
    """Number format -> shares of moved positions, a column a block, from the measure "order_moves".

    Prompts are no sample of anything: they are averaged, and only seeds vary.
    """
    keys = ["number_format", "variant", "seed", "block"]
    by_run = table.groupby(keys, sort=False)["moved_share"].mean().reset_index()
    return {
        str(number_format): intervals.over_seeds(subset, subset["moved_share"], subset["block"])
        for number_format, subset in by_run.groupby("number_format", sort=False)
    }


def make_table(changed: dict[str, Analysis], moved: dict[str, Analysis]) -> Table:
    """A line for each variant and number format."""
    formats = list(dict.fromkeys([*moved, *changed]))
    names = {block for analysis in moved.values() for block in analysis.scores.conditions}
    blocks = sorted(names, key=lambda block: (block == "latent", block))
    rows = []
    for number_format in formats:
        image_changes, order_moves = changed.get(number_format), moved.get(number_format)
        measured = [analysis for analysis in (order_moves, image_changes) if analysis is not None]
        for variant in dict.fromkeys(v for analysis in measured for v in analysis.scores.variants):
            shares = [intervals.estimate(order_moves, variant, block) for block in blocks]
            change = intervals.estimate(image_changes, variant)
            rows.append(
                (
                    text_cell(variant),
                    text_cell(number_format),
                    intervals.change_cell(change, 3),
                    *(intervals.percent_cell(share) for share in shares),
                )
            )
    samples = [intervals.describe_sample(analysis) for analysis in list(changed.values())[:1]]
    return Table(
        title=message("Codes rounded to a number format"),
        caption=join_sentences(
            [
                message("PSNR: change against fp32 codes in dB, averaged over the columns, paired within each image."),
                *samples,
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
            *(Column(head=message("Moved, {block}", block=block)) for block in blocks),
        ),
        rows=rows_of(rows),
    )


def sentences(changed: dict[str, Analysis], moved: dict[str, Analysis]) -> list[str]:
    """For each number format the most moved block and the largest change of PSNR."""
    lines: list[str] = []
    for number_format in dict.fromkeys([*moved, *changed]):
        parts = [*_moved_clause(moved.get(number_format)), *_changed_clause(changed.get(number_format))]
        clause = parts[0] if len(parts) == 1 else message("{moves} and {changes}", moves=parts[0], changes=parts[-1])
        lines.append(message("Rounding the prompt codes to {format} {effect}.", format=number_format, effect=clause))
    for analysis in list(changed.values())[:1]:
        lines += intervals.caveats(analysis)
    return lines


def _moved_clause(analysis: Analysis | None) -> list[str]:
    if analysis is None:
        return []
    scores = analysis.scores
    shares = {(v, b): intervals.estimate(analysis, v, b) for v in scores.variants for b in scores.conditions}
    values = {key: share.value for key, share in shares.items() if share is not None}
    if not values:
        return []
    variant, block = max(values, key=values.__getitem__)
    largest = values[variant, block]
    if largest == 0:
        return [message("moves no channel")]
    return [
        message(
            "moves {least:.1%} to {most:.1%} of the channel positions (most: {block} of {variant})",
            least=min(values.values()),
            most=largest,
            block=block,
            variant=variant,
        )
    ]


def _changed_clause(analysis: Analysis | None) -> list[str]:
    if analysis is None:
        return []
    estimates = {v: intervals.estimate(analysis, v) for v in analysis.scores.variants}
    measured = {v: estimate for v, estimate in estimates.items() if estimate is not None}
    if not measured:
        return []
    variant = max(measured, key=lambda v: abs(measured[v].value))
    largest = measured[variant]
    size = intervals.change_cell(largest, 3).full
    if all(abs(estimate.value) < 0.0005 for estimate in measured.values()):
        return [message("changes no variant's PSNR by 0.001 dB")]
    clause = message("changes PSNR by {change} dB", change=size)
    if len(measured) > 1:
        clause = message("changes PSNR by {change} dB at most, in {variant}", change=size, variant=variant)
    return [intervals.flag_unresolved(clause, largest)]


def to_frame(changed: dict[str, Analysis], moved: dict[str, Analysis]) -> pd.DataFrame:
    """Every number of the table, unrounded, and the changes of each condition."""
    rows = []
    for number_format, analysis in changed.items():
        for variant in analysis.scores.variants:
            for condition in (AVERAGE, *analysis.scores.conditions):
                numbers = intervals.to_columns(analysis.estimate(variant, condition))
                keys = {"variant": variant, "number_format": number_format, "at": condition}
                rows.append({"quantity": "psnr_change_db", **keys, **numbers})
    for number_format, analysis in moved.items():
        for variant in analysis.scores.variants:
            for block in analysis.scores.conditions:
                numbers = intervals.to_columns(analysis.estimate(variant, block))
                rows.append(
                    {
                        "quantity": "moved_share",
                        "variant": variant,
                        "number_format": number_format,
                        "at": block,
                        **numbers,
                    }
                )
    return pd.DataFrame(rows)
