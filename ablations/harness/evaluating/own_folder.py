"""A folder of the user's own to evaluate on: clean images, read when they are needed, and files that can't be used."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ablations.cli import counted
from ablations.harness.evaluating.eval_items import Refuse, end
from datasets.bundle import EvalItem, Sample, eval_item
from datasets.console import readable
from datasets.embedded import smooth_depth
from datasets.finder import Pair
from datasets.folder import load_folder
from datasets.pair_layouts import image_files, require_one_of_a_name, tested_files
from datasets.pair_suspects import refuse_unnamed_pairs
from datasets.readers import ImageRefused, passed_over, read_rgb, read_size
from datasets.score import ScoreSet
from datasets.tasks import Condition, Task, made_here, task_named

_SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One image to restore: its set, the image itself, `seen`, `unseen` or nothing where nobody knows, and its file."""

    dataset: str
    item: EvalItem
    seen: str = ""
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class CleanFiles:
    """Clean image files degraded here, by the suite's own protocol; one is in memory at a time.

    Attributes:
        name: the folder's.
        description: for the reader.
        files: image -> its file.
        seen: image -> `seen` or `unseen`; empty where nobody knows.
        conditions: what they can serve.
    """

    name: str
    description: str
    files: Mapping[str, Path]
    seen: Mapping[str, str]
    conditions: tuple[Condition, ...] = field(default_factory=made_here)

    def items(self, conditions: Sequence[Condition], limit: int | None, refuse: Refuse = end) -> Iterator[Shown]:
        """See `EvalImages`."""
        for condition in conditions:
            for name, path in list(self.files.items())[:limit]:
                try:
                    pixels = read_rgb(path)
                except ImageRefused as refused:
                    refuse(str(path), condition.name, refused.reason)
                    continue
                depth = smooth_depth(pixels) if condition.task is Task.HAZE else None
                sample = Sample(name=name, scene=name, clean=pixels, depth=depth, source=name)
                seen = self.seen.get(name, "")
                yield Shown(dataset=self.name, item=eval_item(sample, condition), seen=seen, source=str(path))


@dataclass(frozen=True, kw_only=True)
class BadFiles:
    """What to do with files that can't be used: refuse all of them in one line, or skip and name them.

    Attributes:
        skip: whether they are skipped.
        note: called with what is skipped.
        limit: how many images of a set are wanted; those after them are not looked at. None for all.
    """

    skip: bool
    note: Callable[[str], None]
    limit: int | None = None

    def looks(self, usable: int) -> bool:
        """Whether files are still to be decoded once, with so many found usable."""
        return self.skip and (self.limit is None or usable < self.limit)

    def usable(self, images: ScoreSet, order: Callable[[Iterable[str]], list[str]]) -> tuple[Pair, ...]:
        """The pairs of a set that can be used, in the protocol's order: with `skip`, files are decoded once.

        Raises:
            ValueError: degraded images without a partner, and nothing may be skipped; or nothing is left.
        """
        faults = [f"{file}: {reason}" for file, reason in images.refused]
        kept: list[Pair] = []
        by_name = {pair.name: pair for pair in images.pairs}
        for pair in (by_name[name] for name in order(by_name)):
            fault = _fault(pair) if self.looks(len(kept)) else ""
            faults += [fault] if fault else []
            kept += [] if fault else [pair]
        self.judge(faults, images.name, left=len(kept))
        return tuple(kept)

    def judge(self, faults: Sequence[str], where: str, *, left: int) -> None:
        """Say what is skipped.

        Raises:
            ValueError: there are faults and nothing may be skipped; or nothing is left.
        """
        more = f" and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        named = "; ".join(faults[:_SHOWN]) + more
        if not left:
            raise ValueError(f"--data {where}: no image in it can be used{f' ({named})' if named else ''}.")
        if faults and not self.skip:
            raise ValueError(
                f"--data {where}: {len(faults)} files can't be used ({named}). Mend or move them, or use --skip-bad."
            )
        if faults:
            self.note(f"{where}: {len(faults)} files skipped ({named})")


def open_clean_files(folder: Path, trained_on: Mapping[str, Any] | None, bad: BadFiles) -> CleanFiles:
    """Every image of a folder, from its header; nothing is decoded unless bad files are to be skipped.

    Args:
        folder: the user's.
        trained_on: the data of the run that is evaluated, as its spec.json says.
        bad: what to do with files that can't be used.

    Raises:
        ValueError: no image, two of one name, files that can't be used, or pairs that are not named as such.
    """
    files: dict[str, Path] = {}
    faults = []
    found = image_files(folder)
    require_one_of_a_name(folder, found)
    refuse_unnamed_pairs(folder, found)
    others = passed_over(folder)
    found, left = tested_files(folder, found)
    for path in found:
        name = readable(path.relative_to(folder).as_posix())
        try:
            _ = read_rgb(path) if bad.looks(len(files)) else read_size(path)
        except ImageRefused as refused:
            faults.append(f"{name}: {refused.reason}")
        else:
            files[name] = path
    if not found:
        raise ValueError(f"--data {folder}: no image in it{f' that is read here ({others})' if others else ''}.")
    bad.judge(faults, str(folder), left=len(files))
    name = folder.resolve().name or "folder"
    scored = f"{counted(len(files), 'image')} of the folder {name}"
    words = "; ".join([scored, "all degradations synthetic", *filter(None, (left, others))])
    known = trained_images(folder, trained_on)
    seen = {} if known is None else {each: "seen" if (None, each) in known else "unseen" for each in files}
    return CleanFiles(name=name, description=words, files=files, seen=seen)


def trained_images(folder: Path, trained_on: Mapping[str, Any] | None) -> set[tuple[Task | None, str]] | None:
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


def _fault(pair: Pair) -> str:
    try:
        clean = read_rgb(pair.clean)
        if pair.degraded is not None and (shape := read_rgb(pair.degraded).shape) != clean.shape:
            return f"{pair.degraded}: {shape[1]}x{shape[0]}, its clean partner is {clean.shape[1]}x{clean.shape[0]}"
    except ImageRefused as refused:
        return f"{refused.path}: {refused.reason}"
    return ""
