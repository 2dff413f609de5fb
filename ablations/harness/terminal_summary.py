"""What a study's end shows in a terminal: its table, fitted to the width, and what could not be measured."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import rich.table
from rich.console import Console
from rich.text import Text

from ablations.cli import print_prose
from ablations.harness.run_one import find_run
from ablations.measures.compute import error_path
from ablations.measures.registry import metric_measures
from ablations.plan import Plan
from reports.document import Cell
from reports.formatting import metric_note
from reports.labels import condition_label
from reports.stats import AVERAGE, TASK_AVERAGE
from reports.tables import ResultTable

_STYLES = {1: "bold", 2: "underline"}
_NO_BRACKETS = str.maketrans("", "", "()")


def print_table(table: ResultTable, console: Console) -> None:
    """Print the table of table.md: all metrics and sizes, or as much of it as the terminal is wide.

    Left out for want of room, in this order: the metrics after the first, the sizes, the average over tasks, all
    columns but the averages. A variant's name is never cut.
    """
    average_columns = [c for c, name in enumerate(table.columns) if name in (AVERAGE, TASK_AVERAGE)]
    all_columns = list(range(len(table.columns)))
    without_task_average = [c for c in all_columns if table.columns[c] != TASK_AVERAGE]
    layouts = (
        (all_columns, None, True, 2),
        (all_columns, 1, True, 2),
        (all_columns, 1, False, 2),
        (without_task_average, 1, False, 2),
        (without_task_average, 1, False, 1),
        (average_columns or all_columns[-1:], 1, False, 2),
    )
    for columns, metrics, with_sizes, gap in layouts:
        terminal_table = _terminal_table(table, columns, metrics, with_sizes, gap)
        if (terminal_table.width or 0) <= console.width:
            break
    console.print(terminal_table, crop=False, highlight=False)
    note = metric_note(table.metrics[:metrics])
    seeds = _common_seed_count(table)
    notes = [
        f"{note}{'; what had no room here is in table.md' if metrics else ''}.",
        *([f"Seeds: {seeds}."] if seeds else []),
        f"Protocol: {table.protocol}. Test images: {table.test_sets}.",
        *(f"{', '.join(row.aliases)} = {row.variant}." for row in table.rows if row.aliases),
    ]
    print_prose(console, " ".join(notes))


def print_skipped_measures(plan: Plan, root: Path, console: Console) -> None:
    """Say each reason for which a measure could not be taken once, for all runs that have it."""
    run_counts: dict[tuple[str, str], int] = {}
    for spec in plan.specs:
        folder = find_run(root, spec)
        for name in (*plan.study.measures, *metric_measures(plan.study.metrics)):
            path = error_path(folder, name)
            if path.is_file():
                reason = json.loads(path.read_text(encoding="utf-8"))["message"]
                run_counts[name, reason] = run_counts.get((name, reason), 0) + 1
    for (name, reason), run_count in run_counts.items():
        runs_text = "1 run" if run_count == 1 else f"{run_count} runs"
        print_prose(console, f"Measure {name} left out for {runs_text}: {reason}")


def _terminal_table(
    table: ResultTable, columns: Sequence[int], metrics: int | None, sizes: bool, gap: int
) -> rich.table.Table:
    """The table for a terminal, as wide as its cells; heads fold at their words."""
    with_seeds = not _common_seed_count(table)
    headers = ["Variant", *(condition_label(table.columns[c]).translate(_NO_BRACKETS) for c in columns)]
    headers += [*(["Params"] if sizes else []), *(["Seeds"] if with_seeds else [])]
    body = [
        [
            Text(row.variant),
            *(_cell_text(row.cells[c], metrics) for c in columns),
            *([Text(row.sizes[1].text)] if sizes else []),
            *([Text(row.seeds_text)] if with_seeds else []),
        ]
        for row in table.rows
    ]
    grid = rich.table.Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="dim")
    width = -gap
    for header, cells in zip(headers, zip(*body, strict=True), strict=True):
        column_width = max(*map(len, cells), *map(len, header.split()))
        width += column_width + gap
        grid.add_column(
            header, width=column_width, vertical="bottom", justify="left" if header == "Variant" else "right"
        )
    for line in body:
        grid.add_row(*line)
    grid.width = width
    return grid


def _common_seed_count(table: ResultTable) -> str:
    """The number of seeds where all variants have as many, else an empty word."""
    counts = {row.seeds_text for row in table.rows if not row.is_input}
    return counts.pop() if len(counts) == 1 else ""


def _cell_text(cell: Cell, metrics: int | None) -> Text:
    if cell.text:
        return Text(cell.text)
    numbers = [Text(n.text or "-", style=_STYLES.get(n.rank, "")) for n in cell.numbers[:metrics]]
    return Text(" / ").join(numbers)
