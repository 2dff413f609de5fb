"""Measured and reported numbers of the same method and setting, side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from reports import schema
from reports.messages import message
from reports.reported.paper_tables import AVERAGE_COLUMN, SETTINGS, Setting, canonical_name, suggestion
from reports.reported.printed import ReportedRow, reported_rows

TOLERANCE: dict[str, Decimal] = {schema.PSNR: Decimal("0.02"), schema.SSIM: Decimal("0.0005")}
"""How far a measured number may lie from the printed one and still count as the same; dB and 1."""


@dataclass(frozen=True, kw_only=True)
class MetricComparison:
    """One metric.

    Attributes:
        reported: as printed; None where the source prints none.
        measured: None where it was not measured.
        difference: measured - reported, exact in the decimals given; None unless both are there.
        reproduced: whether the difference is at most `TOLERANCE`; None unless both are there.
    """

    reported: float | None
    measured: float | None
    difference: float | None
    reproduced: bool | None


@dataclass(frozen=True, kw_only=True)
class ComparedCell:
    """One column of one source's row.

    Attributes:
        setting: a key of `SETTINGS`.
        method: its one name.
        dataset: the column, "Average" included.
        source: who prints the reported numbers.
        note: what is known of the printed cell.
        psnr_db: in dB.
        ssim: likewise.
    """

    setting: str
    method: str
    dataset: str
    source: str
    note: str
    psnr_db: MetricComparison
    ssim: MetricComparison

    @property
    def reproduced(self) -> bool | None:
        """Whether every metric that was printed and measured agrees; None where there is none such."""
        results = [c.reproduced for c in (self.psnr_db, self.ssim) if c.reproduced is not None]
        return all(results) if results else None

    @property
    def verdict(self) -> str:
        """For a table: "reproduced", "not reproduced" or "not measured"."""
        texts: dict[bool | None, str] = {
            True: message("reproduced"),
            False: message("not reproduced"),
            None: message("not measured"),
        }
        return texts[self.reproduced]


def compare(setting_and_method: str, measured: Mapping[str, tuple[float, float]]) -> list[ComparedCell]:
    """Put measured numbers beside every source's printed ones.

    The caller must ensure the same images and protocol: `protocol_for` gives the protocol of the printed numbers.

    Args:
        setting_and_method: "DFPIR 3-task"; letter case does not matter.
        measured: column ("SOTS-outdoor", "CBSD68-s25", ...) -> (PSNR in dB, SSIM), unrounded means over the whole
            test set. The average is worked out from the columns, as papers do, where all are given.

    Returns:
        One cell for each source and each column that the source prints, source by source, in the table's order.
        Columns that were not measured are there too, and say so.

    Raises:
        ValueError: unknown method, setting or column (with the nearest known one), or a number that is not finite.
    """
    setting, method = _find_setting_and_method(setting_and_method)
    measured_values = _to_decimals(measured, setting)
    cells = []
    for row in reported_rows(setting.name):
        if row.name == method:
            cells += [
                _compare_cell(row, column, measured_values.get(column))
                for column in setting.column_names
                if column in row.cells
            ]
    return cells


def known_names() -> tuple[str, ...]:
    """All names that `compare` accepts: "DFPIR 3-task", ..."""
    names = (f"{name} {setting}" for setting in SETTINGS for row in reported_rows(setting) for name in _spellings(row))
    return tuple(dict.fromkeys(names))


def _spellings(row: ReportedRow) -> tuple[str, str]:
    return row.name, row.method


def _find_setting_and_method(text: str) -> tuple[Setting, str]:
    """The setting and the method's one name."""
    requested = " ".join(text.split())
    names_by_lower = {name.lower(): name for name in known_names()}
    name = names_by_lower.get(requested.lower())
    if name is None:
        for setting in SETTINGS.values():
            if requested.lower().endswith(f" {setting.name}") and not reported_rows(setting.name):
                raise ValueError(f"No numbers are recorded for the setting {setting.name!r} ({setting.file} is empty).")
        hint = suggestion(requested, names_by_lower.values())
        if "Did you mean" not in hint:
            methods = dict.fromkeys(n.rpartition(" ")[0] for n in names_by_lower.values())
            hint = (
                f" Write METHOD SETTING, such as 'DFPIR 3-task'. Settings: {', '.join(SETTINGS)}. "
                f"Methods: {', '.join(methods)}."
            )
        raise ValueError(f"No reported numbers are called {requested!r}.{hint}")
    method, _, setting_name = name.rpartition(" ")
    return SETTINGS[setting_name], canonical_name(setting_name, method)


def _to_decimals(measured: Mapping[str, tuple[float, float]], setting: Setting) -> dict[str, tuple[Decimal, Decimal]]:
    """The measured numbers as decimals, with their average."""
    decimals = {}
    for name, (psnr_db, ssim) in measured.items():
        if name not in setting.column_names:
            hint = suggestion(name, setting.column_names)
            raise ValueError(f"The {setting.name} table has no column {name!r}.{hint}")
        if not (math.isfinite(psnr_db) and math.isfinite(ssim)):
            raise ValueError(f"{name}: PSNR {psnr_db} dB, SSIM {ssim}: only finite numbers can be compared.")
        # The shortest decimal that gives the float back: 31.85 is then 0.02 below 31.87, not 0.02 and a bit.
        decimals[name] = (Decimal(repr(float(psnr_db))), Decimal(repr(float(ssim))))
    columns = [c.name for c in setting.columns]
    if setting.has_average and AVERAGE_COLUMN not in decimals and all(c in decimals for c in columns):
        psnr_db_mean, ssim_mean = (sum((decimals[c][k] for c in columns), Decimal(0)) / len(columns) for k in (0, 1))
        decimals[AVERAGE_COLUMN] = (psnr_db_mean, ssim_mean)
    return decimals


def _compare_cell(row: ReportedRow, column: str, measured: tuple[Decimal, Decimal] | None) -> ComparedCell:
    printed = row.cells[column]
    psnr_db, ssim = measured if measured is not None else (None, None)
    return ComparedCell(
        setting=row.setting,
        method=row.name,
        dataset=column,
        source=row.source,
        note=printed.note,
        psnr_db=_compare_metric(printed.psnr_db, psnr_db, TOLERANCE[schema.PSNR]),
        ssim=_compare_metric(printed.ssim, ssim, TOLERANCE[schema.SSIM]),
    )


def _compare_metric(reported: Decimal | None, measured: Decimal | None, tolerance: Decimal) -> MetricComparison:
    difference = measured - reported if measured is not None and reported is not None else None
    return MetricComparison(
        reported=None if reported is None else float(reported),
        measured=None if measured is None else float(measured),
        difference=None if difference is None else float(difference),
        reproduced=None if difference is None else abs(difference) <= tolerance,
    )
