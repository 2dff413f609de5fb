"""`python -m ablations`: list the commands."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from ablations.cli import exit_code_of
from ablations.flags import Switch, parse

COMMANDS = (
    ("ablations.run", "run a study, or list the studies: --list"),
    ("ablations.status RUNS", "progress of studies: done, running, failed, time left"),
    ("ablations.evaluate", "score a released checkpoint or a run under a named protocol"),
    ("ablations.restore IMAGES", "restore your own images"),
    ("ablations.efficiency", "the cost of each model: parameters, multiply-adds, time, memory"),
    ("ablations.bench NAME", "measure the suite against the released code"),
    ("reports", "make a report again, an index of studies, or a comparison of two"),
    ("datasets COMMAND", "list, check, fetch, pack, show and score data sets"),
    ("baselines", "the comparators, their sizes and remarks"),
    ("dfpir", "the variants of the model"),
)
"""(command, what it does)."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What is printed.

    Attributes:
        version: print the suite's version
    """

    version: Switch = False


def main(argv: Sequence[str] | None = None) -> int:
    """List the commands; the exit code."""
    return exit_code_of(lambda: _list(list(sys.argv[1:] if argv is None else argv)))


def _list(arguments: Sequence[str]) -> int:
    parse(Options, arguments, prog="python -m ablations", description="List the commands of the suite.")
    width = max(len(command) for command, _ in COMMANDS)
    for command, summary in COMMANDS:
        print(f"python -m {command.ljust(width)}  {summary}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
