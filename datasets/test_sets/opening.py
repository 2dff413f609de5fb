"""From a folder to evaluation items: its test sets, their usable images, and which of them are in training sets.

A folder holds test sets of the catalogue, packed or as files; or pairs of the user's own; or clean images, which are
degraded here. `python -m datasets score` and `ablations.evaluate` both begin with `open_test_sets`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from datasets.bundle import DataBundle, EvalItem, Sample
from datasets.catalog import catalog
from datasets.console import readable
from datasets.pairs.layouts import image_files, select_test_files
from datasets.pairs.names import refuse_duplicate_names
from datasets.pairs.unnamed import refuse_unnamed_pairs
from datasets.protocols import Protocol, conditions_under
from datasets.readers import ImageRefused, read_rgb, read_size, unread_formats_note
from datasets.sources.folder import load_folder
from datasets.sources.loading import stored_sets, stores_note
from datasets.store import PackedSet
from datasets.tasks import Condition, Task, known_tasks, synthetic_conditions, task_named
from datasets.test_sets.discovery import NoTestImagesError, TestSet, find_test_sets, stored_test_set
from datasets.test_sets.items import Refuse, TestImage, find_fault, make_items, refuse_all
from datasets.test_sets.near_duplicates import compute_thumbnails, group_scenes, match_training_images

_MAX_LISTED = 20


@dataclass(frozen=True, kw_only=True)
class TestQuery:
    """Which of a folder's test images to open, and how."""

    __test__ = False  # no class of tests

    rules: Protocol
    tasks: tuple[Task, ...] | None = None  # other tasks' sets are ignored; None for all
    unknown: Task | None = None  # what pairs of unknown kind are taken for; None refuses them
    scenes: bool = True  # whether images of one photograph are looked for, which decodes all
    training: Path | None = None  # a root in whose training sets the test images are looked for
    trained_on: Mapping[str, Any] = field(default_factory=dict)  # the data of a run, as its spec.json says
    skip_bad: bool = False  # leave out files that can't be used; all are refused in one line otherwise
    limit: int | None = None  # at most so many images a set will be asked for: others are not decoded
    note: Callable[[str], None] = lambda text: None  # called with what takes a while, and with what is skipped

    def includes_task(self, task: Task) -> bool:
        """Whether sets of this task are asked for."""
        return self.tasks is None or task in self.tasks or task is self.unknown

    def needs_decoding(self, usable: int) -> bool:
        """Whether files are still to be decoded once, with so many found usable."""
        return self.skip_bad and (self.limit is None or usable < self.limit)


@dataclass(frozen=True, kw_only=True)
class TestSets:
    """Test images under one protocol: the description is for the reader."""

    __test__ = False  # no class of tests

    description: str
    rules: Protocol
    sets: tuple[TestSet, ...]
    notes: tuple[str, ...] = ()  # what was found and what was not used, for the user

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """What the images can serve; noise at the levels that the protocol draws."""
        tasks = {test_set.task for test_set in self.sets}
        if None in tasks:
            return synthetic_conditions()
        registered = [task for task in known_tasks() if task in tasks]
        unregistered = [task for task in tasks if task is not None and task not in registered]
        return conditions_under(self.rules, [*registered, *unregistered])

    @property
    def partial(self) -> dict[str, int]:
        """Set of the catalogue with missing images -> its full number of images."""
        return {s.name: s.full_count for s in self.sets if s.full_count is not None and len(s.images) < s.full_count}

    def items(
        self, conditions: Sequence[Condition], limit: int | None = None, refuse: Refuse = refuse_all
    ) -> Iterator[EvalItem]:
        """The images of each set under the conditions, as `make_items` makes them."""
        for test_set in self.sets:
            served = [condition for condition in conditions if test_set.task in (None, condition.task)]
            if served:
                yield from make_items(self.rules, test_set.images, served, limit, refuse)


def holds_test_sets(folder: Path) -> bool:
    """Whether there are test sets in the folder, or pairs; else it holds clean images."""
    try:
        return folder.is_dir() and bool(find_test_sets(folder))
    except NoTestImagesError:
        return False


def open_test_sets(folder: Path, query: TestQuery) -> TestSets:
    """The test sets and pairs of a folder, packed or as files.

    Raises:
        ValueError: nothing in it serves the tasks, files that can't be used, or pairs whose task isn't known.
    """
    stores = stored_sets(folder)
    sets = {
        name: stored_test_set(catalog()[name], store)
        for name, store in stores.items()
        if catalog()[name].split == "test" and query.includes_task(catalog()[name].task)
    }
    try:
        discovered = find_test_sets(folder, query.tasks[0] if query.tasks and len(query.tasks) == 1 else None)
    except NoTestImagesError:
        if not sets:
            raise
        discovered = []
    for test_set in discovered:
        task = test_set.task or query.unknown
        if task is None:
            raise ValueError(f"{folder}: say with --tasks NAME which degradation its images show.")
        if test_set.name not in sets and query.includes_task(task):
            sets[test_set.name] = _select_usable(replace(test_set, task=task), query)
    if not sets:
        present = ", ".join(f"{test_set.name} ({test_set.task.name})" for test_set in discovered if test_set.task)
        requested = ", ".join(task.name for task in query.tasks or ())
        raise ValueError(f"{folder}: it holds {present}, and nothing for {requested}.")
    # the smaller choice of the same images: one of the two is enough
    if "sots-outdoor" in sets:
        sets.pop("sots-outdoor-492", None)
    return _describe_sets(folder, query, list(sets.values()), [stores[name] for name in stores if name in sets])


def open_clean_images(folder: Path, query: TestQuery) -> TestSets:
    """Every image of a folder of clean images, by its header; nothing is decoded unless bad files are to be skipped.

    They serve every task under `suite`; other protocols give them noise alone.

    Raises:
        ValueError: no image, two of one name, files that can't be used, or pairs that are not named as such.
    """
    rules = query.rules
    files = image_files(folder)
    refuse_duplicate_names(folder, files)
    refuse_unnamed_pairs(folder, files)
    unread_note = unread_formats_note(folder)
    files, split_note = select_test_files(folder, files)
    if not files:
        raise ValueError(f"{folder}: no image in it{f' that is read here ({unread_note})' if unread_note else ''}.")
    training_images = trained_images(folder, query.trained_on)
    name = folder.resolve().name or "folder"
    task = None if rules.name == "suite" else Task.NOISE
    images: list[TestImage] = []
    faults: list[tuple[str, str]] = []
    for path in files:
        inner = readable(path.relative_to(folder).as_posix())
        image = TestImage(
            name=inner if task is None else f"{name}/{inner}",
            clean=partial(read_rgb, path),
            dataset=name,
            in_training_set=_training_set_label(None if training_images is None else (None, inner) in training_images),
            source=str(path),
        )
        fault = find_fault(rules, image) if query.needs_decoding(len(images)) else _header_fault(path)
        if fault is None:
            images.append(image)
        else:
            faults.append((inner, fault[1]))
    _report_faults(faults, str(folder), query, usable=len(images))
    if task is not None:
        if query.tasks is not None and task not in query.tasks:
            raise ValueError(f"--protocol {rules.name} gives clean images noise alone; suite makes the rest.")
        images = _sort_images(rules, images)
    origin = "all degradations synthetic" if task is None else f"with noise of {rules.label}"
    count = f"{len(images)} image{'s' if len(images) != 1 else ''} of the folder {name}"
    notes = tuple(filter(None, (split_note, unread_note)))
    only = TestSet(name=name, task=task, images=tuple(images), refused=tuple(faults))
    return TestSets(description="; ".join([count, origin, *notes]), rules=rules, sets=(only,), notes=notes)


def bundle_test_set(bundle: DataBundle, rules: Protocol) -> TestSets:
    """The test images of a bundle, whose degradations are made here."""

    def image(sample: Sample) -> TestImage:
        return TestImage(
            name=sample.name,
            clean=lambda: sample.clean,
            depth=lambda _: sample.depth,
            scene=sample.scene,
            dataset=bundle.name,
        )

    only = TestSet(name=bundle.name, task=None, images=tuple(map(image, bundle.test)))
    return TestSets(description=bundle.description, rules=rules, sets=(only,))


def trained_images(folder: Path, trained_on: Mapping[str, Any]) -> set[tuple[Task | None, str]] | None:
    """(task, image) of what a run was trained on, where that was this folder; None where it was not.

    The task is None for clean images, which serve all.
    """
    if not trained_on or trained_on.get("kind", "folder") != "folder":
        return None
    try:
        bundle = load_folder(
            folder,
            tasks=[task_named(name) for name in trained_on.get("tasks", ())],
            split=tuple(trained_on["split"]) if trained_on.get("split") else None,
            skip_bad=bool(trained_on.get("skip_bad", False)),
            keep_bytes=0,
        )
    except ValueError:
        return None  # no folder that could be trained on
    if bundle.checksum != trained_on["checksum"]:
        return None
    return {(s.conditions[0].task if s.degraded is not None else None, s.source) for s in bundle.train}


def _sort_images(rules: Protocol, images: Iterable[TestImage]) -> list[TestImage]:
    by_name = {image.name: image for image in images}
    return [by_name[name] for name in rules.sort_names(by_name)]


def _select_usable(test_set: TestSet, query: TestQuery) -> TestSet:
    """The set with its images in the protocol's order; where bad files are skipped, each is decoded once."""
    faults, usable = list(test_set.refused), list[TestImage]()
    for image in _sort_images(query.rules, test_set.images):
        fault = find_fault(query.rules, image) if query.needs_decoding(len(usable)) else None
        if fault is None:
            usable.append(image)
        else:
            faults.append(fault)
    _report_faults(faults, test_set.name, query, usable=len(usable))
    return replace(test_set, images=tuple(usable), refused=tuple(faults))


def _report_faults(faults: Sequence[tuple[str, str]], source: str, query: TestQuery, *, usable: int) -> None:
    """Report skipped files; raise a ValueError where none may be skipped, or none is usable."""
    more = f" and {len(faults) - _MAX_LISTED} more" if len(faults) > _MAX_LISTED else ""
    listing = "; ".join(f"{file}: {reason}" for file, reason in faults[:_MAX_LISTED]) + more
    if not usable:
        raise ValueError(f"{source}: no image in it can be used{f' ({listing})' if listing else ''}.")
    if faults and not query.skip_bad:
        raise ValueError(
            f"{source}: {len(faults)} files can't be used ({listing}). Fix or move them, or use --skip-bad."
        )
    if faults:
        query.note(f"{source}: {len(faults)} files skipped ({listing})")


def _header_fault(path: Path) -> tuple[str, str] | None:
    try:
        read_size(path)
    except ImageRefused as refused:
        return str(path), refused.reason
    return None


def _describe_sets(folder: Path, query: TestQuery, sets: Sequence[TestSet], stores: Sequence[PackedSet]) -> TestSets:
    """The sets with scenes and images of training sets marked, and a description."""
    ordered = {test_set.name: _sort_images(query.rules, test_set.images) for test_set in sets}
    thumbs = {
        name: compute_thumbnails({image.name: image.clean for image in images[: query.limit]})
        for name, images in ordered.items()
        if query.scenes or query.training is not None
    }
    scenes = group_scenes(thumbs) if thumbs else {}
    in_training = match_training_images(thumbs, query.training, query.note) if query.training is not None else {}
    counts = ", ".join(f"{name} ({len(images)})" for name, images in ordered.items())
    set_notes = [*(words for test_set in sets for words in test_set.notes), stores_note(stores)]
    notes = tuple(dict.fromkeys(filter(None, set_notes)))
    description = "; ".join([f"{counts} under {query.rules.label}", *notes])
    if in_training:
        description += f"; {sum(in_training.values())} of {len(in_training)} images stand in training sets beside them"
    training_images = trained_images(folder, query.trained_on)

    def label_image(test_set: TestSet, image: TestImage) -> TestImage:
        full_name = f"{test_set.name}/{image.name}"
        key = (test_set.task, image.name)
        is_in_training = in_training.get(full_name) if training_images is None else key in training_images
        return replace(
            image,
            name=full_name,
            scene=scenes.get(full_name, full_name),
            dataset=readable(test_set.name),
            in_training_set=_training_set_label(is_in_training),
        )

    labelled_sets = [replace(s, images=tuple(label_image(s, image) for image in ordered[s.name])) for s in sets]
    return TestSets(description=description, rules=query.rules, sets=tuple(labelled_sets), notes=notes)


def _training_set_label(is_in_training: bool | None) -> str:
    return "" if is_in_training is None else "yes" if is_in_training else "no"
