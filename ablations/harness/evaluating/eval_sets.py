"""Test images for a checkpoint that was trained elsewhere: no training images are needed, and none are used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ablations.harness.evaluating.eval_items import Entry, Refuse, end, noisy, paired
from ablations.harness.evaluating.resemblance import scenes_of, seen_in_training, thumbs_of
from datasets.catalog import catalog
from datasets.console import readable
from datasets.corpus import DataBundle, EvalItem, Pixels, Sample
from datasets.embedded import load_embedded, smooth_depth
from datasets.folder import load_folder
from datasets.loading import stored_sets
from datasets.protocols import Protocol as Rules
from datasets.readers import ImageRefused, is_image_name, read_rgb
from datasets.score import ScoreSet, sets_to_score
from datasets.tasks import CONDITIONS, Condition, Task


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One image to restore: its set, the image itself, `seen`, `unseen` or nothing where nobody knows, and its file."""

    dataset: str
    item: EvalItem
    seen: str = ""
    source: str = ""


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
    conditions: tuple[Condition, ...] = CONDITIONS

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
    """

    description: str
    rules: Rules
    sets: Mapping[str, tuple[Task, Sequence[Entry]]]
    scenes: Mapping[str, str] = field(default_factory=dict)
    seen: Mapping[str, bool] = field(default_factory=dict)

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """Those of the sets' tasks, noise at the levels that the protocol draws."""
        tasks = {task for task, _ in self.sets.values()}
        drawn = self.rules.noise.sigmas_255 if self.rules.noise.depends_on_order else None
        return tuple(
            c for c in CONDITIONS if c.task in tasks and (c.sigma_255 is None or drawn is None or c.sigma_255 in drawn)
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
    trained_on: str = "",
    note: Callable[[str], None] = lambda text: None,
) -> EvalImages:
    """The test images that `--data` names.

    Args:
        choice: `embedded`, `paper` (the field's test sets under `root`), or a folder: with test sets in it, with
            `degraded/` and `clean/`, or with clean images, which are degraded here.
        rules: the protocol; images degraded here follow `suite` alone.
        root: for `paper`.
        tasks: which tasks are asked for; all by default.
        trained_on: checksum of the data that a run was trained on: where it is the folder's, the run's training
            images are marked.
        note: called with what takes a while.

    Raises:
        ValueError: no such data, nothing in it to evaluate, or a protocol that does not fit.
    """
    if choice == "paper":
        if root is None:
            raise ValueError("--data paper needs --root FOLDER: where the data sets lie (python -m datasets list).")
        return _from_files(root, rules, tasks, note, training=root)
    if root is not None:
        raise ValueError(f"--root {root}: it goes with --data paper.")
    if choice == "embedded":
        _require_suite(rules)
        bundle = load_embedded()
        return Degraded(name=bundle.name, bundle=bundle, description=bundle.description)
    folder = Path(choice)
    if not folder.is_dir():
        raise ValueError(f"--data {choice!r}: 'embedded', 'paper' or the path of a folder of images is needed.")
    if _holds_sets(folder):
        return _from_files(folder, rules, tasks, note, training=folder)
    _require_suite(rules)
    return _clean_folder(folder, trained_on)


def usual_protocol(choice: str) -> str:
    """`allinone` for images from files, as papers score them; `suite` for those that are degraded here."""
    return "allinone" if choice == "paper" or (choice != "embedded" and _holds_sets(Path(choice))) else "suite"


def _holds_sets(folder: Path) -> bool:
    """Whether there are test sets in the folder, or pairs; else it holds clean images."""
    try:
        return folder.is_dir() and bool(sets_to_score(folder))
    except ValueError:
        return False


def _require_suite(rules: Rules) -> None:
    if rules.name != "suite":
        raise ValueError(f"--protocol {rules.name} goes with images from files; images degraded here follow 'suite'.")


def _clean_folder(folder: Path, trained_on: str) -> Degraded:
    """Every image of a folder, degraded here."""
    samples, faults = [], []
    for path in sorted(p for p in folder.rglob("*") if is_image_name(p) and not p.is_dir()):
        name = readable(path.relative_to(folder).as_posix())
        try:
            pixels = read_rgb(path)
        except ImageRefused as refused:
            faults.append(f"{name}: {refused.reason}")
            continue
        samples.append(Sample(name=name, scene=name, clean=pixels, depth=smooth_depth(pixels), source=name))
    if faults or not samples:
        found = "; ".join(faults[:20]) or "no image in it"
        raise ValueError(f"--data {folder}: {len(faults)} files can't be used ({found}). Mend or move them.")
    name = folder.resolve().name or "folder"
    words = f"{len(samples)} images of the folder {name}; all degradations synthetic"
    bundle = DataBundle(name=name, description=words, train=(), val=(), test=tuple(samples))
    seen = _sides(folder, samples) if trained_on and trained_on == load_folder(folder).checksum else {}
    return Degraded(name=name, bundle=bundle, description=words, seen=seen)


def _sides(folder: Path, samples: Sequence[Sample]) -> dict[str, str]:
    """Which images the run was trained on: the folder's own split."""
    train = {sample.name for sample in load_folder(folder).train}
    return {sample.name: "seen" if sample.name in train else "unseen" for sample in samples}


def _from_files(
    folder: Path, rules: Rules, tasks: Sequence[Task] | None, note: Callable[[str], None], *, training: Path
) -> FileSets:
    sets = {name: each for name, each in _stored(folder).items() if tasks is None or each[0] in tasks}
    only = tasks[0] if tasks and len(tasks) == 1 else None
    try:
        found = sets_to_score(folder, only)
    except ValueError:
        if not sets:
            raise
        found = []
    for each in found:
        if each.task is None:
            raise ValueError(f"--data {folder}: say with --tasks NAME which degradation its images show.")
        if each.name not in sets and (tasks is None or each.task in tasks):
            sets[each.name] = (each.task, _entries(each))
    # the smaller choice of the same images: one of the two is enough
    if "sots-outdoor" in sets and "sots-outdoor-492" in sets:
        del sets["sots-outdoor-492"]
    counts = ", ".join(f"{name} ({len(entries)})" for name, (_, entries) in sets.items())
    test = {name: thumbs_of({e.name: e.clean for e in entries}) for name, (_, entries) in sets.items()}
    scenes, seen = scenes_of(test), seen_in_training(test, training, note)
    words = f"{counts} under {rules.label}"
    if seen:
        words += f"; {sum(seen.values())} of {len(seen)} images stand in training sets beside them"
    return FileSets(description=words, rules=rules, sets=sets, scenes=scenes, seen=seen)


def _entries(images: ScoreSet) -> list[Entry]:
    return [
        Entry(
            name=pair.name,
            clean=_reader(pair.clean),
            degraded=_reader(pair.degraded) if pair.degraded else None,
            source=str(pair.degraded or pair.clean),
        )
        for pair in images.pairs
    ]


def _reader(path: Path) -> Callable[[], Pixels]:
    return lambda: read_rgb(path)


def _stored(root: Path) -> dict[str, tuple[Task, Sequence[Entry]]]:
    """The test sets that are packed."""
    packed: dict[str, tuple[Task, Sequence[Entry]]] = {}
    for name, store in stored_sets(root).items():
        spec = catalog()[name]
        if spec.split == "test" and spec.task is not None:
            packed[name] = (
                spec.task,
                [
                    Entry(
                        name=image,
                        clean=lambda store=store, at=clean: store.image(at),  # type: ignore[misc]
                        degraded=(lambda store=store, at=bad: store.image(at)) if bad >= 0 else None,  # type: ignore[misc]
                    )
                    for image, bad, clean in store.pairs
                ],
            )
    return packed
