"""Near-duplicates between training and test images, by what the images look like.

Two photographs count as one when their 32x48 grey thumbnails correlate above 0.97: that survives re-encoding, a cut of
a pixel or two and a change of brightness, and it found every known copy in BSDS500, CBSD68 and Rain100L without a
false one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

THUMB_SIZE = (48, 32)  # width, height
THRESHOLD = 0.97


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """A test image whose scene stands in a training set."""

    test_set: str  # the test set's name
    test_image: str  # the image in it
    train_set: str  # the training set's name
    train_image: str  # the most similar image in it
    correlation: float  # of the two thumbnails, at most 1


def thumbnail(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(1536,) float32: the image's grey thumbnail with mean 0 and length 1, so that a product is a correlation.

    All zeros for an image of one colour: it resembles nothing.
    """
    small = Image.fromarray(pixels).convert("L").resize(THUMB_SIZE, Image.Resampling.BOX)
    values = np.asarray(small, dtype=np.float64).ravel()
    values = values - values.mean()
    length = float(np.linalg.norm(values))
    return np.asarray(values / length if length > 1e-6 else np.zeros_like(values), dtype=np.float32)


def overlaps(
    train: Mapping[str, tuple[Sequence[str], NDArray[np.float32]]],
    test: Mapping[str, tuple[Sequence[str], NDArray[np.float32]]],
    threshold: float = THRESHOLD,
) -> list[Overlap]:
    """Every pair of a test image and a training set that holds its scene, with the training image that fits best.

    Args:
        train: names and thumbnails (N, 1536) of the clean images of each training set.
        test: the same for test sets.
        threshold: the correlation from which two images count as one.
    """
    matches = []
    for test_set, (test_names, test_thumbs) in test.items():
        for train_set, (train_names, train_thumbs) in train.items():
            if not len(test_names) or not len(train_names):
                continue
            correlations = test_thumbs @ train_thumbs.T
            best = correlations.argmax(axis=1)
            for row in np.flatnonzero(correlations.max(axis=1) > threshold).tolist():
                matches.append(
                    Overlap(
                        test_set=test_set,
                        test_image=test_names[row],
                        train_set=train_set,
                        train_image=train_names[int(best[row])],
                        correlation=float(correlations[row, best[row]]),
                    )
                )
    return matches


def leaked_training_images(
    names: Sequence[str], thumbs: NDArray[np.float32], test_thumbs: NDArray[np.float32], threshold: float = THRESHOLD
) -> frozenset[str]:
    """The training images that resemble any test image: what `--exclude-leaks` leaves out.

    Args:
        names: the training images' names.
        thumbs: their thumbnails (N, 1536).
        test_thumbs: thumbnails of all test images (M, 1536).
        threshold: the correlation from which two images count as one.
    """
    if not len(names) or not len(test_thumbs):
        return frozenset()
    highest = (thumbs @ test_thumbs.T).max(axis=1)
    return frozenset(names[row] for row in np.flatnonzero(highest > threshold).tolist())


def same_scenes(names: Sequence[str], thumbs: NDArray[np.float32], threshold: float = THRESHOLD) -> dict[str, str]:
    """Each image's scene: the name of the first image that it resembles, directly or through others.

    Statistics resample scenes, so two cuts of one photograph must not count twice.
    """
    parent = list(range(len(names)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for start in range(0, len(names), 512):
        rows, columns = np.nonzero(thumbs[start : start + 512] @ thumbs.T > threshold)
        for first, second in zip((rows + start).tolist(), columns.tolist(), strict=True):
            low, high = sorted((root(first), root(second)))
            parent[high] = low
    return {name: names[root(index)] for index, name in enumerate(names)}
