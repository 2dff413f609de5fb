"""What the suite's command lines share: errors in one line with exit code 2, and the command as a reader repeats it."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from rich.console import Console


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, exit code 2, and that knows `--version`."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.add_argument("--version", action=_Version, nargs=0, help="print the suite's version and end")

    def error(self, message: str) -> NoReturn:
        fail(f"{message} (see --help)")


def version() -> str:
    """`dfpir-suite 0.2.0`, or that it is not installed."""
    try:
        return f"dfpir-suite {metadata.version('dfpir-suite')}"
    except metadata.PackageNotFoundError:
        return "dfpir-suite, not installed: run from its folder"


def folder(text: str) -> Path:
    """A folder's path for argparse; an empty one is refused, which would mean the working folder."""
    if not text.strip():
        raise argparse.ArgumentTypeError("an empty name; give a folder's, or . for the working folder")
    return Path(text)


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *unused: Any) -> NoReturn:
        print(version())
        parser.exit()


def fail_for(error: Exception, option: str = "--out") -> NoReturn:
    """`fail` with an error's words; the system's own errors name the place and the option that mends it."""
    from datasets.console import words_of  # ours, once `startup.prepare` has looked

    fail(words_of(error, option))


def fail(message: str) -> NoReturn:
    """End the program with one line on standard error and exit code 2."""
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    raise SystemExit(2)


def print_prose(console: Console, text: str) -> None:
    """Print a sentence: wrapped at words on a terminal, on one line where another program reads it."""
    console.print(text, markup=False, highlight=False, soft_wrap=not console.is_terminal)


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
