"""Any folder of images as data: clean images that are degraded on the fly, or pairs of one or more tasks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datasets.bundle import DataBundle, LazyPixels, Pixels, Sample
from datasets.catalog.finder import Pair, find_sets
from datasets.console import readable
from datasets.noise import content_hash
from datasets.pairs.layouts import (
    find_pair_sets,
    image_files,
    pair_notes,
    require_partners,
    select_tasks,
    split_of_file,
)
from datasets.pairs.names import PairSet, refuse_duplicate_names
from datasets.pairs.unnamed import refuse_unnamed_pairs
from datasets.readers import ImageRefused, read_rgb, read_size, unread_formats_note
from datasets.sources.embedded import smooth_depth
from datasets.sources.folder_split import (
    DEFAULT_PERCENTAGES,
    FolderSplit,
    Percentages,
    has_split_folders,
    split_by_count,
    split_by_folders,
)
from datasets.sources.memory import memory_limit
from datasets.tasks import Task, known_tasks

_SMALLEST = 32
_MAX_LISTED = 20
_CLEAN_BYTES, _PAIR_BYTES = 3 + 4, 3 + 3  # a pixel's colours and depth; its colours twice


def load_folder(
    path: str | Path,
    *,
    tasks: Sequence[Task] = (),
    split: Percentages | None = None,
    skip_bad: bool = False,
    keep_bytes: int | None = None,
) -> DataBundle:
    """The images under a folder, with the folder's own train, val and test where it has them.

    Pairs (`datasets.pairs.layouts`) serve the task that their folders' names say, or the requested one. Everything else
    is clean images, degraded on the fly. Without a split of its own the folder is split by count, 80 / 10 / 10, at
    least one image each, in the order of the hash of the images' content: the choice does not depend on names, and
    copies never stand on two sides.

    Args:
        path: the folder.
        tasks: requested by the user; matter for pairs alone.
        split: percentages to train on, validate and test.
        skip_bad: leave out files that can't be used, and name them in the description.
        keep_bytes: of decoded images that stay in memory; all by default. The others' samples have sizes alone
            (`Sample.lazy`): one at a time is decoded, and once more for the checksum.

    Raises:
        ValueError: no such folder, fewer than three different images, more than fit in memory, pairs that are not named
            as such or whose task isn't known, or files that can't be used: all of them named.
    """
    root = Path(path)
    if not root.is_dir():
        raise ValueError(f"{root} is no folder: give one that holds images.")
    reader = _FolderReader(root=root, skip_bad=skip_bad, free_bytes=keep_bytes)
    sets = select_tasks(find_pair_sets(root, tasks), tasks, root)
    if sets:
        _refuse_catalogue_sets(root)
    try:
        samples, notes = _pairs(reader, sets) if sets else _clean(reader)
    except MemoryError:
        raise ValueError(f"{root}: its images do not fit in memory decoded: give fewer or smaller ones.") from None
    notes += [*reader.fault_notes(), *filter(None, [unread_formats_note(root)])]
    if len({sample.scene for sample, _ in samples}) < 3:
        different = len({sample.scene for sample, _ in samples})
        raise ValueError(
            f"{root} holds {different} different images; three are needed: to train, to validate and to test."
            + "".join(f" It has {note}." for note in notes)
        )
    has_split = any(split_name for _, split_name in samples)
    if has_split and split is not None:
        raise ValueError(f"--split: {root} has train/, val/ or test/ of its own, which are kept; leave it out.")
    split_samples = (
        split_by_folders(samples, root)
        if has_split
        else split_by_count([s for s, _ in samples], split or DEFAULT_PERCENTAGES)
    )
    return _bundle(root, split_samples, notes, sets)


def _bundle(root: Path, split_samples: FolderSplit, notes: Sequence[str], sets: Sequence[PairSet]) -> DataBundle:
    name = readable(root.resolve().name) or "folder"
    train, val, test = split_samples.train, split_samples.val, split_samples.test
    counts = f"{len(train)} images to train on, {len(val)} to validate, {len(test)} to test"
    served = {c for sample in train for c in sample.conditions}
    kind = "all degradations synthetic"
    if sets:
        task_names = dict.fromkeys(pair_set.task.name for pair_set in sets if pair_set.task)
        kind = f"pairs of files, for {', '.join(task_names)} alone"
    return DataBundle(
        name=name,
        description=readable(
            "; ".join([f"{counts}, from the folder {name}, {split_samples.description}; {kind}", *notes])
        ),
        train=train,
        val=val,
        test=test,
        conditions=tuple(c for task in known_tasks() for c in task.conditions if c in served),
    )


def _refuse_catalogue_sets(root: Path) -> None:
    """Several sets of the field side by side are another kind of data, with rules and test sets of their own."""
    set_names = [local.spec.name for local in find_sets(root) if local.spec.split != "none" and local.spec.paired]
    if len(set_names) > 1:
        raise ValueError(
            f"{root} holds the field's sets {', '.join(set_names)}: train on them with --data paper --root {root}, or "
            "give one folder of pairs."
        )


@dataclass(kw_only=True)
class _FolderReader:
    """Decodes the files of a folder and collects faults; `free_bytes` of pixels may stay in memory (None: all)."""

    root: Path
    skip_bad: bool
    free_bytes: int | None
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

    def reserve(self, count: int) -> bool:
        """Whether so many bytes are free; they are taken then."""
        if self.free_bytes is None:
            return True
        fits = count <= self.free_bytes
        self.free_bytes -= count if fits else 0
        return fits

    def refuse(self, path: Path, reason: str) -> None:
        fault = readable(f"{path.relative_to(self.root)}: {reason}")
        if fault not in self.faults:  # a clean image is decoded again for its second view
            self.faults.append(fault)

    def fault_notes(self) -> list[str]:
        """What was skipped, for the description.

        Raises:
            ValueError: files can't be used and are not to be skipped.
        """
        if not self.faults:
            return []
        more = f" and {len(self.faults) - _MAX_LISTED} more" if len(self.faults) > _MAX_LISTED else ""
        named = "; ".join(self.faults[:_MAX_LISTED]) + more
        if self.skip_bad:
            return [f"{len(self.faults)} files skipped ({named})"]
        raise ValueError(
            f"{len(self.faults)} files of {self.root} can't be used: {named}. Fix or move them, or use --skip-bad."
        )


def _clean(reader: _FolderReader) -> tuple[list[tuple[Sample, str]], list[str]]:
    """A sample for each different image, with the split that its topmost folder names."""
    files = image_files(reader.root)
    refuse_duplicate_names(reader.root, files)
    refuse_unnamed_pairs(reader.root, files)
    _require_memory(reader.root, files, _CLEAN_BYTES)
    samples: dict[tuple[str, str], Sample] = {}
    copies = 0
    has_split = has_split_folders({split_of_file(reader.root, path) for path in files})
    for path in files:
        pixels = reader.pixels(path)
        if pixels is None:
            continue
        split_name = split_of_file(reader.root, path) if has_split else ""
        content = content_hash(pixels)
        name = readable(path.relative_to(reader.root).as_posix())
        if (split_name, content) in samples:
            copies += 1
        elif reader.reserve(pixels.shape[0] * pixels.shape[1] * _CLEAN_BYTES):
            depth = smooth_depth(pixels)
            samples[split_name, content] = Sample(name=name, scene=name, clean=pixels, depth=depth, source=name)
        else:
            lazy = LazyPixels(content=content, read=partial(_clean_arrays, path))
            clean, depth = _placeholder(pixels), np.broadcast_to(np.float32(0), pixels.shape[:2])
            samples[split_name, content] = Sample(
                name=name, scene=name, clean=clean, depth=depth, source=name, lazy=lazy
            )
    notes = [f"{copies} copies of other images left out"] if copies else []
    return [(sample, split_name) for (split_name, _), sample in samples.items()], notes


def _pairs(reader: _FolderReader, sets: Sequence[PairSet]) -> tuple[list[tuple[Sample, str]], list[str]]:
    """A sample for each pair, with its split; views of one clean image are one scene, and so is a sequence of blur."""
    if not reader.skip_bad:
        require_partners(reader.root, sets)
    notes = pair_notes(reader.root, sets)
    unknown = next((pair_set for pair_set in sets if pair_set.task is None), None)
    if unknown is not None:
        task_names = ", ".join(task.name for task in known_tasks())
        raise ValueError(
            f"{reader.root} holds pairs ({unknown.places[0]}): say with --tasks which degradation they show: "
            f"{task_names}."
        )
    _refuse_noise_pairs(reader.root, [pair_set for pair_set in sets if pair_set.task is Task.NOISE])
    levels = next((pair_set.task for pair_set in sets if pair_set.task and pair_set.task.strengths), None)
    if levels is not None:
        raise ValueError(
            f"{reader.root} holds pairs ({sets[0].places[0]}), and the prompts of {levels.name} name strengths, which "
            "files do not: train with the clean images alone, which are degraded here."
        )
    _require_memory(reader.root, [pair.clean for pair_set in sets for pair in pair_set.pairs], _PAIR_BYTES)
    samples: list[tuple[Sample, str]] = []
    several = len({pair_set.task for pair_set in sets}) > 1
    has_split = has_split_folders({pair_set.split for pair_set in sets})
    first_name: dict[str, str] = {}  # of the clean images of one content
    for pair_set in sets:
        assert pair_set.task is not None
        for path in pair_set.unpaired_degraded:
            reader.refuse(path, "no clean partner")
        cleans: dict[Path, tuple[Pixels | None, str]] = {}
        for pair in pair_set.pairs:
            if pair.clean not in cleans:
                if reader.free_bytes is not None:
                    cleans.clear()  # one at a time
                pixels = reader.pixels(pair.clean)
                cleans[pair.clean] = pixels, "" if pixels is None else content_hash(pixels)
            clean, content = cleans[pair.clean]
            scene = first_name.setdefault(content, readable(pair.clean.relative_to(reader.root).as_posix()))
            if pair_set.task is Task.BLUR and "/" in pair.name:
                scene = readable(f"{pair_set.split}:{pair.name.rpartition('/')[0]}")
            sample = _pair(reader, pair_set.task, pair, clean, content, scene)
            if sample is not None:
                name = f"{pair_set.task.name}/{sample.name}" if several else sample.name
                if pair_set.split and not has_split:
                    name = f"{pair_set.split}/{name}"
                samples.append((replace(sample, name=name), pair_set.split if has_split else ""))
    return samples, notes


def _refuse_noise_pairs(root: Path, sets: Sequence[PairSet]) -> None:
    """Prompts name a level of noise, which files of real noise do not have: they are scored, never trained on."""
    if not sets:
        return
    pairs = [pair for pair_set in sets for pair in pair_set.pairs]
    clean = {pair.clean.parent for pair in pairs}
    separate_folders = len(clean) == 1 and not clean & {pair.degraded.parent for pair in pairs if pair.degraded}
    data_option = f"--data {clean.pop()}" if separate_folders else "--data FOLDER, one of the clean images alone"
    raise ValueError(
        f"{root} holds noisy images beside clean ones ({sets[0].places[0]}): for training, noise is drawn here, at the "
        f"levels that prompts name. Train with {data_option}; ablations.evaluate --data {root} --tasks noise-25 scores "
        "the noisy ones."
    )


def _pair(
    reader: _FolderReader, task: Task, pair: Pair, clean: Pixels | None, content: str, scene: str
) -> Sample | None:
    assert pair.degraded is not None
    degraded = reader.pixels(pair.degraded)
    if clean is None or degraded is None:
        return None
    if clean.shape != degraded.shape:
        sizes = " and ".join(f"{image.shape[1]}x{image.shape[0]}" for image in (degraded, clean))
        reader.refuse(pair.degraded, f"degraded and clean differ in size: {sizes}")
        return None
    served = task.conditions
    lazy = None
    if not reader.reserve(clean.nbytes + degraded.nbytes):
        lazy = LazyPixels(content=content, read=partial(_pair_arrays, pair))
        clean, degraded = _placeholder(clean), _placeholder(degraded)
    return Sample(
        name=readable(pair.name),
        scene=scene,
        clean=clean,
        degraded=degraded,
        conditions=served,
        source=readable(pair.name),
        lazy=lazy,
    )


def _placeholder(pixels: Pixels) -> Pixels:
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
