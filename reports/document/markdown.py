"""Tables as GitHub's Markdown."""

from __future__ import annotations

from reports.document.model import Cell, Row, Table
from reports.labels import markdown

_WRAPS = {1: "**{}**", 2: "<u>{}</u>"}


def to_markdown(table: Table, *, with_title: bool = False) -> str:
    """The table with its caption and notes below it; best bold, second underlined.

    Args:
        table: to show.
        with_title: whether to add its title as a second-level heading.
    """
    heads = [f"{c.group}: {c.head}" if c.group else c.head for c in table.columns]
    lines = [f"## {markdown(table.title)}", ""] if with_title else []
    lines.append(f"| {' | '.join(map(markdown, heads))} |")
    lines.append("|---|" + "".join("---:|" if column.is_number else "---|" for column in table.columns[1:]))
    lines += [_row(row, len(table.columns)) for row in table.rows]
    return "\n".join([*lines, "", *(f"{markdown(line)}  " for line in (table.caption, *table.notes) if line), ""])


def _row(row: Row, n_columns: int) -> str:
    if row.heading:  # Markdown has no row groups: a row without numbers is the group's head
        return f"| *{markdown(row.heading)}* |" + " |" * (n_columns - 1)
    return f"| {' | '.join(map(_cell, row.cells))} |"


def _cell(cell: Cell) -> str:
    if cell.numbers and not cell.text:
        return " / ".join(_WRAPS.get(n.rank, "{}").format(n.text or "-") for n in cell.numbers)
    text = markdown(cell.full)
    marks = f" <sup>{','.join(map(str, cell.marks))}</sup>" if cell.marks else ""
    return f"**{text}**{marks}" if "strong" in cell.style and text else text + marks
