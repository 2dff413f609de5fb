"""Means of a study's variants by column, and the cells that show them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from reports import schema
from reports.document import Cell, Number
from reports.stats import Scores, collect, means


@dataclass(frozen=True, kw_only=True)
class ColumnMeans:
    """Means of every variant by column, ready to be shown; `counts` are images by column."""

    columns: tuple[str, ...]
    averages: dict[str, pd.DataFrame]
    counts: dict[str, int]

    def values(self, name: str, column: str) -> tuple[float, ...]:
        """The metrics of `schema.METRICS`; NaN where there is no score."""
        numbers = []
        for metric in schema.METRICS:
            frame = self.averages[metric.name]
            exists = name in frame.index and column in frame.columns
            numbers.append(float(frame.at[name, column]) if exists else float("nan"))  # type: ignore[arg-type]
        return tuple(numbers)

    def mean(self, name: str) -> tuple[float, ...]:
        """The plain mean over the columns, NaN unless all are there."""
        values = [self.values(name, column) for column in self.columns]
        return tuple(float(np.mean(numbers)) for numbers in zip(*values, strict=True))


def column_means(rows: pd.DataFrame, columns: tuple[str, ...]) -> ColumnMeans:
    """Means of rows whose `condition` names the column, under one protocol.

    Args:
        rows: with the columns of schema.IMAGE_COLUMNS.
        columns: all columns of the table, in its order, scored or not.
    """
    scores: dict[str, Scores] = {m.name: collect(rows, m) for m in schema.METRICS}
    first = scores[schema.PSNR]
    counts = (~np.isnan(first.inputs)).sum(axis=0)
    return ColumnMeans(
        columns=columns,
        averages={name: means(metric_scores) for name, metric_scores in scores.items()},
        counts=dict(zip(first.conditions, map(int, counts), strict=True)),
    )


def mean_cells(grid: ColumnMeans, name: str, runs: str, *, with_average: bool) -> tuple[Cell, ...]:
    """One variant's cells ("input" for the degraded input), with images and `runs` in the tooltip."""
    columns = [(grid.values(name, c), f"{grid.counts.get(c, 0)} images") for c in grid.columns]
    if with_average:
        columns.append((grid.mean(name), "mean over the columns"))
    cells = []
    for values, description in columns:
        numbers = tuple(
            Number(value=v, text="" if np.isnan(v) else f"{v:.{m.digits}f}")
            for v, m in zip(values, schema.METRICS, strict=True)
        )
        empty = all(np.isnan(values))
        hover = "" if empty else "; ".join(filter(None, (description, runs)))
        cells.append(Cell(numbers=numbers, text="not run" if empty else "", hover=hover))
    return tuple(cells)
