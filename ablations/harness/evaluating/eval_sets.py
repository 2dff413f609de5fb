"""Test images for a checkpoint that was trained elsewhere: no training images are needed, and none are used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ablations.harness.evaluating.eval_items import Entry, Refuse, end, noisy, paired
from ablations.harness.evaluating.near_duplicates import scenes_of, seen_in_training, thumbs_of
from ablations.harness.evaluating.own_folder import BadFiles, Shown, open_clean_files, trained_images
from datasets.bundle import DataBundle, EvalItem, Pixels
from datasets.catalog import catalog
from datasets.console import readable
from datasets.embedded import load_embedded
from datasets.finder import Pair
from datasets.loading import stored_sets, stores_note
from datasets.protocols import Protocol as Rules
from datasets.readers import read_rgb
from datasets.score import NothingToScoreError, part_note, sets_to_score
from datasets.store import PackedSet
from datasets.tasks import Condition, Task, known_tasks, made_here


class EvalImages(Protocol):
    """Images to evaluate on."""

    @property
    def description(self) -> str:
        """What they are, for the reader."""
        ...

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """What they can serve."""
        ...

    def items(self, conditions: Sequence[Condition], limit: int | None, refuse: Refuse = end) -> Iterator[Shown]:
        """The images of each set under the conditions.

        Args:
            conditions: which.
            limit: at most so many a set and condition.
            refuse: told of each image that can't be used; the others follow.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Degraded:
    """Clean images degraded here, by the suite's own protocol."""

    name: str
    bundle: DataBundle
    description: str
    seen: Mapping[str, str] = field(default_factory=dict)
    conditions: tuple[Condition, ...] = field(default_factory=made_here)

    def items(self, conditions: Sequence[Condition], limit: int | None, refuse: Refuse = end) -> Iterator[Shown]:
        """See `EvalImages`."""
        for condition in conditions:
            for item in self.bundle.eval_items("test", [condition], limit=limit):
                yield Shown(dataset=self.name, item=item, seen=self.seen.get(item.name, ""))


@dataclass(frozen=True, kw_only=True)
class FileSets:
    """Sets of files under one protocol.

    Attributes:
        rules: the protocol.
        sets: name -> its task and images.
        scenes: `<set>/<image>` -> the first image that shows the same photograph; empty where nobody looked.
        seen: `<set>/<image>` -> whether its photograph stands in a training set; empty where there was none to look in.
        partial: set of the catalogue of which images are missing -> how many it has when whole.
    """

    description: str
    rules: Rules
    sets: Mapping[str, tuple[Task, Sequence[Entry]]]
    scenes: Mapping[str, str] = field(default_factory=dict)
    seen: Mapping[str, bool] = field(default_factory=dict)
    partial: Mapping[str, int] = field(default_factory=dict)

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """Those of the sets' tasks, noise at the levels that the protocol draws."""
        tasks = {task for task, _ in self.sets.values()}
        drawn = self.rules.noise.sigmas_255 if self.rules.noise.depends_on_order else None
        return tuple(
            c
            for task in known_tasks()
            if task in tasks
            for c in task.conditions
            if c.sigma_255 is None or drawn is None or c.sigma_255 in drawn
        )

    def items(self, conditions: Sequence[Condition], limit: int | None, refuse: Refuse = end) -> Iterator[Shown]:
        """See `EvalImages`."""
        for name, (task, entries) in self.sets.items():
            wanted = [condition for condition in conditions if condition.task is task]
            if not wanted:
                continue
            by_name = {entry.name: entry for entry in entries}
            ordered = [by_name[each] for each in self.rules.ordered(by_name)]
            make = noisy if all(entry.degraded is None for entry in ordered) else paired
            for entry, condition, degraded, clean in make(self.rules, ordered, wanted, limit, refuse):
                full = f"{name}/{entry.name}"
                scene = self.scenes.get(full, full)
                item = EvalItem(name=full, scene=scene, condition=condition, degraded=degraded, clean=clean)
                word = ("seen" if self.seen[full] else "unseen") if full in self.seen else ""
                yield Shown(dataset=name, item=item, seen=word, source=entry.source)


def open_eval_images(
    choice: str,
    rules: Rules,
    *,
    root: Path | None = None,
    tasks: Sequence[Task] | None = None,
    trained_on: Mapping[str, Any] | None = None,
    note: Callable[[str], None] = lambda text: None,
    skip_bad: bool = False,
    limit: int | None = None,
) -> EvalImages:
    """The test images that `--data` names.

    Args:
        choice: `embedded`, `paper` (the field's test sets under `root`), or a folder: with test sets in it, with
            pairs (`datasets.pair_layouts`), or with clean images, which are degraded here.
        rules: the protocol; the embedded images follow `suite` alone; others than it give clean images noise alone.
        root: for `paper`.
        tasks: which tasks are asked for; all by default.
        trained_on: the data that a run was trained on, as its spec.json says: where it is the folder, the run's
            training images are marked.
        note: called with what takes a while, and with what is skipped.
        skip_bad: leave out files of a folder that can't be used.
        limit: at most so many images a set will be asked for: others are not decoded.

    Raises:
        ValueError: no such data, nothing in it to evaluate, or a protocol that does not fit.
    """
    if choice == "paper":
        if root is None:
            raise ValueError("--data paper needs --root FOLDER: where the data sets lie (python -m datasets list).")
        return _from_files(root, rules, tasks, note, training=root, limit=limit)
    if root is not None:
        raise ValueError(f"--root {root}: it goes with --data paper.")
    if choice == "embedded":
        _require_suite(rules)
        bundle = load_embedded()
        return Degraded(name=bundle.name, bundle=bundle, description=bundle.description)
    folder = Path(choice)
    if not folder.is_dir():
        raise ValueError(f"--data {choice!r}: 'embedded', 'paper' or the path of a folder of images is needed.")
    bad = BadFiles(skip=skip_bad, note=note, limit=limit)
    if _holds_sets(folder):
        return _from_files(folder, rules, tasks, note, training=folder, trained_on=trained_on, bad=bad, limit=limit)
    clean = open_clean_files(folder, trained_on, bad)
    if rules.name == "suite":
        return clean
    if tasks is not None and Task.NOISE not in tasks:
        raise ValueError(f"--protocol {rules.name} gives clean images noise alone; suite makes the rest.")
    entries = [
        Entry(name=name, clean=_reader(path), degraded=None, source=str(path)) for name, path in clean.files.items()
    ]
    return FileSets(
        description=clean.description.replace("all degradations synthetic", f"with noise of {rules.label}"),
        rules=rules,
        sets={clean.name: (Task.NOISE, entries)},
        seen={f"{clean.name}/{name}": word == "seen" for name, word in clean.seen.items()},
    )


def usual_protocol(choice: str) -> str:
    """`allinone` for images from files, as papers score them; `suite` for those that are degraded here."""
    return "allinone" if choice == "paper" or (choice != "embedded" and _holds_sets(Path(choice))) else "suite"


def _holds_sets(folder: Path) -> bool:
    """Whether there are test sets in the folder, or pairs; else it holds clean images."""
    try:
        return folder.is_dir() and bool(sets_to_score(folder))
    except NothingToScoreError:
        return False


def _require_suite(rules: Rules) -> None:
    if rules.name != "suite":
        raise ValueError(f"--protocol {rules.name} goes with images from files; images degraded here follow 'suite'.")


def _from_files(
    folder: Path,
    rules: Rules,
    tasks: Sequence[Task] | None,
    note: Callable[[str], None],
    *,
    training: Path,
    trained_on: Mapping[str, Any] | None = None,
    bad: BadFiles | None = None,
    limit: int | None = None,
) -> FileSets:
    stores = stored_sets(folder)
    sets = {name: each for name, each in _stored(stores).items() if tasks is None or each[0] in tasks}
    only = tasks[0] if tasks and len(tasks) == 1 else None
    try:
        found = sets_to_score(folder, only)
    except NothingToScoreError:
        if not sets:
            raise
        found = []
    remarks = [words for name, (_, entries) in sets.items() for words in part_note(catalog()[name], len(entries))]
    whole = {name: catalog()[name].count for name in sets}
    for each in found:
        if each.task is None:
            raise ValueError(f"--data {folder}: say with --tasks NAME which degradation its images show.")
        if each.name not in sets and (tasks is None or each.task in tasks):
            pairs = each.pairs if bad is None else bad.usable(each, rules.ordered)
            sets[each.name] = (each.task, _entries(pairs))
            whole |= {each.name: each.whole} if each.whole is not None else {}
            remarks += [words for words in each.notes if words not in remarks]
    if not sets:
        has = ", ".join(f"{each.name} ({each.task.name})" for each in found if each.task)
        raise ValueError(f"--data {folder}: it holds {has}, and nothing for {', '.join(t.name for t in tasks or ())}.")
    # the smaller choice of the same images: one of the two is enough
    if "sots-outdoor" in sets and "sots-outdoor-492" in sets:
        del sets["sots-outdoor-492"]
    counts = ", ".join(f"{name} ({len(entries)})" for name, (_, entries) in sets.items())
    test = {}
    for name, (_, entries) in sets.items():
        by_name = {entry.name: entry.clean for entry in entries}
        test[name] = thumbs_of({each: by_name[each] for each in rules.ordered(by_name)[:limit]})
    scenes, seen = scenes_of(test), seen_in_training(test, training, note)
    packed = stores_note([store for name, store in stores.items() if name in sets])
    words = "; ".join([f"{counts} under {rules.label}", *remarks, *([packed] if packed else [])])
    if seen:
        words += f"; {sum(seen.values())} of {len(seen)} images stand in training sets beside them"
    known = trained_images(folder, trained_on)
    if known is not None:
        seen = {f"{n}/{e.name}": (task, e.name) in known for n, (task, entries) in sets.items() for e in entries}
    partial = {n: whole[n] for n, (_, entries) in sets.items() if n in whole and len(entries) < whole[n]}
    return FileSets(description=words, rules=rules, sets=sets, scenes=scenes, seen=seen, partial=partial)


def _entries(pairs: Sequence[Pair]) -> list[Entry]:
    return [
        Entry(
            name=readable(pair.name),
            clean=_reader(pair.clean),
            degraded=_reader(pair.degraded) if pair.degraded else None,
            source=str(pair.degraded or pair.clean),
        )
        for pair in pairs
    ]


def _reader(path: Path) -> Callable[[], Pixels]:
    return lambda: read_rgb(path)


def _stored(stores: Mapping[str, PackedSet]) -> dict[str, tuple[Task, Sequence[Entry]]]:
    """The test sets that are packed."""
    packed: dict[str, tuple[Task, Sequence[Entry]]] = {}
    for name, store in stores.items():
        spec = catalog()[name]
        if spec.split == "test" and spec.task is not None:
            packed[name] = (
                spec.task,
                [
                    Entry(
                        name=image,
                        clean=lambda store=store, at=clean: store.checked(at),  # type: ignore[misc]
                        degraded=(lambda store=store, at=bad: store.checked(at)) if bad >= 0 else None,  # type: ignore[misc]
                    )
                    for image, bad, clean in store.pairs
                ],
            )
    return packed
