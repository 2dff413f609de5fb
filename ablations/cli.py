"""What the suite's command lines share: exit codes, errors in one line, and how numbers and commands are printed."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from typing import TYPE_CHECKING, NoReturn

from ablations.startup import StartupError, prepare

if TYPE_CHECKING:
    from rich.console import Console


def version() -> str:
    """`dfpir-suite 0.2.0`, or that it is not installed."""
    try:
        return f"dfpir-suite {metadata.version('dfpir-suite')}"
    except metadata.PackageNotFoundError:
        return "dfpir-suite, not installed: run from its folder"


def exit_code_of(main: Callable[[], int], *, interrupted: str = "Interrupted.") -> int:
    """Run a command's body and return its exit code.

    Bad input prints one line and exits with code 2; Ctrl-C prints `interrupted` and gives 130.
    """
    try:
        prepare()
        return main()
    except StartupError as error:
        fail(str(error))
    except (ValueError, OSError) as error:
        fail_for(error)
    except KeyboardInterrupt:
        print(interrupted, file=sys.stderr)
        return 130


def fail_for(error: Exception, option: str = "--out") -> NoReturn:
    """`fail` with the message of an error; of an OSError it names the path and the option that changes it."""
    from datasets.console import format_error  # only after `startup.prepare` has checked where it is imported from

    fail(format_error(error, option))


def fail(message: str) -> NoReturn:
    """Exit with one line on standard error and code 2."""
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    raise SystemExit(2)


def print_prose(console: Console, text: str) -> None:
    """Print a sentence: wrapped at words on a terminal, on one line where another program reads it."""
    console.print(text, markup=False, highlight=False, soft_wrap=not console.is_terminal)


def duration(seconds: float) -> str:
    """A duration for people: 6 s, 4 min, 3 h, 2 d."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def counted(number: int, unit: str) -> str:
    """A number and its unit: "1 run", "3 runs"."""
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


def shell_command(module: str, arguments: Sequence[str]) -> str:
    """`python -m MODULE ...`, quoted for a shell."""
    return shlex.join(["python", "-m", module, *arguments])
