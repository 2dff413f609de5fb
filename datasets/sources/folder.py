"""Any folder of images as data: clean images that are degraded on the fly, or pairs of one or more tasks."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datasets.bundle import DataBundle, Pixels, Sample, Unread
from datasets.catalog.finder import Pair, find_sets
from datasets.console import readable
from datasets.noise import content_hash
from datasets.pairs.layouts import find_pair_sets, fitting, image_files, pair_notes, part_of, require_partners
from datasets.pairs.names import PairSet, require_one_of_a_name
from datasets.pairs.unnamed import refuse_unnamed_pairs
from datasets.readers import ImageRefused, passed_over, read_rgb, read_size
from datasets.sources.embedded import smooth_depth
from datasets.sources.folder_split import (
    USUAL_SPLIT,
    FolderSplit,
    Split,
    has_own_split,
    split_by_count,
    split_by_folders,
)
from datasets.tasks import Task, known_tasks

_SMALLEST = 32
_SHOWN = 20
_CLEAN_BYTES, _PAIR_BYTES = 3 + 4, 3 + 3  # a pixel's colours and depth; its colours twice


def load_folder(
    path: str | Path,
    *,
    tasks: Sequence[Task] = (),
    split: Split | None = None,
    skip_bad: bool = False,
    keep_bytes: int | None = None,
) -> DataBundle:
    """The images under a folder, with the folder's own train, val and test where it has them.

    Pairs (`datasets.pairs.layouts`) serve the task that their folders' names say, or the one that is told. Everything
    else is clean images, degraded on the fly. Without a split of its own the folder is split by count, 80 / 10 / 10, at
    least one image each, in the order of the hash of the images' content: the choice does not depend on names, and
    copies never stand on two sides.

    Args:
        path: the folder.
        tasks: what the user said; matters for pairs alone.
        split: percentages to train on, validate and test.
        skip_bad: leave out files that can't be used, and name them in the description.
        keep_bytes: of decoded images that stay in memory; all by default. The others' samples have sizes alone
            (`Sample.unread`): one at a time is decoded, and once more for the checksum.

    Raises:
        ValueError: no such folder, fewer than three different images, more than fit in memory, pairs that are not named
            as such or whose task isn't known, or files that can't be used: all of them named.
    """
    root = Path(path)
    if not root.is_dir():
        raise ValueError(f"{root} is no folder: give one that holds images.")
    read = _Reading(root=root, skip_bad=skip_bad, room=keep_bytes)
    sets = fitting(find_pair_sets(root, tasks), tasks, root)
    if sets:
        _refuse_known(root)
    try:
        samples, notes = _pairs(read, sets) if sets else _clean(read)
    except MemoryError:
        raise ValueError(f"{root}: its images do not fit in memory decoded: give fewer or smaller ones.") from None
    notes += [*read.report(), *filter(None, [passed_over(root)])]
    if len({sample.scene for sample, _ in samples}) < 3:
        different = len({sample.scene for sample, _ in samples})
        raise ValueError(
            f"{root} holds {different} different images; three are needed: to train, to validate and to test."
            + "".join(f" It has {note}." for note in notes)
        )
    own = any(part for _, part in samples)
    if own and split is not None:
        raise ValueError(f"--split: {root} has train/, val/ or test/ of its own, which are kept; leave it out.")
    sides = split_by_folders(samples, root) if own else split_by_count([s for s, _ in samples], split or USUAL_SPLIT)
    return _bundle(root, sides, notes, sets)


def _bundle(root: Path, sides: FolderSplit, notes: Sequence[str], sets: Sequence[PairSet]) -> DataBundle:
    name = readable(root.resolve().name) or "folder"
    counts = f"{len(sides.train)} images to train on, {len(sides.val)} to validate, {len(sides.test)} to test"
    served = {c for sample in sides.train for c in sample.conditions}
    kind = "all degradations synthetic"
    if sets:
        kind = f"pairs of files, for {', '.join(dict.fromkeys(each.task.name for each in sets if each.task))} alone"
    return DataBundle(
        name=name,
        description=readable("; ".join([f"{counts}, from the folder {name}, {sides.how}; {kind}", *notes])),
        train=sides.train,
        val=sides.val,
        test=sides.test,
        conditions=tuple(c for task in known_tasks() for c in task.conditions if c in served),
    )


def _refuse_known(root: Path) -> None:
    """Several sets of the field side by side are another kind of data, with rules and test sets of their own."""
    known = [found.spec.name for found in find_sets(root) if found.spec.split != "none" and found.spec.paired]
    if len(known) > 1:
        raise ValueError(
            f"{root} holds the field's sets {', '.join(known)}: train on them with --data paper --root {root}, or give "
            "one folder of pairs."
        )


@dataclass(kw_only=True)
class _Reading:
    """Decodes the files of a folder and collects what can't be used; `room`: bytes that may be kept, None for all."""

    root: Path
    skip_bad: bool
    room: int | None
    faults: list[str] = field(default_factory=list)

    def pixels(self, path: Path) -> Pixels | None:
        try:
            pixels = read_rgb(path)
        except ImageRefused as refused:
            self.refuse(path, refused.reason)
            return None
        if min(pixels.shape[:2]) < _SMALLEST:
            self.refuse(path, f"{pixels.shape[1]}x{pixels.shape[0]}, under {_SMALLEST} px")
            return None
        return pixels

    def keeps(self, count: int) -> bool:
        """Whether there is room for so many bytes, which are taken then."""
        if self.room is None:
            return True
        fits = count <= self.room
        self.room -= count if fits else 0
        return fits

    def refuse(self, path: Path, reason: str) -> None:
        fault = readable(f"{path.relative_to(self.root)}: {reason}")
        if fault not in self.faults:  # a clean image is decoded again for its second view
            self.faults.append(fault)

    def report(self) -> list[str]:
        """What was skipped, for the description.

        Raises:
            ValueError: files can't be used, and nobody said to skip them.
        """
        if not self.faults:
            return []
        more = f" and {len(self.faults) - _SHOWN} more" if len(self.faults) > _SHOWN else ""
        named = "; ".join(self.faults[:_SHOWN]) + more
        if self.skip_bad:
            return [f"{len(self.faults)} files skipped ({named})"]
        raise ValueError(
            f"{len(self.faults)} files of {self.root} can't be used: {named}. Mend or move them, or use --skip-bad."
        )


def _clean(read: _Reading) -> tuple[list[tuple[Sample, str]], list[str]]:
    """A sample for each different image, with the part that its topmost folder names."""
    files = image_files(read.root)
    require_one_of_a_name(read.root, files)
    refuse_unnamed_pairs(read.root, files)
    _require_memory(read.root, files, _CLEAN_BYTES)
    found: dict[tuple[str, str], Sample] = {}
    copies = 0
    own = has_own_split({part_of(read.root, path) for path in files})
    for path in files:
        pixels = read.pixels(path)
        if pixels is None:
            continue
        part = part_of(read.root, path) if own else ""
        content = content_hash(pixels)
        name = readable(path.relative_to(read.root).as_posix())
        if (part, content) in found:
            copies += 1
        elif read.keeps(pixels.shape[0] * pixels.shape[1] * _CLEAN_BYTES):
            depth = smooth_depth(pixels)
            found[part, content] = Sample(name=name, scene=name, clean=pixels, depth=depth, source=name)
        else:
            unread = Unread(content=content, read=partial(_clean_arrays, path))
            clean, depth = _sizes(pixels), np.broadcast_to(np.float32(0), pixels.shape[:2])
            found[part, content] = Sample(name=name, scene=name, clean=clean, depth=depth, source=name, unread=unread)
    notes = [f"{copies} copies of other images left out"] if copies else []
    return [(sample, part) for (part, _), sample in found.items()], notes


def _pairs(read: _Reading, sets: Sequence[PairSet]) -> tuple[list[tuple[Sample, str]], list[str]]:
    """A sample for each pair, with its part; views of one clean image are one scene, and so is a sequence of blur."""
    if not read.skip_bad:
        require_partners(read.root, sets)
    notes = pair_notes(read.root, sets)
    unknown = next((each for each in sets if each.task is None), None)
    if unknown is not None:
        known = ", ".join(task.name for task in known_tasks())
        raise ValueError(
            f"{read.root} holds pairs ({unknown.places[0]}): say with --tasks which degradation they show: {known}."
        )
    _refuse_noisy(read.root, [each for each in sets if each.task is Task.NOISE])
    levels = next((each.task for each in sets if each.task and each.task.strengths), None)
    if levels is not None:
        raise ValueError(
            f"{read.root} holds pairs ({sets[0].places[0]}), and the prompts of {levels.name} name strengths, which "
            "files do not: train with the clean images alone, which are degraded here."
        )
    _require_memory(read.root, [pair.clean for each in sets for pair in each.pairs], _PAIR_BYTES)
    samples: list[tuple[Sample, str]] = []
    several = len({each.task for each in sets}) > 1
    own = has_own_split({each.part for each in sets})
    first_name: dict[str, str] = {}  # of the clean images of one content
    for each in sets:
        assert each.task is not None
        for path in each.unpaired:
            read.refuse(path, "no clean partner")
        cleans: dict[Path, tuple[Pixels | None, str]] = {}
        for pair in each.pairs:
            if pair.clean not in cleans:
                if read.room is not None:
                    cleans.clear()  # one at a time
                pixels = read.pixels(pair.clean)
                cleans[pair.clean] = pixels, "" if pixels is None else content_hash(pixels)
            clean, content = cleans[pair.clean]
            scene = first_name.setdefault(content, readable(pair.clean.relative_to(read.root).as_posix()))
            if each.task is Task.BLUR and "/" in pair.name:
                scene = readable(f"{each.part}:{pair.name.rpartition('/')[0]}")
            sample = _pair(read, each.task, pair, clean, content, scene)
            if sample is not None:
                name = f"{each.task.name}/{sample.name}" if several else sample.name
                if each.part and not own:
                    name = f"{each.part}/{name}"
                samples.append((replace(sample, name=name), each.part if own else ""))
    return samples, notes


def _refuse_noisy(root: Path, sets: Sequence[PairSet]) -> None:
    """Prompts name a level of noise, which files of real noise do not have: they are scored, never trained on."""
    if not sets:
        return
    pairs = [pair for each in sets for pair in each.pairs]
    clean = {pair.clean.parent for pair in pairs}
    apart = len(clean) == 1 and not clean & {pair.degraded.parent for pair in pairs if pair.degraded}
    where = f"--data {clean.pop()}" if apart else "--data FOLDER, one of the clean images alone"
    raise ValueError(
        f"{root} holds noisy images beside clean ones ({sets[0].places[0]}): for training, noise is drawn here, at the "
        f"levels that prompts name. Train with {where}; ablations.evaluate --data {root} --tasks noise-25 scores the "
        "noisy ones."
    )


def _pair(read: _Reading, task: Task, pair: Pair, clean: Pixels | None, content: str, scene: str) -> Sample | None:
    assert pair.degraded is not None
    degraded = read.pixels(pair.degraded)
    if clean is None or degraded is None:
        return None
    if clean.shape != degraded.shape:
        sizes = " and ".join(f"{image.shape[1]}x{image.shape[0]}" for image in (degraded, clean))
        read.refuse(pair.degraded, f"degraded and clean differ in size: {sizes}")
        return None
    served = task.conditions
    unread = None
    if not read.keeps(clean.nbytes + degraded.nbytes):
        unread = Unread(content=content, read=partial(_pair_arrays, pair))
        clean, degraded = _sizes(clean), _sizes(degraded)
    return Sample(
        name=readable(pair.name),
        scene=scene,
        clean=clean,
        degraded=degraded,
        conditions=served,
        source=readable(pair.name),
        unread=unread,
    )


def _sizes(pixels: Pixels) -> Pixels:
    """An array of this shape that takes no memory."""
    return np.broadcast_to(np.uint8(0), pixels.shape)


def _clean_arrays(path: Path) -> dict[str, NDArray[Any]]:
    pixels = read_rgb(path)
    return {"clean": pixels, "depth": smooth_depth(pixels)}


def _pair_arrays(pair: Pair) -> dict[str, NDArray[Any]]:
    assert pair.degraded is not None
    return {"clean": read_rgb(pair.clean), "degraded": read_rgb(pair.degraded)}


def _require_memory(root: Path, files: Iterable[Path], bytes_a_pixel: int) -> None:
    """Refuse, from the files' headers, what would fill the memory."""
    size = 0
    for path in files:
        try:
            height, width = read_size(path)
        except ImageRefused:
            continue  # it is named with the others when it is decoded
        size += height * width * bytes_a_pixel
    limit = memory_limit()
    if size > limit:
        raise ValueError(
            f"{root}: its images take {size / 1e9:.1f} GB decoded, and {limit / 1e9:.1f} GB may be used here (half of "
            "what is free): give fewer or smaller images, such as crops of 512 px; known sets can be packed "
            "(`python -m datasets pack`)."
        )


def memory_limit() -> int:
    """Bytes that decoded images may take: half of what the machine, its control group and its limits leave free."""
    free = [16 << 30]
    try:
        with Path("/proc/meminfo").open(encoding="ascii") as lines:
            free = [int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:")] or free
        group = Path("/sys/fs/cgroup")
        most = (group / "memory.max").read_text(encoding="ascii").strip()
        if most.isdecimal():
            free.append(int(most) - int((group / "memory.current").read_text(encoding="ascii")))
    except (OSError, ValueError):
        pass
    if sys.platform.startswith("linux"):
        import resource

        soft, _ = resource.getrlimit(resource.RLIMIT_AS)
        if soft != resource.RLIM_INFINITY:
            used = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
            free.append(soft - used)
    return max(min(free), 0) // 2
