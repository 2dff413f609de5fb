"""A study's numbers arranged as a paper's table, and their differences from the paper's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from reports import schema
from reports.document import Cell, Number, Row, text_cell
from reports.formatting import format_quantity
from reports.image_sets import image_set_label
from reports.labels import task_label
from reports.load import name_of
from reports.messages import join_and, join_clauses, join_commas, join_texts, message
from reports.reported.column_means import ColumnMeans, column_means, mean_cells
from reports.reported.comparison import ComparedCell, MetricComparison, compare
from reports.reported.paper_tables import PaperColumn, Setting, method_of, protocol_for
from reports.reported.printed import reported_rows
from reports.run_state import Status
from reports.study import Run, Study
from reports.subsets import main_subset
from reports.tables import INPUT_LABEL

NOT_PRINTED = message("not printed")
MINUS = "\N{MINUS SIGN}"
_PAPER_DATA = "paper"
_SUITE_DATA = "bsds"  # kind of data in study.json whose test sets are BSDS500 val and CBSD68
_DIGITS = {schema.PSNR: 3, schema.SSIM: 4}  # digits that show whether a difference is within the tolerance


@dataclass(frozen=True, kw_only=True)
class MeasuredTable:
    """Numbers of one protocol on one set of images.

    Attributes:
        title: protocol and data.
        rows: the degraded input first; a cell with the name, one a column, and where the numbers come from.
        differences: each variant against each source; empty where nothing can be compared, see `reasons`.
        reasons: sentences for the reader.
    """

    title: str
    rows: tuple[Row, ...]
    differences: tuple[Row, ...]
    reasons: tuple[str, ...]


def measured_tables(study: Study, setting: Setting) -> tuple[MeasuredTable, ...]:
    """The study's numbers on the test sets of a setting, one table per protocol; none on other images."""
    if not _is_paper_data(study):
        return ()
    tables = []
    for protocol in study.test_settings["protocol"].unique():
        rows = _by_paper_column(study.rows[study.rows["protocol"] == protocol], setting)
        tables += [_on_paper_test_sets(study, setting, str(protocol), rows)] if len(rows) else []
    return tuple(tables)


def _is_paper_data(study: Study) -> bool:
    """Whether every run read the field's own test sets; their names alone could be anybody's folder."""
    names = {name_of(run.spec.get("data")) for run in study.runs.values() if run.status is Status.DONE}
    return names == {_PAPER_DATA}


def _by_paper_column(rows: pd.DataFrame, setting: Setting) -> pd.DataFrame:
    """The rows of the setting's test sets, with the column's name as their condition."""
    names = pd.Series(None, index=rows.index, dtype=object)
    for column in setting.columns:
        names[(rows["dataset"] == column.dataset) & (rows["condition"] == column.condition)] = column.name
    return rows.assign(condition=names)[names.notna()]


def _on_paper_test_sets(study: Study, setting: Setting, protocol: str, rows: pd.DataFrame) -> MeasuredTable:
    grid = column_means(rows, tuple(c.name for c in setting.columns))
    incomplete, reasons = _incomplete(study, setting, grid)
    complete = [c for c in setting.columns if c not in incomplete]
    differences = tuple(_differences(study, setting, protocol, grid, complete))
    if not differences and complete:
        reasons.append(_no_difference_reason(study, setting, protocol))
    return MeasuredTable(
        title=message("Measured here: protocol {protocol}, the field's test sets", protocol=protocol),
        rows=_rows(study, grid, with_average=setting.has_average),
        differences=differences,
        reasons=tuple(reasons),
    )


def other_images_warning(study: Study, setting: Setting) -> list[str]:
    """Why no difference is computed from the result table's numbers: column by column, the images and the protocol."""
    settings = main_subset(study).test_settings
    measured = {
        str(condition): list(map(str, rows["dataset"].unique()))
        for condition, rows in settings.groupby("condition", sort=False)
    }
    columns = [c for c in setting.columns if c.condition in measured]
    if not columns:
        return []
    is_same = {c: _is_own_data(study) and measured[c.condition] == [c.dataset] for c in columns}
    clauses: list[str] = []
    if other := [c for c in columns if not is_same[c]]:
        pairs = [
            message(
                "{condition}: {reported} against {measured}",
                condition=task_label(schema.task_of(c.condition)),
                reported=image_set_label(c.dataset),
                measured=join_and([image_set_label(name) for name in measured[c.condition]]),
            )
            for c in other
        ]
        clauses.append(message("other images ({pairs})", pairs=join_clauses(dict.fromkeys(pairs))))
    if same := [c for c in columns if is_same[c]]:
        protocols = settings["protocol"][settings["condition"].isin([c.condition for c in same])]
        sides = ", ".join(map(str, sorted({side for run in study.runs.values() if (side := _max_side(run))})))
        values = {
            "sets": join_commas(dict.fromkeys(image_set_label(c.dataset) for c in same)),
            "protocol": join_commas(map(str, protocols.unique())),
            "sides": sides,
        }
        clauses.append(
            message(
                "the same photographs, cropped to {sides} pixels a side, with another training and protocol, "
                "{protocol} ({sets})",
                **values,
            )
            if sides
            else message("the same photographs with another training and protocol, {protocol} ({sets})", **values)
        )
    return [
        message(
            "The result table's numbers can't be compared with the reported ones, and no difference is computed: "
            "{reasons}.",
            reasons=join_clauses(clauses),
        )
    ]


def _is_own_data(study: Study) -> bool:
    """Whether the suite assembled the test sets, so that their names are those of the field's photographs."""
    return study.data.get("kind") == _SUITE_DATA


def _rows(study: Study, grid: ColumnMeans, *, with_average: bool) -> tuple[Row, ...]:
    """The degraded input, then every planned variant, scored or not."""
    inputs = mean_cells(grid, "input", "", with_average=with_average)
    rows = [source_row(text_cell(INPUT_LABEL), inputs, message("measured"), is_fixed=True)]
    for variant in study.variants:
        finished = study.done_runs_of(variant)
        ids = [run.run_id for run in finished]
        cells = mean_cells(grid, variant, "; ".join(ids), with_average=with_average)
        label = text_cell(_label(study, variant), hover=", ".join(ids))
        rows.append(source_row(label, cells, _training_text(study, variant, finished)))
    return tuple(rows)


def source_row(label: Cell, cells: Sequence[Cell], source: str, *, is_fixed: bool = False) -> Row:
    """A line of the table: of what it is, a cell a column, and where its numbers come from."""
    return Row(cells=(label, *cells, text_cell(source, style="aside")), is_fixed=is_fixed)


def _label(study: Study, variant: str) -> str:
    aliases = ", ".join(study.label(e.variant) for e in study.aliases.get(variant, ()))
    return f"{study.label(variant)} (= {aliases})" if aliases else study.label(variant)


def _training_text(study: Study, variant: str, finished: Sequence[Run]) -> str:
    """Seeds, budget and size of the measured model."""
    planned = study.runs_of(variant)
    if not finished:
        return message("measured: nothing yet")
    seeds = (
        message("{n} of {all} seeds", n=len(finished), all=len(planned))
        if len(planned) != 1
        else format_quantity(1, "seed")
    )
    budgets = dict.fromkeys(_budget_text(run) for run in finished)
    sizes = dict.fromkeys(_size_text(run) for run in finished)
    parts = [seeds, *(join_texts(values, " | ") for values in (budgets, sizes) if any(values))]
    return message("measured: {values}", values=join_clauses(parts))


def _budget_text(run: Run) -> str:
    budget = run.spec.get("budget")
    name = name_of(budget)
    steps = run.summary.get("steps") or (budget.get("steps") if isinstance(budget, dict) else None)
    if not steps:
        return message("budget {name}", name=name) if name else ""
    if not name:
        return message("({n} steps)", n=steps)
    return message("budget {name} ({n} steps)", name=name, n=steps)


def _size_text(run: Run) -> str:
    model = run.spec.get("model")
    params = model.get("params") if isinstance(model, dict) else None
    return message("{n:.2f} M parameters", n=params / 1e6) if isinstance(params, int | float) else ""


def _incomplete(study: Study, setting: Setting, grid: ColumnMeans) -> tuple[list[PaperColumn], list[str]]:
    """Columns whose measured mean is not over the complete, uncropped test set, and why."""
    max_sides = sorted({side for run in study.runs.values() if (side := _max_side(run))})
    if max_sides:
        sides = ", ".join(map(str, max_sides))
        return list(setting.columns), [
            message(
                "Test images were cropped to {sides} pixels a side: reported and measured numbers are on different "
                "images, and no difference is computed.",
                sides=sides,
            )
        ]
    partial = [c for c in setting.columns if 0 < grid.counts.get(c.name, 0) != c.n_images]
    if not partial:
        return [c for c in setting.columns if not grid.counts.get(c.name)], []
    names = join_commas(
        message("{name} ({n} of {all})", name=c.name, n=grid.counts[c.name], all=c.n_images) for c in partial
    )
    missing = [c for c in setting.columns if not grid.counts.get(c.name)]
    return [*partial, *missing], [
        message(
            "Not on all images of the test set: {names}. For these columns reported and measured numbers are on "
            "different images, and no difference is computed.",
            names=names,
        )
    ]


def _max_side(run: Run) -> int | None:
    budget = run.spec.get("budget")
    evaluation = budget.get("evaluation") if isinstance(budget, dict) else None
    side = evaluation.get("max_side") if isinstance(evaluation, dict) else None
    return side if run.status is Status.DONE and isinstance(side, int) else None


def _differences(
    study: Study, setting: Setting, protocol: str, grid: ColumnMeans, complete: Sequence[PaperColumn]
) -> Iterator[Row]:
    """Each variant that is a reported method, against every source that prints it."""
    for variant in study.variants:
        method = _method_name(study, variant)
        if method is None or not _is_protocol(protocol, protocol_for(setting.name, method)):
            continue
        if not any(row.name == method for row in reported_rows(setting.name)):
            continue
        measured = {c.name: grid.values(variant, c.name) for c in complete}
        values = {name: (v[0], v[1]) for name, v in measured.items() if np.isfinite(v).all()}
        cells = compare(f"{method} {setting.name}", values)
        for source in dict.fromkeys(c.source for c in cells):
            source_cells = {c.dataset: c for c in cells if c.source == source}
            if any(c.reproduced is not None for c in source_cells.values()):
                yield _difference(variant, method, source, source_cells, setting)


def _difference(variant: str, method: str, source: str, cells: dict[str, ComparedCell], setting: Setting) -> Row:
    compared = [c for c in cells.values() if c.reproduced is not None]
    reproduced = [c.dataset for c in compared if c.reproduced]
    n = len(compared)
    reproduced_text = message("{n} of {all}: {names}", n=len(reproduced), all=n, names=join_commas(reproduced or [""]))
    if not reproduced:
        reproduced_text = message("none of {n}", n=n)
    elif len(reproduced) == n:
        reproduced_text = message("all {n}", n=n)
    return source_row(
        text_cell(f"{variant} {MINUS} {method}"),
        [_difference_cell(cells.get(name)) for name in setting.column_names],
        message("reported: {source}; reproduced: {which}", source=source, which=reproduced_text),
    )


def _difference_cell(cell: ComparedCell | None) -> Cell:
    if cell is None or cell.reproduced is None:
        return Cell(text=NOT_PRINTED if cell is None else cell.verdict)
    parts: tuple[tuple[str, MetricComparison], ...] = ((schema.PSNR, cell.psnr_db), (schema.SSIM, cell.ssim))
    numbers = tuple(
        Number(value=float("nan"), text="")
        if part.difference is None
        else Number(value=part.difference, text=_signed(part.difference, _DIGITS[name]))
        for name, part in parts
    )
    return Cell(numbers=numbers, hover=cell.verdict)


def _signed(value: float, digits: int) -> str:
    text = f"{abs(value):.{digits}f}"
    if not float(text):
        return text
    return ("+" if value > 0 else MINUS) + text


def _method_name(study: Study, variant: str) -> str | None:
    return method_of((variant, *(e.variant for e in study.aliases.get(variant, ()))))


def _is_protocol(label: str, name: str) -> bool:
    return label.rpartition("-v")[0] == name


def _no_difference_reason(study: Study, setting: Setting, protocol: str) -> str:
    """Why no measured row has a difference, though the images are the field's."""
    methods = [m for v in study.variants if (m := _method_name(study, v)) is not None]
    if not methods:
        return message(
            "No difference is computed: none of the measured variants is a method that the reported rows name."
        )
    needed = ", ".join(dict.fromkeys(protocol_for(setting.name, m) for m in methods))
    if not any(_is_protocol(protocol, protocol_for(setting.name, m)) for m in methods):
        return message(
            "Protocol {protocol}: no difference is computed, since the reported numbers belong to {needed}.",
            protocol=protocol,
            needed=needed,
        )
    return message(
        "Protocol {protocol}: no difference is computed, since no finished run has a number beside a reported one.",
        protocol=protocol,
    )
