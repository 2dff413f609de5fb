"""The section of a measure that another package registered: its sentence, and a table with a row a variant."""

from __future__ import annotations

import pandas as pd

from reports.document import Column, Table, rows_of, text_cell, text_column
from reports.labels import condition_label
from reports.measures import intervals
from reports.measures.result import MeasureResult
from reports.messages import join_sentences, message
from reports.schema import MeasureSection
from reports.stats import AVERAGE, Analysis


def make_section(table: pd.DataFrame, section: MeasureSection, variants: tuple[str, ...]) -> MeasureResult:
    """Means with intervals of each variant that was measured.

    Args:
        table: rows of all runs: variant, seed, and the columns of `section`.
        section: its description.
        variants: of the study, in its order.
    """
    analysis, varies_over_images = _analysis(table, section)
    measured = [variant for variant in variants if variant in analysis.scores.variants]
    columns = analysis.scores.conditions
    # one column is its own average
    columns_to_show = (AVERAGE, *columns) if len(columns) > 1 else columns
    estimates = {v: [intervals.estimate(analysis, v, column) for column in columns_to_show] for v in measured}
    sample = intervals.describe_sample(analysis) if varies_over_images else message("Intervals: 95%, over seeds alone.")
    unit = f"{section.title}, in {section.unit}." if section.unit else f"{section.title}."  # another package's words
    is_condition = section.keys[0] == "condition"
    headings = [condition_label(c) if is_condition or c == AVERAGE else c for c in columns_to_show]
    means = Table(
        title=section.title,
        caption=join_sentences([unit, sample]),
        columns=(text_column(message("Variant")), *(Column(head=text) for text in headings)),
        rows=rows_of(
            (text_cell(v), *(intervals.value_cell(e, section.digits) for e in row)) for v, row in estimates.items()
        ),
    )
    summary = [
        {"variant": v, section.keys[0]: column, **intervals.to_columns(e)}
        for v, row in estimates.items()
        for column, e in zip(columns_to_show, row, strict=True)
        if e is not None
    ]
    return MeasureResult(
        name=section.name,
        title=section.title,
        sentences=(section.sentence,),
        tables=(means,),
        summary=pd.DataFrame(summary),
    )


def _analysis(table: pd.DataFrame, section: MeasureSection) -> tuple[Analysis, bool]:
    """The numbers by variant and column, and whether they vary over photographs too."""
    column = table[section.keys[0]]
    if {"image", "scene"} <= set(section.keys):
        rows = table.assign(condition=column, dataset=table.get("dataset", ""))
        return intervals.over_images(rows, rows["value"]), True
    means: pd.DataFrame = table.groupby(["variant", "seed", section.keys[0]], sort=False)["value"].mean().reset_index()
    return intervals.over_seeds(means, means["value"], means[section.keys[0]]), False
