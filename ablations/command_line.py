"""Command lines by tyro: the fields of a frozen dataclass are the flags, and errors are one line with exit code 2."""

from __future__ import annotations

import contextlib
import difflib
import io
import math
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, TypeVar

import tyro
from tyro.constructors import PrimitiveConstructorSpec

from ablations.cli import version

T = TypeVar("T")

SEE_HELP = " (see --help)"
_MOST_SEEDS = 10_000


class RefusedError(Exception):
    """A value that a flag does not take; no ValueError, which tyro would frame with the flag's whole help."""


def _default(shown: str) -> str:
    return "" if shown in ("None", "'()'", "()", "False") else f"(default: {shown})"


def option(hint: Callable[[str], str] = _default) -> Any:
    """An option that its group's name stands over, and not in its flag.

    `hint` makes what the help says after the option's words from the default; it is called where the help is shown, so
    that it can list what is registered.
    """
    return tyro.conf.arg(prefix_name=False, help_behavior_hint=hint)


OPTION = option()
"""An option whose help ends with its default."""

Switch = Annotated[bool, OPTION]
"""A flag without a value."""


def one(flag: str, metavar: str, convert: Callable[[str], Any] = str) -> PrimitiveConstructorSpec[Any]:
    """How a flag with one value is read; a ValueError of `convert` says what is allowed."""
    return _spec(1, metavar, lambda words: _converted(flag, convert, words[0]))


def several(
    flag: str,
    metavar: str,
    convert: Callable[[str], Any] = str,
    *,
    count: int | None = None,
    then: Callable[[tuple[Any, ...]], Any] = tuple,
) -> PrimitiveConstructorSpec[Any]:
    """How a flag with one value or more (`count` where that is given) is read: a tuple, or what `then` makes of it.

    A ValueError of `convert`, which gets each word, says what is allowed.
    """

    def read(words: list[str]) -> Any:
        if not words or (count is not None and len(words) != count):
            raise RefusedError(f"argument {flag}: expected {count or 'at least one'} {metavar.split()[0]}")
        return then(tuple(_converted(flag, convert, word) for word in words))

    return _spec(count or "*", metavar, read)


def perhaps(flag: str, metavar: str, without: str) -> PrimitiveConstructorSpec[Any]:
    """How a flag with one value or none is read; `without` is what it means with none."""

    def read(words: list[str]) -> str:
        if len(words) > 1:
            raise RefusedError(f"argument {flag}: one {metavar} at most, not {' '.join(words)}")
        return words[0] if words else without

    return _spec("*", metavar, read)


def seeds(flag: str) -> PrimitiveConstructorSpec[Any]:
    """Seeds in any notation, each once: `0 1 2`, `0,1,2` or `0-4`."""
    return several(flag, "N ...", _seeds, then=lambda found: tuple(dict.fromkeys(chain.from_iterable(found))))


def among(*allowed: str) -> Callable[[str], str]:
    """For `one` and `several`: one of these words alone."""

    def read(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"invalid choice: {text!r} (choose from {', '.join(map(repr, allowed))})")
        return text

    return read


def number_in(low: int, high: int, what: str) -> Callable[[str], int]:
    """For `one` and `several`: a whole number from `low` to `high`; `what` says so after the word that was given."""

    def read(text: str) -> int:
        if not text.isdecimal() or not low <= int(text) <= high:
            raise ValueError(f"{text!r}{what}")
        return int(text)

    return read


def whole(text: str) -> int:
    """A whole number."""
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"invalid int value: {text!r}") from None


def folder(text: str) -> Path:
    """A folder's path; an empty one is refused, which would mean the working folder."""
    if not text.strip():
        raise ValueError("an empty name; give a folder's, or . for the working folder")
    return Path(text)


def minutes(text: str) -> float:
    """From none to a million."""
    found = _number(text)
    if not 0 <= found <= 1e6:
        raise ValueError(f"{text!r} minutes: a number from 0 to a million")
    return found


def positive(text: str) -> float:
    """A number above zero."""
    found = _number(text)
    if not 0 < found < math.inf:
        raise ValueError(f"{text!r}: a positive number")
    return found


def gpus(text: str) -> float:
    """A fraction of one, or several."""
    count = _number(text)
    if not (0 <= count <= 1 or count in range(2, 65)):
        raise ValueError(f"{text!r} GPUs: a fraction from 0 to 1, or a whole number up to 64")
    return count


def jobs(text: str) -> int:
    """Runs at once; 0 stands for auto (`cost.placement.AUTO`, not imported for --help)."""
    read = number_in(1, 1024, " runs at once: a whole number from 1 to 1024, or auto")
    return 0 if text == "auto" else read(text)


def parse(cls: type[T], words: Sequence[str], *, prog: str, description: str = "", known: Iterable[str] = ()) -> T:
    """The dataclass whose fields are the flags, as a command line's words say; --help and --version print and end.

    `known` are flags, for suggestions.

    Raises:
        ValueError: words that can't be read; one line.
    """
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            options, unknown = tyro.cli(
                cls,
                args=list(words),
                prog=prog,
                description=textwrap.indent(description, "  "),  # lines that begin with a letter would be joined
                config=(tyro.conf.FlagCreatePairsOff,),
                return_unknown_args=True,
            )
    except RefusedError as error:
        raise ValueError(f"{error}{SEE_HELP}") from error
    except SystemExit as ended:
        if ended.code:
            raise ValueError(f"{_in_one_line(said.getvalue())}{SEE_HELP}") from None
        raise
    if unknown:
        raise ValueError(f"unrecognized arguments: {' '.join(unknown)}{_nearest(unknown, known)}{SEE_HELP}")
    if dict(values_of(options)).get("version"):
        print(version())
        raise SystemExit(0)
    return options


def values_of(options: Any) -> Iterator[tuple[str, Any]]:
    """(name, value) of each option of a dataclass: groups are looked into, settings are `recipe.steps`."""
    for field in fields(options):
        value = getattr(options, field.name)
        if is_dataclass(value):
            yield from values_of(value)
        elif isinstance(value, Mapping):
            yield from ((f"{field.name}.{key}", setting) for key, setting in value.items())
        else:
            yield field.name, value


def flag_of(name: str) -> str:
    """The flag of an option: `dry_run` -> `--dry-run`."""
    return "--" + name.replace("_", "-")


def given(options: Any, usual: Any) -> dict[str, str]:
    """Name -> flag of each option with another value than `usual` has."""
    default = dict(values_of(usual))
    return {name: flag_of(name) for name, value in values_of(options) if name not in default or value != default[name]}


def refuse_flags_without(options: Any, usual: Any, names: Sequence[str], where: str) -> None:
    """Refuse those of the options `names` that were given (differ from `usual`): they are read with `where` alone.

    Raises:
        ValueError: one line with their flags.
    """
    idle = [flag for name, flag in given(options, usual).items() if name in names]
    if idle:
        raise ValueError(f"{', '.join(idle)}: read with {where} alone; leave it out.")


def _spec(nargs: Any, metavar: str, read: Callable[[list[str]], Any]) -> PrimitiveConstructorSpec[Any]:
    return PrimitiveConstructorSpec(
        nargs=nargs,
        metavar=metavar,
        instance_from_str=read,
        is_instance=lambda value: True,
        str_from_instance=lambda value: [f"{value:g}" if isinstance(value, float) else str(value)],
    )


def _converted(flag: str, convert: Callable[[str], Any], word: str) -> Any:
    try:
        return convert(word)
    except ValueError as error:
        raise RefusedError(f"argument {flag}: {error}") from error


def _in_one_line(said: str) -> str:
    """An error that tyro frames: its words without the frame and the pointer to the help."""
    lines = [re.sub(r"[^\w\s'\"(){}\[\]<>=.,:;/*+!?@#$%&-]+", " ", line).strip() for line in said.splitlines()]
    words = [line for line in lines if line.strip("- ") and not line.startswith("For full helptext")]
    return " ".join(words[1:] or words)


def _nearest(unknown: Sequence[str], known: Iterable[str]) -> str:
    flag = next((word for word in unknown if word.startswith("--")), "").partition("=")[0]
    found = difflib.get_close_matches(flag.lower().replace("_", "-"), list(known), n=1, cutoff=0.7) if flag else []
    return f". Did you mean {found[0]}?" if found else ""


def _seeds(text: str) -> list[int]:
    """The seeds of one word: `3`, `0,1,2` or `0-4`."""
    found: list[int] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        ends = [first, last] if dash else [first]
        if not all(end.isascii() and end.isdecimal() and len(end) <= 10 and int(end) < 2**31 for end in ends):
            raise ValueError(f"{text!r} is no seed: whole numbers from 0 to {2**31 - 1} are, as in 0 1 2, 0,1,2 or 0-4")
        low, high = int(ends[0]), int(ends[-1])
        if not 0 <= high - low < _MOST_SEEDS:
            raise ValueError(f"{part!r}: a range of seeds goes up, as in 0-4, and has at most {_MOST_SEEDS:,}")
        found += range(low, high + 1)
    return found


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
