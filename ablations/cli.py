"""What the suite's command lines share: errors in one line with exit code 2, and the command as a reader repeats it."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, exit code 2."""

    def error(self, message: str) -> NoReturn:
        fail(f"{message} (see --help)")


class ShowVersion(argparse.Action):
    """`--version`: the suite's version, looked up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        """Print it and end the program."""
        try:
            print(f"dfpir-suite {version('dfpir-suite')}")
        except PackageNotFoundError:
            print("dfpir-suite, not installed: run from its checkout")
        parser.exit()


def fail(message: str) -> NoReturn:
    """End the program with one line on standard error and exit code 2."""
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    raise SystemExit(2)


def duration(seconds: float) -> str:
    """A time as people say it: 6 s, 4 min, 3 h, 2 d."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def counted(number: int, unit: str) -> str:
    """A number and its unit: "1 run", "3 runs"."""
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


def command_of(module: str, arguments: Sequence[str]) -> str:
    """`python -m MODULE ...` as a shell takes it."""
    return shlex.join(["python", "-m", module, *arguments])
