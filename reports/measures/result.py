"""One measure's section of the page."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pandas as pd

from reports import schema
from reports.document import Block, Figure, Picture, Section, Table, Text
from reports.messages import join_sentences, message


@dataclass(frozen=True, kw_only=True)
class MeasureResult:
    """One measure's section of the page.

    Attributes:
        name: of its anchor and its CSV file.
        title: of the section.
        sentences: the result in words, the first in bold.
        note: how it was measured.
        pictures: its figures.
        tables: its tables.
        summary: every number unrounded, as written to the CSV file.
        problems: figures that could not be drawn, with the reason.
    """

    name: str
    title: str
    sentences: tuple[str, ...] = ()
    note: str = ""
    pictures: tuple[Picture, ...] = ()
    tables: tuple[Table, ...] = ()
    summary: pd.DataFrame = field(default_factory=pd.DataFrame)
    problems: tuple[str, ...] = ()

    @property
    def section(self) -> Section:
        """The section of the page."""
        first, *following = self.sentences
        blocks: list[Block] = [Text(lead=first, text=join_sentences(following) if following else ""), self.note_text]
        blocks += [Text(text=missing_figure_message(problem), style="remark") for problem in self.problems]
        blocks += [Figure(picture=picture) for picture in self.pictures]
        return Section(name=f"measure-{self.name}", title=self.title, blocks=[*blocks, *self.numbered_tables])

    @property
    def numbered_tables(self) -> list[Table]:
        """The tables with names that are unique on the page."""
        return [replace(table, name=f"measure-{self.name}-{n}") for n, table in enumerate(self.tables, start=1)]

    @property
    def note_text(self) -> Text:
        """Notes: how it was measured, and the file of its numbers."""
        file = message("Unrounded: {file}.csv.", file=f"{schema.MEASURES_FOLDER}/{self.name}")
        return Text(text=join_sentences([self.note, file]), style="note")


def missing_figure_message(reason: str) -> str:
    """That a figure is missing."""
    return message("This figure could not be drawn: {reason}", reason=reason)
