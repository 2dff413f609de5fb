"""The one way from a folder to evaluation items: its test sets, what of them can be used, and what is known of them.

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
from datasets.eval_items import Refuse, TestImage, fault_of, make_items, refuse_all
from datasets.folder import load_folder
from datasets.loading import stored_sets, stores_note
from datasets.near_duplicates import scenes_of, seen_in_training, thumbs_of
from datasets.pair_layouts import image_files, tested_files
from datasets.pair_names import require_one_of_a_name
from datasets.pair_suspects import refuse_unnamed_pairs
from datasets.protocols import Protocol, conditions_under
from datasets.readers import ImageRefused, passed_over, read_rgb, read_size
from datasets.store import PackedSet
from datasets.tasks import Condition, Task, known_tasks, made_here, task_named
from datasets.test_sets import NoTestImagesError, TestSet, find_test_sets, stored_test_set

_SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class TestQuery:
    """What is asked of a folder's test images."""

    __test__ = False  # no class of tests

    rules: Protocol
    tasks: tuple[Task, ...] | None = None  # the others' sets are left alone; None for all
    unknown: Task | None = None  # what pairs of unknown kind are taken for; None refuses them
    scenes: bool = True  # whether images of one photograph are looked for, which decodes all
    training: Path | None = None  # a root in whose training sets the test images are looked for
    trained_on: Mapping[str, Any] = field(default_factory=dict)  # the data of a run, as its spec.json says
    skip_bad: bool = False  # leave out files that can't be used; all are refused in one line otherwise
    limit: int | None = None  # at most so many images a set will be asked for: others are not decoded
    note: Callable[[str], None] = lambda text: None  # called with what takes a while, and with what is skipped

    def wants(self, task: Task) -> bool:
        """Whether sets of this task are asked for."""
        return self.tasks is None or task in self.tasks or task is self.unknown

    def examines(self, usable: int) -> bool:
        """Whether files are still to be decoded once, with so many found usable."""
        return self.skip_bad and (self.limit is None or usable < self.limit)


@dataclass(frozen=True, kw_only=True)
class TestSets:
    """Test images under one protocol: the description is for the reader."""

    __test__ = False  # no class of tests

    description: str
    rules: Protocol
    sets: tuple[TestSet, ...]
    notes: tuple[str, ...] = ()  # what was found and what was not used, in words

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """What the images can serve; noise at the levels that the protocol draws."""
        tasks = {each.task for each in self.sets}
        if None in tasks:
            return made_here()
        known = [task for task in known_tasks() if task in tasks]
        others = [task for task in tasks if task is not None and task not in known]
        return conditions_under(self.rules, [*known, *others])

    @property
    def partial(self) -> dict[str, int]:
        """Set of the catalogue of which images are missing -> how many it has when whole."""
        return {s.name: s.whole for s in self.sets if s.whole is not None and len(s.images) < s.whole}

    def items(
        self, conditions: Sequence[Condition], limit: int | None = None, refuse: Refuse = refuse_all
    ) -> Iterator[EvalItem]:
        """The images of each set under the conditions, as `make_items` makes them."""
        for each in self.sets:
            wanted = [condition for condition in conditions if each.task in (None, condition.task)]
            if wanted:
                yield from make_items(self.rules, each.images, wanted, limit, refuse)


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
        if catalog()[name].split == "test" and query.wants(catalog()[name].task)
    }
    try:
        found = find_test_sets(folder, query.tasks[0] if query.tasks and len(query.tasks) == 1 else None)
    except NoTestImagesError:
        if not sets:
            raise
        found = []
    for each in found:
        task = each.task or query.unknown
        if task is None:
            raise ValueError(f"{folder}: say with --tasks NAME which degradation its images show.")
        if each.name not in sets and query.wants(task):
            sets[each.name] = _usable(replace(each, task=task), query)
    if not sets:
        has = ", ".join(f"{each.name} ({each.task.name})" for each in found if each.task)
        wants = ", ".join(task.name for task in query.tasks or ())
        raise ValueError(f"{folder}: it holds {has}, and nothing for {wants}.")
    # the smaller choice of the same images: one of the two is enough
    if "sots-outdoor" in sets:
        sets.pop("sots-outdoor-492", None)
    return _described(folder, query, list(sets.values()), [stores[name] for name in stores if name in sets])


def open_clean_images(folder: Path, query: TestQuery) -> TestSets:
    """Every image of a folder of clean images, by its header; nothing is decoded unless bad files are to be skipped.

    They serve every task under `suite`; other protocols give them noise alone.

    Raises:
        ValueError: no image, two of one name, files that can't be used, or pairs that are not named as such.
    """
    rules = query.rules
    files = image_files(folder)
    require_one_of_a_name(folder, files)
    refuse_unnamed_pairs(folder, files)
    others = passed_over(folder)
    files, left = tested_files(folder, files)
    if not files:
        raise ValueError(f"{folder}: no image in it{f' that is read here ({others})' if others else ''}.")
    trained = trained_images(folder, query.trained_on)
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
            seen=_seen_word(None if trained is None else (None, inner) in trained),
            source=str(path),
        )
        fault = fault_of(rules, image) if query.examines(len(images)) else _header_fault(path)
        if fault is None:
            images.append(image)
        else:
            faults.append((inner, fault[1]))
    _judge(faults, str(folder), query, left=len(images))
    if task is not None:
        if query.tasks is not None and task not in query.tasks:
            raise ValueError(f"--protocol {rules.name} gives clean images noise alone; suite makes the rest.")
        images = _ordered(rules, images)
    made = "all degradations synthetic" if task is None else f"with noise of {rules.label}"
    count = f"{len(images)} image{'s' if len(images) != 1 else ''} of the folder {name}"
    notes = tuple(filter(None, (left, others)))
    only = TestSet(name=name, task=task, images=tuple(images), refused=tuple(faults))
    return TestSets(description="; ".join([count, made, *notes]), rules=rules, sets=(only,), notes=notes)


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


def _ordered(rules: Protocol, images: Iterable[TestImage]) -> list[TestImage]:
    by_name = {image.name: image for image in images}
    return [by_name[name] for name in rules.ordered(by_name)]


def _usable(each: TestSet, query: TestQuery) -> TestSet:
    """The set with its images in the protocol's order; where bad files are skipped, each is decoded once."""
    faults, kept = list(each.refused), list[TestImage]()
    for image in _ordered(query.rules, each.images):
        fault = fault_of(query.rules, image) if query.examines(len(kept)) else None
        if fault is None:
            kept.append(image)
        else:
            faults.append(fault)
    _judge(faults, each.name, query, left=len(kept))
    return replace(each, images=tuple(kept), refused=tuple(faults))


def _judge(faults: Sequence[tuple[str, str]], where: str, query: TestQuery, *, left: int) -> None:
    """Say what is skipped; raise a ValueError where nothing may be, or nothing is left."""
    more = f" and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
    named = "; ".join(f"{file}: {reason}" for file, reason in faults[:_SHOWN]) + more
    if not left:
        raise ValueError(f"{where}: no image in it can be used{f' ({named})' if named else ''}.")
    if faults and not query.skip_bad:
        raise ValueError(f"{where}: {len(faults)} files can't be used ({named}). Mend or move them, or use --skip-bad.")
    if faults:
        query.note(f"{where}: {len(faults)} files skipped ({named})")


def _header_fault(path: Path) -> tuple[str, str] | None:
    try:
        read_size(path)
    except ImageRefused as refused:
        return str(path), refused.reason
    return None


def _described(folder: Path, query: TestQuery, sets: Sequence[TestSet], stores: Sequence[PackedSet]) -> TestSets:
    """The sets with what their images show and what of them was seen, and all that in words."""
    ordered = {each.name: _ordered(query.rules, each.images) for each in sets}
    thumbs = {
        name: thumbs_of({image.name: image.clean for image in images[: query.limit]})
        for name, images in ordered.items()
        if query.scenes or query.training is not None
    }
    scenes = scenes_of(thumbs) if thumbs else {}
    seen = seen_in_training(thumbs, query.training, query.note) if query.training is not None else {}
    counts = ", ".join(f"{name} ({len(images)})" for name, images in ordered.items())
    found = [*(words for each in sets for words in each.notes), stores_note(stores)]
    notes = tuple(dict.fromkeys(filter(None, found)))
    described = "; ".join([f"{counts} under {query.rules.label}", *notes])
    if seen:
        described += f"; {sum(seen.values())} of {len(seen)} images stand in training sets beside them"
    trained = trained_images(folder, query.trained_on)

    def complete(each: TestSet, image: TestImage) -> TestImage:
        full = f"{each.name}/{image.name}"
        known = seen.get(full) if trained is None else (each.task, image.name) in trained
        return replace(
            image, name=full, scene=scenes.get(full, full), dataset=readable(each.name), seen=_seen_word(known)
        )

    whole = [replace(s, images=tuple(complete(s, image) for image in ordered[s.name])) for s in sets]
    return TestSets(description=described, rules=query.rules, sets=tuple(whole), notes=notes)


def _seen_word(known: bool | None) -> str:
    return "" if known is None else "yes" if known else "no"
