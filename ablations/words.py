"""What single words of a command line mean; each raises a ValueError that says what is allowed."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

from tyro.constructors import PrimitiveConstructorSpec

from ablations.command_line import several

_MOST_SEEDS = 10_000


def seeds(flag: str) -> PrimitiveConstructorSpec[Any]:
    """Seeds in any notation, each once: `0 1 2`, `0,1,2` or `0-4`."""
    return several(flag, "N ...", _seeds, then=lambda found: tuple(dict.fromkeys(chain.from_iterable(found))))


def split(flag: str) -> PrimitiveConstructorSpec[Any]:
    """Three percentages."""
    return several(flag, "PERCENT PERCENT PERCENT", _share, count=3)


def choice(*allowed: str) -> Callable[[str], str]:
    """Reads one of these words."""

    def read(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"invalid choice: {text!r} (choose from {', '.join(map(repr, allowed))})")
        return text

    return read


def checkpoint(text: str) -> str:
    """Which weights are tested."""
    if text not in ("last", "best"):
        raise ValueError(f"invalid choice: {text!r} (choose from 'last', 'best')")
    return text


def use(text: str) -> str:
    """Which weights of a file that holds both."""
    if text not in ("plain", "averaged"):
        raise ValueError(f"invalid choice: {text!r} (choose from 'plain', 'averaged')")
    return text


def count(text: str) -> int:
    """One or more."""
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"{text!r}: a whole number, 1 or more")
    return int(text)


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
    if found is None or not 0 <= found <= 1e6:
        raise ValueError(f"{text!r} minutes: a number from 0 to a million")
    return found


def positive(text: str) -> float:
    """A number above zero."""
    found = _number(text)
    if found is None or not 0 < found < float("inf"):
        raise ValueError(f"{text!r}: a positive number")
    return found


def gpus(text: str) -> float:
    """A fraction of one, or several."""
    count = _number(text)
    if count is None or not (0 <= count <= 1 or count in range(2, 65)):
        raise ValueError(f"{text!r} GPUs: a fraction from 0 to 1, or a whole number up to 64")
    return count


def jobs(text: str) -> int:
    """Runs at once; 0 stands for auto."""
    if text == "auto":
        return 0  # cost.placement.AUTO, not imported for --help
    if not text.isdecimal() or not 1 <= int(text) <= 1024:
        raise ValueError(f"{text!r} runs at once: a whole number from 1 to 1024, or auto")
    return int(text)


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


def _share(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 98:
        raise ValueError(f"{text!r} per cent: three whole numbers from 1 to 98, as in 80 10 10")
    return int(text)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
