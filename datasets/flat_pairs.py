"""Pairs in one folder, told apart by their files' names: `1_rain.png` and `1_clean.png`, `noisy-7` and `gt-7`."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from datasets.finder import Pair
from datasets.pair_words import CLEAN, CLEAN_FOR, DEGRADED, ROLE_WORDS
from datasets.tasks import Task

_WORDS = "|".join(ROLE_WORDS)
_FIRST = re.compile(rf"(?P<word>{_WORDS})(?P<gap>[\W_]+|(?=\d))(?P<rest>.+)")
_LAST = re.compile(rf"(?P<rest>.+?)(?P<gap>[\W_]+)(?P<word>{_WORDS})")


@dataclass(frozen=True, kw_only=True)
class Flat:
    """The pairs of one task in one folder."""

    folder: Path  # where they lie
    task: Task | None  # which the degraded images' word says; None where it says none
    pairs: tuple[Pair, ...]  # named by their degraded files, in order of name
    unpaired: tuple[Path, ...]  # degraded images without a clean partner
    spare: tuple[Path, ...]  # clean images without a degraded partner
    shown: str  # their names, as `*_rain + *_clean`


@dataclass(frozen=True, kw_only=True)
class _Role:
    """What a file's name says: the picture, the side, and the pattern, as `*_rain`."""

    picture: str
    word: str
    pattern: str


def flat_pairs(files: Sequence[Path]) -> list[Flat]:
    """The pairs of every folder at least half of whose images are such pairs.

    Args:
        files: images, in order of name.

    Raises:
        ValueError: a degraded image with two clean partners.
    """
    found = []
    for folder, inside in _by_folder(files).items():
        read = _read(folder, inside)
        paired = {path for flat in read for pair in flat.pairs for path in (pair.clean, pair.degraded)}
        if 2 * len(paired) >= len(inside) and paired:
            found += read
    return found


def namesakes(files: Sequence[Path]) -> list[tuple[Path, Path]]:
    """Every degraded and clean image that names alone make a pair, in whatever company they lie."""
    return [
        (pair.degraded, pair.clean)
        for folder, inside in _by_folder(files).items()
        for flat in _read(folder, inside)
        for pair in flat.pairs
        if pair.degraded is not None
    ]


def _by_folder(files: Sequence[Path]) -> dict[Path, list[Path]]:
    inside: dict[Path, list[Path]] = defaultdict(list)
    for path in files:
        inside[path.parent].append(path)
    return inside


def _read(folder: Path, files: Sequence[Path]) -> list[Flat]:
    roles = {path: role for path in files if (role := _role(path.stem)) is not None}
    clean: dict[str, dict[str, list[Path]]] = defaultdict(lambda: defaultdict(list))
    degraded: dict[Task | None, list[Path]] = defaultdict(list)
    for path, role in roles.items():
        if role.word in DEGRADED:
            degraded[DEGRADED[role.word]].append(path)
        else:
            clean[role.picture][role.word].append(path)
    used: set[Path] = set()
    found = []
    for task, bad in degraded.items():
        pairs, unpaired, patterns = [], [], {}
        for path in bad:
            partner = _partner(path, task, clean[roles[path].picture])
            if partner is None:
                unpaired.append(path)
                continue
            used.add(partner)
            pairs.append(Pair(name=path.stem, clean=partner, degraded=path))
            patterns[f"{roles[path].pattern} + {roles[partner].pattern}"] = True
        if pairs:
            shown = ", ".join(patterns)
            lonely = tuple(unpaired)
            found.append(Flat(folder=folder, task=task, pairs=tuple(pairs), unpaired=lonely, spare=(), shown=shown))
    spare = tuple(path for path, role in roles.items() if role.word not in DEGRADED and path not in used)
    return [_with_spare(flat, spare if number == 0 else ()) for number, flat in enumerate(found)]


def _with_spare(flat: Flat, spare: tuple[Path, ...]) -> Flat:
    return Flat(**{**vars(flat), "spare": spare})


def _partner(path: Path, task: Task | None, clean: dict[str, list[Path]]) -> Path | None:
    fitting = [each for word in CLEAN_FOR.get(task, CLEAN) for each in clean.get(word, ())]
    if len(fitting) > 1:
        raise ValueError(f"{path} has several clean partners: {', '.join(p.name for p in fitting)}: keep one.")
    return fitting[0] if fitting else None


def _role(stem: str) -> _Role | None:
    """By the first word of a name or its last."""
    name = stem.casefold()
    if match := _LAST.fullmatch(name):
        return _Role(picture=f"{match['rest']}*", word=match["word"], pattern=f"*{match['gap']}{match['word']}")
    if match := _FIRST.fullmatch(name):
        return _Role(picture=f"*{match['rest']}", word=match["word"], pattern=f"{match['word']}{match['gap']}*")
    return None
