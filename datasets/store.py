"""A packed store: a set's images decoded once into one memory-mapped uint8 file.

Folder `<name>.store`:

    pixels.u8    every image's (H, W, 3) bytes, one after the other
    index.json   {"schema": 1, "name", "bytes", "images": [[name, role, offset, height, width, checksum]], "pairs",
                 "sources": what it was made from (`datasets.store_sources`)}

While it is built the folder is called `<name>.store.partial` and `done.jsonl` in it lists finished images, so an
interrupted build goes on where it stopped; the rename at the end makes a store appear whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datasets.inspection import parallel_map
from datasets.readers import ImageRefused, read_rgb
from datasets.store_plan import Entry, PackPlan, plan_pack
from datasets.store_sources import SourceRecord, record, recorded

__all__ = ["Entry", "PackPlan", "PackedSet", "StoreError", "pack", "plan_pack"]

SCHEMA = 1
_JOURNAL_EVERY = 64


class StoreError(ValueError):
    """A store that can't be built or read; the message names the file and what to do."""


def pack(plan: PackPlan, workers: int = 1, progress: Callable[[int, int], None] | None = None) -> PackedSet:
    """Build the store of a plan, or go on with an interrupted build of the same plan.

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
        if opened.fingerprint == _fingerprint(plan) and opened.sources is not None and not opened.change():
            return opened
        raise StoreError(f"{plan.target} holds another version of {plan.name}: delete it and pack again.")
    partial = plan.target.with_name(plan.target.name + ".partial")
    done = _resume(partial, plan)
    _require_room(plan, partial)
    todo = [index for index in range(len(plan.entries)) if index not in done]
    jobs = [_Job(plan.sources[i], plan.entries[i], partial / "pixels.u8", i) for i in todo]
    with (partial / "done.jsonl").open("a", encoding="utf-8") as journal:
        for count, (index, checksum) in enumerate(parallel_map(_pack_one, jobs, workers), start=1):
            done[index] = checksum
            journal.write(json.dumps([index, checksum]) + "\n")
            if count % _JOURNAL_EVERY == 0:
                journal.flush()
            if progress:
                progress(len(done), len(plan.entries))
    _finish(partial, plan, done)
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
            self.sources: SourceRecord | None = recorded(index.get("sources"))
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

    def checked(self, index: int) -> NDArray[np.uint8]:
        """As `image`, compared with its checksum the first time.

        Raises:
            StoreError: the bytes are no longer those that were packed.
        """
        pixels = self.image(index)
        if index not in self._checked:
            entry = self.entries[index]
            if _checksum(pixels) != entry.checksum:
                raise StoreError(f"{self.path} is damaged at {entry.role}/{entry.name}: {self.mend}.")
            self._checked.add(index)
        return pixels

    @property
    def mend(self) -> str:
        """How to pack it again, for messages."""
        gone = self.sources is not None and not any((self.path.parent / f).is_file() for f, _, _ in self.sources.files)
        first = "put the set's files back beside it, " if gone else ""
        return f"{first}delete it, then: python -m datasets pack {self.name} --root {self.path.parent}"

    def change(self) -> str:
        """What has changed in the files that it was made from, in words; empty where nothing has."""

        def same(index: int, path: Path) -> bool:
            try:
                return _checksum(read_rgb(path)) == self.entries[index].checksum
            except (ImageRefused, OSError):
                return False

        return "" if self.sources is None else self.sources.change(self.path.parent, same)

    def require_current(self) -> None:
        """Raise a StoreError where the files beside it are others than those that were packed."""
        if change := self.change():
            raise StoreError(f"{self.path} is out of date ({change}): {self.mend}.")

    def crop(self, index: int, top: int, left: int, height: int, width: int) -> NDArray[np.uint8]:
        """A (height, width, 3) copy of a part of entry `index`: only its rows are read from the disk.

        Raises:
            ValueError: the crop reaches outside the image.
        """
        entry = self.entries[index]
        inside = 0 <= top <= entry.height - height and 0 <= left <= entry.width - width
        if not inside or height <= 0 or width <= 0:
            raise ValueError(
                f"Crop {height}x{width} at ({top}, {left}) does not lie inside {entry.name!r}, "
                f"{entry.height}x{entry.width}."
            )
        return np.array(self.image(index)[top : top + height, left : left + width])

    def verify(self) -> list[str]:
        """Names of entries whose bytes no longer match their checksum; empty when all do."""
        return [
            f"{entry.role}/{entry.name}"
            for index, entry in enumerate(self.entries)
            if _checksum(self.image(index)) != entry.checksum
        ]


@dataclass(frozen=True)
class _Job:
    source: Path
    entry: Entry
    pixels: Path
    index: int


def _pack_one(job: _Job) -> tuple[int, str]:
    """Decode one file into its place. Runs in a worker: places don't overlap, so nobody waits for anybody."""
    pixels = read_rgb(job.source)
    if pixels.shape[:2] != (job.entry.height, job.entry.width):
        raise StoreError(f"{job.source} changed its size while it was packed. Start again.")
    with job.pixels.open("r+b") as file:
        file.seek(job.entry.offset)
        file.write(np.ascontiguousarray(pixels).data)
    return job.index, _checksum(pixels)


def _checksum(pixels: NDArray[np.uint8]) -> str:
    return hashlib.blake2b(np.ascontiguousarray(pixels).data, digest_size=16).hexdigest()


def _fingerprint(plan: PackPlan) -> str:
    rows = [[e.name, e.role, e.offset, e.height, e.width] for e in plan.entries]
    return hashlib.blake2b(json.dumps([rows, plan.pairs]).encode(), digest_size=16).hexdigest()


def _resume(partial: Path, plan: PackPlan) -> dict[int, str]:
    """Finished entries of an interrupted build of this very plan; starts afresh for any other."""
    mark = partial / "fingerprint"
    if not mark.is_file() or mark.read_text(encoding="utf-8") != _fingerprint(plan):
        shutil.rmtree(partial, ignore_errors=True)
        _require_room(plan, partial)
        partial.mkdir(parents=True)
        with (partial / "pixels.u8").open("wb") as file:
            file.truncate(plan.bytes)
        mark.write_text(_fingerprint(plan), encoding="utf-8")
    return {
        index: checksum for index, checksum in _journal(partial) if _is_there(partial, plan.entries[index], checksum)
    }


def _journal(partial: Path) -> Iterator[tuple[int, str]]:
    file = partial / "done.jsonl"
    for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else ():
        try:
            index, checksum = json.loads(line)
        except ValueError:
            return  # the line that was being written when the build was cut off
        yield index, checksum


def _is_there(partial: Path, entry: Entry, checksum: str) -> bool:
    """Whether the bytes reached the disk: a journal line may outlive them after a power cut."""
    with (partial / "pixels.u8").open("rb") as file:
        file.seek(entry.offset)
        return hashlib.blake2b(file.read(entry.size), digest_size=16).hexdigest() == checksum


def _require_room(plan: PackPlan, partial: Path) -> None:
    if partial.exists():
        return
    plan.target.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(plan.target.parent).free
    if plan.bytes > free:
        raise StoreError(f"{plan.target} needs {plan.bytes / 1e9:.2f} GB; {free / 1e9:.2f} GB are free there.")


def _finish(partial: Path, plan: PackPlan, done: dict[int, str]) -> None:
    rows = [[e.name, e.role, e.offset, e.height, e.width, done[i]] for i, e in enumerate(plan.entries)]
    index = {
        "schema": SCHEMA,
        "name": plan.name,
        "bytes": plan.bytes,
        "fingerprint": _fingerprint(plan),
        "images": rows,
        "pairs": plan.pairs,
        "sources": record(plan.sources, plan.target.parent).to_json(),
    }
    with (partial / "pixels.u8").open("r+b") as file:
        os.fsync(file.fileno())
    with (partial / "index.json").open("w", encoding="utf-8") as text:
        json.dump(index, text)
        text.flush()
        os.fsync(text.fileno())
    for name in ("done.jsonl", "fingerprint"):
        (partial / name).unlink(missing_ok=True)
    partial.replace(plan.target)
