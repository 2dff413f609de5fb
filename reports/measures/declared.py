"""The section of a measure that another package registered: its sentence, and a table with a row a variant."""

from __future__ import annotations

import pandas as pd

from reports.document import Column, Table, rows_of, text_column, words
from reports.labels import condition_label
from reports.measures import intervals
from reports.measures.result import MeasureResult
from reports.messages import message, sentences
from reports.schema import MeasureSection
from reports.stats import AVERAGE, Analysis


def section(table: pd.DataFrame, declared: MeasureSection, variants: tuple[str, ...]) -> MeasureResult:
    """Means with intervals of each variant that was measured.

    Args:
        table: rows of all runs: variant, seed, and the columns of `declared`.
        declared: what is shown of them.
        variants: of the study, in its order.
    """
    analysis, over_images = _analysis(table, declared)
    measured = [variant for variant in variants if variant in analysis.scores.variants]
    columns = analysis.scores.conditions
    # one column is its own average
    shown = (AVERAGE, *columns) if len(columns) > 1 else columns
    cells = {v: [intervals.estimate(analysis, v, column) for column in shown] for v in measured}
    basis = intervals.basis(analysis) if over_images else message("Intervals: 95\N{NO-BREAK SPACE}%, over seeds alone.")
    unit = (
        f"{declared.title}, in {declared.unit}." if declared.unit else f"{declared.title}."
    )  # another package's words
    is_condition = declared.keys[0] == "condition"
    heads = [condition_label(c) if is_condition or c == AVERAGE else c for c in shown]
    grid = Table(
        title=declared.title,
        caption=sentences([unit, basis]),
        columns=(text_column(message("Variant")), *(Column(head=text) for text in heads)),
        rows=rows_of((words(v), *(intervals.level(e, declared.digits) for e in row)) for v, row in cells.items()),
    )
    summary = [
        {"variant": v, declared.keys[0]: column, **intervals.columns(e)}
        for v, row in cells.items()
        for column, e in zip(shown, row, strict=True)
        if e is not None
    ]
    return MeasureResult(
        name=declared.name,
        title=declared.title,
        sentences=(declared.sentence,),
        tables=(grid,),
        summary=pd.DataFrame(summary),
    )


def _analysis(table: pd.DataFrame, declared: MeasureSection) -> tuple[Analysis, bool]:
    """The numbers by variant and column, and whether they vary over photographs too."""
    column = table[declared.keys[0]]
    if {"image", "scene"} <= set(declared.keys):
        rows = table.assign(condition=column, dataset=table.get("dataset", ""))
        return intervals.over_images(rows, rows["value"]), True
    means: pd.DataFrame = table.groupby(["variant", "seed", declared.keys[0]], sort=False)["value"].mean().reset_index()
    return intervals.over_seeds(means, means["value"], means[declared.keys[0]]), False
