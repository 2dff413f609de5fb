"""The photographs that scikit-image, scikit-learn and matplotlib carry inside their packages: no download, no network.

Few pictures make a small benchmark: the embedded data show that everything works and how results look. What ranks
methods are the field's own sets.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import distance_transform_edt

from datasets.bundle import DataBundle, Sample
from datasets.noise import content_hash
from datasets.seeding import stable_seed

_ROWS = 256  # of a depth, made at once


@dataclass(frozen=True)
class _Photo:
    scene: str
    package: str
    path: str
    licence: str
    disparity: str | None = None


_TRAIN = (
    _Photo("astronaut", "skimage", "data/astronaut.png", "public domain (NASA)"),
    _Photo("rocket", "skimage", "data/rocket.jpg", "CC0 (SpaceX)"),
    _Photo("china", "sklearn", "datasets/images/china.jpg", "CC BY 2.0 (flickr: danielbuechele)"),
    _Photo("deep_field", "skimage", "data/hubble_deep_field.jpg", "public domain (NASA)"),
    _Photo("retina", "skimage", "data/retina.jpg", "CC0 (M. Häggström)"),
    _Photo("glands", "skimage", "data/ihc.png", "no known copyright restrictions (CMMI)"),
)
_VAL = (_Photo("grace_hopper", "matplotlib", "mpl-data/sample_data/grace_hopper.jpg", "public domain (US Navy)"),)
_STEREO = ("data/motorcycle_left.png", "Middlebury Stereo 2014, research use", "data/motorcycle_disp.npz")
_TEST = (
    _Photo("chelsea", "skimage", "data/chelsea.png", "CC0 (S. van der Walt)"),
    _Photo("coffee", "skimage", "data/coffee.png", "CC0 (R. Michetti)"),
    _Photo("flower", "sklearn", "datasets/images/flower.jpg", "CC BY 2.0 (flickr: vultilion)"),
    _Photo("motorcycle", "skimage", *_STEREO),
)


@lru_cache(maxsize=1)
def load_embedded() -> DataBundle:
    """The embedded photographs: 6 to train on, 1 to validate, 4 to test, each test photograph in four crops.

    The motorcycle's depth comes from its measured disparity, every other one from `smooth_depth`.
    """
    train = tuple(_sample(photo) for photo in _TRAIN)
    val = tuple(_crops([_sample(photo) for photo in _VAL]))
    test = tuple(_crops([_sample(photo) for photo in _TEST]))
    return DataBundle(
        name="embedded",
        description=(
            f"photographs inside the installed packages: {_names(_TRAIN)} to train on, {_names(_VAL)} to validate, "
            f"{_names(_TEST)} to test on ({len(test)} crops); all degradations synthetic"
        ),
        train=train,
        val=val,
        test=test,
    )


def _names(photos: tuple[_Photo, ...]) -> str:
    return ", ".join(photo.scene for photo in photos)


def _sample(photo: _Photo) -> Sample:
    with Image.open(_file(photo.package, photo.path)) as image:
        pixels = np.asarray(image.convert("RGB"))
    if photo.disparity is None:
        depth = smooth_depth(pixels)
    else:
        with np.load(_file(photo.package, photo.disparity), allow_pickle=False) as stored:
            depth = depth_from_disparity(stored["arr_0"])
    return Sample(
        name=photo.scene,
        scene=photo.scene,
        clean=pixels,
        depth=depth,
        source=f"{photo.package}/{photo.path}",
        licence=photo.licence,
    )


def _file(package: str, path: str) -> Path:
    """A file inside an installed package, found without the seconds that importing the package takes."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ValueError(f"The package {package} is not installed: install this project's requirements.")
    file = Path(spec.submodule_search_locations[0]) / path
    if not file.is_file():
        raise ValueError(f"{file} is missing: this version of {package} no longer ships it; use the pinned one.")
    return file


def _crops(samples: list[Sample]) -> Iterator[Sample]:
    """Quarters of each image, the first of every image before the second of any: a limit still takes all scenes."""
    for row, column in ((0, 0), (1, 1), (0, 1), (1, 0)):
        for sample in samples:
            height, width = sample.clean.shape[0] // 2, sample.clean.shape[1] // 2
            box = np.s_[row * height : (row + 1) * height, column * width : (column + 1) * width]
            assert sample.depth is not None
            yield Sample(
                name=f"{sample.name}-{row}{column}",
                scene=sample.scene,
                clean=np.ascontiguousarray(sample.clean[box]),
                depth=np.ascontiguousarray(sample.depth[box]),
                source=sample.source,
                licence=sample.licence,
            )


MOTORCYCLE_OFFSET_PX = 31.086
"""Distance between the principal points of the two cameras, in pixels, from scikit-image's notes on the pair."""


def depth_from_disparity(
    disparity: NDArray[np.float32], offset_px: float = MOTORCYCLE_OFFSET_PX
) -> NDArray[np.float32]:
    """Depth in [0, 1], 1 = farthest, from a stereo disparity in pixels; holes take their nearest neighbour's value.

    Depth is proportional to 1 / (disparity + offset of the principal points), scaled so that the farthest point is 1.
    """
    holes = ~np.isfinite(disparity) | (disparity <= 0)
    nearest = distance_transform_edt(holes, return_distances=False, return_indices=True)
    depth = 1.0 / (disparity[tuple(nearest)] + offset_px)
    return np.asarray(depth / depth.max(), dtype=np.float32)


def smooth_depth(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A plausible depth for a picture that has none: far at the top, near at the bottom, with smooth relief.

    (H, W) in [0, 1], 1 = farthest; a function of the pixels alone.
    """
    rng = np.random.default_rng(stable_seed("depth", content_hash(pixels)))
    height, width = pixels.shape[:2]
    plane = np.linspace(1.0, 0.25, height)[:, None]
    depth = np.empty((height, width), dtype=np.float32)
    # a coarse grid of random heights, drawn out smoothly
    grid = Image.fromarray(rng.standard_normal((7, 7)).astype(np.float32))
    relief = np.asarray(grid.resize((width, height), Image.Resampling.BICUBIC))
    spread = relief.std()
    for top in range(0, height, _ROWS):  # some rows at a time: in float64 a photograph's depth takes 100 MB
        rows = slice(top, top + _ROWS)
        depth[rows] = np.clip(plane[rows] + 0.15 * relief[rows] / spread, 0.05, 1.0)
    return depth
