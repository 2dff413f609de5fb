"""`python -m reports`: what there is."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from reports.console import Parser, steady_output

COMMANDS = (
    ("reports.build RUNS", "a study's page, tables and figures; --all: an index; --compare A B: two studies"),
    ("reports.publish STUDY OUT", "copy a study's tables with their provenance"),
    ("reports.evaluation FOLDER", "the page of an evaluation again"),
    ("reports.efficiency TABLE", "the page of a table of costs again"),
    ("reports.reported", "printed numbers that do not add up"),
)
"""Command -> what it does."""


def main(argv: Sequence[str] | None = None) -> int:
    """List the commands; the exit code."""
    steady_output()
    Parser(prog="python -m reports", description="List the commands on reports.").parse_args(argv)
    wide = max(len(command) for command, _ in COMMANDS)
    for command, what in COMMANDS:
        print(f"python -m {command.ljust(wide)}  {what}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
