"""Provenance of each number of a table: ids of its runs, seeds, protocol, images and commit.

Plain data for a JSON block of the page. A cell is (table, row, column) by place, in the order in which the page prints
them, so that sorting and filtering leave it alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from reports import schema
from reports.labels import condition_label
from reports.pages.setup import max_runs_per_variant
from reports.stats import AVERAGE, TASK_AVERAGE, Scores, seed_means
from reports.study import Run, Study
from reports.tables import ResultTable


def cell_provenance(tables: Sequence[tuple[Study, ResultTable]]) -> dict[str, Any]:
    """The runs behind the cells of these tables.

    Args:
        tables: each with the study whose rows it shows, in the page's order.

    Returns:
        {"metrics": heads, "runs": run id -> its commit, device and protocol, "tables": [{"columns": [...], "rows":
        [...]}]}. A row without finished runs is None. Means are unrounded: for each run a list of columns, for each
        column a number a metric, None where there is none. A row's `spread` holds, for each column, a metric's 95 %
        interval of the mean and standard deviation over seeds: (low, high, SD).
    """
    runs = {run.run_id: run for study, _ in tables for run in study.runs.values()}
    provenance_tables = [_table(study, table) for study, table in tables]
    used = {r["run"] for table in provenance_tables for row in table["rows"] if row for r in row["runs"]}
    return {
        "metrics": [f"{m.label}, {m.unit}" if m.unit else m.label for m in tables[0][0].metrics],
        "runs": {name: _run(run) for name, run in runs.items() if name in used},
        "tables": provenance_tables,
    }


def _table(study: Study, table: ResultTable) -> dict[str, Any]:
    scores = {m.name: study.scores(m.name) for m in study.metrics}
    return {
        "columns": [_column(study.test_settings, scores[schema.PSNR], column) for column in table.columns],
        "rows": [None if row.is_input else _row(study, scores, row.variant, table.columns) for row in table.rows],
    }


def _column(test_settings: pd.DataFrame, scores: Scores, column: str) -> dict[str, Any]:
    rows = test_settings if column in (AVERAGE, TASK_AVERAGE) else test_settings[test_settings["condition"] == column]
    n_scenes, n_images = scores.count_scenes_and_images(column)
    return {
        "label": condition_label(column),
        "sets": sorted(map(str, rows["dataset"].unique())),
        "protocol": sorted(map(str, rows["protocol"].unique())),
        "images": n_images,
        "scenes": n_scenes,
    }


def _row(study: Study, scores: dict[str, Scores], variant: str, columns: Sequence[str]) -> dict[str, Any] | None:
    ids = {e.seed: e.run_id for e in study.entries if e.variant == variant and e.alias_of is None}
    first = scores[schema.PSNR]
    if variant not in first.seeds:
        return None
    by_column = [
        [seed_means(s, variant, column) if variant in s.seeds else None for s in scores.values()] for column in columns
    ]
    listed, runs = max_runs_per_variant(study), []
    for number, seed in enumerate(first.seeds[variant][:listed]):
        cells = [[None if values is None else _rounded(values[number]) for values in metrics] for metrics in by_column]
        runs.append({"run": ids[seed], "seed": seed, "means": cells})
    spread = [
        [
            None if s is None else _spread(study, name, variant, column, s)
            for name, s in zip(scores, metrics, strict=True)
        ]
        for column, metrics in zip(columns, by_column, strict=True)
    ]
    return {"variant": study.label(variant), "runs": runs, "spread": spread}


def _spread(study: Study, metric: str, variant: str, column: str, by_seed: np.ndarray) -> list[float | None]:
    estimate = study.analysis(metric).estimate(variant, column)
    deviation = by_seed.std(ddof=1) if len(by_seed) > 1 else math.nan
    return [_rounded(estimate.low), _rounded(estimate.high), _rounded(deviation)]


def _run(run: Run) -> dict[str, str]:
    commit = str(run.env.get("commit") or "")[:12]
    return {
        "commit": f"{commit or '?'}{' + uncommitted changes' if run.env.get('dirty') else ''}",
        "device": str(run.env.get("device") or ""),
        "protocol": str(run.spec.get("protocol") or ""),
    }


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(float(value), 6)
