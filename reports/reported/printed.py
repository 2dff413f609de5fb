"""Numbers that papers print, as they print them: typed, checked, each with its source."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib.resources import files

from reports.reported.paper_tables import SETTINGS, Setting, canonical_name, find_setting, suggestion

COLUMNS = ("setting", "method", "year", "dataset", "psnr_db", "ssim", "params_m", "source", "note")
_SOURCES_FILE = "sources.csv"


@dataclass(frozen=True, kw_only=True)
class PrintedCell:
    """PSNR and SSIM of one method on one test set as a source prints them.

    Decimals keep the printed digits: 26.90 is known to 0.005 dB, 26.9 to 0.05 dB.

    Attributes:
        psnr_db: in dB; None where the source prints none; likewise `ssim`.
        note: remark of the source, or of the person who copied it.
        where: file and line.
    """

    psnr_db: Decimal | None
    ssim: Decimal | None
    note: str
    where: str

    def value(self, metric: str) -> Decimal | None:
        """The number of `metric` ("psnr_db" or "ssim")."""
        return {"psnr_db": self.psnr_db, "ssim": self.ssim}[metric]


@dataclass(frozen=True, kw_only=True)
class ReportedRow:
    """One method's row as one source prints it.

    Attributes:
        setting: a key of `SETTINGS`.
        method: as the source prints it; `name` is the same for all sources.
        year: of the method, or of the source where it re-ran an older method.
        params_m: parameters in millions, None where the source gives none.
        source: of the numbers.
        cells: by column name, the average included where the source prints one.
    """

    setting: str
    method: str
    year: int
    params_m: Decimal | None
    source: str
    cells: dict[str, PrintedCell]

    @property
    def name(self) -> str:
        """The method's one name."""
        return canonical_name(self.setting, self.method)

    @property
    def notes(self) -> tuple[str, ...]:
        """The different notes of its cells; one that does not hold for all of them names its column."""
        by_note: dict[str, list[str]] = {}
        for column, cell in self.cells.items():
            by_note.setdefault(cell.note, []).append(column)
        return tuple(
            note if len(columns) == len(self.cells) else f"{', '.join(columns)}: {note}"
            for note, columns in by_note.items()
            if note
        )


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where numbers come from; `kind` is paper, repository, survey or note, in falling order of trust."""

    name: str
    kind: str
    meaning: str


@cache
def sources() -> dict[str, Source]:
    """Every source by name, from reports/paper/sources.csv."""
    rows = csv.DictReader(io.StringIO(_read_text(_SOURCES_FILE)))
    return {r["source"]: Source(name=r["source"], kind=r["kind"], meaning=r["meaning"]) for r in rows}


@cache
def reported_rows(setting: str) -> tuple[ReportedRow, ...]:
    """All rows of a setting in the file's order, so the paper's own table comes first.

    Raises:
        ValueError: unknown setting, or the CSV file holds something that it may not; names file and line.
    """
    table_setting = find_setting(setting)
    return parse(_read_text(table_setting.file), table_setting, sources())


def parse(text: str, setting: Setting, known_sources: Iterable[str]) -> tuple[ReportedRow, ...]:
    """Rows of one CSV file.

    Args:
        text: the file's content, columns `COLUMNS`.
        setting: whose table it is.
        known_sources: names allowed in the `source` column.

    Raises:
        ValueError: the first wrong line with the reason.
    """
    reader = csv.DictReader(io.StringIO(text))
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise ValueError(f"{setting.file}: the columns must be {', '.join(COLUMNS)}.")
    rows: dict[tuple[str, str], ReportedRow] = {}
    allowed = tuple(known_sources)
    for record in reader:
        where = f"{setting.file}, line {reader.line_num}"
        try:
            if None in record or None in record.values():
                raise ValueError(f"{len(COLUMNS)} fields are needed.")
            _add_cell(rows, _parse_row(record, setting, allowed, where))
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error
    return tuple(rows.values())


def _parse_row(record: dict[str, str], setting: Setting, allowed: tuple[str, ...], where: str) -> ReportedRow:
    """One line of the file as a row with one cell."""
    if record["setting"] != setting.name:
        raise ValueError(f"setting {record['setting']!r} does not belong here; this file is {setting.name!r}.")
    if record["dataset"] not in setting.column_names:
        raise ValueError(f"unknown dataset {record['dataset']!r}.{suggestion(record['dataset'], setting.column_names)}")
    if record["source"] not in allowed:
        raise ValueError(
            f"source {record['source']!r} is not in {_SOURCES_FILE}.{suggestion(record['source'], allowed)}"
        )
    if not record["method"].strip():
        raise ValueError("no method.")
    cell = PrintedCell(
        psnr_db=_parse_number(record["psnr_db"], "psnr_db", 100),
        ssim=_parse_number(record["ssim"], "ssim", 1),
        note=record["note"],
        where=where,
    )
    if cell.psnr_db is None and cell.ssim is None:
        raise ValueError("neither PSNR nor SSIM.")
    return ReportedRow(
        setting=setting.name,
        method=record["method"],
        year=_parse_year(record["year"]),
        params_m=_parse_number(record["params_m"], "params_m", 100_000),
        source=record["source"],
        cells={record["dataset"]: cell},
    )


def _add_cell(rows: dict[tuple[str, str], ReportedRow], new_row: ReportedRow) -> None:
    """Put the cell into its row."""
    row = rows.setdefault((new_row.method, new_row.source), new_row)
    if row is new_row:
        return
    (dataset,) = new_row.cells
    if dataset in row.cells:
        raise ValueError(
            f"{new_row.method}, {dataset}, {new_row.source!r} stands in {row.cells[dataset].where} already."
        )
    if (row.year, row.params_m) != (new_row.year, new_row.params_m):
        raise ValueError(
            f"year and parameters differ from the same row's other cells ({new_row.method}, {new_row.source!r})."
        )
    row.cells[dataset] = new_row.cells[dataset]


def _parse_number(text: str, name: str, upper: int) -> Decimal | None:
    """A positive number of at most `upper`; None for an empty field."""
    if not text.strip():
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{name} {text!r} is no number.") from None
    if not value.is_finite() or not 0 < value <= upper:
        raise ValueError(f"{name} {text!r} must lie above 0 and be at most {upper}.")
    return value


def _parse_year(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) == 4):
        raise ValueError(f"year {text!r} is no year.")
    return int(text)


def _read_text(name: str) -> str:
    return files("reports").joinpath("paper", name).read_text(encoding="utf-8")


def last_digit_unit(value: Decimal) -> Decimal:
    """One unit of the last printed digit: 0.01 for 26.90."""
    return Decimal(1).scaleb(int(value.as_tuple().exponent))


def all_rows() -> tuple[ReportedRow, ...]:
    """The rows of every setting."""
    return tuple(row for setting in SETTINGS for row in reported_rows(setting))
