"""Pairs of degraded and clean images recognised by names: of folders, or of files (`1_rain.png`, `1_clean.png`)."""

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

SplitName = Literal["", "train", "val", "test"]

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
SPLIT_FOLDERS: dict[str, SplitName] = {
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
    """Pairs of one task and one split of the folder."""

    task: Task | None  # requested or recognised; None where neither
    split: SplitName  # `train`, `val`, `test`, or nothing where the folder has no split
    pairs: tuple[Pair, ...]  # in order of name
    unpaired_degraded: tuple[Path, ...]  # degraded images without a clean partner
    unpaired_clean: tuple[Path, ...]  # clean images without a degraded partner
    places: tuple[str, ...]  # the folders, as `degraded/ + clean/`


def parse_split(folder: str) -> SplitName:
    """`train`, `val` or `test` where a folder's name says so, else nothing."""
    return SPLIT_FOLDERS.get(folder.casefold(), "")


def refuse_duplicate_names(folder: Path, files: Sequence[Path]) -> None:
    """Refuse two files that differ by their suffix or case alone: which one is meant is ambiguous.

    Raises:
        ValueError: it names both.
    """
    first_by_name: dict[str, Path] = {}
    for path in files:
        first = first_by_name.setdefault(str(path.with_suffix("")).casefold(), path)
        if first is not path:
            raise ValueError(
                f"{folder}: {first.relative_to(folder)} and {path.relative_to(folder)} are two files of one name; "
                "take one away, or give it another name."
            )


def infer_task(root: Path, place: Path, degraded: Path) -> Task | None:
    """By the degraded folder's name, else by a folder above it, up to the user's own: a task's or a set's."""
    names = [degraded.name, *reversed(place.relative_to(root).parts), root.resolve().name]
    task_of_set = {spec.name.partition("-")[0]: spec.task for spec in catalog().values() if spec.paired}
    for name in names:
        if plain_name(name) in TASK_FOLDERS:
            return TASK_FOLDERS[plain_name(name)]
        for prefix, task in task_of_set.items():
            if re.match(rf"{prefix}(?![a-z])", name.casefold()):
                return task
    return None


def plain_name(name: str) -> str:
    """A folder's name without what people spell it with."""
    return re.sub(r"[\s_-]+", "", name.casefold())


@dataclass(frozen=True, kw_only=True)
class _FileRole:
    """What a file's name says: the picture, the side, and the pattern, as `*_rain`."""

    picture: str
    word: str
    pattern: str


def flat_pairs(root: Path, files: Sequence[Path], requested_tasks: Sequence[Task] = ()) -> list[PairSet]:
    """The pairs of every folder at least half of whose images are such pairs.

    Args:
        root: the user's folder.
        files: its images, in order of name.
        requested_tasks: of the user; where it is one, pairs whose names show no task are of it.

    Raises:
        ValueError: a degraded image with two clean partners, or two files of one name.
    """
    pair_sets = []
    for folder, folder_files in _group_by_folder(files).items():
        folder_sets = _pair_files(folder_files)
        paired = [
            path for pair_set in folder_sets for pair in pair_set.pairs for path in (pair.clean, pair.degraded) if path
        ]
        if 2 * len(set(paired)) >= len(folder_files) and paired:
            refuse_duplicate_names(root, paired)
            pair_sets += [_complete_pair_set(root, folder, pair_set, requested_tasks) for pair_set in folder_sets]
    return pair_sets


def pairs_by_file_name(files: Sequence[Path]) -> list[tuple[Path, Path]]:
    """Every degraded and clean image that names alone make a pair, whatever else is in their folder."""
    return [
        (pair.degraded, pair.clean)
        for folder_files in _group_by_folder(files).values()
        for pair_set in _pair_files(folder_files)
        for pair in pair_set.pairs
        if pair.degraded is not None
    ]


def _complete_pair_set(root: Path, folder: Path, pairs: PairSet, requested_tasks: Sequence[Task]) -> PairSet:
    """The pairs of one folder, with task and split from the names of the folders above it."""
    inner = folder.relative_to(root)
    task = pairs.task or infer_task(root, folder.parent if inner.name else root, folder)
    split: SplitName = next((match for name in inner.parts if (match := parse_split(name))), "")
    prefix = "/".join(name for name in inner.parts if not parse_split(name))
    return replace(
        pairs,
        task=task or (requested_tasks[0] if len(requested_tasks) == 1 else None),
        split=split,
        pairs=tuple(replace(pair, name=f"{prefix}/{pair.name}" if prefix else pair.name) for pair in pairs.pairs),
        places=tuple(f"{inner.as_posix()}/{place}" if inner.name else place for place in pairs.places),
    )


def _group_by_folder(files: Sequence[Path]) -> dict[Path, list[Path]]:
    by_folder: dict[Path, list[Path]] = defaultdict(list)
    for path in files:
        by_folder[path.parent].append(path)
    return by_folder


def _pair_files(files: Sequence[Path]) -> list[PairSet]:
    roles = {path: role for path in files if (role := _parse_role(path.stem)) is not None}
    clean: dict[str, dict[str, list[Path]]] = defaultdict(lambda: defaultdict(list))
    degraded: dict[Task | None, list[Path]] = defaultdict(list)
    for path, role in roles.items():
        if role.word in DEGRADED:
            degraded[DEGRADED[role.word]].append(path)
        else:
            clean[role.picture][role.word].append(path)
    used: set[Path] = set()
    pair_sets = []
    for task, degraded_files in degraded.items():
        pairs, unpaired_degraded, patterns = [], [], {}
        for path in degraded_files:
            partner = _partner(path, task, clean[roles[path].picture])
            if partner is None:
                unpaired_degraded.append(path)
                continue
            used.add(partner)
            pairs.append(Pair(name=path.stem, clean=partner, degraded=path))
            patterns[f"{roles[path].pattern} + {roles[partner].pattern}"] = True
        if pairs:
            places = (", ".join(patterns),)
            pair_sets.append(
                PairSet(
                    task=task,
                    split="",
                    pairs=tuple(pairs),
                    unpaired_degraded=tuple(unpaired_degraded),
                    unpaired_clean=(),
                    places=places,
                )
            )
    unpaired_clean = tuple(path for path, role in roles.items() if role.word not in DEGRADED and path not in used)
    return [
        replace(pair_set, unpaired_clean=unpaired_clean if number == 0 else ())
        for number, pair_set in enumerate(pair_sets)
    ]


def _partner(path: Path, task: Task | None, clean: dict[str, list[Path]]) -> Path | None:
    partners = [partner for word in CLEAN_FOR.get(task, CLEAN) for partner in clean.get(word, ())]
    if len(partners) > 1:
        raise ValueError(f"{path} has several clean partners: {', '.join(p.name for p in partners)}: keep one.")
    return partners[0] if partners else None


def _parse_role(stem: str) -> _FileRole | None:
    """By the first word of a name or its last."""
    name = stem.casefold()
    if match := _LAST.fullmatch(name):
        return _FileRole(picture=f"{match['rest']}*", word=match["word"], pattern=f"*{match['gap']}{match['word']}")
    if match := _FIRST.fullmatch(name):
        return _FileRole(picture=f"*{match['rest']}", word=match["word"], pattern=f"{match['word']}{match['gap']}*")
    return None
