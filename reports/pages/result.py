"""The table of results as documents show it: PSNR / SSIM in one cell for Markdown, a metric at a time elsewhere."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from reports import schema
from reports.contrasts import difference_from_reference
from reports.document import Cell, Column, Number, Row, Table, text_cell, text_column
from reports.document.latex import to_latex
from reports.formatting import format_signed, metric_note
from reports.labels import condition_label, strength_label, task_heading
from reports.messages import join_sentences, join_texts, message
from reports.stats import AVERAGE, TASK_AVERAGE
from reports.study import Study
from reports.tables import ResultRow, ResultTable

MARKS = message(
    "Bold: best, where it differs from the second. Underlined: second, where it differs from the third; both, where "
    "they do not differ but both differ from the third (unadjusted tests of the pairs). Unmarked: with one seed, or no "
    "better than the input."
)
AVERAGES = {
    1: message("Average: plain mean over the columns."),
    2: message(
        "Average (columns): plain mean over the columns, as papers print it. Average (tasks): noise levels first, then "
        "tasks alike."
    ),
}
_INGREDIENTS = message("Ingredients")
_INGREDIENT_HEADS = {"order": message("Order"), "prompt": message("Prompt")}
_PER_PROMPT = " per prompt"  # what is said of an order that is none: "conv" and "bias" are enough under that head
_CHECKED = "\N{CHECK MARK}"
_MAX_NARROW_LENGTH = 4  # characters of a cell that fit a two-column page
_MAX_ROOMY_COLUMNS = 14  # more are set closer
_HIGHER, _LOWER = "\N{UPWARDS ARROW}", "\N{DOWNWARDS ARROW}"
_AVERAGE_HEADS = {AVERAGE: message("columns"), TASK_AVERAGE: message("tasks")}


def all_metrics(table: ResultTable, name: str = "result") -> Table:
    """All metrics in one cell, as in `table.md`."""
    heads = [Column(head=condition_label(column)) for column in table.columns]
    return _table(table, name, title=message("Result"), heads=heads, caption=table_caption(table), has_seeds=True)


def metric_table(
    table: ResultTable, metric: schema.Metric, name: str = "result", provenance_index: int | None = None
) -> Table:
    """One metric, columns of one task under one head; its LaTeX includes the standard deviation over seeds."""
    index = table.metrics.index(metric)
    rows = tuple(replace(row, cells=tuple(_metric_cell(cell, index) for cell in row.cells)) for row in table.rows)
    single_metric = replace(table, rows=rows)
    title = join_texts([metric_note((metric,)), _HIGHER if metric.higher_is_better else _LOWER], " ")
    heads = column_heads(table.columns)
    page_table = _table(
        single_metric, f"{name}-{metric.name}", title=title, heads=heads, caption=table_caption(table, (metric,))
    )
    latex_table = _table(
        single_metric,
        page_table.name,
        title=title,
        heads=heads,
        caption=_latex_caption(single_metric),
        is_narrow=True,
        has_seeds=True,
    )
    averages = {n for n, column in enumerate(table.columns) if column in _AVERAGE_HEADS}
    bare = tuple(replace(row, cells=(replace(row.cells[0], below=()), *row.cells[1:])) for row in latex_table.rows)
    latex = to_latex(_with_spreads(replace(latex_table, rows=bare), averages, is_narrow=True))
    page_table = _with_spreads(page_table, averages)
    return replace(
        page_table, provenance_index=provenance_index, first_number=_first_score_column(page_table), latex=latex
    )


def _first_score_column(table: Table) -> int:
    """Place of the first column of scores."""
    return 1 + sum(column.group == _INGREDIENTS for column in table.columns)


def _with_spreads(table: Table, scores: Collection[int], *, is_narrow: bool = False) -> Table:
    """The table with the standard deviation over seeds below the numbers of some columns of scores, by place."""
    places = {_first_score_column(table) + n for n in scores}
    rows = []
    for row in table.rows:
        cells = [_with_spread(cell, is_narrow) if place in places else cell for place, cell in enumerate(row.cells)]
        rows.append(replace(row, cells=tuple(cells)))
    return replace(table, rows=tuple(rows))


def _with_spread(cell: Cell, is_narrow: bool) -> Cell:
    texts = [number.spread.removeprefix("0" if is_narrow else "") for number in cell.numbers if number.spread]
    spread = [f"\N{PLUS-MINUS SIGN}{text}" for text in texts]
    return replace(cell, below=tuple(spread)) if spread else cell


def _latex_caption(table: ResultTable) -> str:
    """Caption for a paper; mentions only marks that occur."""
    numbers = [number for row in table.rows for cell in row.cells for number in cell.numbers]
    seeds = {row.seeds_text for row in table.rows if not row.is_input}
    lines: list[str] = [f"Protocol {table.protocol}; {table.test_sets}."]
    if len(seeds) == 1:
        lines.append(f"Seeds: {next(iter(seeds))}.")
    if px := "/".join(dict.fromkeys(row.macs_px for row in table.rows if row.macs_px)):
        lines.append(f"Params: trained ones. MACs: multiply-adds of one image of {px} pixels a side.")
    if any(number.spread for number in numbers):
        lines.append("Averages \N{PLUS-MINUS SIGN} standard deviation over seeds.")
    if any(number.rank for number in numbers):
        lines.append(MARKS)
    return join_sentences([*lines, *_averages_note(table)])


def _averages_note(table: ResultTable) -> list[str]:
    n_averages = len({AVERAGE, TASK_AVERAGE} & set(table.columns))
    return [AVERAGES[n_averages]] if n_averages else []


def difference_table(table: ResultTable, study: Study, name: str = "result") -> Table | None:
    """Each variant's PSNR minus that of the reference, by column; None without a finished reference."""
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
            gap = difference_from_reference(study, analysis, row.variant, column)
            interval = f"[{format_signed(gap.low, metric.digits)}, {format_signed(gap.high, metric.digits)}]"
            cells.append(
                Cell(
                    text=format_signed(gap.value, metric.digits),
                    value=gap.value,
                    below=(interval,) if gap.low == gap.low else (),
                    style="strong" if gap.n_seeds > 1 and gap.excludes_zero else "",
                )
            )
        rows.append(Row(cells=(_label(row), *cells), name=row.variant))
    page_table = Table(
        name=f"{name}-difference",
        title=message("Difference from {reference}", reference=study.label(reference)),
        columns=(text_column(message("Variant")), *column_heads(table.columns)),
        rows=tuple(rows),
        caption=message(
            "{metric}, variant minus {reference}, paired by image, for new training runs and new photographs, with 95% "
            "intervals simultaneous over the {n} differences of a column. Bold: more than one seed and the interval "
            "excludes zero.",
            metric=metric_note((metric,)),
            reference=study.label(reference),
            n=max(1, len(study.variants) - 1),
        ),
        has_title=False,
    )
    return replace(page_table, latex=to_latex(page_table)) if rows else None


def column_heads(columns: Sequence[str]) -> list[Column]:
    """Heads of conditions and averages; strengths of one task, and both averages, share a group head."""
    tasks = [schema.task_of(column) for column in columns]
    heads = []
    for column, task in zip(columns, tasks, strict=True):
        strength = strength_label(column)
        if column in _AVERAGE_HEADS and TASK_AVERAGE in columns:
            heads.append(Column(head=_AVERAGE_HEADS[column], group=message("Average")))
        elif strength and tasks.count(task) > 1:
            heads.append(Column(head=strength, group=task_heading(task)))
        else:
            heads.append(
                Column(
                    head=task_heading(task)
                    if column == task and column not in _AVERAGE_HEADS
                    else condition_label(column)
                )
            )
    return heads


def _table(
    table: ResultTable,
    name: str,
    *,
    title: str,
    heads: Sequence[Column],
    caption: str,
    is_narrow: bool = False,
    has_seeds: bool = False,
) -> Table:
    """The table's layout; seeds that differ in a column where it `has_seeds`, else below the variant's label."""
    n_finished = {row.n_seeds[0] for row in table.rows} - {0}
    trained, params, macs = ([row.sizes[n] for row in table.rows] for n in range(3))
    px = "/".join(dict.fromkeys(row.macs_px for row in table.rows if row.macs_px))
    seeds = [text_cell(row.seeds_text) for row in table.rows]
    parameters = [
        (Column(head=message("trained"), group=message("Params")), trained),
        (Column(head=message("all"), group=message("Params")), params if params != trained else []),
    ]
    extra_columns = [
        *([(Column(head="Params"), trained)] if is_narrow else parameters),
        (Column(head="MACs" if is_narrow else message("MACs, {px} px", px=px)), macs),
        (Column(head=message("Seeds")), seeds if has_seeds and len({cell.text for cell in seeds[1:]}) > 1 else []),
    ]
    non_empty = [(column, cells) for column, cells in extra_columns if any(cell.text for cell in cells)]
    ingredients = _differing_ingredients(table, _MAX_NARROW_LENGTH if is_narrow else None)
    columns = [text_column(message("Variant"))]
    columns += [
        Column(head=_INGREDIENT_HEADS.get(ingredient, ingredient), is_number=False, group=_INGREDIENTS)
        for ingredient in ingredients
    ]
    columns += [*heads, *(column for column, _ in non_empty)]
    rows = []
    for n, row in enumerate(table.rows):
        cells = [
            _label(row, has_seed_note=not has_seeds and len(n_finished) > 1),
            *(text_cell(_ingredient(row, ingredient)) for ingredient in ingredients),
            *row.cells,
        ]
        cells += [extra_cells[n] for _, extra_cells in non_empty]
        rows.append(Row(cells=tuple(cells), is_fixed=row.is_input, name="" if row.is_input else row.variant))
    return Table(
        name=name,
        title=title,
        columns=tuple(columns),
        rows=tuple(rows),
        caption=caption,
        notes=table.notes,
        has_title=False,
        style="results wide" if len(columns) > _MAX_ROOMY_COLUMNS else "results",
    )


def _differing_ingredients(table: ResultTable, max_length: int | None) -> list[str]:
    """Parts of the method in which the variants differ, with texts of at most `max_length` characters.

    A part that is equal in all variants, or in all that have it, gets no column, unless it is a check mark. Where most
    variants have no parts (other networks), there are no columns: labels name the parts.
    """
    names = dict.fromkeys(name for row in table.rows for name in row.ingredients)
    variants = [row for row in table.rows if not row.is_input]
    if 2 * sum(bool(row.ingredients) for row in variants) < len(variants):
        return []
    values_by_ingredient = {name: {_ingredient(row, name) for row in variants} for name in names}
    return [
        name
        for name, values in values_by_ingredient.items()
        if len(values) > (1 if _CHECKED in values else 2 if "" in values else 1)
        and (max_length is None or max(map(len, values)) <= max_length)
    ]


def _ingredient(row: ResultRow, name: str) -> str:
    """How the row's variant has a part of the method, in a narrow cell; "" for not at all."""
    return row.ingredients.get(name, "").removesuffix(_PER_PROMPT)


def _label(row: ResultRow, *, has_seed_note: bool = False) -> Cell:
    below: tuple[str, ...] = tuple(f"= {alias}" for alias in row.aliases)
    done, planned = row.n_seeds
    is_trained = row.sizes[0].value != 0
    has_note = has_seed_note and is_trained and 0 < done < planned
    below += (message("{n} of {all} seeds", n=done, all=planned),) if has_note else ()
    if row.surpassed_by and row.is_significantly_surpassed:
        below += (message("below {reference}", reference=row.surpassed_by),)
    elif row.surpassed_by:
        below += (message("below {reference} in the mean", reference=row.surpassed_by),)
    return text_cell(row.label, below=below, hover="" if row.is_input else row.variant)


def _metric_cell(cell: Cell, index: int) -> Cell:
    number: Number = cell.numbers[index]
    return replace(cell, numbers=(number,), text=cell.text or ("" if number.text else "-"))


def page_caption(table: ResultTable) -> str:
    """The caption above the tabs of a page."""
    if not any(number.spread for row in table.rows for cell in row.cells for number in cell.numbers):
        return table_caption(table)
    note = message("\N{PLUS-MINUS SIGN} below an average: standard deviation over seeds.")
    return join_sentences([table_caption(table), note])


def table_caption(table: ResultTable, metrics: Sequence[schema.Metric] = ()) -> str:
    """Metrics, protocol and test sets of a table, what is marked, and what the averages are."""
    terms = message(
        "{metrics} · protocol {protocol} · {sets}.",
        metrics=metric_note(metrics or table.metrics),
        protocol=table.protocol or message("unknown"),
        sets=table.test_sets,
    )
    return join_sentences([terms, MARKS, *_averages_note(table)])
