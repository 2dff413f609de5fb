"""`python -m reports.reported`: everything that does not add up in the reported numbers."""

from __future__ import annotations

from reports.reported import SETTINGS, flags, reported_rows


def main() -> None:
    """Print the counts and every flag."""
    for setting in SETTINGS:
        rows = reported_rows(setting)
        print(f"{setting}: {sum(len(r.cells) for r in rows)} cells in {len(rows)} rows")
    for flag in flags():
        print(flag)


if __name__ == "__main__":
    main()
