"""Pairs of degraded and clean images in a folder of the user's own, recognised by the names of its subfolders.

`find_pair_sets` is the one place that decides what counts as pairs: `ablations.run`, `ablations.evaluate` and
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
    SplitName,
    flat_pairs,
    infer_task,
    parse_split,
    plain_name,
    refuse_duplicate_names,
)
from datasets.readers import is_image_name
from datasets.tasks import Task

LAYOUTS = (
    "degraded/ + clean/, input/ + target/, lq/ + gt/, lq/ + hq/, noisy/ + reference/, rain/ + norain/, rainy/ + gt/, "
    "hazy/ + gt/, blur/ + sharp/, low/ + high/, or files such as 1_rain + 1_clean in one folder"
)
RULES = "equal names; rain-1 with norain-1; 0001_0.8_0.2 with 0001"

_KEY_RULES = {Task.RAIN: (Pairing.NUMBER,), Task.HAZE: (Pairing.HAZE,), None: (Pairing.NUMBER, Pairing.HAZE)}
_DEPTH, _MAX_LISTED = 4, 5


def find_pair_sets(folder: Path, requested_tasks: Sequence[Task] = ()) -> list[PairSet]:
    """The pairs below a folder, by task and split; empty where neither subfolders nor files are named as pairs are.

    Args:
        folder: the user's.
        requested_tasks: of the user: pairs of other tasks are left out; where it is one, pairs whose folders name no
            task are of it.

    Raises:
        ValueError: one of two such folders is empty, two files are partners of one, or two are called the same.
    """
    grouped: dict[tuple[Task | None, SplitName], list[PairSet]] = defaultdict(list)
    for place, degraded, clean in _find_folder_pairs(folder, _DEPTH):
        for pair_set in _pair_folders(folder, place, degraded, clean, requested_tasks):
            grouped[pair_set.task, pair_set.split].append(pair_set)
    if not grouped:
        for pair_set in flat_pairs(folder, image_files(folder), requested_tasks):
            grouped[pair_set.task, pair_set.split].append(pair_set)
    return [_merge(sets) for sets in grouped.values()]


def select_tasks(sets: Sequence[PairSet], tasks: Sequence[Task], folder: Path) -> list[PairSet]:
    """The sets of the tasks; all where none is named.

    Raises:
        ValueError: there are sets, and none is of these tasks.
    """
    selected = [pair_set for pair_set in sets if not tasks or pair_set.task is None or pair_set.task in tasks]
    if sets and not selected:
        present = ", ".join(sorted({pair_set.task.name for pair_set in sets if pair_set.task}))
        requested = ", ".join(task.name for task in tasks)
        raise ValueError(f"{folder} holds pairs of {present}, by its folders' names, and none of {requested}.")
    return selected


def pair_notes(folder: Path, sets: Sequence[PairSet]) -> list[str]:
    """What was found and what was not used, in words for the user."""
    places = list(dict.fromkeys(place for pair_set in sets for place in pair_set.places))
    place_names = ", ".join(places[:2]) + (f" and {len(places) - 2} more such" if len(places) > 2 else "")
    notes = [f"pairs of {place_names}"]
    unpaired_clean = [path for pair_set in sets for path in pair_set.unpaired_clean]
    if unpaired_clean:
        notes.append(
            f"{_images(len(unpaired_clean))} without a degraded partner not used "
            f"({_list_files(folder, unpaired_clean, 1)})"
        )
    used = {p for s in sets for pair in s.pairs for p in (pair.clean, pair.degraded)} | set(unpaired_clean)
    used |= {path for pair_set in sets for path in pair_set.unpaired_degraded}
    unused = [path for path in image_files(folder) if path not in used]
    if unused:
        notes.append(f"{_images(len(unused))} outside of these folders not used ({_list_files(folder, unused, 1)})")
    return notes


def require_partners(folder: Path, sets: Sequence[PairSet]) -> None:
    """Refuse pairs some of whose degraded images have no partner.

    Raises:
        ValueError: it names them and the rules.
    """
    unpaired = [path for pair_set in sets for path in pair_set.unpaired_degraded]
    if unpaired:
        raise ValueError(
            f"{folder}: {len(unpaired)} degraded images have no clean partner "
            f"({_list_files(folder, unpaired, _MAX_LISTED)}). Partners have {RULES}. Add them, "
            "take these away, or use --skip-bad."
        )


def image_files(folder: Path) -> list[Path]:
    """Every file below a folder that is called as images are, in order of name; hidden folders are not entered."""
    paths = []
    for place, folders, files in os.walk(folder, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        paths += [Path(place) / name for name in files if is_image_name(Path(name))]
    return sorted(paths)


def select_test_files(folder: Path, files: Sequence[Path]) -> tuple[list[Path], str]:
    """Of clean images in train/ and test/ those of test/, and a note on the others; else all of them."""
    splits = {path: split_of_file(folder, path) for path in files}
    if not {"train", "test"} <= set(splits.values()):
        return list(files), ""
    test_files = [path for path, split in splits.items() if split == "test"]
    return test_files, f"test/ alone: {_images(len(files) - len(test_files))} of its other parts not used"


def split_of_file(folder: Path, path: Path) -> SplitName:
    """The split that a file's topmost folder names."""
    inner = path.relative_to(folder).parts
    return parse_split(inner[0]) if len(inner) > 1 else ""


def _find_folder_pairs(place: Path, depth: int) -> Iterator[tuple[Path, Path, Path]]:
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
                yield from _find_folder_pairs(child, depth - 1)


def _pair_folders(
    root: Path, place: Path, degraded: Path, clean: Path, requested_tasks: Sequence[Task]
) -> list[PairSet]:
    """The pairs of two folders, by split."""
    place_name = f"{degraded.relative_to(root).as_posix()}/ + {clean.relative_to(root).as_posix()}/"
    degraded_files, clean_files = image_files(degraded), image_files(clean)
    for files, empty, partner_folder in ((degraded_files, degraded, clean), (clean_files, clean, degraded)):
        refuse_duplicate_names(root, files)
        if not files:
            raise ValueError(
                f"{empty} holds no images, {partner_folder.name}/ beside it does: put their partners there."
            )
    task = infer_task(root, place, degraded)
    task = task or (requested_tasks[0] if len(requested_tasks) == 1 else None)
    pairs, unpaired_degraded, unpaired_clean = _match_files(degraded, clean, degraded_files, clean_files, task)
    outer_split: SplitName = next((split for name in place.relative_to(root).parts if (split := parse_split(name))), "")
    prefix = "/".join(name for name in place.relative_to(root).parts if not parse_split(name))
    pairs_by_split: dict[SplitName, list[Pair]] = defaultdict(list)
    unpaired_by_split: dict[SplitName, list[Path]] = defaultdict(list)
    for pair in pairs:
        first, _, inner_name = pair.name.partition("/")
        inner_split: SplitName = parse_split(first) if inner_name and not outer_split else ""
        name = inner_name if inner_split else pair.name
        pairs_by_split[outer_split or inner_split].append(replace(pair, name=f"{prefix}/{name}" if prefix else name))
    for path in unpaired_degraded:
        first = path.relative_to(degraded).parts[0]
        unpaired_by_split[outer_split or (parse_split(first) if path.parent != degraded else "")].append(path)
    sets = []
    for number, split in enumerate(dict.fromkeys([*pairs_by_split, *unpaired_by_split])):
        sets.append(
            PairSet(
                task=task,
                split=split,
                pairs=tuple(pairs_by_split[split]),
                unpaired_degraded=tuple(unpaired_by_split[split]),
                unpaired_clean=tuple(unpaired_clean) if number == 0 else (),
                places=(place_name,),
            )
        )
    return sets


def _match_files(
    degraded: Path, clean: Path, degraded_files: Sequence[Path], clean_files: Sequence[Path], task: Task | None
) -> tuple[list[Pair], list[Path], list[Path]]:
    """Pairs, degraded images without partner, clean images without partner: by equal names, else by the rules."""
    keys = [Pairing.SAME.key, *(rule.key for rule in _KEY_RULES.get(task, ())), _strip_role_words]
    tables = []
    for key in keys:
        table: dict[tuple[str, str], list[Path]] = defaultdict(list)
        for path in clean_files:
            # 0007_0.8 belongs to 0007, never to a clean image 0007_1.0: that would be a guess
            if key != Pairing.HAZE.key or key(path.stem) == path.stem.casefold():
                table[_relative_folder(clean, path), key(path.stem)].append(path)
        tables.append((key, table))
    pairs, unpaired, used = [], [], set()
    for path in degraded_files:
        places = dict.fromkeys((_relative_folder(degraded, path), ""))
        partners = next((t[p, key(path.stem)] for p in places for key, t in tables if (p, key(path.stem)) in t), [])
        if len(partners) > 1:
            raise ValueError(f"{path} has several clean partners: {', '.join(p.name for p in partners)}: keep one.")
        if not partners:
            unpaired.append(path)
            continue
        used.add(partners[0])
        pairs.append(Pair(name=_name(degraded, path), clean=partners[0], degraded=path))
    return sorted(pairs, key=lambda pair: pair.name), unpaired, [path for path in clean_files if path not in used]


def _strip_role_words(stem: str) -> str:
    """A stem without the words that say which side it is of: low00001 and normal00001, 7_in and 7_gt are one."""
    words = "|".join([*ROLE_WORDS, "in", "out"])
    key = re.sub(rf"^(?:{words})(?=[\W_\d])[\W_]*|[\W_]+(?:{words})$", "", stem.casefold())
    return key or stem.casefold()


def _merge(sets: Sequence[PairSet]) -> PairSet:
    """Sets of one task and split as one; folders of sequences are part of their images' names already."""
    pairs = [pair for pair_set in sets for pair in pair_set.pairs]
    if len({pair.name for pair in pairs}) < len(pairs):  # rain/ and rainy/ beside one gt/
        pairs = [replace(p, name=f"{p.degraded.parent.name}/{p.name}") for p in pairs if p.degraded is not None]
    return PairSet(
        task=sets[0].task,
        split=sets[0].split,
        pairs=tuple(sorted(pairs, key=lambda pair: pair.name)),
        unpaired_degraded=tuple(path for pair_set in sets for path in pair_set.unpaired_degraded),
        unpaired_clean=tuple(dict.fromkeys(path for pair_set in sets for path in pair_set.unpaired_clean)),
        places=tuple(place for pair_set in sets for place in pair_set.places),
    )


def _subfolders(place: Path) -> list[Path]:
    try:
        return sorted(child for child in place.iterdir() if child.is_dir() and not child.name.startswith("."))
    except OSError:
        return []


def _relative_folder(folder: Path, path: Path) -> str:
    inner = path.parent.relative_to(folder).as_posix().casefold()
    return "" if inner == "." else inner


def _name(folder: Path, path: Path) -> str:
    return path.relative_to(folder).with_suffix("").as_posix()


def _images(count: int) -> str:
    return f"{count} image{'s' if count != 1 else ''}"


def _list_files(folder: Path, files: Sequence[Path], limit: int) -> str:
    more = f" and {len(files) - limit} more" if len(files) > limit else ""
    return ", ".join(path.relative_to(folder).as_posix() for path in files[:limit]) + more
