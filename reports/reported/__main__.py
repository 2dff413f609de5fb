"""`python -m reports.reported`: everything that does not add up in the reported numbers."""

from __future__ import annotations

from collections.abc import Sequence

from reports.console import Parser, steady_output
from reports.reported import SETTINGS, flags, reported_rows


def main(argv: Sequence[str] | None = None) -> None:
    """Print the counts and every flag."""
    steady_output()
    Parser(
        prog="python -m reports.reported",
        description="Print how many printed numbers are recorded, and each that does not add up.",
    ).parse_args(argv)
    for setting in SETTINGS:
        rows = reported_rows(setting)
        print(f"{setting}: {sum(len(r.cells) for r in rows)} cells in {len(rows)} rows")
    for flag in flags():
        print(flag)


if __name__ == "__main__":
    main()
