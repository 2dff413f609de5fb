"""Reported numbers as a paper prints them: sources by number, listed in the caption, so that a table fits the page."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from reports.document import Cell, Row, Table, text_cell, text_column

_REPORTED = "reported: "


def number_sources(table: Table, named: Collection[str] = ()) -> Table:
    """The table with numbers in its last column, the source, and the sources of these numbers as a note.

    Args:
        table: whose rows end with the text of their source, in English.
        named: texts that a heading gives already; they need no number. Without any number the column is left out.
    """
    texts = dict.fromkeys(row.cells[-1].text for row in table.rows if row.cells)
    numbers = {text: f"[{n}]" for n, text in enumerate((text for text in texts if text not in named), start=1)}
    if not numbers:
        rows = tuple(replace(row, cells=row.cells[:-1]) for row in table.rows)
        return replace(table, columns=table.columns[:-1], rows=rows)
    sources = "; ".join(f"{number} {text.removeprefix(_REPORTED)}" for text, number in numbers.items())
    rows = tuple(
        _with_source(row, text_cell(numbers.get(row.cells[-1].text, ""))) if row.cells else row for row in table.rows
    )
    columns = (*table.columns[:-1], text_column("Ref."))
    return replace(table, columns=columns, rows=rows, notes=(*table.notes, f"Sources: {sources}."))


def _with_source(row: Row, source: Cell) -> Row:
    return replace(row, cells=(*row.cells[:-1], source))
