"""What a study's end shows in a terminal: its table, fitted to the width, and what could not be measured."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from ablations.cli import print_prose
from ablations.harness.run_one import find_run
from ablations.measures.registry import metric_measures
from ablations.measures.take import error_file
from ablations.plan import Plan
from reports.document import Cell
from reports.labels import condition_label
from reports.stats import AVERAGE, TASK_AVERAGE
from reports.tables import ResultRow, ResultTable
from reports.wording import metric_note

_STYLES = {1: "bold", 2: "underline"}
Line = list[Text]


def show_table(table: ResultTable, console: Console) -> None:
    """Print the table of table.md: all metrics and sizes, or as much of it as the terminal is wide.

    Left out for want of room, in this order: the metrics after the first, the sizes, the average over tasks, all
    columns but the averages. A variant's name is never cut.
    """
    averages = [c for c, name in enumerate(table.columns) if name in (AVERAGE, TASK_AVERAGE)]
    every = list(range(len(table.columns)))
    fewer = [c for c in every if table.columns[c] != TASK_AVERAGE]
    layouts = (
        (every, None, True, "  "),
        (every, 1, True, "  "),
        (every, 1, False, "  "),
        (fewer, 1, False, "  "),
        (fewer, 1, False, " "),
        (averages or every[-1:], 1, False, "  "),
    )
    for columns, metrics, sizes, gap in layouts:
        lines = _lines(table, columns, metrics, sizes)
        if max(sum(len(cell) for cell in line) + len(gap) * (len(line) - 1) for line in lines) <= console.width:
            break
    for line in lines:
        console.print(Text(gap).join(line), soft_wrap=True, highlight=False)
    note = metric_note(table.metrics[:metrics])
    seeds = _same_seeds(table)
    said = [
        f"{note}{'; what had no room here is in table.md' if metrics else ''}.",
        *([f"Seeds: {seeds}."] if seeds else []),
        f"Protocol: {table.protocol}. Data: {table.data}.",
        *(f"{', '.join(row.aliases)} = {row.variant}." for row in table.rows if row.aliases),
    ]
    print_prose(console, " ".join(said))


def say_unmeasured(plan: Plan, root: Path, console: Console) -> None:
    """Say each reason for which a measure could not be taken once, for all runs that have it."""
    runs: dict[tuple[str, str], int] = {}
    for spec in plan.specs:
        folder = find_run(root, spec)
        for name in (*plan.study.measures, *metric_measures(plan.study.metrics)):
            path = error_file(folder, name)
            if path.is_file():
                reason = json.loads(path.read_text(encoding="utf-8"))["message"]
                runs[name, reason] = runs.get((name, reason), 0) + 1
    for (name, reason), number in runs.items():
        of = "1 run" if number == 1 else f"{number} runs"
        print_prose(console, f"Measure {name} left out for {of}: {reason}")


def _lines(table: ResultTable, columns: Sequence[int], metrics: int | None, sizes: bool) -> list[Line]:
    """The table's lines as cells of equal width in each column."""
    seeds = not _same_seeds(table)
    heads = ["Variant", *(_head(table.columns[c]) for c in columns)]
    heads += [*(["Params"] if sizes else []), *(["Seeds"] if seeds else [])]
    body = [_body(row, columns, metrics, sizes, seeds) for row in table.rows]
    wide = [max(map(len, column)) for column in zip(*body, strict=True)]
    folded = [_folded(head, width) for head, width in zip(heads, wide, strict=True)]
    high = max(map(len, folded))
    top = [[Text(([""] * (high - len(words)) + words)[n], style="dim") for words in folded] for n in range(high)]
    lines = [*top, *body]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        for number, (cell, width) in enumerate(zip(line, widths, strict=True)):
            if number:
                cell.align("right", width)
            else:
                cell.align("left", width)
    return lines


def _same_seeds(table: ResultTable) -> str:
    """The number of seeds where all variants have as many, else an empty word."""
    found = {row.seeds for row in table.rows if not row.is_input}
    return found.pop() if len(found) == 1 else ""


def _head(column: str) -> str:
    """A column's head in words that fold."""
    return condition_label(column).replace("(", "").replace(")", "")


def _body(row: ResultRow, columns: Sequence[int], metrics: int | None, sizes: bool, seeds: bool) -> Line:
    cells = [_cell(row.cells[c], metrics) for c in columns]
    ends = [*([Text(row.sizes[1].text)] if sizes else []), *([Text(row.seeds)] if seeds else [])]
    return [Text(row.variant), *cells, *ends]


def _cell(cell: Cell, metrics: int | None) -> Text:
    if cell.text:
        return Text(cell.text)
    shown = [Text(n.text or "-", style=_STYLES.get(n.rank, "")) for n in cell.numbers[:metrics]]
    return Text(" / ").join(shown)


def _folded(head: str, width: int) -> list[str]:
    """A head on as many lines as it takes to be no wider than its column, where its words allow."""
    lines = [""]
    for word in head.split(" "):
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines
