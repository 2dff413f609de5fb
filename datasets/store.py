"""A packed store: a set's images decoded once into one memory-mapped uint8 file.

Folder `<name>.store`:

    pixels.u8    every image's (H, W, 3) bytes, one after the other
    index.json   {"schema": 1, "name", "bytes", "images": [[name, role, offset, height, width, checksum]], "pairs",
                 "sources": what it was made from (`datasets.store_sources`)}

While it is built the folder is called `<name>.store.partial` and `done.jsonl` in it lists finished images, so an
interrupted build resumes; the rename at the end makes a store appear complete or not at all.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datasets.catalog.finder import LocalDataset
from datasets.inspection import parallel_map
from datasets.readers import ImageRefused, read_rgb, read_size
from datasets.store_sources import SourceRecord, make_record, read_record

SCHEMA = 1
_JOURNAL_EVERY = 64
_TIMED_IMAGES = 12  # images decoded to estimate how long a build takes


class StoreError(ValueError):
    """A store that can't be built or read; the message names the file and what to do."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One image of a store."""

    name: str  # the image's name within its set
    role: str  # `clean` or `degraded`
    offset: int  # first byte in `pixels.u8`.
    height: int  # rows
    width: int  # columns
    checksum: str = ""  # blake2b of its bytes; empty while it isn't built

    @property
    def size(self) -> int:
        """Bytes it takes."""
        return self.height * self.width * 3


@dataclass(frozen=True, kw_only=True)
class PackPlan:
    """What a build will write."""

    name: str  # the set's name
    target: Path  # the store's folder
    # every image and its place; a clean image that serves several degraded ones is stored once
    entries: tuple[Entry, ...]
    sources: tuple[Path, ...]  # the file of each entry
    # (name, index of the degraded or -1, index of the clean entry) for each image of the set
    pairs: tuple[tuple[str, int, int], ...]
    estimated_wall_s: float  # for the decoding, from a few images and the number of workers

    @property
    def bytes(self) -> int:
        """Bytes of pixels."""
        return sum(entry.size for entry in self.entries)


def plan_pack(dataset: LocalDataset, folder: Path, workers: int = 1) -> PackPlan:
    """Sizes from headers, places, and an estimate of the time; writes nothing.

    Raises:
        ImageRefused: a file whose header already breaks a rule: the set should pass `check` first.
        ValueError: the set has no images.
    """
    files: dict[tuple[Path, str], str] = {}
    for pair in dataset.pairs:
        files.setdefault((pair.clean, "clean"), pair.name)
        if pair.degraded is not None:
            files.setdefault((pair.degraded, "degraded"), pair.name)
    if not files:
        raise ValueError(f"{dataset.spec.name} holds no images to pack.")
    entries, offset = [], 0
    for (path, role), name in files.items():
        height, width = read_size(path)
        entries.append(Entry(name=name, role=role, offset=offset, height=height, width=width))
        offset += entries[-1].size
    at = {key: index for index, key in enumerate(files)}
    pairs = [
        (pair.name, at[pair.degraded, "degraded"] if pair.degraded else -1, at[pair.clean, "clean"])
        for pair in dataset.pairs
    ]
    sources = tuple(path for path, _ in files)
    return PackPlan(
        name=dataset.spec.name,
        target=folder / f"{dataset.spec.name}.store",
        entries=tuple(entries),
        sources=sources,
        pairs=tuple(pairs),
        estimated_wall_s=_estimate(sources, max(1, workers)),
    )


def _estimate(sources: Sequence[Path], workers: int) -> float:
    """Seconds to decode all sources, from a spread of them."""
    sample = sources[:: max(1, len(sources) // _TIMED_IMAGES)][:_TIMED_IMAGES]
    started = time.perf_counter()
    for path in sample:
        read_rgb(path)
    return (time.perf_counter() - started) / len(sample) * len(sources) / workers


def pack(plan: PackPlan, workers: int = 1, progress: Callable[[int, int], None] | None = None) -> PackedSet:
    """Build the store of a plan, or resume an interrupted build of the same plan.

    Args:
        plan: from `plan_pack`.
        workers: decoding threads.
        progress: called with (images done, images in all).

    Raises:
        StoreError: there is no room on the disk.
        ImageRefused: a file does not decode; what is already packed is kept for the next attempt.
    """
    if (plan.target / "index.json").is_file():
        opened = PackedSet(plan.target)
        if opened.fingerprint == _fingerprint(plan) and opened.sources is not None and not opened.describe_change():
            return opened
        raise StoreError(f"{plan.target} holds another version of {plan.name}: delete it and pack again.")
    folder = plan.target.with_name(plan.target.name + ".partial")
    checksums = _resume(folder, plan)
    todo = [index for index in range(len(plan.entries)) if index not in checksums]
    with (folder / "done.jsonl").open("a", encoding="utf-8") as journal:
        for count, (index, checksum) in enumerate(
            parallel_map(partial(_pack_one, plan, folder), todo, workers), start=1
        ):
            checksums[index] = checksum
            journal.write(json.dumps([index, checksum]) + "\n")
            if count % _JOURNAL_EVERY == 0:
                journal.flush()
            if progress:
                progress(len(checksums), len(plan.entries))
    _finish(folder, plan, checksums)
    return PackedSet(plan.target)


class PackedSet:
    """A store opened for reading: images and crops as views of a memory map, without decoding.

    Attributes:
        path: the store's folder.
        name: the set's name.
        entries: every image in it.
        pairs: (name, degraded index or -1, clean index) for each image of the set.
        fingerprint: of its plan (names, sizes, places).
        sources: what it was made from; None for a store of an earlier version, which does not say.
    """

    def __init__(self, path: Path) -> None:
        index_file = path / "index.json"
        try:
            index: dict[str, Any] = json.loads(index_file.read_text(encoding="utf-8"))
            if index["schema"] != SCHEMA:
                raise StoreError(f"{path} has schema {index['schema']}; this version reads {SCHEMA}. Pack it again.")
            fields = ("name", "role", "offset", "height", "width", "checksum")
            self.entries = tuple(Entry(**dict(zip(fields, row, strict=True))) for row in index["images"])
            self.pairs = tuple((str(name), int(first), int(second)) for name, first, second in index["pairs"])
            self.name, self.fingerprint, self.path = str(index["name"]), str(index["fingerprint"]), path
            self.sources: SourceRecord | None = read_record(index.get("sources"))
        except (OSError, KeyError, TypeError, ValueError) as error:
            if isinstance(error, StoreError):
                raise
            raise StoreError(f"{index_file} is missing or broken ({error}). Pack the set again.") from None
        size = sum(entry.size for entry in self.entries)
        pixels = path / "pixels.u8"
        if not pixels.is_file() or pixels.stat().st_size != size:
            raise StoreError(f"{pixels} does not have the {size} bytes its index says. Pack the set again.")
        self._pixels: NDArray[np.uint8] = np.memmap(pixels, dtype=np.uint8, mode="r")
        self._checked: set[int] = set()

    def __len__(self) -> int:
        """Images of the set (pairs count once)."""
        return len(self.pairs)

    def image(self, index: int) -> NDArray[np.uint8]:
        """Entry `index` as a read-only (H, W, 3) view."""
        entry = self.entries[index]
        flat = self._pixels[entry.offset : entry.offset + entry.size]
        return flat.reshape(entry.height, entry.width, 3)

    def verified_image(self, index: int) -> NDArray[np.uint8]:
        """As `image`, compared with its checksum the first time.

        Raises:
            StoreError: the bytes are no longer those that were packed.
        """
        pixels = self.image(index)
        if index not in self._checked:
            entry = self.entries[index]
            if _checksum(pixels) != entry.checksum:
                raise StoreError(f"{self.path} is damaged at {entry.role}/{entry.name}: {self.repack_hint}.")
            self._checked.add(index)
        return pixels

    @property
    def repack_hint(self) -> str:
        """How to pack it again, for messages."""
        sources_missing = self.sources is not None and not any(
            (self.path.parent / f).is_file() for f, _, _ in self.sources.files
        )
        first = "put the set's files back beside it, " if sources_missing else ""
        return f"{first}delete it, then: python -m datasets pack {self.name} --root {self.path.parent}"

    def describe_change(self) -> str:
        """What has changed in the files that it was made from, in words; empty where nothing has."""

        def same(index: int, path: Path) -> bool:
            try:
                return _checksum(read_rgb(path)) == self.entries[index].checksum
            except (ImageRefused, OSError):
                return False

        return "" if self.sources is None else self.sources.describe_change(self.path.parent, same)

    def require_current(self) -> None:
        """Raise a StoreError where the files beside it are others than those that were packed."""
        if change := self.describe_change():
            raise StoreError(f"{self.path} is out of date ({change}): {self.repack_hint}.")

    def verify(self) -> list[str]:
        """Names of entries whose bytes no longer match their checksum; empty when all do."""
        return [
            f"{entry.role}/{entry.name}"
            for index, entry in enumerate(self.entries)
            if _checksum(self.image(index)) != entry.checksum
        ]


def _pack_one(plan: PackPlan, folder: Path, index: int) -> tuple[int, str]:
    """Decode one file into its place. Runs in a worker: places don't overlap, so nobody waits for anybody."""
    source, entry = plan.sources[index], plan.entries[index]
    pixels = read_rgb(source)
    if pixels.shape[:2] != (entry.height, entry.width):
        raise StoreError(f"{source} changed its size while it was packed. Start again.")
    with (folder / "pixels.u8").open("r+b") as file:
        file.seek(entry.offset)
        file.write(np.ascontiguousarray(pixels).data)
    return index, _checksum(pixels)


def _checksum(pixels: NDArray[np.uint8]) -> str:
    return hashlib.blake2b(np.ascontiguousarray(pixels).data, digest_size=16).hexdigest()


def _fingerprint(plan: PackPlan) -> str:
    rows = [[e.name, e.role, e.offset, e.height, e.width] for e in plan.entries]
    return hashlib.blake2b(json.dumps([rows, plan.pairs]).encode(), digest_size=16).hexdigest()


def _resume(folder: Path, plan: PackPlan) -> dict[int, str]:
    """Finished entries of an interrupted build of this very plan; starts afresh for any other."""
    mark, journal, pixels = (folder / name for name in ("fingerprint", "done.jsonl", "pixels.u8"))
    if not mark.is_file() or mark.read_text(encoding="utf-8") != _fingerprint(plan):
        shutil.rmtree(folder, ignore_errors=True)
        plan.target.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(plan.target.parent).free
        if plan.bytes > free:
            raise StoreError(f"{plan.target} needs {plan.bytes / 1e9:.2f} GB; {free / 1e9:.2f} GB are free there.")
        folder.mkdir()
        with pixels.open("wb") as file:
            file.truncate(plan.bytes)
        mark.write_text(_fingerprint(plan), encoding="utf-8")
    checksums: dict[int, str] = {}
    with pixels.open("rb") as file:
        for line in journal.read_text(encoding="utf-8").splitlines() if journal.is_file() else ():
            try:
                index, checksum = json.loads(line)
            except ValueError:
                break  # the line that was being written when the build was cut off
            # a journal line may outlive its bytes after a power cut
            file.seek(plan.entries[index].offset)
            if hashlib.blake2b(file.read(plan.entries[index].size), digest_size=16).hexdigest() == checksum:
                checksums[index] = checksum
    return checksums


def _finish(folder: Path, plan: PackPlan, checksums: dict[int, str]) -> None:
    rows = [[e.name, e.role, e.offset, e.height, e.width, checksums[i]] for i, e in enumerate(plan.entries)]
    index = {
        "schema": SCHEMA,
        "name": plan.name,
        "bytes": plan.bytes,
        "fingerprint": _fingerprint(plan),
        "images": rows,
        "pairs": plan.pairs,
        "sources": make_record(plan.sources, plan.target.parent).to_json(),
    }
    with (folder / "pixels.u8").open("r+b") as file:
        os.fsync(file.fileno())
    with (folder / "index.json").open("w", encoding="utf-8") as text:
        json.dump(index, text)
        text.flush()
        os.fsync(text.fileno())
    for name in ("done.jsonl", "fingerprint"):
        (folder / name).unlink(missing_ok=True)
    folder.replace(plan.target)
