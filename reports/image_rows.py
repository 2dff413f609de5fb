"""Rows of images.parquet in compact form: a study of thousands of runs has millions of them.

In memory texts are categories in alphabetical order, so that sorting and grouping go as for the texts themselves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from reports import schema

_TEXT_COLUMNS = [column.name for column in schema.IMAGE_COLUMNS if column.dtype == "str"]
_ENCODED = {
    *_TEXT_COLUMNS,
    *schema.RENAMED_COLUMNS[schema.IMAGES_TABLE],
}  # read as dictionaries, also under earlier names
_ARROW_TYPES = {"int64": pa.int64(), "float64": pa.float64()}
_SCORE_COLUMNS = [column.name for column in schema.IMAGE_COLUMNS if column.dtype == "float64"]
_KEY_COLUMNS = ("variant", "protocol", "dataset", "condition", "image", "metric")  # unique among the rows of one seed


def read_rows(path: Path, content: bytes) -> pa.Table:
    """Decode and check a run's images.parquet; texts come as dictionaries.

    Args:
        path: of the file, for error messages.
        content: of the file.

    Raises:
        ValueError: the file is not the table it should be.
    """
    try:
        buffer = pa.BufferReader(content)
        encoded = [name for name in pq.read_schema(buffer).names if name in _ENCODED]
        table = pq.ParquetFile(buffer, read_dictionary=encoded).read(use_threads=False)
        table = schema.current_table(table, schema.IMAGES_TABLE, path.name)
        is_valid = _is_valid(table)
    except (OSError, ValueError, KeyError):
        is_valid = False
    # anything unusual goes through the schema's slower reader, which validates it and explains what is wrong
    return table if is_valid else encode_texts(schema.read_images(path))


def decode_texts(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of a `Study` with categories as plain texts, as the schema writes them."""
    return rows.astype(dict.fromkeys(_TEXT_COLUMNS, "str"))


class RowCollector:
    """Collects the rows of many runs, run by run, into one frame."""

    def __init__(self) -> None:
        self._texts = {name: _TextColumn() for name in _TEXT_COLUMNS if name != "variant"}
        self._numbers: dict[str, list[np.ndarray]] = {name: [] for name in _SCORE_COLUMNS}
        self._variants: list[str] = []
        self._seeds: list[int] = []
        self._counts: list[int] = []

    def add(self, table: pa.Table, *, variant: str, seed: int) -> None:
        """The rows of `read_rows` under the study's names."""
        for name, texts in self._texts.items():
            texts.add(_single_chunk(table, name))
        for name, parts in self._numbers.items():
            parts.append(table.column(name).to_numpy())
        self._variants.append(variant)
        self._seeds.append(seed)
        self._counts.append(len(table))

    def frame(self, metrics: Sequence[schema.Metric] = schema.METRICS) -> pd.DataFrame:
        """All rows, columns as schema.IMAGE_COLUMNS, scores capped by `metrics`; the collector is empty afterwards."""
        texts = {name: text_column.categorical() for name, text_column in self._texts.items()}
        counts = np.array(self._counts, dtype=np.int64)
        texts["variant"] = pd.Categorical(pd.Index(self._variants, dtype="str")).repeat(counts)
        numbers = {"seed": np.repeat(np.array(self._seeds, dtype=np.int64), counts)}
        upper = {m.name: m.upper for m in metrics}
        caps = np.array([upper.get(name, math.inf) for name in texts["metric"].categories])
        for name, parts in self._numbers.items():
            scores = np.concatenate([*parts, np.zeros(0)])
            parts.clear()
            if len(scores):
                np.minimum(scores, caps[texts["metric"].codes], out=scores)
            numbers[name] = scores
        columns = {**texts, **numbers}
        return pd.DataFrame({c.name: columns[c.name] for c in schema.IMAGE_COLUMNS}, copy=False)


class _TextColumn:
    """One column of texts: the distinct names so far, and the codes of each run's rows."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._parts: list[np.ndarray] = []
        self._last: tuple[pa.Array, np.ndarray] | None = None

    def add(self, column: pa.DictionaryArray) -> None:
        if self._last is None or not self._last[0].equals(column.dictionary):  # runs of a study have the same images
            number_by_name = self._numbers
            numbers = [number_by_name.setdefault(name, len(number_by_name)) for name in column.dictionary.to_pylist()]
            self._last = column.dictionary, np.array(numbers, dtype=np.min_scalar_type(-len(number_by_name) - 1))
        self._parts.append(self._last[1][column.indices.to_numpy()])

    def categorical(self) -> pd.Categorical:
        """The column, categories sorted."""
        names = sorted(self._numbers)
        rank = np.zeros(len(names), dtype=np.min_scalar_type(-len(names) - 1))
        rank[[self._numbers[name] for name in names]] = np.arange(len(names))
        codes = rank[np.concatenate(self._parts)] if self._parts else rank
        self._parts.clear()
        return pd.Categorical.from_codes(codes, categories=pd.Index(names, dtype="str"), validate=False)


def _single_chunk(table: pa.Table, name: str) -> pa.DictionaryArray:
    """A column of texts in one piece."""
    column = table.column(name)
    return column.chunk(0) if column.num_chunks == 1 else column.unify_dictionaries().combine_chunks()


def encode_texts(frame: pd.DataFrame) -> pa.Table:
    """A checked frame as `read_rows` gives it."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    for name in _TEXT_COLUMNS:
        place = table.schema.get_field_index(name)
        table = table.set_column(place, name, table.column(name).cast(pa.string()).dictionary_encode())
    return table


def _is_valid(table: pa.Table) -> bool:
    """Whether the table certainly passes `schema.validate_images`."""
    if sorted(table.column_names) != sorted(c.name for c in schema.IMAGE_COLUMNS) or not len(table):
        return False
    for column in schema.IMAGE_COLUMNS:
        column_data = table.column(column.name)
        kind = column_data.type.value_type if pa.types.is_dictionary(column_data.type) else column_data.type
        has_type = kind == (pa.string() if column.name in _TEXT_COLUMNS else _ARROW_TYPES[column.dtype])
        if not has_type or column_data.null_count:
            return False
    scores = (table.column(name).to_numpy() for name in _SCORE_COLUMNS)
    if any(np.isnan(values).any() or np.isneginf(values).any() for values in scores):
        return False
    seeds = table.column("seed").to_numpy()
    key = np.zeros(len(table), dtype=np.int64)
    for name in _KEY_COLUMNS:
        texts = _single_chunk(table, name)
        key = key * len(texts.dictionary) + texts.indices.to_numpy()
    metrics = set(_single_chunk(table, "metric").dictionary.to_pylist())
    one_seed = bool((seeds == seeds[0]).all())
    return one_seed and len(np.unique(key)) == len(key) and metrics <= {metric.name for metric in schema.METRICS}
