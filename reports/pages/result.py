"""The table of results as documents show it: PSNR / SSIM in one cell for Markdown, a metric at a time elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from reports import schema
from reports.document import Cell, Column, Number, Row, Table, text_column, words
from reports.document.latex import to_latex
from reports.labels import condition_label, strength_label
from reports.messages import joined, message, sentences
from reports.stats import AVERAGE, TASK_AVERAGE
from reports.study import Study
from reports.tables import ResultRow, ResultTable
from reports.wording import metric_note, signed

MARKS = message(
    "Bold: best, told from the second by an unadjusted test of that pair. Underlined: second, told from the third "
    "likewise. Nothing is marked with one seed, nor what is no better than the input."
)
AVERAGES = {
    1: message("Average: plain mean over the columns."),
    2: message(
        "Average (columns): plain mean over the columns, as papers print it. Average (tasks): noise levels first, then "
        "tasks alike."
    ),
}
_INGREDIENTS = message("Ingredients")
_CHECKED = "\N{CHECK MARK}"
_NARROW = 4  # signs of a cell that a page of two columns has room for
_UP, _DOWN = "\N{UPWARDS ARROW}", "\N{DOWNWARDS ARROW}"
_AVERAGE_HEADS = {AVERAGE: message("columns"), TASK_AVERAGE: message("tasks")}


def all_metrics(table: ResultTable, name: str = "result") -> Table:
    """All metrics of a cell beside each other, as `table.md` has them."""
    heads = [Column(head=condition_label(column)) for column in table.columns]
    return _table(table, name, title=message("Result"), heads=heads, caption=about(table))


def one_metric(table: ResultTable, metric: schema.Metric, name: str = "result", origins: int | None = None) -> Table:
    """One metric, columns of one task under one head; its LaTeX has the spread over seeds too."""
    at = table.metrics.index(metric)
    rows = tuple(replace(row, cells=tuple(_of_metric(cell, at) for cell in row.cells)) for row in table.rows)
    one = replace(table, rows=rows)
    title = joined([metric_note((metric,)), _UP if metric.higher_is_better else _DOWN], " ")
    heads = heads_of(table.columns)
    found = _table(one, f"{name}-{metric.name}", title=title, heads=heads, caption=about(table, (metric,)))
    printed = _table(one, found.name, title=title, heads=heads, caption=_print_caption(one), is_narrow=True)
    averages = [n for n, column in enumerate(table.columns) if column in _AVERAGE_HEADS]
    rows_of_print = [_for_print(row.cells, [_first_number(printed) + n for n in averages]) for row in printed.rows]
    kept = zip(printed.rows, rows_of_print, strict=True)
    latex = to_latex(replace(printed, rows=tuple(replace(row, cells=cells) for row, cells in kept)))
    return replace(found, origins=origins, first_number=_first_number(found), latex=latex)


def _first_number(table: Table) -> int:
    """Place of the first column of scores."""
    return 1 + sum(column.group == _INGREDIENTS for column in table.columns)


def _for_print(cells: Sequence[Cell], averages: Sequence[int]) -> tuple[Cell, ...]:
    """The cells as a page of two columns has room for: spreads of the averages alone, other names in the caption."""
    label, *others = cells
    shown = [_with_spread(cell) if at in averages else cell for at, cell in enumerate(others, start=1)]
    return (replace(label, below=()), *shown)


def _with_spread(cell: Cell) -> Cell:
    spread = [f"\N{PLUS-MINUS SIGN}{number.spread.removeprefix('0')}" for number in cell.numbers if number.spread]
    return replace(cell, below=tuple(spread)) if spread else cell


def _print_caption(table: ResultTable) -> str:
    """What a paper's caption says: no more of the marks than there are."""
    numbers = [number for row in table.rows for cell in row.cells for number in cell.numbers]
    seeds = {row.seeds for row in table.rows if not row.is_input}
    said: list[str] = [f"Protocol {table.protocol}, data {table.data}."]
    if len(seeds) == 1:
        said.append(f"Seeds: {next(iter(seeds))}.")
    if px := "/".join(dict.fromkeys(row.macs_px for row in table.rows if row.macs_px)):
        said.append(f"Params: trained ones. MACs: multiply-adds of one image of {px} pixels a side.")
    if any(number.spread for number in numbers):
        said.append("Averages \N{PLUS-MINUS SIGN} standard deviation over seeds.")
    if any(number.rank for number in numbers):
        said.append(MARKS)
    return sentences([*said, AVERAGES[len({AVERAGE, TASK_AVERAGE} & set(table.columns))]])


def differences(table: ResultTable, study: Study, name: str = "result") -> Table | None:
    """Each variant's PSNR less that of the study's reference, by column; None without a reference that is done."""
    metric = table.metrics[0]
    analysis, reference = study.analysis(metric.name), study.reference
    if reference is None or reference not in analysis.scores.variants:
        return None
    rows = []
    for row in table.rows:
        if row.is_input or row.variant == reference or row.variant not in analysis.scores.variants:
            continue
        cells = []
        for column in table.columns:
            gap = analysis.difference(row.variant, reference, column)
            interval = f"[{signed(gap.low, metric.digits)}, {signed(gap.high, metric.digits)}]"
            cells.append(
                Cell(
                    text=signed(gap.value, metric.digits),
                    value=gap.value,
                    below=(interval,) if gap.low == gap.low else (),
                    style="strong" if gap.n_seeds > 1 and gap.excludes_zero else "",
                )
            )
        rows.append(Row(cells=(_label(row), *cells), name=row.variant))
    found = Table(
        name=f"{name}-difference",
        title=message("Difference from {reference}", reference=study.label(reference)),
        columns=(text_column(message("Variant")), *heads_of(table.columns)),
        rows=tuple(rows),
        caption=message(
            "{metric}, variant less {reference}, paired by image, with unadjusted 95% intervals for other training "
            "runs and other photographs. Bold: more than one seed, and the interval leaves zero out.",
            metric=metric_note((metric,)),
            reference=study.label(reference),
        ),
        has_title=False,
    )
    return replace(found, latex=to_latex(found)) if rows else None


def heads_of(columns: Sequence[str]) -> list[Column]:
    """Heads of conditions and averages; strengths of one task, and both averages, stand under one head."""
    tasks = [schema.task_of(column) for column in columns]
    found = []
    for column, task in zip(columns, tasks, strict=True):
        strength = strength_label(column)
        if column in _AVERAGE_HEADS and TASK_AVERAGE in columns:
            found.append(Column(head=_AVERAGE_HEADS[column], group=message("Average")))
        elif strength and tasks.count(task) > 1:
            found.append(Column(head=strength, group=condition_label(task)))
        else:
            found.append(Column(head=condition_label(column)))
    return found


def _table(
    table: ResultTable, name: str, *, title: str, heads: Sequence[Column], caption: str, is_narrow: bool = False
) -> Table:
    trained, params, macs = ([row.sizes[n] for row in table.rows] for n in range(3))
    px = "/".join(dict.fromkeys(row.macs_px for row in table.rows if row.macs_px))
    seeds = [words(row.seeds) for row in table.rows]
    parameters = [
        (Column(head=message("trained"), group=message("Params")), trained),
        (Column(head=message("all"), group=message("Params")), params if params != trained else []),
    ]
    asides = [
        *([(Column(head="Params"), trained)] if is_narrow else parameters),
        (Column(head="MACs" if is_narrow else message("MACs, {px} px", px=px)), macs),
        (Column(head=message("Seeds")), seeds if len({cell.text for cell in seeds[1:]}) > 1 else []),
    ]
    shown = [(column, cells) for column, cells in asides if any(cell.text for cell in cells)]
    ingredients = _differing_ingredients(table, _NARROW if is_narrow else None)
    columns = [text_column(message("Variant"))]
    columns += [Column(head=each, is_number=False, group=_INGREDIENTS) for each in ingredients]
    columns += [*heads, *(column for column, _ in shown)]
    rows = []
    for n, row in enumerate(table.rows):
        cells = [_label(row), *(words(row.ingredients.get(each, "")) for each in ingredients), *row.cells]
        cells += [aside[n] for _, aside in shown]
        rows.append(Row(cells=tuple(cells), is_fixed=row.is_input, name="" if row.is_input else row.variant))
    return Table(
        name=name,
        title=title,
        columns=tuple(columns),
        rows=tuple(rows),
        caption=caption,
        notes=table.notes,
        has_title=False,
        style="results",
    )


def _differing_ingredients(table: ResultTable, longest: int | None) -> list[str]:
    """Parts of the method in which the variants differ, told in `longest` signs at most.

    What all have alike needs no column, nor what all have alike that have it, unless it is a check mark.
    """
    names = dict.fromkeys(name for row in table.rows for name in row.ingredients)
    variants = [row for row in table.rows if not row.is_input]
    told = {name: {row.ingredients.get(name, "") for row in variants} for name in names}
    return [
        name
        for name, how in told.items()
        if len(how) > (1 if _CHECKED in how else 2 if "" in how else 1)
        and (longest is None or max(map(len, how)) <= longest)
    ]


def _label(row: ResultRow) -> Cell:
    below: tuple[str, ...] = tuple(f"= {alias}" for alias in row.aliases)
    below += (message("below {reference}", reference=row.below),) if row.below else ()
    return words(row.label, below=below, hover="" if row.is_input else row.variant)


def _of_metric(cell: Cell, at: int) -> Cell:
    number: Number = cell.numbers[at]
    return replace(cell, numbers=(number,), text=cell.text or ("" if number.text else "-"))


def about(table: ResultTable, metrics: Sequence[schema.Metric] = ()) -> str:
    """Metrics, protocol and data of a table, what is marked, and what the averages are."""
    terms = message(
        "{metrics} · protocol {protocol} · {data}.",
        metrics=metric_note(metrics or table.metrics),
        protocol=table.protocol or message("unknown"),
        data=table.data,
    )
    return sentences([terms, MARKS, AVERAGES[len({AVERAGE, TASK_AVERAGE} & set(table.columns))]])
