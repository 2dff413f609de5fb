"""What one measure shows on the page: plain data, which the template turns into HTML."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from reports.figures.style import Picture


@dataclass(frozen=True, kw_only=True)
class Value:
    """One cell: its text and, for a number, what it is sorted by and its interval."""

    text: str
    sort: float | None = None
    interval: str = ""

    @property
    def full(self) -> str:
        """The text with its interval, for sentences."""
        return f"{self.text} {self.interval}" if self.interval else self.text


@dataclass(frozen=True, kw_only=True)
class Head:
    """The head of a column; numbers stand on the right."""

    text: str
    is_number: bool = True


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A table of a section.

    Attributes:
        title: what it shows, a few words.
        caption: units, and what the intervals rest on.
        heads: of the columns; the first column heads the rows.
        rows: a cell a column.
        is_folded: whether the page hides it behind its title.
    """

    title: str
    caption: str
    heads: tuple[Head, ...]
    rows: tuple[tuple[Value, ...], ...]
    is_folded: bool = False


@dataclass(frozen=True, kw_only=True)
class Section:
    """One measure's part of the page.

    Attributes:
        name: of its anchor and its CSV file.
        title: of the section.
        sentences: what the numbers say, the first in bold.
        note: how it was measured.
        pictures: its figures.
        grids: its tables.
        summary: every number unrounded, as written to the CSV file.
        problems: what could not be drawn, and why.
    """

    name: str
    title: str
    sentences: tuple[str, ...] = ()
    note: str = ""
    pictures: tuple[Picture, ...] = ()
    grids: tuple[Grid, ...] = ()
    summary: pd.DataFrame = field(default_factory=pd.DataFrame)
    problems: tuple[str, ...] = ()


def words(text: str) -> Value:
    """A cell that is no number."""
    return Value(text=text)


def head(text: str) -> Head:
    """The head of a column of words."""
    return Head(text=text, is_number=False)
