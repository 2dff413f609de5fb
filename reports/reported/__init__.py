"""Numbers from papers, separate from measured ones: loading, checking, comparing. Data: reports/paper/*.csv."""

from __future__ import annotations

from reports.reported.checks import Flag, flags
from reports.reported.comparison import TOLERANCE, ComparedCell, MetricComparison, compare, known_names
from reports.reported.paper_tables import AVERAGE_COLUMN, SETTINGS, VARIANT_OF_METHOD, method_of, protocol_for
from reports.reported.printed import PrintedCell, ReportedRow, Source, reported_rows, sources

__all__ = [
    "AVERAGE_COLUMN",
    "SETTINGS",
    "TOLERANCE",
    "VARIANT_OF_METHOD",
    "ComparedCell",
    "Flag",
    "MetricComparison",
    "PrintedCell",
    "ReportedRow",
    "Source",
    "compare",
    "flags",
    "known_names",
    "method_of",
    "protocol_for",
    "reported_rows",
    "sources",
]
