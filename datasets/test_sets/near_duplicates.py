"""Which test images show one photograph, and which photographs stand in training sets beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datasets.bundle import Pixels
from datasets.catalog.finder import find_sets
from datasets.inspection import parallel_map
from datasets.leaks import overlaps, same_scenes, thumbnail
from datasets.readers import ImageRefused, read_rgb

Thumbs = tuple[list[str], NDArray[np.float32]]


def compute_thumbnails(images: Mapping[str, Callable[[], Pixels]]) -> Thumbs:
    """Names and thumbnails of images that are decoded when called for."""
    thumbs = list(parallel_map(lambda decode: thumbnail(np.asarray(decode())), list(images.values())))
    return list(images), np.stack(thumbs)


def group_scenes(test: Mapping[str, Thumbs]) -> dict[str, str]:
    """`<set>/<image>` -> the first image of any set that shows the same photograph."""
    names = [f"{dataset}/{name}" for dataset, (images, _) in test.items() for name in images]
    return same_scenes(names, np.concatenate([thumbs for _, thumbs in test.values()]))


def match_training_images(test: Mapping[str, Thumbs], training: Path, note: Callable[[str], None]) -> dict[str, bool]:
    """`<set>/<image>` -> whether its photograph stands in a training set under the folder; empty without any."""
    train: dict[str, Thumbs] = {}
    for local in find_sets(training):
        if local.spec.split != "train":
            continue
        paths = list(dict.fromkeys(pair.clean for pair in local.pairs))
        note(f"looking for the test images among the {len(paths)} photographs of {local.spec.name}")
        decoded = [(str(path), thumb) for path, thumb in parallel_map(_read_thumbnail, paths) if thumb is not None]
        if decoded:
            train[local.spec.name] = ([path for path, _ in decoded], np.stack([thumb for _, thumb in decoded]))
    if not train:
        return {}
    matched_names = {f"{overlap.test_set}/{overlap.test_image}" for overlap in overlaps(train, test)}
    return {
        f"{name}/{image}": f"{name}/{image}" in matched_names for name, (images, _) in test.items() for image in images
    }


def _read_thumbnail(path: Path) -> tuple[Path, NDArray[np.float32] | None]:
    try:
        return path, thumbnail(read_rgb(path))
    except ImageRefused:
        return path, None  # an image that can't be read trains nothing
