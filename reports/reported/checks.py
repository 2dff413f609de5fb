"""Inconsistencies in the reported numbers, computed from them alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations
from typing import Literal

from reports import schema
from reports.messages import join_clauses, join_commas, message
from reports.reported.paper_tables import AVERAGE_COLUMN, SETTINGS
from reports.reported.printed import ReportedRow, all_rows, last_digit_unit

Kind = Literal["average", "conflict", "parameters", "unchecked"]
_METRICS = {m.name: m for m in schema.METRICS}


@dataclass(frozen=True, kw_only=True)
class Flag:
    """An inconsistency in a reported number.

    Attributes:
        kind: "average": the row's average is not the mean of its cells; "conflict": sources print different values;
            "parameters": sources print different sizes; "unchecked": an average without the cells behind it.
        setting: a key of `SETTINGS`; "" for parameters, which belong to no setting.
        method: its one name.
        dataset: the column; "" for parameters.
        sources: those that it is about.
        message: one sentence with the values.
    """

    kind: Kind
    setting: str
    method: str
    dataset: str
    sources: tuple[str, ...]
    message: str

    def __str__(self) -> str:
        """For a terminal."""
        return f"[{self.kind}] {' '.join(filter(None, (self.setting, self.method)))}: {self.message}"


def flags(rows: Iterable[ReportedRow] | None = None) -> tuple[Flag, ...]:
    """Every flag: averages first, then conflicts, parameters, and averages that can't be checked.

    Args:
        rows: to check; all reported rows by default.
    """
    checked = tuple(all_rows() if rows is None else rows)
    average_flags = [f for row in checked for f in _average_flags(row)]
    return (
        *(f for f in average_flags if f.kind == "average"),
        *_conflict_flags(checked),
        *_parameter_flags(checked),
        *(f for f in average_flags if f.kind == "unchecked"),
    )


def mean_and_tolerance(cells: Sequence[Decimal], average: Decimal) -> tuple[Decimal, Decimal]:
    """The mean of printed cells, and how far rounding alone can move a printed average away from it.

    Each cell is within half a unit of its last digit, so their mean is within the mean of those halves; the average
    itself is rounded once more. With two decimals throughout this is 0.005 + 0.005 = 0.01 dB.
    """
    mean = sum(cells, Decimal(0)) / len(cells)
    return mean, sum((last_digit_unit(c) for c in cells), Decimal(0)) / len(cells) / 2 + last_digit_unit(average) / 2


def _average_flags(row: ReportedRow) -> list[Flag]:
    """Flags of one row's average."""
    printed = row.cells.get(AVERAGE_COLUMN)
    if printed is None:
        return []
    wrong, unchecked = [], []
    for name, metric in _METRICS.items():
        average = printed.value(name)
        if average is None:
            continue
        values = [row.cells[c.name].value(name) for c in SETTINGS[row.setting].columns if c.name in row.cells]
        cells = [v for v in values if v is not None]
        if len(cells) < len(SETTINGS[row.setting].columns):
            unchecked.append(f"{metric.label} {average}")
            continue
        mean, tolerance = mean_and_tolerance(cells, average)
        if abs(mean - average) > tolerance:
            wrong.append(
                message(
                    "{metric} is printed as {average}, its cells have the mean {mean} (rounding explains {tolerance})",
                    metric=metric.label,
                    average=average,
                    mean=f"{mean:.{metric.digits + 1}f}",
                    tolerance=f"{tolerance.normalize():f}",
                )
            )
    flags_of_row = []
    if wrong:
        text = message("average {mismatches}; source: {source}.", mismatches=join_clauses(wrong), source=cite(row))
        flags_of_row.append(_average_flag("average", row, text))
    if unchecked:
        text = message(
            "average {metrics} stands without all of its cells; source: {source}.",
            metrics=join_commas(unchecked),
            source=cite(row),
        )
        flags_of_row.append(_average_flag("unchecked", row, text))
    return flags_of_row


def _average_flag(kind: Kind, row: ReportedRow, text: str) -> Flag:
    return Flag(
        kind=kind,
        setting=row.setting,
        method=row.name,
        dataset=AVERAGE_COLUMN,
        sources=(row.source,),
        message=text,
    )


def _conflict_flags(rows: Sequence[ReportedRow]) -> list[Flag]:
    """One flag for each method, setting and column for which sources print different values."""
    by_method: dict[tuple[str, str], list[ReportedRow]] = {}
    for row in rows:
        by_method.setdefault((row.setting, row.name), []).append(row)
    conflicts = []
    for (setting, method), group in by_method.items():
        for column in SETTINGS[setting].column_names:
            printing = [row for row in group if column in row.cells]
            if any(_differ([row.cells[column].value(metric) for row in printing]) for metric in _METRICS):
                values = "; ".join(f"{_cell_text(row, column)} in {cite(row)}" for row in printing)
                conflicts.append(
                    Flag(
                        kind="conflict",
                        setting=setting,
                        method=method,
                        dataset=column,
                        sources=tuple(row.source for row in printing),
                        message=f"{column} is {values}.",
                    )
                )
    return conflicts


def _parameter_flags(rows: Sequence[ReportedRow]) -> list[Flag]:
    """One flag for each method whose size sources print differently, whatever the setting."""
    by_method: dict[str, dict[tuple[str, str], Decimal]] = {}
    for row in rows:
        if row.params_m is not None:
            by_method.setdefault(row.name, {})[row.setting, row.source] = row.params_m
    conflicts = []
    for method, printed in by_method.items():
        if _differ(list(printed.values())):
            values = join_clauses(
                message("{size} M in {source} ({setting})", size=value, source=source, setting=setting)
                for (setting, source), value in printed.items()
            )
            names = tuple(dict.fromkeys(source for _, source in printed))
            conflicts.append(
                Flag(
                    kind="parameters",
                    setting="",
                    method=method,
                    dataset="",
                    sources=names,
                    message=message("parameters: {values}.", values=values),
                )
            )
    return conflicts


def _differ(values: Sequence[Decimal | None]) -> bool:
    """Whether two of the values can't be prints of one number; 28.77 and 29 can."""
    present = [v for v in values if v is not None]
    return any(abs(a - b) > max(last_digit_unit(a), last_digit_unit(b)) / 2 for a, b in combinations(present, 2))


def _cell_text(row: ReportedRow, column: str) -> str:
    values = (row.cells[column].value(metric) for metric in _METRICS)
    return " / ".join("-" if v is None else str(v) for v in values)


def cite(row: ReportedRow, separator: str = ", ") -> str:
    """The source, and the notes that say how it came by the number."""
    return row.source + (f" ({separator.join(row.notes)})" if row.notes else "")
