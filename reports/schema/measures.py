"""Measures of other packages: the columns of their tables and their sections, described in the tables themselves."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from reports.layout import METRIC_PREFIX
from reports.schema.columns import Column

SECTION_KEY = "section"
"""Key of the metadata of a measure's table that holds the section as JSON."""

_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, kw_only=True)
class MeasureSection:
    """What a measure's section of the report shows: a sentence, and a table with a row a variant.

    Attributes:
        name: of the measure: lower-case letters, digits and `_`.
        title: of the section.
        sentence: what the numbers are, in a sentence.
        keys: string columns that identify a row of its table; the values of the first one head the columns of
            the section's table. With `image` and `scene` among them the intervals are for other photographs too, else
            for other training runs alone.
        unit: of the column `value`, which holds the numbers; "" for a ratio.
        digits: decimals shown.
    """

    name: str
    title: str
    sentence: str
    keys: tuple[str, ...] = ("condition", "image", "scene")
    unit: str = ""
    digits: int = 3

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or self.name.startswith(METRIC_PREFIX):
            raise ValueError(f"Measure {self.name!r}: lower-case letters, digits and _ are needed, as in 'clipped'.")
        if not self.title or not self.sentence:
            raise ValueError(f"Measure {self.name} needs a title and a sentence.")
        reserved = {"variant", "seed", "run_id", "value"} & set(self.keys)
        if not self.keys or reserved or len(set(self.keys)) < len(self.keys):
            raise ValueError(f"Measure {self.name}: keys {self.keys}: names of columns, none of them twice or 'value'.")

    @property
    def columns(self) -> tuple[Column, ...]:
        """Of the table: the keys, and `value`."""
        keys = (Column(name=key, dtype="str", meaning=f"{key} of the measured number") for key in self.keys)
        return (*keys, Column(name="value", dtype="float64", unit=self.unit, meaning=self.sentence))

    def to_metadata(self) -> dict[str, str]:
        """The description that goes into the table's metadata."""
        return {SECTION_KEY: json.dumps(asdict(self))}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> MeasureSection | None:
        """The section that a table's metadata describe; None where they describe none.

        Raises:
            ValueError: a description that can't be used.
        """
        if SECTION_KEY not in metadata:
            return None
        try:
            record = json.loads(metadata[SECTION_KEY])
            texts = {name: str(record[name]) for name in ("name", "title", "sentence", "unit")}
            return cls(**texts, keys=tuple(map(str, record["keys"])), digits=int(record["digits"]))
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            raise ValueError(f"its description of a section can't be used ({error!r})") from error
