"""What building a packed store will write: sizes from headers, places, and an estimate of the time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from datasets.finder import FoundSet
from datasets.readers import read_rgb, read_size

_TIMED = 12  # images decoded to estimate how long a build takes


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


def plan_pack(found: FoundSet, folder: Path, workers: int = 1) -> PackPlan:
    """Sizes from headers, places, and an estimate of the time; writes nothing.

    Raises:
        ImageRefused: a file whose header already breaks a rule: the set should pass `check` first.
        ValueError: the set has no images.
    """
    files: dict[tuple[Path, str], str] = {}
    for pair in found.pairs:
        files.setdefault((pair.clean, "clean"), pair.name)
        if pair.degraded is not None:
            files.setdefault((pair.degraded, "degraded"), pair.name)
    if not files:
        raise ValueError(f"{found.spec.name} holds no images to pack.")
    entries, offset = [], 0
    for (path, role), name in files.items():
        height, width = read_size(path)
        entries.append(Entry(name=name, role=role, offset=offset, height=height, width=width))
        offset += entries[-1].size
    at = {key: index for index, key in enumerate(files)}
    pairs = [
        (pair.name, at[pair.degraded, "degraded"] if pair.degraded else -1, at[pair.clean, "clean"])
        for pair in found.pairs
    ]
    sources = tuple(path for path, _ in files)
    return PackPlan(
        name=found.spec.name,
        target=folder / f"{found.spec.name}.store",
        entries=tuple(entries),
        sources=sources,
        pairs=tuple(pairs),
        estimated_wall_s=_estimate(sources, max(1, workers)),
    )


def _estimate(sources: Sequence[Path], workers: int) -> float:
    """Seconds to decode all sources, from a spread of them."""
    sample = sources[:: max(1, len(sources) // _TIMED)][:_TIMED]
    started = time.perf_counter()
    for path in sample:
        read_rgb(path)
    return (time.perf_counter() - started) / len(sample) * len(sources) / workers
