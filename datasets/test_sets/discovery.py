"""What a folder holds to evaluate on, told by names alone: sets of the catalogue, or pairs of the user's own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from datasets.catalog.finder import FoundSet, Pair, find_sets, require_clear_names
from datasets.catalog.spec import DatasetSpec
from datasets.console import readable
from datasets.pairs.layouts import LAYOUTS, RULES, find_pair_sets, fitting, image_files, pair_notes
from datasets.readers import read_rgb
from datasets.store import PackedSet
from datasets.tasks import Task
from datasets.test_sets.items import TestImage

_LEVELS = 3


@dataclass(frozen=True, kw_only=True)
class TestSet:
    """Test images of one kind: a set of the catalogue, or a folder of the user's own."""

    __test__ = False  # no class of tests

    name: str
    task: Task | None  # its degradation; None for pairs of unknown kind, and for clean images that serve every task
    images: tuple[TestImage, ...]  # those without degraded pixels are degraded here
    refused: tuple[tuple[str, str], ...] = ()  # (file, reason) of those that can't be used
    notes: tuple[str, ...] = ()  # what was found and what was not used, in words
    whole: int | None = None  # images that the set of the catalogue has; None for a folder of the user's own


class NoTestImagesError(ValueError):
    """A folder that holds neither test sets nor pairs."""


def find_test_sets(folder: Path, task: Task | None = None) -> list[TestSet]:
    """The test sets in a folder, by names alone.

    Tried in turn: test sets of the catalogue below the folder; the folder being one of them; pairs of the user's own
    (`datasets.pairs.layouts`; of those with a split, the ones to test on).

    Raises:
        NoTestImagesError: nothing in it fits the task.
        ValueError: no such folder, or names that two files share.
    """
    known = _catalogue_sets(folder)
    require_clear_names(known)
    sets = [
        TestSet(
            name=found.spec.name,
            task=found.spec.task,
            images=_images(found.pairs),
            notes=_part_note(found.spec, len(found.pairs)),
            whole=found.spec.count,
        )
        for found in known
    ] or _own_pairs(folder, task)
    kept = [each for each in sets if task is None or each.task in (task, None)]
    if kept:
        return kept
    has = ", ".join(f"{each.name} ({each.task.name})" for each in sets if each.task)
    if not has:
        count = len(image_files(folder))
        has = f"no test set of the field and no pairs ({LAYOUTS}), but {count} images" if count else "no images"
    raise NoTestImagesError(
        f"Nothing to score{f' for task {task.name}' if task else ''} in {str(folder)!r}: it holds {has}. Give a root "
        "of test sets, a folder of pairs, or a folder of clean images: `datasets score FOLDER --task noise`, or "
        "`ablations.evaluate --data FOLDER`."
    )


def _catalogue_sets(folder: Path) -> list[FoundSet]:
    """Test sets of the catalogue below the folder; or the one that it is (`LOL-v1/eval15` of the root above)."""
    known = [found for found in find_sets(folder) if found.spec.split == "test"]
    inside = folder.resolve()
    for root in list(inside.parents)[:_LEVELS]:
        if known:
            break
        near = [found for found in find_sets(root) if found.spec.split != "none"]
        known = [found for found in near if all(pair.clean.is_relative_to(inside) for pair in found.pairs)]
    return known


def _own_pairs(folder: Path, task: Task | None) -> list[TestSet]:
    """Pairs of the user's own, a set for each task; of those with a split of their own, the ones to test on."""
    told = [task] if task else []
    found = fitting(find_pair_sets(folder, told), told, folder)
    parts = {each.part for each in found}
    part = next((name for name in ("test", "val", "", "train") if name in parts), "")
    tested = [each for each in found if each.part == part]
    left = sum(len(each.pairs) for each in found if each.part != part)
    notes = [
        *pair_notes(folder, found),
        *([f"{part}/ alone: {left} pairs of its other parts not used"] if left else []),
    ]
    name = folder.resolve().name or "folder"
    several = len({each.task for each in tested}) > 1
    return [
        TestSet(
            name=f"{name}-{each.task.name}" if several and each.task else name,
            task=each.task,
            images=_images(each.pairs),
            refused=tuple((str(path), f"no clean partner ({RULES})") for path in each.unpaired),
            notes=tuple(notes),
        )
        for each in tested
    ]


def _images(pairs: Iterable[Pair]) -> tuple[TestImage, ...]:
    return tuple(
        TestImage(
            name=readable(pair.name),
            clean=partial(read_rgb, pair.clean),
            degraded=partial(read_rgb, pair.degraded) if pair.degraded else None,
            source=str(pair.degraded or pair.clean),
        )
        for pair in pairs
    )


def stored_test_set(spec: DatasetSpec, store: PackedSet) -> TestSet:
    """A packed set, whose images are compared with their checksums as they are read."""
    images = tuple(
        TestImage(
            name=name,
            clean=partial(store.checked, clean),
            degraded=partial(store.checked, degraded) if degraded >= 0 else None,
        )
        for name, degraded, clean in store.pairs
    )
    return TestSet(name=spec.name, task=spec.task, images=images, notes=_part_note(spec, len(images)), whole=spec.count)


def _part_note(spec: DatasetSpec, images: int) -> tuple[str, ...]:
    """That fewer images are there than the set has, in words; nothing for a whole set."""
    words = f"{spec.name}: {images} of the set's {spec.count} images, so means are not comparable with the whole set's"
    return (words,) if images < spec.count else ()
