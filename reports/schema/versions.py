"""Tables of earlier schema versions, read under the column names of this one.

Version 1 had other names for some columns. Its files are never rewritten: whoever reads a table passes it through
`current_table` (Parquet) or `current_frame` (CSV, which carries no version).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import pandas as pd
import pyarrow as pa

from reports.layout import SCHEMA_VERSION

IMAGES_TABLE, COSTS_TABLE = "images", "costs"
"""Keys of `RENAMED_COLUMNS` besides the names of measures."""

_TRAINING_SET_VALUES: Mapping[str, str] = MappingProxyType({"seen": "yes", "unseen": "no"})
"""Version 1's values of the column `in_training_set`, and today's."""

_RESPONSES = {"given": "prompt"}
RENAMED_COLUMNS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        IMAGES_TABLE: {"seen": "in_training_set"},
        "prompts": _RESPONSES,
        "levels": _RESPONSES,
        "mixed": _RESPONSES,
        "precision": {"given": "number_format"},
        "order_moves": {"given": "number_format", "moved": "moved_share"},
        COSTS_TABLE: {
            "told": "conditioning",
            "apart": "excluded_part",
            "macs_here": "macs_implementation",
            "macs_why": "macs_note",
            "latency_why": "latency_note",
            "images_per_s_why": "images_per_s_note",
            "memory_why": "memory_note",
        },
    }
)
"""Table -> name of a column in version 1 -> its name since version 2."""


def check_version(version: object, file: str) -> None:
    """Check that a file's schema version is one that this version of the suite reads.

    Raises:
        ValueError: a later version, or none at all.
    """
    if not isinstance(version, int) or not 1 <= version <= SCHEMA_VERSION:
        hint = " Update dfpir-suite." if isinstance(version, int) and version > SCHEMA_VERSION else ""
        raise ValueError(f"{file} has schema {version!r}; this version reads 1 to {SCHEMA_VERSION}.{hint}")


def current_table(table: pa.Table, name: str, file: str) -> pa.Table:
    """A Parquet table under the column names of this version.

    Args:
        table: as read; its metadata state the version, and a table without them is of the first.
        name: of the measure, or `IMAGES_TABLE`.
        file: name of the file, for messages.

    Raises:
        ValueError: a version that this one does not read.
    """
    stated = (table.schema.metadata or {}).get(b"schema", b"1").decode()
    version = int(stated) if stated.isdecimal() else stated
    check_version(version, file)
    if version == SCHEMA_VERSION:
        return table
    renamed = _renamed(table.column_names, name)
    table = table.rename_columns([renamed.get(column, column) for column in table.column_names])
    if "seen" in renamed:
        place = table.schema.get_field_index(renamed["seen"])
        table = table.set_column(place, renamed["seen"], _replaced(table.column(place), _TRAINING_SET_VALUES))
    return table


def current_frame(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """A CSV table under the column names of this version; `name` is a key of `RENAMED_COLUMNS`."""
    return frame.rename(columns=_renamed(list(frame.columns), name))


def _renamed(columns: list[str], name: str) -> dict[str, str]:
    """Old name -> new name of those columns that still have the old one."""
    renamed = RENAMED_COLUMNS.get(name, {})
    return {old: new for old, new in renamed.items() if old in columns and new not in columns}


def _replaced(column: pa.ChunkedArray, values: Mapping[str, str]) -> pa.ChunkedArray:
    """A column of strings, dictionary-encoded or not, with some values replaced; any other column as it is."""
    is_encoded = pa.types.is_dictionary(column.type)
    text_type = column.type.value_type if is_encoded else column.type
    if text_type not in (pa.string(), pa.large_string()):
        return column
    encoded = column if is_encoded else column.dictionary_encode()
    chunks = [
        pa.DictionaryArray.from_arrays(
            chunk.indices, pa.array([values.get(v, v) for v in chunk.dictionary.to_pylist()], text_type)
        )
        for chunk in encoded.chunks
    ]
    return pa.chunked_array(chunks, type=encoded.type).cast(column.type)
