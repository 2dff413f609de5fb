"""Test images as a protocol makes them: its noise, cropping and quantising. Every score begins here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from datasets.bundle import EvalItem, Pixels, Sample, eval_item
from datasets.noise import noisy_pixels
from datasets.protocols import Protocol
from datasets.readers import ImageRefused
from datasets.sources.embedded import smooth_depth
from datasets.tasks import Condition, Task

Refuse = Callable[[str, str, str], None]
"""Called with an image that can't be evaluated: its file, the condition, and why."""


def refuse_all(source: str, condition: str, reason: str) -> None:
    """Refuse an image by ending the evaluation.

    Raises:
        ValueError: always.
    """
    del condition
    raise ValueError(f"{source}: {reason}")


@dataclass(frozen=True, kw_only=True)
class TestImage:
    """One image of a test set, decoded when it is asked for."""

    __test__ = False  # no class of tests

    name: str  # as in results
    clean: Callable[[], Pixels]
    degraded: Callable[[], Pixels] | None = None  # None: its degradation is made here
    depth: Callable[[Pixels], NDArray[np.float32] | None] = smooth_depth  # of the clean pixels, for haze
    scene: str = ""  # the photograph that it shows; its name by default
    dataset: str = ""  # the set that it belongs to
    in_training_set: str = ""  # whether it is in the training set: `yes` or `no`; empty if unknown
    source: str = ""  # its file, for messages; its name by default

    @property
    def location(self) -> str:
        """Where a user finds it."""
        return self.source or self.name

    def item(self, condition: Condition, degraded: Pixels, clean: Pixels) -> EvalItem:
        """The image under a condition."""
        return EvalItem(
            name=self.name,
            scene=self.scene or self.name,
            condition=condition,
            degraded=degraded,
            clean=clean,
            dataset=self.dataset,
            in_training_set=self.in_training_set,
            source=self.source,
        )


def make_items(
    rules: Protocol,
    images: Sequence[TestImage],
    conditions: Sequence[Condition],
    limit: int | None = None,
    refuse: Refuse = refuse_all,
) -> Iterator[EvalItem]:
    """The images of one set under each condition, in the order given; one image is in memory at a time.

    Pairs are cut to the protocol's size. Clean images get the protocol's noise, and every other degradation as the
    suite makes it.

    Args:
        rules: the protocol.
        images: of one set, in the protocol's order (`Protocol.sort_names`).
        conditions: which; those of one task follow each other.
        limit: at most so many images a condition.
        refuse: called with each image that can't be used; the others follow.

    Raises:
        ValueError: several levels are asked of noisy files, or an image breaks a stream of noise.
    """
    files = bool(images) and images[0].degraded is not None
    for task, group in groupby(conditions, key=lambda condition: condition.task):
        make = _pair_items if files else _noise_items if task is Task.NOISE else _synthetic_items
        yield from make(rules, images, list(group), limit, refuse)


def find_fault(rules: Protocol, image: TestImage) -> tuple[str, str] | None:
    """(file, reason) of an image that can't be used, by decoding it; None for one that can."""
    try:
        _ = crop_pixels(rules, image.clean()) if image.degraded is None else _pair(rules, image)
    except (ValueError, OSError) as error:
        return _file_of(error, image), _reason(error)
    return None


def _noise_items(
    rules: Protocol, images: Sequence[TestImage], conditions: Sequence[Condition], limit: int | None, refuse: Refuse
) -> Iterator[EvalItem]:
    """Each image at each level; a stream of noise runs through the images that are not wanted, too."""
    by_sigma = {condition.sigma_255: condition for condition in conditions}
    sigmas = [sigma for sigma in by_sigma if sigma is not None]
    if not rules.noise.depends_on_order:
        for sigma in sigmas:
            for image in images[:limit]:
                try:
                    (noisy,) = noisy_pixels(rules, _CleanImages(rules, [image]), [sigma])
                except _NoiseNotAllowedError as error:
                    refuse(image.location, by_sigma[sigma].name, error.reason)
                    continue
                yield image.item(by_sigma[sigma], noisy.degraded, noisy.clean)  # type: ignore[arg-type]
        return
    count = len(images[:limit])
    remaining = count * len(sigmas)
    try:
        for noisy in noisy_pixels(rules, _CleanImages(rules, images), sigmas):
            if noisy.index >= count:
                continue
            yield images[noisy.index].item(by_sigma[noisy.sigma_255], noisy.degraded, noisy.clean)  # type: ignore[arg-type]
            remaining -= 1
            if not remaining:
                return
    except _NoiseNotAllowedError as error:
        raise ValueError(
            f"{error} One stream of noise runs through all of the set's images, so none can be skipped: fix the "
            "file or remove it, or choose --protocol suite."
        ) from error


def _pair_items(
    rules: Protocol, images: Sequence[TestImage], conditions: Sequence[Condition], limit: int | None, refuse: Refuse
) -> Iterator[EvalItem]:
    if len(conditions) > 1:
        raise ValueError(f"Noisy files are of one level: name it instead of the task, as in {conditions[0].name}.")
    for image in images[:limit]:
        try:
            degraded, clean = _pair(rules, image)
        except (ValueError, OSError) as error:
            refuse(_file_of(error, image), conditions[0].name, _reason(error))
            continue
        yield image.item(conditions[0], degraded, clean)


def _synthetic_items(
    _: Protocol, images: Sequence[TestImage], conditions: Sequence[Condition], limit: int | None, refuse: Refuse
) -> Iterator[EvalItem]:
    for condition in conditions:
        for image in images[:limit]:
            try:
                pixels = image.clean()
            except (ValueError, OSError) as error:
                refuse(image.location, condition.name, _reason(error))
                continue
            depth = image.depth(pixels) if condition.task is Task.HAZE else None
            item = eval_item(Sample(name=image.name, scene=image.name, clean=pixels, depth=depth), condition)
            yield image.item(condition, item.degraded, item.clean)


class _CleanImages(Sequence[Any]):
    """Images decoded when asked for; one that can't be used is named."""

    def __init__(self, rules: Protocol, images: Sequence[TestImage]) -> None:
        self.rules, self.images = rules, images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: Any) -> Any:
        image = self.images[index]
        try:
            pixels = np.array(image.clean())  # copied: a memory map is read-only
            self.rules.crop(torch.from_numpy(pixels).permute(2, 0, 1))
        except (ValueError, OSError) as error:
            raise _NoiseNotAllowedError(image, error) from error
        return pixels


class _NoiseNotAllowedError(ValueError):
    """An image that no noise can be put on."""

    def __init__(self, image: TestImage, error: Exception) -> None:
        self.reason = _reason(error)
        super().__init__(f"{image.location}: {self.reason}")


def _file_of(error: Exception, image: TestImage) -> str:
    return str(error.path) if isinstance(error, ImageRefused) else image.location


def _reason(error: Exception) -> str:
    """Why an image can't be used, without its name."""
    return error.reason if isinstance(error, ImageRefused) else " ".join(str(error).split())


def _pair(rules: Protocol, image: TestImage) -> tuple[Pixels, Pixels]:
    """Degraded and clean pixels, cut to the protocol's size."""
    assert image.degraded is not None  # the images of a set are all pairs, or none is
    degraded, clean = image.degraded(), image.clean()
    if degraded.shape != clean.shape:
        sizes = [f"{pixels.shape[1]}x{pixels.shape[0]}" for pixels in (degraded, clean)]
        raise ValueError(f"the degraded image is {sizes[0]}, the clean one {sizes[1]}: cut both to one size")
    return crop_pixels(rules, degraded), crop_pixels(rules, clean)


def crop_pixels(rules: Protocol, pixels: Pixels) -> Pixels:
    """A test image, (H, W, 3) uint8, cut to the size that the protocol scores."""
    channels_first = torch.from_numpy(np.array(pixels)).permute(2, 0, 1)  # copied: a memory map is read-only
    return np.ascontiguousarray(rules.crop(channels_first).permute(1, 2, 0).numpy())
