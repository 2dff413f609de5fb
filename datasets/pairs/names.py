"""Pairs of degraded and clean images told by names: of folders, or of files in one (`1_rain.png`, `1_clean.png`)."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from datasets.catalog import catalog
from datasets.catalog.finder import Pair
from datasets.tasks import Task

Part = Literal["", "train", "val", "test"]

DEGRADED: dict[str, Task | None] = {
    **dict.fromkeys(("degraded", "input", "inputs", "lq", "source"), None),
    **dict.fromkeys(("noisy", "noise"), Task.NOISE),
    **dict.fromkeys(("rain", "rainy"), Task.RAIN),
    **dict.fromkeys(("haze", "hazy", "fog", "foggy"), Task.HAZE),
    **dict.fromkeys(("blur", "blurry", "blurred"), Task.BLUR),
    **dict.fromkeys(("low", "lowlight", "dark"), Task.LOWLIGHT),
}
CLEAN = ("clean", "target", "targets", "gt", "groundtruth", "hq", "reference", "ref", "clear")
CLEAN_FOR: dict[Task | None, tuple[str, ...]] = {
    Task.RAIN: ("norain", *CLEAN),
    Task.BLUR: ("sharp", *CLEAN),
    Task.LOWLIGHT: ("high", "normal", *CLEAN),
}
TASK_FOLDERS: dict[str, Task] = {
    **{name: task for name, task in DEGRADED.items() if task is not None},
    **{"denoise": Task.NOISE, "denoising": Task.NOISE, "derain": Task.RAIN, "deraining": Task.RAIN},
    **{"dehaze": Task.HAZE, "dehazing": Task.HAZE, "deblur": Task.BLUR, "deblurring": Task.BLUR},
    **{"enhance": Task.LOWLIGHT, "enhancement": Task.LOWLIGHT},
}
PARTS: dict[str, Part] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}  # fmt: skip
ROLE_WORDS = sorted({*DEGRADED, *CLEAN, "norain", "sharp", "high", "normal"}, key=len, reverse=True)
_WORDS = "|".join(ROLE_WORDS)
_FIRST = re.compile(rf"(?P<word>{_WORDS})(?P<gap>[\W_]+|(?=\d))(?P<rest>.+)")
_LAST = re.compile(rf"(?P<rest>.+?)(?P<gap>[\W_]+)(?P<word>{_WORDS})")


@dataclass(frozen=True, kw_only=True)
class PairSet:
    """Pairs of one task and one part of the folder's own split."""

    task: Task | None  # told or recognised; None where neither
    part: Part  # `train`, `val`, `test`, or nothing where the folder has no split
    pairs: tuple[Pair, ...]  # in order of name
    unpaired: tuple[Path, ...]  # degraded images without a clean partner
    spare: tuple[Path, ...]  # clean images without a degraded partner
    places: tuple[str, ...]  # the folders, as `degraded/ + clean/`


def part_named(folder: str) -> Part:
    """`train`, `val` or `test` where a folder's name says so, else nothing."""
    return PARTS.get(folder.casefold(), "")


def require_one_of_a_name(folder: Path, files: Sequence[Path]) -> None:
    """Refuse two files that differ by their suffix or case alone: which is meant isn't known.

    Raises:
        ValueError: it names both.
    """
    seen: dict[str, Path] = {}
    for path in files:
        first = seen.setdefault(str(path.with_suffix("")).casefold(), path)
        if first is not path:
            raise ValueError(
                f"{folder}: {first.relative_to(folder)} and {path.relative_to(folder)} are two files of one name; "
                "take one away, or give it another name."
            )


def task_of(root: Path, place: Path, degraded: Path) -> Task | None:
    """By the degraded folder's name, else by a folder above it, up to the user's own: a task's or a set's."""
    names = [degraded.name, *reversed(place.relative_to(root).parts), root.resolve().name]
    known = {spec.name.partition("-")[0]: spec.task for spec in catalog().values() if spec.paired}
    for name in names:
        if plain_name(name) in TASK_FOLDERS:
            return TASK_FOLDERS[plain_name(name)]
        for start, task in known.items():
            if re.match(rf"{start}(?![a-z])", name.casefold()):
                return task
    return None


def plain_name(name: str) -> str:
    """A folder's name without what people spell it with."""
    return re.sub(r"[\s_-]+", "", name.casefold())


@dataclass(frozen=True, kw_only=True)
class _Role:
    """What a file's name says: the picture, the side, and the pattern, as `*_rain`."""

    picture: str
    word: str
    pattern: str


def flat_pairs(root: Path, files: Sequence[Path], told: Sequence[Task] = ()) -> list[PairSet]:
    """The pairs of every folder at least half of whose images are such pairs.

    Args:
        root: the user's folder.
        files: its images, in order of name.
        told: the tasks that the user named; where it is one, pairs whose names tell none are of it.

    Raises:
        ValueError: a degraded image with two clean partners, or two files of one name.
    """
    found = []
    for folder, inside in _by_folder(files).items():
        read = _read(inside)
        paired = [path for each in read for pair in each.pairs for path in (pair.clean, pair.degraded) if path]
        if 2 * len(set(paired)) >= len(inside) and paired:
            require_one_of_a_name(root, paired)
            found += [_placed(root, folder, each, told) for each in read]
    return found


def namesakes(files: Sequence[Path]) -> list[tuple[Path, Path]]:
    """Every degraded and clean image that names alone make a pair, in whatever company they lie."""
    return [
        (pair.degraded, pair.clean)
        for inside in _by_folder(files).values()
        for each in _read(inside)
        for pair in each.pairs
        if pair.degraded is not None
    ]


def _placed(root: Path, folder: Path, each: PairSet, told: Sequence[Task]) -> PairSet:
    """The pairs of one folder with what the folders above it tell."""
    inner = folder.relative_to(root)
    task = each.task or task_of(root, folder.parent if inner.name else root, folder)
    part: Part = next((found for name in inner.parts if (found := part_named(name))), "")
    prefix = "/".join(name for name in inner.parts if not part_named(name))
    return replace(
        each,
        task=task or (told[0] if len(told) == 1 else None),
        part=part,
        pairs=tuple(replace(pair, name=f"{prefix}/{pair.name}" if prefix else pair.name) for pair in each.pairs),
        places=tuple(f"{inner.as_posix()}/{shown}" if inner.name else shown for shown in each.places),
    )


def _by_folder(files: Sequence[Path]) -> dict[Path, list[Path]]:
    inside: dict[Path, list[Path]] = defaultdict(list)
    for path in files:
        inside[path.parent].append(path)
    return inside


def _read(files: Sequence[Path]) -> list[PairSet]:
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
            shown = (", ".join(patterns),)
            found.append(
                PairSet(task=task, part="", pairs=tuple(pairs), unpaired=tuple(unpaired), spare=(), places=shown)
            )
    spare = tuple(path for path, role in roles.items() if role.word not in DEGRADED and path not in used)
    return [replace(each, spare=spare if number == 0 else ()) for number, each in enumerate(found)]


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
