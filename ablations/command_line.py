"""Command lines by tyro: the fields of a frozen dataclass are the flags, and errors are one line with exit code 2."""

from __future__ import annotations

import contextlib
import difflib
import io
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Annotated, Any, TypeVar

import tyro
from tyro.constructors import PrimitiveConstructorSpec

from ablations.cli import fail

T = TypeVar("T")


class RefusedError(Exception):
    """A value that a flag does not take; no ValueError, which tyro would frame with the flag's whole help."""


def _default(shown: str) -> str:
    return "" if shown in ("None", "'()'", "()", "False") else f"(default: {shown})"


def option(hint: Callable[[str], str] = _default) -> Any:
    """An option that its group's name stands over, and not in its flag.

    Args:
        hint: from the default to what the help says after the option's words; called where the help is shown, so that
            it can list what is registered.
    """
    return tyro.conf.arg(prefix_name=False, help_behavior_hint=hint)


OPTION = option()
"""An option whose help ends with its default."""

Switch = Annotated[bool, OPTION]
"""A flag without a value."""


def one(flag: str, metavar: str, convert: Callable[[str], Any] = str) -> PrimitiveConstructorSpec[Any]:
    """How a flag with one value is read.

    Args:
        flag: its name, for errors.
        metavar: its value's, for the help.
        convert: from the word; a ValueError says what is allowed.
    """
    return _spec(1, metavar, lambda words: _converted(flag, convert, words[0]))


def several(
    flag: str,
    metavar: str,
    convert: Callable[[str], Any] = str,
    *,
    count: int | None = None,
    then: Callable[[tuple[Any, ...]], Any] = tuple,
) -> PrimitiveConstructorSpec[Any]:
    """How a flag with one value or more is read, as a tuple.

    Args:
        flag: its name, for errors.
        metavar: its values', for the help.
        convert: from each word; a ValueError says what is allowed.
        count: how many values there must be; None for any number.
        then: makes the flag's value of them.
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


def parse(cls: type[T], words: Sequence[str], *, prog: str, description: str, known: Iterable[str] = ()) -> T:
    """The dataclass that a command line's words say. `--help` prints and ends with code 0, an error with 2.

    Args:
        cls: whose fields are the flags.
        words: without the program's name.
        prog: as help and errors name the program.
        description: what stands above the options.
        known: flags, for suggestions.
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
        fail(f"{error} (see --help)")
    except SystemExit as ended:
        if ended.code:
            fail(f"{_in_one_line(said.getvalue())} (see --help)")
        raise
    if unknown:
        fail(f"unrecognized arguments: {' '.join(unknown)}{_nearest(unknown, known)} (see --help)")
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
