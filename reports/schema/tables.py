"""Writing, reading and checking the tables on disk: scores of images, and measures."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from reports.files import write_bytes, write_csv, writing
from reports.layout import MEASURES_FOLDER, METRIC_PREFIX, SCHEMA_VERSION
from reports.schema.columns import IMAGE_COLUMNS, MEASURE_COLUMNS, TABLE_COLUMNS, Column
from reports.schema.measures import MeasureSection
from reports.schema.scores import METRICS
from reports.schema.tasks import condition_sort_key
from reports.schema.versions import IMAGES_TABLE, current_table

ROW_GROUP = 2**17  # rows of a study's table that are written at once

_ARROW_TYPES = {"str": pa.string(), "int64": pa.int64(), "float64": pa.float64()}
_IMAGE_KEY = ["variant", "seed", "protocol", "dataset", "condition", "image", "metric"]


def validate_images(
    df: pd.DataFrame, *, columns: tuple[Column, ...] = IMAGE_COLUMNS, metrics: Collection[str] = ()
) -> None:
    """Check that `df` is an images.parquet (or, with TABLE_COLUMNS, a study's table); further `metrics` are allowed.

    Raises:
        ValueError: names the first column that is missing, unknown, of the wrong type or holding a value that is not
            allowed, or the first row that occurs twice.
    """
    names = [c.name for c in columns]
    for name in names:
        if name not in df.columns:
            raise ValueError(f"Column {name!r} is missing. Needed: {', '.join(names)}.")
    for name in df.columns:
        if name not in names:
            raise ValueError(f"Column {name!r} is unknown. Allowed: {', '.join(names)}.")
    for column in columns:
        _check_column(df[column.name], column)
    allowed = [*(m.name for m in METRICS), *metrics]
    unknown = df.loc[~df["metric"].isin(allowed), "metric"]
    if len(unknown):
        raise ValueError(f"Column 'metric' holds {unknown.iloc[0]!r}. Allowed: {', '.join(allowed)}.")
    repeated = df.duplicated(_IMAGE_KEY)
    if repeated.any():
        row = df.loc[repeated, _IMAGE_KEY].iloc[0].to_dict()
        raise ValueError(f"Column 'image': a row occurs twice: {row}.")


def _check_column(series: pd.Series, column: Column) -> None:
    """Raise ValueError unless the series has the column's type and no missing value."""
    if series.isna().any():
        raise ValueError(f"Column {column.name!r} holds a missing value (NaN or None).")
    has_type = {
        # in C: value by value it was half of the time that a study of thousands of runs takes to read
        "str": pd.api.types.infer_dtype(series, skipna=False) in ("string", "empty"),
        "int64": pd.api.types.is_integer_dtype(series),
        "float64": pd.api.types.is_float_dtype(series),
    }[column.dtype]
    if not has_type:
        raise ValueError(f"Column {column.name!r} must be {column.dtype}, not {series.dtype}.")
    if column.dtype == "float64" and np.isneginf(series.to_numpy(dtype=float)).any():
        raise ValueError(f"Column {column.name!r} holds -inf, which no score can be.")


def canonical(
    df: pd.DataFrame, *, columns: tuple[Column, ...] = IMAGE_COLUMNS, metrics: Collection[str] = ()
) -> pd.DataFrame:
    """The frame with columns, types and rows in the one order in which they are written.

    Raises:
        ValueError: as `validate_images`.
    """
    validate_images(df, columns=columns, metrics=metrics)
    df = df.reset_index(drop=True)
    dtypes: dict[str, Any] = {"str": "object", "int64": np.int64, "float64": np.float64}
    out = pd.DataFrame({c.name: df[c.name].astype(dtypes[c.dtype]) for c in columns})
    keys = pd.DataFrame({name: out[name] for name in _IMAGE_KEY})
    keys["condition"] = keys["condition"].map({c: condition_sort_key(c) for c in keys["condition"].unique()})
    return out.loc[keys.sort_values(_IMAGE_KEY, kind="stable").index].reset_index(drop=True)


def write_images(
    df: pd.DataFrame, path: Path, *, columns: tuple[Column, ...] = IMAGE_COLUMNS, metrics: Collection[str] = ()
) -> Path:
    """Write the canonical frame as Parquet, or as CSV where `path` ends in .csv; atomic.

    Args:
        df: one row per image, condition and metric, with exactly these columns.
        path: images.parquet, table.parquet or table.csv.
        columns: IMAGE_COLUMNS, or TABLE_COLUMNS for a study's table.
        metrics: names that are allowed besides `METRICS`.

    Raises:
        ValueError: as `validate_images`.
    """
    frame = canonical(df, columns=columns, metrics=metrics)
    if path.suffix == ".csv":
        return write_csv(path, frame)
    buffer = io.BytesIO()
    pq.write_table(_to_arrow(frame, columns), buffer)
    return write_bytes(path, buffer.getvalue())


def _to_arrow(frame: pd.DataFrame, columns: tuple[Column, ...], metadata: Mapping[str, str] | None = None) -> pa.Table:
    """A checked frame as an Arrow table for Parquet.

    Types are spelled out and pandas' own metadata left away: the bytes then depend on the rows alone.
    """
    schema = _arrow_schema(columns, metadata)
    table = pa.Table.from_pandas(frame, schema=schema, preserve_index=False)
    return table.replace_schema_metadata(schema.metadata)


def _arrow_schema(columns: tuple[Column, ...], metadata: Mapping[str, str] | None = None) -> pa.Schema:
    fields = [(c.name, _ARROW_TYPES[c.dtype]) for c in columns]
    return pa.schema(fields, metadata={**(metadata or {}), "schema": str(SCHEMA_VERSION)})


def write_table(parts: Iterable[pd.DataFrame], parquet: Path, csv: Path, *, metrics: Collection[str] = ()) -> int:
    """Write a study's table as Parquet and as CSV, part by part, so that no more than a row group is in memory; atomic.

    Args:
        parts: frames with TABLE_COLUMNS, each with all rows of a variant and seed, in the order of these two. Drawn one
            at a time.
        parquet: the first file; neither is touched where there are no rows.
        csv: the second.
        metrics: names that are allowed besides `METRICS`.

    Returns:
        How many rows were written.

    Raises:
        ValueError: as `validate_images`.
    """
    frames = (canonical(frame, columns=TABLE_COLUMNS, metrics=metrics) for frame in _batches(parts))
    first = next(frames, None)
    if first is None:
        return 0
    rows = 0
    with ExitStack() as stack:
        text = stack.enter_context(writing(csv))
        binary = stack.enter_context(writing(parquet))
        writer = stack.enter_context(pq.ParquetWriter(binary, _arrow_schema(TABLE_COLUMNS)))
        for frame in chain([first], frames):
            text.write(frame.to_csv(index=False, header=rows == 0, lineterminator="\n").encode("utf-8"))
            writer.write_table(_to_arrow(frame, TABLE_COLUMNS))
            rows += len(frame)
    return rows


def _batches(parts: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """Parts in their order, joined into frames of about `ROW_GROUP` rows, since each call of pandas costs time."""
    batch: list[pd.DataFrame] = []
    for part in parts:
        batch.append(part)
        if sum(map(len, batch)) >= ROW_GROUP:
            yield pd.concat(batch, ignore_index=True)
            batch = []
    if batch:
        yield pd.concat(batch, ignore_index=True)


def measure_columns(name: str, section: MeasureSection | None = None) -> tuple[Column, ...]:
    """The columns of a measure's table, or of a further metric's scores (`METRIC_PREFIX`).

    Args:
        name: of the measure.
        section: of a measure of another package.

    Raises:
        ValueError: neither the suite's nor described.
    """
    if name.startswith(METRIC_PREFIX):
        return IMAGE_COLUMNS
    if name in MEASURE_COLUMNS:
        return MEASURE_COLUMNS[name]
    if section is None or section.name != name:
        raise ValueError(f"{name}: no measure that this version knows, and its table describes none")
    return section.columns


def write_measure(
    df: pd.DataFrame, folder: Path, name: str, *, metadata: Mapping[str, str], section: MeasureSection | None = None
) -> Path:
    """Write one measure's table into a run folder, rows in the order given; atomic.

    Args:
        df: with exactly the columns of `measure_columns(name)`.
        folder: of the run.
        name: of the measure.
        metadata: what it was made from and what it cost, for the file's metadata.
        section: of a measure of another package: what its table holds and the report shows, kept there too.

    Raises:
        ValueError: a column that is missing, unknown or of the wrong type.
    """
    columns = measure_columns(name, section)
    names = [c.name for c in columns]
    if sorted(df.columns) != sorted(names):
        raise ValueError(f"Measure {name!r} has columns {', '.join(df.columns)}. Needed: {', '.join(names)}.")
    for column in columns:
        _check_column(df[column.name], column)
    described = {**metadata, **(section.to_metadata() if section is not None else {})}
    buffer = io.BytesIO()
    pq.write_table(_to_arrow(df[names], columns, described), buffer)
    return write_bytes(folder / MEASURES_FOLDER / f"{name}.parquet", buffer.getvalue())


def read_measure(folder: Path, name: str) -> tuple[pd.DataFrame, dict[str, str]]:
    """What `write_measure` wrote: the table, with defaults in columns that its version did not have, and its metadata.

    Raises:
        ValueError: there is no such table, or it is not what it should be.
    """
    path = folder / MEASURES_FOLDER / f"{name}.parquet"
    try:
        table = pq.read_table(path)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path.name} of {folder.name} can't be read: {error}") from error
    is_scores = name.startswith(METRIC_PREFIX)
    frame = current_table(table, IMAGES_TABLE if is_scores else name, f"{path.name} of {folder.name}").to_pandas()
    metadata = _decode(table.schema)
    columns = measure_columns(name, MeasureSection.from_metadata(metadata))
    for position, column in enumerate(columns):
        if column.default is not None and column.name not in frame:
            frame.insert(min(position, frame.shape[1]), column.name, column.default)
    if list(frame.columns) != [c.name for c in columns]:
        raise ValueError(f"{path.name} of {folder.name} has columns {', '.join(map(str, frame.columns))}.")
    for column in columns:
        _check_column(frame[column.name], column)
    return frame, metadata


def plugin_section(path: Path) -> MeasureSection | None:
    """The section of the report that a measure's table describes; None for the suite's own, or an unreadable table."""
    try:
        section = MeasureSection.from_metadata(_decode(pq.read_schema(path)))
    except (OSError, ValueError):
        return None
    return section if section is not None and section.name == path.stem else None


def _decode(schema: pa.Schema) -> dict[str, str]:
    """A Parquet file's metadata."""
    return {key.decode(): value.decode() for key, value in (schema.metadata or {}).items()}


def read_images(
    path: Path, *, columns: tuple[Column, ...] = IMAGE_COLUMNS, metrics: Collection[str] = ()
) -> pd.DataFrame:
    """Read and check what `write_images` wrote.

    Raises:
        ValueError: the file is not the table it should be.
    """
    try:
        table = pq.ParquetFile(path).read(use_threads=False)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path.name} can't be read: {error}") from error
    frame: pd.DataFrame = current_table(table, IMAGES_TABLE, path.name).to_pandas()
    validate_images(frame, columns=columns, metrics=metrics)
    return frame
