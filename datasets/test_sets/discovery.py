"""The test images of a folder, by names alone: sets of the catalogue, or pairs of the user."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from datasets.catalog.finder import LocalDataset, Pair, find_sets, refuse_ambiguous_names
from datasets.catalog.spec import DatasetSpec
from datasets.console import readable
from datasets.pairs.layouts import LAYOUTS, RULES, find_pair_sets, image_files, pair_notes, select_tasks
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
    full_count: int | None = None  # images that the set of the catalogue has; None for a folder of the user's own


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
    local_sets = _catalogue_sets(folder)
    refuse_ambiguous_names(local_sets)
    sets = [
        TestSet(
            name=local.spec.name,
            task=local.spec.task,
            images=_images(local.pairs),
            notes=_part_note(local.spec, len(local.pairs)),
            full_count=local.spec.count,
        )
        for local in local_sets
    ] or _user_pairs(folder, task)
    selected = [test_set for test_set in sets if task is None or test_set.task in (task, None)]
    if selected:
        return selected
    present = ", ".join(f"{test_set.name} ({test_set.task.name})" for test_set in sets if test_set.task)
    if not present:
        count = len(image_files(folder))
        present = f"no test set of the field and no pairs ({LAYOUTS}), but {count} images" if count else "no images"
    raise NoTestImagesError(
        f"Nothing to score{f' for task {task.name}' if task else ''} in {str(folder)!r}: it holds {present}. Give a "
        "root of test sets, a folder of pairs, or a folder of clean images: `datasets score FOLDER --task noise`, or "
        "`ablations.evaluate --data FOLDER`."
    )


def _catalogue_sets(folder: Path) -> list[LocalDataset]:
    """Test sets of the catalogue below the folder; or the one that it is (`LOL-v1/eval15` of the root above)."""
    local_sets = [local for local in find_sets(folder) if local.spec.split == "test"]
    inside = folder.resolve()
    for root in list(inside.parents)[:_LEVELS]:
        if local_sets:
            break
        parent_sets = [local for local in find_sets(root) if local.spec.split != "none"]
        local_sets = [local for local in parent_sets if all(pair.clean.is_relative_to(inside) for pair in local.pairs)]
    return local_sets


def _user_pairs(folder: Path, task: Task | None) -> list[TestSet]:
    """Pairs of the user's own, a set for each task; of those with a split of their own, the ones to test on."""
    requested_tasks = [task] if task else []
    pair_sets = select_tasks(find_pair_sets(folder, requested_tasks), requested_tasks, folder)
    splits = {pair_set.split for pair_set in pair_sets}
    split = next((name for name in ("test", "val", "", "train") if name in splits), "")
    test_pairs = [pair_set for pair_set in pair_sets if pair_set.split == split]
    unused = sum(len(pair_set.pairs) for pair_set in pair_sets if pair_set.split != split)
    notes = [
        *pair_notes(folder, pair_sets),
        *([f"{split}/ alone: {unused} pairs of its other parts not used"] if unused else []),
    ]
    name = folder.resolve().name or "folder"
    several = len({pair_set.task for pair_set in test_pairs}) > 1
    return [
        TestSet(
            name=f"{name}-{pair_set.task.name}" if several and pair_set.task else name,
            task=pair_set.task,
            images=_images(pair_set.pairs),
            refused=tuple((str(path), f"no clean partner ({RULES})") for path in pair_set.unpaired_degraded),
            notes=tuple(notes),
        )
        for pair_set in test_pairs
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
            clean=partial(store.verified_image, clean),
            degraded=partial(store.verified_image, degraded) if degraded >= 0 else None,
        )
        for name, degraded, clean in store.pairs
    )
    return TestSet(
        name=spec.name, task=spec.task, images=images, notes=_part_note(spec, len(images)), full_count=spec.count
    )


def _part_note(spec: DatasetSpec, images: int) -> tuple[str, ...]:
    """A note that images of the set are missing; nothing for a complete set."""
    words = (
        f"{spec.name}: {images} of the set's {spec.count} images, so means are not comparable with the complete set's"
    )
    return (words,) if images < spec.count else ()
