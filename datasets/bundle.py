"""What training and evaluation take from a set of images: samples, evaluation items, batches."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Literal, cast

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from datasets.degrade import degrade, degrade_rows
from datasets.noise import content_hash, noisy_pixels
from datasets.protocols import get_protocol
from datasets.seeding import stable_seed
from datasets.tasks import CONDITIONS, Condition, Task, conditions_of
from datasets.transfer import to_device_async

Split = Literal["val", "test"]
Pixels = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class LazyPixels:
    """What stands in for the pixels of a sample whose arrays have sizes alone, so that many fit in memory."""

    content: str  # `content_hash` of the clean pixels
    read: Callable[[], Mapping[str, NDArray[Any]]]  # gives the sample's arrays with their pixels, by name


@dataclass(frozen=True, kw_only=True)
class Sample:
    """An image to train or test on: clean pixels, and the degraded ones where they come as files."""

    name: str  # unique in its split
    scene: str  # the photograph it shows; crops and views of one scene are never on different sides of a split
    clean: Pixels  # (H, W, 3) uint8 RGB
    degraded: Pixels | None = None  # (H, W, 3) uint8 RGB, or None: degraded on the fly
    # (H, W) float32 in [0, 1], 1 = farthest, for haze; None where haze is not to be made
    depth: NDArray[np.float32] | None = None
    conditions: tuple[Condition, ...] = CONDITIONS  # what the sample can serve; a ready-made pair serves its own
    source: str = ""  # where it comes from, for the data sheet
    licence: str = ""  # its terms
    lazy: LazyPixels | None = None  # where the arrays hold no pixels, only sizes

    def __post_init__(self) -> None:
        for name, array in (("degraded", self.degraded), ("depth", self.depth)):
            if array is not None and array.shape[:2] != self.clean.shape[:2]:
                raise ValueError(f"{self.name}: {name} is {array.shape[:2]}, clean is {self.clean.shape[:2]} (H, W).")

    @property
    def content(self) -> str:
        """`content_hash` of the clean pixels."""
        return content_hash(self.clean) if self.lazy is None else self.lazy.content

    def load(self) -> Sample:
        """The sample with its pixels in memory."""
        return self if self.lazy is None else replace(self, lazy=None, **cast(Any, self.lazy.read()))

    @property
    def nbytes(self) -> int:
        """Memory that its pixels take once they are read."""
        return sum(array.nbytes for array in (self.clean, self.degraded, self.depth) if array is not None)


@dataclass(frozen=True, kw_only=True)
class EvalItem:
    """One image to restore, the same in every run: (H, W, 3) uint8 both.

    `degraded` is float32 in units of 1 under a protocol that does not bring noise to 8 bits.
    """

    name: str
    scene: str
    condition: Condition
    degraded: Pixels
    clean: Pixels
    dataset: str = ""  # the set that it belongs to; empty for a bundle of one set
    in_training_set: str = ""  # whether it is in the training set: `yes` or `no`; empty if unknown
    source: str = ""  # its file, for messages


@dataclass(frozen=True, kw_only=True)
class DataBundle:
    """Training, validation and test images; no scene on more than one side."""

    name: str  # short, for tables
    description: str  # for the report: what the images are, and how many
    train: tuple[Sample, ...]  # whole images
    val: tuple[Sample, ...]  # images, or crops of them, for choosing checkpoints
    test: tuple[Sample, ...]  # the same for the results
    conditions: tuple[Condition, ...] = CONDITIONS  # what every split can serve
    sets_in_names: bool = False  # whether images are named `<set>/<image>`, by the data set that they belong to
    checksum: str = field(init=False)

    def __post_init__(self) -> None:
        for first, second in (("train", "val"), ("train", "test"), ("val", "test")):
            shared = {s.scene for s in getattr(self, first)} & {s.scene for s in getattr(self, second)}
            if shared:
                raise ValueError(f"Scene {min(shared)!r} is in both {first} and {second} of {self.name}.")
        object.__setattr__(self, "checksum", self._checksum())

    def _checksum(self) -> str:
        """SHA-256 over roles, names, pixels and depths: it identifies the data of a run."""
        digest = hashlib.sha256(" ".join(c.name for c in self.conditions).encode())
        for role in ("train", "val", "test"):
            for sample in (stored.load() for stored in getattr(self, role)):
                served = " ".join(c.name for c in sample.conditions)
                digest.update("\x1f".join((role, sample.name, sample.scene, served, str(sample.clean.shape))).encode())
                for array in (sample.clean, sample.degraded, sample.depth):
                    digest.update(b"-" if array is None else np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def conditions_with(self, tasks: Iterable[str]) -> tuple[Condition, ...]:
        """`conditions`, and those of the named tasks of other packages that every split has photographs for."""
        splits = self.train, self.val, self.test
        further = [c for c in conditions_of(tasks) if c not in self.conditions]
        return (*self.conditions, *(c for c in further if all(any(serves(s, c) for s in split) for split in splits)))

    def eval_items(
        self, split: Split, conditions: Sequence[Condition], *, max_side: int | None = None, limit: int | None = None
    ) -> list[EvalItem]:
        """The images of a split under each condition, degraded in a way that depends on image and condition alone.

        Args:
            split: `val` or `test`.
            conditions: in the order wanted.
            max_side: cut images to a centre of at most this many pixels a side.
            limit: at most this many images a condition, the first ones.

        Raises:
            ValueError: no image serves a condition.
        """
        if split not in ("val", "test"):
            raise ValueError(f"Unknown split {split!r}: 'val' or 'test'.")
        for name, value in (("max_side", max_side), ("limit", limit)):
            if value is not None and value < 1:
                raise ValueError(f"{name}={value}: 1 or more, or None for all.")
        items = []
        for condition in conditions:
            samples = [s for s in getattr(self, split) if serves(s, condition)][:limit]
            if not samples:
                raise ValueError(f"{self.name} has no {split} image for {condition.name}.")
            condition_items = (eval_item(sample, condition, max_side) for sample in samples)
            items += [replace(item, dataset=self.dataset_of(item.name)) for item in condition_items]
        return items

    def dataset_of(self, image: str) -> str:
        """The data set that an image belongs to; empty where the bundle is of one."""
        return image.partition("/")[0] if self.sets_in_names else ""

    def batch(
        self, conditions: Sequence[Condition], seeds: Sequence[int], patch: int, device: torch.device | str = "cpu"
    ) -> tuple[Float[Tensor, "b 3 p p"], Float[Tensor, "b 3 p p"]]:
        """Degraded and clean training patches, float32 in [0, 1]; each row depends on its condition and seed alone.

        A seed chooses the image, the place, horizontal and vertical flips (each with probability one half, as the paper
        says) and the degradation.
        """
        if not conditions or patch < 1:
            raise ValueError(f"A batch of {len(conditions)} samples of {patch} px: at least one of each is needed.")
        rows = [self._row(condition, seed, patch) for condition, seed in zip(conditions, seeds, strict=True)]
        compute_device = device if self._degrades_on_device else "cpu"
        clean = _to_floats([row.clean for row in rows], compute_device)
        clean_rows = [place for place, row in enumerate(rows) if row.degraded is None]
        if len(clean_rows) == len(rows):
            degraded = torch.empty_like(clean)
        else:
            degraded = _to_floats([row.clean if row.degraded is None else row.degraded for row in rows], compute_device)
        degrade_seeds = [stable_seed("degrade", seed) for seed in seeds]
        degrade_rows(degraded, clean, clean_rows, conditions, degrade_seeds, [row.depth for row in rows])
        return to_device_async(degraded, device), to_device_async(clean, device)

    _degrades_on_device: ClassVar[bool] = False

    @cached_property
    def _pool_of(self) -> dict[Condition, list[Sample]]:
        return {}

    def _pool(self, condition: Condition) -> list[Sample]:
        """The training images that serve a condition, looked for once: a scan took longer than a row."""
        if condition not in self._pool_of:
            self._pool_of[condition] = [s for s in self.train if serves(s, condition)]
        if not self._pool_of[condition]:
            raise ValueError(f"{self.name} has no training image for {condition.name}.")
        return self._pool_of[condition]

    def _draw(self, condition: Condition, seed: int, patch: int) -> tuple[Sample, tuple[int, int], tuple[int, ...]]:
        """The image, the patch's top left corner and the axes to flip that a seed stands for."""
        rng = np.random.default_rng(seed)
        samples = self._pool(condition)
        sample = samples[int(rng.integers(len(samples)))]
        top, left = (int(rng.integers(0, max(side - patch, 0) + 1)) for side in sample.clean.shape[:2])
        return sample, (top, left), tuple(axis for axis in (0, 1) if rng.integers(2))

    def _row(self, condition: Condition, seed: int, patch: int) -> _Row:
        sample, corner, flips = self._draw(condition, seed, patch)
        sample = sample.load()
        clean = np.flip(_crop(sample.clean, corner, patch), flips)
        if sample.degraded is not None:
            return _Row(clean=clean, degraded=np.flip(_crop(sample.degraded, corner, patch), flips))
        if sample.depth is None or condition.task is not Task.HAZE:
            return _Row(clean=clean)
        depth = np.ascontiguousarray(np.flip(_crop(sample.depth, corner, patch), flips))
        return _Row(clean=clean, depth=torch.from_numpy(depth))


@dataclass(frozen=True, kw_only=True)
class _Row:
    """A training patch before its degradation: (P, P, 3) uint8 both, (P, P) float32 in [0, 1]."""

    clean: Pixels
    degraded: Pixels | None = None
    depth: Tensor | None = None


def _to_floats(images: Sequence[Pixels], device: torch.device | str) -> Float[Tensor, "b 3 h w"]:
    """`to_float` of images of one size; bytes travel to the device."""
    levels = np.empty((len(images), 3, *images[0].shape[:2]), dtype=np.uint8)
    for place, image in zip(levels, images, strict=True):
        place[:] = image.transpose(2, 0, 1)
    return to_device_async(torch.from_numpy(levels), device).float().div_(255)


def to_float(image: NDArray[np.uint8]) -> Float[Tensor, "3 h w"]:
    """(H, W, 3) uint8 to (3, H, W) float32 in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float().div_(255)


def to_uint8(image: Float[Tensor, "3 h w"]) -> Pixels:
    """(3, H, W) float in [0, 1] on the 8-bit grid to (H, W, 3) uint8."""
    return np.ascontiguousarray((image * 255).round_().to(torch.uint8).permute(1, 2, 0).cpu().numpy())


def serves(sample: Sample, condition: Condition) -> bool:
    """Noise of any level serves where one level does: it is made on the fly.

    So are tasks of other packages, from the photographs from which more than noise is made.
    """
    if condition.task.degrade is not None and sample.degraded is None:
        return len({c.task for c in sample.conditions}) > 1
    return any(c.task is condition.task and (c == condition or sample.degraded is None) for c in sample.conditions)


def _crop(image: NDArray[Any], corner: tuple[int, int], side: int) -> NDArray[Any]:
    """A square of this side; an image too small for it is reflected at its bottom and right."""
    cut = image[corner[0] : corner[0] + side, corner[1] : corner[1] + side]
    if cut.shape[:2] == (side, side):
        return cut
    short = [(0, side - length) for length in cut.shape[:2]] + [(0, 0)] * (image.ndim - 2)
    return np.pad(cut, short, mode="symmetric")


def centre_crop(image: NDArray[Any], side: int | None) -> NDArray[Any]:
    """The middle of (H, W, ...), at most `side` pixels a side."""
    if side is None:
        return image
    height, width = (min(n, side) for n in image.shape[:2])
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return np.ascontiguousarray(image[top : top + height, left : left + width])


def eval_item(sample: Sample, condition: Condition, max_side: int | None = None) -> EvalItem:
    """A sample under a condition, cut to a centre of `max_side` pixels a side; made from its content alone."""
    sample = sample.load()
    clean = centre_crop(sample.clean, max_side)
    if sample.degraded is not None:
        degraded = centre_crop(sample.degraded, max_side)
    elif condition.sigma_255 is not None:
        noisy = next(iter(noisy_pixels(get_protocol("suite"), [clean], [condition.sigma_255])))
        degraded = cast(Pixels, noisy.degraded)
    else:
        depth = None if sample.depth is None else torch.from_numpy(centre_crop(sample.depth, max_side))
        seed = stable_seed("evaluation", content_hash(clean), condition.name)
        degraded = to_uint8(degrade(to_float(clean), condition, seed, depth))
    return EvalItem(name=sample.name, scene=sample.scene, condition=condition, degraded=degraded, clean=clean)
