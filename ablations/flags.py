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
from typing import Annotated, Any, TypeVar, get_type_hints

import tyro
from tyro.constructors import PrimitiveConstructorSpec

from ablations.cli import version

T = TypeVar("T")

SEE_HELP = " (see --help)"
_MAX_SEEDS = 10_000


class InvalidValueError(Exception):
    """A value that a flag does not accept; no ValueError, which tyro would frame with the flag's complete help."""


def _format_default(default: str) -> str:
    return "" if default in ("None", "'()'", "()", "False") else f"(default: {default})"


def option(hint: Callable[[str], str] = _format_default) -> Any:
    """An option of a group; the group's name is a heading of the help and no part of the flag.

    `hint` maps the default to the end of the option's help; it is called when the help is printed, so that it can list
    registered names.
    """
    return tyro.conf.arg(prefix_name=False, help_behavior_hint=hint)


OPTION = option()
"""An option whose help ends with its default."""

Switch = Annotated[bool, OPTION]
"""A flag without a value."""


def single_value(flag: str, metavar: str, convert: Callable[[str], Any] = str) -> PrimitiveConstructorSpec[Any]:
    """Parser of a flag with one value; a ValueError of `convert` explains what is allowed."""
    return _constructor(1, metavar, lambda words: _convert(flag, convert, words[0]))


def value_list(
    flag: str,
    metavar: str,
    convert: Callable[[str], Any] = str,
    *,
    count: int | None = None,
    collect: Callable[[tuple[Any, ...]], Any] = tuple,
) -> PrimitiveConstructorSpec[Any]:
    """Parser of a flag with one or more values, or exactly `count`; returns a tuple, or what `collect` makes of it.

    `convert` is applied to each value; its ValueError explains what is allowed.
    """

    def parse_words(words: list[str]) -> Any:
        if not words or (count is not None and len(words) != count):
            raise InvalidValueError(f"argument {flag}: expected {count or 'at least one'} {metavar.split()[0]}")
        return collect(tuple(_convert(flag, convert, word) for word in words))

    return _constructor(count or "*", metavar, parse_words)


def optional_value(flag: str, metavar: str, const: str) -> PrimitiveConstructorSpec[Any]:
    """Parser of a flag with one value or none, which means `const`."""

    def parse_words(words: list[str]) -> str:
        if len(words) > 1:
            raise InvalidValueError(f"argument {flag}: one {metavar} at most, not {' '.join(words)}")
        return words[0] if words else const

    return _constructor("*", metavar, parse_words)


def seed_list(flag: str) -> PrimitiveConstructorSpec[Any]:
    """Parser of seeds: `0 1 2`, `0,1,2` or `0-4`; duplicates are dropped."""
    return value_list(
        flag, "N ...", _parse_seeds, collect=lambda parts: tuple(dict.fromkeys(chain.from_iterable(parts)))
    )


def choice(*allowed: str) -> Callable[[str], str]:
    """Converter: one of these words."""

    def convert(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"invalid choice: {text!r} (choose from {', '.join(map(repr, allowed))})")
        return text

    return convert


def integer_between(low: int, high: int, requirement: str) -> Callable[[str], int]:
    """Converter: a whole number from `low` to `high`; the error is the value followed by `requirement`."""

    def convert(text: str) -> int:
        if not text.isdecimal() or not low <= int(text) <= high:
            raise ValueError(f"{text!r}{requirement}")
        return int(text)

    return convert


def integer(text: str) -> int:
    """Converter: a whole number."""
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"invalid int value: {text!r}") from None


def folder_path(text: str) -> Path:
    """Converter: the path of a folder; an empty one, which would mean the working folder, is refused."""
    if not text.strip():
        raise ValueError("an empty name; give a folder's, or . for the working folder")
    return Path(text)


def minutes(text: str) -> float:
    """Converter: 0 to a million."""
    number = _parse_float(text)
    if not 0 <= number <= 1e6:
        raise ValueError(f"{text!r} minutes: a number from 0 to a million")
    return number


def positive_number(text: str) -> float:
    """Converter: a number above zero."""
    number = _parse_float(text)
    if not 0 < number < math.inf:
        raise ValueError(f"{text!r}: a positive number")
    return number


def gpu_count(text: str) -> float:
    """Converter: a fraction of one GPU, or several."""
    count = _parse_float(text)
    if not (0 <= count <= 1 or count in range(2, 65)):
        raise ValueError(f"{text!r} GPUs: a fraction from 0 to 1, or a whole number up to 64")
    return count


def job_count(text: str) -> int:
    """Converter: parallel runs; 0 stands for auto (`cost.placement.AUTO`, not imported for --help)."""
    convert = integer_between(1, 1024, " runs at once: a whole number from 1 to 1024, or auto")
    return 0 if text == "auto" else convert(text)


def parse(
    cls: type[T], arguments: Sequence[str], *, prog: str, description: str = "", further_flags: Iterable[str] = ()
) -> T:
    """Parse a command line into the dataclass whose fields are the flags; --help and --version print and exit.

    Misspelt flags get the nearest of the dataclass, or of `further_flags`, as a suggestion.

    Raises:
        ValueError: arguments that can't be parsed; one line.
    """
    stderr = io.StringIO()
    try:
        with contextlib.redirect_stderr(stderr):
            options, unknown = tyro.cli(
                cls,
                args=list(arguments),
                prog=prog,
                description=textwrap.indent(description, "  "),  # lines that begin with a letter would be joined
                config=(tyro.conf.FlagCreatePairsOff,),
                return_unknown_args=True,
            )
    except InvalidValueError as error:
        raise ValueError(f"{error}{SEE_HELP}") from error
    except SystemExit as exit_error:
        if exit_error.code:
            raise ValueError(f"{_unframe(stderr.getvalue())}{SEE_HELP}") from None
        raise
    if unknown:
        hint = _suggest_flag(unknown, [*flags_of(cls), *further_flags])
        raise ValueError(f"unrecognized arguments: {' '.join(unknown)}{hint}{SEE_HELP}")
    if dict(iter_options(options)).get("version"):
        print(version())
        raise SystemExit(0)
    return options


def iter_options(options: Any) -> Iterator[tuple[str, Any]]:
    """(name, value) of each option of a dataclass and its groups; settings are named `recipe.steps`."""
    for field in fields(options):
        value = getattr(options, field.name)
        if is_dataclass(value):
            yield from iter_options(value)
        elif isinstance(value, Mapping):
            yield from ((f"{field.name}.{key}", setting) for key, setting in value.items())
        else:
            yield field.name, value


def flags_of(cls: type[Any]) -> list[str]:
    """The flags of a dataclass of options and its groups, without settings such as `--recipe.steps`."""
    hints = get_type_hints(cls, include_extras=True)
    positional = {name for name, hint in hints.items() if tyro.conf.Positional in getattr(hint, "__metadata__", ())}
    return [flag_name(name) for name, _ in iter_options(cls()) if name not in positional]


def flag_name(option_name: str) -> str:
    """The flag of an option: `dry_run` -> `--dry-run`."""
    return "--" + option_name.replace("_", "-")


def changed_flags(options: Any, defaults: Any) -> dict[str, str]:
    """Name -> flag of each option whose value differs from that in `defaults`."""
    default = dict(iter_options(defaults))
    return {
        name: flag_name(name) for name, value in iter_options(options) if name not in default or value != default[name]
    }


def refuse_flags_without(options: Any, defaults: Any, names: Sequence[str], required_flag: str) -> None:
    """Refuse those of the options `names` that differ from `defaults`: they have an effect with `required_flag` only.

    Raises:
        ValueError: one line with their flags.
    """
    unused = [flag for name, flag in changed_flags(options, defaults).items() if name in names]
    if unused:
        raise ValueError(f"{', '.join(unused)}: used with {required_flag} only; leave it out.")


def _constructor(nargs: Any, metavar: str, parse_words: Callable[[list[str]], Any]) -> PrimitiveConstructorSpec[Any]:
    return PrimitiveConstructorSpec(
        nargs=nargs,
        metavar=metavar,
        instance_from_str=parse_words,
        is_instance=lambda value: True,
        str_from_instance=lambda value: [f"{value:g}" if isinstance(value, float) else str(value)],
    )


def _convert(flag: str, convert: Callable[[str], Any], word: str) -> Any:
    try:
        return convert(word)
    except ValueError as error:
        raise InvalidValueError(f"argument {flag}: {error}") from error


def _unframe(message: str) -> str:
    """An error of tyro in one line, without its frame and the pointer to the help."""
    lines = [re.sub(r"[^\w\s'\"(){}\[\]<>=.,:;/*+!?@#$%&-]+", " ", line).strip() for line in message.splitlines()]
    lines = [line for line in lines if line.strip("- ") and not line.startswith("For full helptext")]
    return " ".join(lines[1:] or lines)


def _suggest_flag(unknown: Sequence[str], known_flags: Iterable[str]) -> str:
    flag = next((word for word in unknown if word.startswith("--")), "").partition("=")[0]
    if not flag:
        return ""
    matches = difflib.get_close_matches(flag.lower().replace("_", "-"), list(known_flags), n=1, cutoff=0.7)
    return f". Did you mean {matches[0]}?" if matches else ""


def _parse_seeds(text: str) -> list[int]:
    """The seeds of one word: `3`, `0,1,2` or `0-4`."""
    seeds: list[int] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        ends = [first, last] if dash else [first]
        if not all(end.isascii() and end.isdecimal() and len(end) <= 10 and int(end) < 2**31 for end in ends):
            raise ValueError(f"{text!r} is no seed: whole numbers from 0 to {2**31 - 1} are, as in 0 1 2, 0,1,2 or 0-4")
        low, high = int(ends[0]), int(ends[-1])
        if not 0 <= high - low < _MAX_SEEDS:
            raise ValueError(f"{part!r}: a range of seeds goes up, as in 0-4, and has at most {_MAX_SEEDS:,}")
        seeds += range(low, high + 1)
    return seeds


def _parse_float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
