"""Pairs of degraded and clean images in a folder of the user's own, recognised by the names of its subfolders.

`find_pair_sets` is the one place that says what counts as pairs: `ablations.run`, `ablations.evaluate` and
`python -m datasets score` all ask it. A degraded and a clean subfolder side by side are pairs, in any case of letters,
at most four folders down, above or below folders called train, val and test and folders of sequences. Where there are
no such subfolders, files such as `1_rain.png` and `1_clean.png` in one folder are pairs (`datasets.pairs.names`).
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from datasets.catalog.finder import Pair
from datasets.catalog.spec import Pairing
from datasets.pairs.names import (
    CLEAN,
    CLEAN_FOR,
    DEGRADED,
    ROLE_WORDS,
    PairSet,
    Part,
    flat_pairs,
    part_named,
    plain_name,
    require_one_of_a_name,
    task_of,
)
from datasets.readers import is_image_name
from datasets.tasks import Task

LAYOUTS = (
    "degraded/ + clean/, input/ + target/, lq/ + gt/, lq/ + hq/, noisy/ + reference/, rain/ + norain/, rainy/ + gt/, "
    "hazy/ + gt/, blur/ + sharp/, low/ + high/, or files such as 1_rain + 1_clean in one folder"
)
RULES = "equal names; rain-1 with norain-1; 0001_0.8_0.2 with 0001"

_KEY_RULES = {Task.RAIN: (Pairing.NUMBER,), Task.HAZE: (Pairing.HAZE,), None: (Pairing.NUMBER, Pairing.HAZE)}
_DEPTH, _SHOWN = 4, 5


def find_pair_sets(folder: Path, told: Sequence[Task] = ()) -> list[PairSet]:
    """The pairs below a folder, by task and part; empty where neither subfolders nor files are named as pairs are.

    Args:
        folder: the user's.
        told: the tasks that the user named: pairs of other tasks are left out, and where it is one, pairs whose folders
            name no task are of it.

    Raises:
        ValueError: one of two such folders is empty, two files are partners of one, or two are called the same.
    """
    grouped: dict[tuple[Task | None, Part], list[PairSet]] = defaultdict(list)
    for place, degraded, clean in _search(folder, _DEPTH):
        for one in _read(folder, place, degraded, clean, told):
            grouped[one.task, one.part].append(one)
    if not grouped:
        for one in flat_pairs(folder, image_files(folder), told):
            grouped[one.task, one.part].append(one)
    return [_joined(sets) for sets in grouped.values()]


def fitting(sets: Sequence[PairSet], told: Sequence[Task], folder: Path) -> list[PairSet]:
    """The sets of the tasks that were told; all without any.

    Raises:
        ValueError: there are sets, and none fits.
    """
    kept = [each for each in sets if not told or each.task is None or each.task in told]
    if sets and not kept:
        has = ", ".join(sorted({each.task.name for each in sets if each.task}))
        wants = ", ".join(task.name for task in told)
        raise ValueError(f"{folder} holds pairs of {has}, by its folders' names, and none of {wants}.")
    return kept


def pair_notes(folder: Path, sets: Sequence[PairSet]) -> list[str]:
    """What was found and what was not used, in words for the user."""
    places = list(dict.fromkeys(place for each in sets for place in each.places))
    shown = ", ".join(places[:2]) + (f" and {len(places) - 2} more such" if len(places) > 2 else "")
    notes = [f"pairs of {shown}"]
    spare = [path for each in sets for path in each.spare]
    if spare:
        notes.append(f"{_images(len(spare))} without a degraded partner not used ({_named(folder, spare, 1)})")
    used = {p for s in sets for pair in s.pairs for p in (pair.clean, pair.degraded)} | set(spare)
    used |= {path for each in sets for path in each.unpaired}
    passed = [path for path in image_files(folder) if path not in used]
    if passed:
        notes.append(f"{_images(len(passed))} outside of these folders not used ({_named(folder, passed, 1)})")
    return notes


def require_partners(folder: Path, sets: Sequence[PairSet]) -> None:
    """Refuse pairs some of whose degraded images have no partner.

    Raises:
        ValueError: it names them and the rules.
    """
    alone = [path for each in sets for path in each.unpaired]
    if alone:
        raise ValueError(
            f"{folder}: {len(alone)} degraded images have no clean partner ({_named(folder, alone, _SHOWN)}). Partners "
            f"have {RULES}. Add them, take these away, or use --skip-bad."
        )


def image_files(folder: Path) -> list[Path]:
    """Every file below a folder that is called as images are, in order of name; hidden folders are not entered."""
    found = []
    for place, folders, files in os.walk(folder, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(place) / name for name in files if is_image_name(Path(name))]
    return sorted(found)


def tested_files(folder: Path, files: Sequence[Path]) -> tuple[list[Path], str]:
    """Of clean images with train/ and test/ apart, those of test/, and what is left out in words; else all of them."""
    parts = {path: part_of(folder, path) for path in files}
    if not {"train", "test"} <= set(parts.values()):
        return list(files), ""
    kept = [path for path, part in parts.items() if part == "test"]
    return kept, f"test/ alone: {_images(len(files) - len(kept))} of its other parts not used"


def part_of(folder: Path, path: Path) -> Part:
    """The part that a file's topmost folder names."""
    inner = path.relative_to(folder).parts
    return part_named(inner[0]) if len(inner) > 1 else ""


def _search(place: Path, depth: int) -> Iterator[tuple[Path, Path, Path]]:
    """(place, degraded folder, clean folder) of every two folders that belong together, from the top down."""
    children = {plain_name(child.name): child for child in _subfolders(place)}
    used: set[Path] = set()
    for name, task in DEGRADED.items():
        partner = next((c for c in CLEAN_FOR.get(task, CLEAN) if c in children), None) if name in children else None
        if partner is not None:
            used |= {children[name], children[partner]}
            yield place, children[name], children[partner]
    if depth:
        for child in children.values():
            if child not in used:
                yield from _search(child, depth - 1)


def _read(root: Path, place: Path, degraded: Path, clean: Path, told: Sequence[Task]) -> list[PairSet]:
    """The pairs of two folders, by part."""
    shown = f"{degraded.relative_to(root).as_posix()}/ + {clean.relative_to(root).as_posix()}/"
    bad, good = image_files(degraded), image_files(clean)
    for files, empty, other in ((bad, degraded, clean), (good, clean, degraded)):
        require_one_of_a_name(root, files)
        if not files:
            raise ValueError(f"{empty} holds no images, {other.name}/ beside it does: put their partners there.")
    task = task_of(root, place, degraded)
    task = task or (told[0] if len(told) == 1 else None)
    pairs, unpaired, spare = _matched(degraded, clean, bad, good, task)
    above: Part = next((part for name in place.relative_to(root).parts if (part := part_named(name))), "")
    prefix = "/".join(name for name in place.relative_to(root).parts if not part_named(name))
    by_part: dict[Part, list[Pair]] = defaultdict(list)
    lonely: dict[Part, list[Path]] = defaultdict(list)
    for pair in pairs:
        first, _, rest = pair.name.partition("/")
        inner: Part = part_named(first) if rest and not above else ""
        name = rest if inner else pair.name
        by_part[above or inner].append(replace(pair, name=f"{prefix}/{name}" if prefix else name))
    for path in unpaired:
        first = path.relative_to(degraded).parts[0]
        lonely[above or (part_named(first) if path.parent != degraded else "")].append(path)
    sets = []
    for number, part in enumerate(dict.fromkeys([*by_part, *lonely])):
        sets.append(
            PairSet(
                task=task,
                part=part,
                pairs=tuple(by_part[part]),
                unpaired=tuple(lonely[part]),
                spare=tuple(spare) if number == 0 else (),
                places=(shown,),
            )
        )
    return sets


def _matched(
    degraded: Path, clean: Path, bad: Sequence[Path], good: Sequence[Path], task: Task | None
) -> tuple[list[Pair], list[Path], list[Path]]:
    """Pairs, degraded images without partner, clean images without partner: by equal names, else by the rules."""
    keys = [Pairing.SAME.key, *(rule.key for rule in _KEY_RULES.get(task, ())), _bare]
    tables = []
    for key in keys:
        table: dict[tuple[str, str], list[Path]] = defaultdict(list)
        for path in good:
            # 0007_0.8 belongs to 0007, never to a clean image 0007_1.0: that would be a guess
            if key != Pairing.HAZE.key or key(path.stem) == path.stem.casefold():
                table[_inner(clean, path), key(path.stem)].append(path)
        tables.append((key, table))
    pairs, unpaired, used = [], [], set()
    for path in bad:
        places = dict.fromkeys((_inner(degraded, path), ""))
        partners = next((t[p, key(path.stem)] for p in places for key, t in tables if (p, key(path.stem)) in t), [])
        if len(partners) > 1:
            raise ValueError(f"{path} has several clean partners: {', '.join(p.name for p in partners)}: keep one.")
        if not partners:
            unpaired.append(path)
            continue
        used.add(partners[0])
        pairs.append(Pair(name=_name(degraded, path), clean=partners[0], degraded=path))
    return sorted(pairs, key=lambda pair: pair.name), unpaired, [path for path in good if path not in used]


def _bare(stem: str) -> str:
    """A stem without the words that say which side it is of: low00001 and normal00001, 7_in and 7_gt are one."""
    words = "|".join([*ROLE_WORDS, "in", "out"])
    key = re.sub(rf"^(?:{words})(?=[\W_\d])[\W_]*|[\W_]+(?:{words})$", "", stem.casefold())
    return key or stem.casefold()


def _joined(sets: Sequence[PairSet]) -> PairSet:
    """Sets of one task and part as one; folders of sequences are part of their images' names already."""
    pairs = [pair for each in sets for pair in each.pairs]
    if len({pair.name for pair in pairs}) < len(pairs):  # rain/ and rainy/ beside one gt/
        pairs = [replace(p, name=f"{p.degraded.parent.name}/{p.name}") for p in pairs if p.degraded is not None]
    return PairSet(
        task=sets[0].task,
        part=sets[0].part,
        pairs=tuple(sorted(pairs, key=lambda pair: pair.name)),
        unpaired=tuple(path for each in sets for path in each.unpaired),
        spare=tuple(dict.fromkeys(path for each in sets for path in each.spare)),
        places=tuple(place for each in sets for place in each.places),
    )


def _subfolders(place: Path) -> list[Path]:
    try:
        return sorted(child for child in place.iterdir() if child.is_dir() and not child.name.startswith("."))
    except OSError:
        return []


def _inner(folder: Path, path: Path) -> str:
    inner = path.parent.relative_to(folder).as_posix().casefold()
    return "" if inner == "." else inner


def _name(folder: Path, path: Path) -> str:
    return path.relative_to(folder).with_suffix("").as_posix()


def _images(count: int) -> str:
    return f"{count} image{'s' if count != 1 else ''}"


def _named(folder: Path, files: Sequence[Path], most: int) -> str:
    more = f" and {len(files) - most} more" if len(files) > most else ""
    return ", ".join(path.relative_to(folder).as_posix() for path in files[:most]) + more
