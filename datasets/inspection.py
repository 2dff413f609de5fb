"""Looking at every image of a set once: does it decode, do partners fit, what does it look like.

One pass gives everything the checks need (sizes, thumbnails, content hashes), in parallel where there is much to do.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from datasets.catalog.finder import Pair
from datasets.leaks import thumbnail
from datasets.readers import ImageRead, ImageRefused, quiet_decoding, read_image

SERIAL_BELOW = 16
_AHEAD = 4
_SHIFT_WINDOW, _MAX_SHIFT = 256, 32
_T = TypeVar("_T")
_R = TypeVar("_R")


@dataclass(frozen=True, kw_only=True)
class ImageInspection:
    """What a pair of files turned out to hold."""

    name: str  # the pair's name
    size: tuple[int, int] | None  # (height, width) of the clean image; None where it was refused
    thumb: NDArray[np.float32] | None  # thumbnail of the clean image; None where it was refused
    # thumbnail of the degraded image; None where there is none or it was refused
    degraded_thumb: NDArray[np.float32] | None
    digest: str  # hash of the pixels of both
    notes: tuple[tuple[str, str], ...]  # (file, conversion) for every conversion
    faults: tuple[tuple[str, str, str], ...]  # (kind, file, reason) for everything wrong


def inspect_image(pair: Pair) -> ImageInspection:
    """Decode a pair and judge it; never raises for what files hold."""
    notes: list[tuple[str, str]] = []
    faults: list[tuple[str, str, str]] = []
    # Many hazy images share one clean one: the last few are kept.
    clean = _read(pair.clean, notes, faults, cached=pair.degraded is not None)
    degraded = _read(pair.degraded, notes, faults) if pair.degraded else None
    digest = hashlib.blake2b(digest_size=16)
    for image in (clean, degraded):
        if image is not None:
            digest.update(str(image.shape).encode())
            digest.update(image.data)
    if clean is not None and degraded is not None:
        faults += _pair_faults(pair, clean, degraded)
    return ImageInspection(
        name=pair.name,
        size=None if clean is None else clean.shape[:2],
        thumb=None if clean is None else thumbnail(clean),
        degraded_thumb=None if degraded is None else thumbnail(degraded),
        digest=digest.hexdigest(),
        notes=tuple(notes),
        faults=tuple(faults),
    )


def inspect_images(pairs: Iterable[Pair], workers: int | None = None) -> Iterator[ImageInspection]:
    """`inspect_image` for every pair, in order, on several threads where there are many."""
    return parallel_map(inspect_image, list(pairs), workers)


def parallel_map(function: Callable[[_T], _R], items: list[_T], workers: int | None = None) -> Iterator[_R]:
    """Results in the order of the items; in this thread where there are few items or one worker.

    Threads do: decoding, hashing and resizing release Python's lock, and neither pixels nor functions need pickling.
    """
    count = workers if workers is not None else min(8, os.cpu_count() or 1)
    if count <= 1 or len(items) < SERIAL_BELOW:
        yield from map(function, items)
        return
    with quiet_decoding(), ThreadPoolExecutor(count) as pool:
        # A window of submitted items keeps memory bounded when the consumer is slow.
        waiting: deque[Future[_R]] = deque()
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) >= _AHEAD * count:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def shift_between(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> tuple[int, int, float]:
    """(rows, columns, strength) by which the second image is moved against the first, by phase correlation.

    Uses the centre, up to 256 pixels a side, of the grey images. Strength is the peak over the peak at no shift; 1 when
    no shift is best.
    """
    spectra = []
    for image in (first, second):
        grey = _centre(image).astype(np.float32).mean(axis=2)
        window = np.outer(np.hanning(grey.shape[0]), np.hanning(grey.shape[1]))
        spectra.append(np.fft.rfft2((grey - grey.mean()) * window))
    cross = spectra[1] * np.conj(spectra[0])
    surface = np.fft.irfft2(cross / (np.abs(cross) + 1e-6 * np.abs(cross).mean() + 1e-12), s=grey.shape)
    row, column = (int(place) for place in np.unravel_index(surface.argmax(), surface.shape))
    strength = float(surface[row, column] / max(float(surface[0, 0]), 1e-6))
    rows, columns = surface.shape
    return (row + rows // 2) % rows - rows // 2, (column + columns // 2) % columns - columns // 2, strength


def _centre(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    top, left = (max(0, (side - _SHIFT_WINDOW) // 2) for side in image.shape[:2])
    return image[top : top + _SHIFT_WINDOW, left : left + _SHIFT_WINDOW]


def _pair_faults(pair: Pair, clean: NDArray[np.uint8], degraded: NDArray[np.uint8]) -> list[tuple[str, str, str]]:
    """What is wrong with two partners that both decode."""
    subject = str(pair.degraded)
    if clean.shape != degraded.shape:
        sizes = [f"{image.shape[1]}x{image.shape[0]}" for image in (degraded, clean)]
        return [("size", subject, f"is {sizes[0]}, its clean partner {pair.clean.name} is {sizes[1]}")]
    if np.array_equal(clean, degraded):
        return [("misplaced", subject, "equals its clean partner: nothing is degraded")]
    rows, columns, _ = shift_between(clean, degraded)
    if (rows, columns) != (0, 0) and max(abs(rows), abs(columns)) <= _MAX_SHIFT:
        # Phase correlation alone is fooled by smooth images: the move must also bring the images together.
        unshifted_error, shifted_error = (_disagreement(clean, degraded, *shift) for shift in ((0, 0), (rows, columns)))
        if shifted_error < unshifted_error / 2:
            return [("shifted", subject, f"is moved by {rows} rows, {columns} columns against {pair.clean.name}")]
    return []


def _disagreement(first: NDArray[np.uint8], second: NDArray[np.uint8], rows: int, columns: int) -> float:
    """1 less the correlation of the grey images where they overlap once the second is moved back."""
    greys = [image.astype(np.float32).mean(axis=2) for image in (first, second)]
    height, width = greys[0].shape
    down, right = max(rows, 0), max(columns, 0)
    up, left = max(-rows, 0), max(-columns, 0)
    still = greys[0][up : height - down, left : width - right]
    moved = greys[1][down : height - up, right : width - left]
    still, moved = still - still.mean(), moved - moved.mean()
    return 1.0 - float((still * moved).sum() / max(float(np.sqrt((still**2).sum() * (moved**2).sum())), 1e-6))


def _read(
    path: Path, notes: list[tuple[str, str]], faults: list[tuple[str, str, str]], *, cached: bool = False
) -> NDArray[np.uint8] | None:
    image = _last_read(path) if cached else _try_read(path)
    if isinstance(image, ImageRefused):
        faults.append(("refused", str(path), image.reason))
        return None
    notes += [(str(path), note) for note in image.notes]
    return image.pixels


def _try_read(path: Path) -> ImageRead | ImageRefused:
    try:
        return read_image(path)
    except ImageRefused as refusal:
        return refusal


_last_read = lru_cache(maxsize=4)(_try_read)
