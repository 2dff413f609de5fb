"""A paper's table with reported rows, measured rows and, where both are of the same images, their differences.

The three never mix: each is a separate row group, and best and second are marked within a group only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from reports import schema
from reports.document import (
    Block,
    Cell,
    Collapsible,
    Column,
    Items,
    Number,
    Row,
    Section,
    Table,
    Text,
    text_cell,
    text_column,
)
from reports.document.latex import to_latex
from reports.document.markdown import to_markdown
from reports.formatting import metric_note
from reports.labels import latex, markdown
from reports.messages import TransformedText, join_clauses, join_sentences, join_texts, message
from reports.reported.checks import Flag, cite, flags
from reports.reported.measured import NOT_PRINTED, MeasuredTable, measured_tables, other_images_warning, source_row
from reports.reported.paper_layout import number_sources
from reports.reported.paper_tables import NOT_TRAINED, Setting, find_setting
from reports.reported.printed import ReportedRow, reported_rows, sources
from reports.run_folder import read_json
from reports.schema import STUDY_FILE
from reports.study import Study

MARKS = message("Bold: best of the group. Underlined: second. Ties share the mark.")
REPORTED_KEY = "reported"
"""The entry of study.json that asks for this table: the name of a setting."""

_LATER_TASKS = {
    "blur": message("blur"),
    "lowlight": message("low light"),
}  # tasks of the five-task setting that other tables lack


@dataclass(frozen=True, kw_only=True)
class RowGroup:
    """Rows that may be compared with each other."""

    kind: Literal["reported", "measured", "difference"]
    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, kw_only=True)
class ReportedTable:
    """One setting's table.

    Attributes:
        setting: the paper's table that it is about.
        groups: the paper's own table, what was measured, and differences.
        others: what other sources report, folded on the page since it is long.
        warnings: shown before the table.
        remarks: numbered from 1: inconsistencies in the rows that carry their number.
        notes: how to read the table.
    """

    setting: Setting
    groups: tuple[RowGroup, ...]
    others: RowGroup
    warnings: tuple[str, ...]
    remarks: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def tables(self) -> list[Table]:
        """The paper's table with what was measured, and that of other sources; each where it has rows."""
        columns = (
            text_column(message("Method or variant")),
            *(Column(head=head) for head in _heads(self.setting)),
            text_column(message("Source")),
        )
        rows = [row for group in self.groups for row in (Row(heading=group.title), *group.rows)]
        caption = join_sentences([message("{clauses}.", clauses=metric_note()), MARKS])
        tables = [
            Table(
                name="reported-1",
                title=group.title,
                columns=columns,
                rows=tuple(rows),
                caption=caption,
                has_title=False,
            )
            for group in self.groups[:1]
        ]
        if self.others.rows:
            title, others = self.others.title, self.others.rows
            tables.append(
                Table(name="reported-2", title=title, columns=columns, rows=others, caption=caption, is_collapsed=True)
            )
        return tables

    @property
    def section(self) -> Section:
        """The table's part of the page."""
        blocks: list[Block] = [Text(text=warning, style="remark") for warning in self.warnings]
        blocks += [*self.tables, *(Text(text=note, style="note") for note in self.notes)]
        if self.remarks:
            title = message("Inconsistencies in the reported rows")
            blocks.append(Collapsible(title=title, blocks=[Items(items=self.remarks, is_numbered=True)]))
        title = message("Reported numbers: {setting}", setting=TransformedText(self.setting.title, str.lower))
        return Section(name="reported", title=title, short=message("Reported numbers"), blocks=blocks)

    @property
    def markdown(self) -> str:
        """Warnings, tables, notes and numbered remarks."""
        lines = [f"**{markdown(warning)}**\n" for warning in self.warnings]
        lines += [to_markdown(table, with_title=table.is_collapsed) for table in self.tables]
        lines += [f"{markdown(note)}  " for note in self.notes]
        lines += ["", *(f"{number}. {markdown(remark)}" for number, remark in enumerate(self.remarks, start=1))]
        return "\n".join(lines).rstrip() + "\n"

    @property
    def latex(self) -> str:
        """The tables for a paper, sources by number; warnings, notes and remarks are comments."""
        above = [f"% {latex(warning)}" for warning in self.warnings]
        below = [f"% {latex(note)}" for note in self.notes]
        below += [f"% {number}. {latex(remark)}" for number, remark in enumerate(self.remarks, start=1)]
        named = [message("reported: {source}", source=self.setting.paper_source), message("measured")]
        tables = [to_latex(number_sources(table, named)) for table in self.tables]
        return "\n".join([*above, *tables, *below]) + "\n"


def requested_setting(study: Study) -> str | None:
    """The setting that study.json requests under "reported"; None without a study or a request.

    Raises:
        ValueError: it names no setting.
    """
    if study.folder is None:
        return None
    name = read_json(study.folder / STUDY_FILE).get(REPORTED_KEY)
    return None if name is None else find_setting(str(name)).name


def reported_table(study: Study, setting_name: str) -> ReportedTable:
    """The table of a setting with the study's own numbers beside the reported ones.

    Args:
        study: with all its rows, whatever their test sets and protocols.
        setting_name: a key of `SETTINGS`.

    Raises:
        ValueError: unknown setting, or the CSV files hold something that they may not.
    """
    setting = find_setting(setting_name)
    rows = reported_rows(setting.name)
    setting_flags = tuple(f for f in flags() if f.setting in ("", setting.name) and f.method in {r.name for r in rows})
    remarks, marks = _number_remarks(setting_flags, rows)
    paper_rows = tuple(r for r in rows if r.source == setting.paper_source)
    other_rows = tuple(r for r in rows if r.source != setting.paper_source)
    groups = [_reported_group(_home_title(setting), setting, paper_rows, marks)]
    measured = measured_tables(study, setting)
    for part in measured:
        groups.append(RowGroup(kind="measured", title=part.title, rows=part.rows))
        if part.differences:
            groups.append(
                RowGroup(
                    kind="difference",
                    title=message(
                        "Difference: measured \N{MINUS SIGN} reported, under the protocol of the reported numbers"
                    ),
                    rows=part.differences,
                )
            )
    others = message("Reported by other sources (copied, not measured here)")
    return ReportedTable(
        setting=setting,
        groups=tuple(g for g in groups if g.rows),
        others=_reported_group(others, setting, other_rows, marks),
        warnings=_warnings(setting, rows, measured, other_images_warning(study, setting)),
        remarks=remarks,
        notes=_notes(setting, rows),
    )


def _home_title(setting: Setting) -> str:
    return message("Reported in the {source} (copied, not measured here)", source=setting.paper_source)


def _heads(setting: Setting) -> tuple[str, ...]:
    return tuple(c.head for c in setting.columns) + ((message("Average"),) if setting.has_average else ())


def _reported_group(
    title: str, setting: Setting, rows: Sequence[ReportedRow], marks: dict[tuple[str, str], tuple[int, ...]]
) -> RowGroup:
    """The group of these rows, ranked among themselves."""
    cells = _rank_cells([_printed_cells(row, setting) for row in rows])
    lines = tuple(
        source_row(
            text_cell(row.method, hover=_source_text(row), marks=marks.get((row.method, row.source), ())),
            row_cells,
            message("reported: {source}", source=cite(row, "; ")),
        )
        for row, row_cells in zip(rows, cells, strict=True)
    )
    return RowGroup(kind="reported", title=title, rows=lines)


def _rank_cells(rows: Sequence[tuple[Cell, ...]]) -> list[tuple[Cell, ...]]:
    """Mark best and second of each column and metric as printed; equal prints share the mark. One row has no best."""
    ranks: dict[tuple[int, int, str], int] = {}
    for c in range(len(rows[0]) if len(rows) > 1 else 0):
        for m, metric in enumerate(schema.METRICS):
            printed = {cells[c].numbers[m].text for cells in rows} - {""}
            for rank, text in enumerate(sorted(printed, key=float, reverse=metric.higher_is_better)[:2], start=1):
                ranks[c, m, text] = rank
    return [
        tuple(
            replace(
                cell,
                numbers=tuple(replace(n, rank=ranks.get((c, m, n.text), 0)) for m, n in enumerate(cell.numbers)),
            )
            for c, cell in enumerate(cells)
        )
        for cells in rows
    ]


def _printed_cells(row: ReportedRow, setting: Setting) -> tuple[Cell, ...]:
    """The row's cells as the source prints them, digit for digit."""
    cells = []
    for column in setting.column_names:
        printed = row.cells.get(column)
        values = [printed.value(m.name) if printed else None for m in schema.METRICS]
        numbers = tuple(
            Number(value=float("nan") if v is None else float(v), text="" if v is None else str(v)) for v in values
        )
        hover = f"{row.source}; {printed.where}" + (f"; {printed.note}" if printed.note else "") if printed else ""
        cells.append(Cell(numbers=numbers, text="" if printed else NOT_PRINTED, hover=hover))
    return tuple(cells)


def _source_text(row: ReportedRow) -> str:
    size = f"{row.params_m} M parameters; " if row.params_m is not None else ""
    source = sources()[row.source]
    return f"{row.year}; {size}{source.kind}: {source.meaning}"


def _number_remarks(
    setting_flags: Sequence[Flag], rows: Sequence[ReportedRow]
) -> tuple[tuple[str, ...], dict[tuple[str, str], tuple[int, ...]]]:
    """Remarks for below the table, and which of them concern each (method, source).

    Conflicts of one method become one remark: its rows are in the table with their values.
    """
    remarks: list[str] = []
    marks: dict[tuple[str, str], list[int]] = {}
    for (kind, method, _), members in _group_flags(setting_flags).items():
        first = members[0]
        if kind == "conflict":
            names = list(dict.fromkeys(s for f in members for s in f.sources))
            columns = ", ".join(f.dataset for f in members)
            text = message(
                "{method}: {n} sources print different values for {columns}: {sources}.",
                method=method,
                n=len(names),
                columns=columns,
                sources=join_clauses(names),
            )
        else:
            text = message("{method}: {conflict}", method=method, conflict=first.message)
        remarks.append(text)
        flagged_sources = {s for f in members for s in f.sources}
        for row in rows:
            if row.name == method and row.source in flagged_sources:
                marks.setdefault((row.method, row.source), []).append(len(remarks))
    return tuple(remarks), {key: tuple(numbers) for key, numbers in marks.items()}


def _group_flags(setting_flags: Sequence[Flag]) -> dict[tuple[str, str, tuple[str, ...]], list[Flag]]:
    """Flags that one remark covers: a method's conflicts, whatever the column; every other flag alone."""
    groups: dict[tuple[str, str, tuple[str, ...]], list[Flag]] = {}
    for flag in setting_flags:
        key = (flag.kind, flag.method, () if flag.kind == "conflict" else flag.sources)
        groups.setdefault(key, []).append(flag)
    return groups


def _warnings(
    setting: Setting, rows: Sequence[ReportedRow], measured: Sequence[MeasuredTable], other_images: Sequence[str]
) -> tuple[str, ...]:
    lines: list[str] = []
    if not rows:
        tasks = {column.condition for column in setting.columns}
        missing_tasks = [name for condition, name in _LATER_TASKS.items() if condition not in tasks]
        missing_text = join_texts(missing_tasks, message(" and no "))
        lines.append(
            message(
                "This table has no {tasks} and no reported numbers: {file} is empty because the published numbers "
                "were not available.",
                tasks=missing_text,
                file=setting.file,
            )
            if missing_tasks
            else message(
                "This table has no reported numbers: {file} is empty because the published numbers were not available.",
                file=setting.file,
            )
        )
    if not measured and other_images:
        lines += other_images if rows else []
    elif not measured:
        lines.append(
            message("No finished run has numbers for these columns: every number here is reported, none is measured.")
        )
    else:
        lines += [reason for part in measured for reason in part.reasons] if rows else []
    return tuple(dict.fromkeys(lines))


def _notes(setting: Setting, rows: Sequence[ReportedRow]) -> tuple[str, ...]:
    notes: list[str] = [
        message(
            "Best and second are marked within each group of reported rows, never across groups; measured rows are "
            "marked in the table of results, where they are tested."
        )
    ]
    if rows:
        notes.insert(
            0,
            message(
                "Reported rows are copied from the named sources, digit for digit; nothing in them was run here. "
                "Training and evaluation differ between sources, so their order is only indicative."
            ),
        )
    notes += [
        message("{method} is not trained here: {reason}.", method=name, reason=reason)
        for name, reason in NOT_TRAINED.items()
        if name in {r.name for r in rows}
    ]
    if setting.has_average:
        notes.append(message("Average: the plain mean over the columns, as papers print it."))
    return tuple(notes)
