"""Scores by a study's metrics other than PSNR and SSIM; each run stores them with its measures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from reports import schema
from reports.image_rows import encode_texts

Metrics = tuple[schema.Metric, ...]
"""Of a study: those of `schema.METRICS` first."""


def parse_metrics(records: Sequence[dict[str, Any]]) -> Metrics:
    """PSNR, SSIM, and the extra metrics of a study.json.

    Raises:
        KeyError: a record without what a metric needs.
        ValueError: a name that no metric can have, or that two have.
    """
    metrics = (*schema.METRICS, *map(schema.Metric.from_json, records))
    names = [metric.name for metric in metrics]
    if len(set(names)) < len(names):
        raise ValueError(f"Two metrics of {schema.STUDY_FILE} have one name: {', '.join(names)}.")
    return metrics


def present_metrics(metrics: Metrics, rows: pd.DataFrame) -> Metrics:
    """PSNR, SSIM, and those of the extra metrics that are in the rows."""
    names = {*(metric.name for metric in schema.METRICS), *rows["metric"].unique()}
    return tuple(metric for metric in metrics if metric.name in names)


def read_metric(folder: Path, name: str) -> pd.DataFrame:
    """A run's scores by one metric: rows with the columns of schema.IMAGE_COLUMNS.

    Args:
        folder: of the run.
        name: of the metric.

    Raises:
        ValueError: there is no such table, or it is not what it should be.
    """
    frame, _ = schema.read_measure(folder, schema.METRIC_PREFIX + name)
    schema.validate_images(frame, metrics=[name])
    if set(frame["metric"]) != {name} or set(frame["run_id"]) != {folder.name}:
        raise ValueError(f"{schema.METRIC_PREFIX}{name}.parquet of {folder.name} holds rows of another metric or run.")
    return frame


def append_metric_rows(rows: pa.Table, folder: Path, metrics: Metrics) -> pa.Table:
    """Append the readable tables of a run's extra metrics to its rows (`reports.image_rows.read_rows`).

    `reports.measures.load` reports the tables that can't be read.
    """
    tables = [
        encode_texts(frame).select(rows.column_names).cast(rows.schema) for frame in _readable_tables(folder, metrics)
    ]
    return pa.concat_tables([rows, *tables]) if tables else rows


def read_all_rows(folder: Path, metrics: Metrics) -> pd.DataFrame:
    """The rows of a finished run by all its metrics, columns as schema.IMAGE_COLUMNS.

    Raises:
        ValueError: its images.parquet is not the table it should be.
    """
    return pd.concat(
        [schema.read_images(folder / schema.IMAGES_FILE), *_readable_tables(folder, metrics)], ignore_index=True
    )


def _readable_tables(folder: Path, metrics: Metrics) -> Iterator[pd.DataFrame]:
    for metric in metrics[len(schema.METRICS) :]:
        try:
            yield read_metric(folder, metric.name)
        except ValueError:
            continue


def metric_problems(folder: Path, metrics: Metrics) -> list[str]:
    """A line for each extra metric whose table exists but can't be used."""
    problems = []
    for metric in metrics[len(schema.METRICS) :]:
        if (folder / schema.MEASURES_FOLDER / f"{schema.METRIC_PREFIX}{metric.name}.parquet").is_file():
            try:
                read_metric(folder, metric.name)
            except ValueError as error:
                problems.append(f"{metric.label} of {folder.name} is left out: {' '.join(str(error).split())}")
    return problems
