"""Folders that look like pairs though their names don't say so: never taken for clean images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from datasets.leaks import thumbnail
from datasets.pairs.layouts import LAYOUTS
from datasets.pairs.names import pairs_by_file_name
from datasets.readers import ImageRefused, read_rgb

_SAMPLE_SIZE, _MAX_FOLDERS = 4, 40
_MIN_CORRELATION, _MIN_CORRELATION_SINGLE = 0.7, 0.9


def refuse_unnamed_pairs(folder: Path, files: Sequence[Path]) -> None:
    """Refuse a folder of clean images in which two folders hold the same photographs, differently.

    Two folders are suspected where at least half of the smaller one's files have namesakes in the other; of those, four
    are decoded, and their thumbnails' median correlation decides (photographs without kinship are below 0.5).
    Copies that are equal to the bit are no pairs.

    Args:
        folder: what the user gave.
        files: its images.

    Raises:
        ValueError: there are such folders; the line names them and the layouts that are recognised.
    """
    pairs = pairs_by_file_name(files)
    sample = pairs[:: max(1, len(pairs) // _SAMPLE_SIZE)][:_SAMPLE_SIZE]
    if sample and _look_like_pairs(sample):
        names = " and ".join(str(path.relative_to(folder)) for path in sample[0])
        raise ValueError(
            f"{folder}: {names} look like a pair, and most images beside them are none: put the pairs into one of "
            f"{LAYOUTS}, or into a folder of their own; or rename what are clean images."
        )
    files_by_folder: dict[Path, dict[str, Path]] = defaultdict(dict)
    for path in files:
        files_by_folder[path.parent][path.stem.casefold()] = path
    places = sorted(files_by_folder)[:_MAX_FOLDERS]
    for first, second in combinations(places, 2):
        common = sorted(files_by_folder[first].keys() & files_by_folder[second].keys())
        if common and 2 * len(common) >= min(len(files_by_folder[first]), len(files_by_folder[second])):
            sampled = common[:: max(1, len(common) // _SAMPLE_SIZE)][:_SAMPLE_SIZE]
            if _look_like_pairs([(files_by_folder[first][name], files_by_folder[second][name]) for name in sampled]):
                names = " and ".join(str(place.relative_to(folder)) for place in (first, second))
                raise ValueError(
                    f"{folder}: {names} hold the same pictures under the same names: they look like pairs, "
                    f"and which are clean isn't known. Name them as one of {LAYOUTS}; or give the clean ones' folder."
                )


def _look_like_pairs(pairs: Sequence[tuple[Path, Path]]) -> bool:
    correlations = []
    equal = True
    for pair in pairs:
        try:
            first, second = (read_rgb(path) for path in pair)
        except ImageRefused:
            continue  # it is named with the other unusable files
        equal = equal and np.array_equal(first, second)
        correlations.append(float(thumbnail(first) @ thumbnail(second)))
    if not correlations or equal:
        return False
    return float(np.median(correlations)) > (_MIN_CORRELATION if len(correlations) > 1 else _MIN_CORRELATION_SINGLE)
