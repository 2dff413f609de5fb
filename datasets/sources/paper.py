"""The field's real data sets as a `DataBundle`: any subset of the catalogue found under a root, under one protocol."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar, cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from datasets.bundle import DataBundle, EvalItem, Pixels, Sample, Split, centre_crop, serves
from datasets.catalog import catalog
from datasets.catalog.finder import find_sets, refuse_ambiguous_names
from datasets.catalog.spec import DatasetSpec
from datasets.degrade import degrade
from datasets.leaks import same_scenes
from datasets.protocols import Protocol, conditions_under, get_protocol
from datasets.seeding import stable_seed
from datasets.sources.loading import LoadedImage, load_set, stored_sets, stores_note
from datasets.sources.splits import (
    has_task,
    leaked_scenes,
    match_training_images,
    scene_of,
    stack_thumbnails,
    validation_scenes,
)
from datasets.tasks import PAPER_TASKS, Condition, Task
from datasets.test_sets.items import TestImage, make_items


@dataclass(frozen=True, kw_only=True)
class RootBundle(DataBundle):
    """Real data sets under one protocol.

    Images are named `<set>/<image>`. Every test set keeps its own images; noise, cropping and the order of noise draws
    are the protocol's.
    """

    protocol: str  # name of the protocol that test and validation images follow
    # test image -> whether its scene stands in the training images as they are after any exclusion
    seen: Mapping[str, bool]
    found: Mapping[str, int]  # every set found -> its number of images
    # training images that were left out because they stand in test sets (or would stand on both sides)
    left_out: tuple[str, ...]
    digests: Mapping[str, str]  # image -> hash of its pixels

    def eval_items(
        self, split: Split, conditions: Sequence[Condition], *, max_side: int | None = None, limit: int | None = None
    ) -> list[EvalItem]:
        """The images of a split under each condition, as the bundle's protocol makes them.

        Under a protocol that does not clip or quantise noise, `degraded` is float32 in units of 1, not uint8.

        Args:
            split: `val` or `test`.
            conditions: in the order wanted.
            max_side: cut images to a centre of at most this many pixels a side, after degrading them.
            limit: at most this many images a condition, spread over its sets in turn.

        Raises:
            ValueError: no image serves a condition, or the protocol does not draw its noise.
        """
        rules = get_protocol(self.protocol)
        items: list[EvalItem] = []
        for condition in conditions:
            by_set: dict[str, list[Sample]] = {}
            for sample in getattr(self, split):
                if serves(sample, condition):
                    by_set.setdefault(sample.name.partition("/")[0], []).append(sample)
            if not by_set:
                raise ValueError(f"{self.name} has no {split} image for {condition.name}.")
            counts = share_limit([len(samples) for samples in by_set.values()], limit)
            for samples, count in zip(by_set.values(), counts, strict=True):
                by_name = {sample.name: self._test_image(sample) for sample in samples}
                images = [by_name[name] for name in rules.sort_names(by_name)]
                items += [crop_item(item, max_side) for item in make_items(rules, images, [condition], count)]
        return items

    def _test_image(self, sample: Sample) -> TestImage:
        return TestImage(
            name=sample.name,
            scene=sample.scene,
            clean=lambda: sample.clean,
            degraded=None if sample.degraded is None else lambda: cast(Pixels, sample.degraded),
            dataset=self.dataset_of(sample.name),
            in_training_set="yes" if self.seen.get(sample.name, False) else "no",
        )

    _degrades_on_device: ClassVar[bool] = True  # bytes travel, and noise is added there

    @cached_property
    def _resident(self) -> dict[str, tuple[Tensor, Tensor | None]]:
        """Training images that live on a device: name -> clean and degraded, (H, W, 3) uint8."""
        return {}

    def cache_on_device(self, device: torch.device | str, limit_bytes: int | None = None) -> bool:
        """Put the training images on a device as bytes, if they fit, so that batches never touch the host's memory.

        Args:
            device: where batches will be asked for.
            limit_bytes: the most to use; by default half of what a GPU has free, and no limit elsewhere.

        Returns:
            Whether they fit; otherwise nothing has changed.
        """
        device = torch.device(device)
        size = sum(s.clean.nbytes + (0 if s.degraded is None else s.degraded.nbytes) for s in self.train)
        if limit_bytes is None and device.type == "cuda":
            limit_bytes = torch.cuda.mem_get_info(device)[0] // 2
        if limit_bytes is not None and size > limit_bytes:
            return False
        for sample in self.train:
            degraded = None if sample.degraded is None else torch.from_numpy(np.array(sample.degraded)).to(device)
            self._resident[sample.name] = (torch.from_numpy(np.array(sample.clean)).to(device), degraded)
        return True

    def batch(
        self, conditions: Sequence[Condition], seeds: Sequence[int], patch: int, device: torch.device | str = "cpu"
    ) -> tuple[Float[Tensor, "b 3 p p"], Float[Tensor, "b 3 p p"]]:
        """Degraded and clean training patches, float32 in [0, 1]; each row depends on its condition and seed alone.

        Only a patch's own rows are read: whole sets may stay on the disk.

        Raises:
            ValueError: no training image serves a condition.
        """
        make = self._resident_batch if self._resident else super().batch
        return make(conditions, seeds, patch, device)

    def _resident_batch(
        self, conditions: Sequence[Condition], seeds: Sequence[int], patch: int, _: torch.device | str
    ) -> tuple[Tensor, Tensor]:
        """`batch` from images on the device: the same rows, bit for bit."""
        rows: list[tuple[Tensor, Tensor]] = []
        for condition, seed in zip(conditions, seeds, strict=True):
            sample, (top, left), flips = self._draw(condition, seed, patch)
            clean, degraded = (
                None if image is None else _device_patch(image, top, left, patch).flip(flips).permute(2, 0, 1) / 255
                for image in self._resident[sample.name]
            )
            assert clean is not None
            if degraded is None:
                degraded = degrade(clean, condition, stable_seed("degrade", seed))
            rows.append((degraded, clean))
        return torch.stack([degraded for degraded, _ in rows]), torch.stack([clean for _, clean in rows])

    def _checksum(self) -> str:
        """SHA-256 over roles, names and the pixels' own hashes: packed sets need not be read through."""
        digest = hashlib.sha256(" ".join([self.protocol, *(c.name for c in self.conditions)]).encode())
        for role in ("train", "val", "test"):
            for sample in getattr(self, role):
                digest.update(f"{role}\x1f{sample.name}\x1f{self.digests[sample.name]}\x1e".encode())
        return digest.hexdigest()


def load_root(
    root: Path, *, protocol: str = "suite", tasks: Sequence[Task] | None = None, exclude_leaks: bool = False
) -> RootBundle:
    """Training, validation and test images from whatever sets of the catalogue a root holds.

    A set packed as `<root>/<name>.store` is mapped into memory instead of decoded. A task is kept when the root has
    training and test images for it; the description names the others and says what they lack. Validation scenes are
    chosen by hash from the training images and leave training, with everything that looks like them.

    Args:
        root: a folder in any accepted layout.
        protocol: how validation and test images are degraded and cut.
        tasks: keep these only; all by default.
        exclude_leaks: leave out training images that stand in any test set found.

    Raises:
        ValueError: no such root or protocol; no task with both sides; files that can't be used, all of them named.
    """
    rules = get_protocol(protocol)
    loaded, packed = _load(root, tasks)
    train = [image for image in loaded if image.spec.split == "train"]
    test = [image for image in loaded if image.spec.split == "test"]
    kept_tasks = [t for t in PAPER_TASKS if has_task(train, t) and has_task(test, t)]
    if not kept_tasks:
        raise ValueError(f"{str(root)!r} has no task with training and test images: {_available_tasks(train, test)}")
    leaked = leaked_scenes(train, test) if exclude_leaks else frozenset()
    usable = [i for i in train if i.spec.task in kept_tasks and scene_of(i) not in leaked]
    val_scenes, resembling = validation_scenes(usable)
    train_images = [i for i in usable if scene_of(i) not in val_scenes | resembling]
    missing = [t.name for t in kept_tasks if not has_task(train_images, t)]
    if missing:
        raise ValueError(f"{str(root)!r}: no training images are left for {', '.join(missing)}; more are needed.")
    test_images = [i for i in test if i.spec.task in kept_tasks]
    scenes, in_training = (
        same_scenes([i.name for i in test_images], stack_thumbnails(test_images)),
        match_training_images(train_images, test_images),
    )
    return RootBundle(
        name=root.resolve().name,
        description="; ".join(
            filter(None, [_description(train_images, test_images, train, test, leaked, in_training, rules), packed])
        ),
        train=tuple(_sample(i, scene_of(i)) for i in train_images),
        val=tuple(_sample(i, scene_of(i)) for i in usable if scene_of(i) in val_scenes),
        test=tuple(_sample(i, f"test:{scenes[i.name]}") for i in test_images),
        conditions=conditions_under(rules, kept_tasks),
        sets_in_names=True,
        protocol=rules.name,
        seen=in_training,
        found=dict(Counter(i.spec.name for i in loaded)),
        left_out=tuple(i.name for i in train if i.spec.task in kept_tasks and scene_of(i) in leaked | resembling),
        digests={i.name: i.digest for i in loaded},
    )


def _load(root: Path, tasks: Sequence[Task] | None) -> tuple[list[LoadedImage], str]:
    """The images, and which of them come from packed stores, in words."""

    def is_requested(spec: DatasetSpec) -> bool:
        return spec.split != "none" and (tasks is None or spec.task in tasks)

    stores = stored_sets(root)
    images: list[LoadedImage] = []
    faults: list[str] = []
    local_sets = {local.spec.name: local for local in find_sets(root) if is_requested(local.spec)}
    for name, spec in catalog().items():
        store = stores.get(name) if is_requested(spec) else None
        if store is None and name not in local_sets:
            continue
        try:
            if store is None:
                refuse_ambiguous_names([local_sets[name]])
            images += load_set(spec, local_sets.get(name), store)
        except ValueError as error:
            faults.append(str(error))
    if faults:
        raise ValueError("\n".join(faults))
    return images, stores_note([store for name, store in stores.items() if is_requested(catalog()[name])])


def _sample(image: LoadedImage, scene: str) -> Sample:
    return image.sample(scene, image.spec.task.conditions)


def crop_item(item: EvalItem, side: int | None) -> EvalItem:
    """The item, or its centre of at most `side` pixels a side."""
    if side is None:
        return item
    return replace(item, degraded=centre_crop(item.degraded, side), clean=centre_crop(item.clean, side))


def share_limit(counts: Sequence[int], limit: int | None) -> list[int]:
    """How many of each set when `limit` in all: one from each in turn."""
    remaining = sum(counts) if limit is None else min(limit, sum(counts))
    shares = [0] * len(counts)
    while remaining:
        for index, count in enumerate(counts):
            if remaining and shares[index] < count:
                shares[index] += 1
                remaining -= 1
    return shares


def _device_patch(image: Tensor, top: int, left: int, side: int) -> Tensor:
    """A square of this side; an image too small for it is reflected at its bottom and right."""
    cut = image[top : top + side, left : left + side]
    short = [side - length for length in cut.shape[:2]]
    if not any(short):
        return cut
    padded = np.pad(cut.cpu().numpy(), [*((0, missing) for missing in short), (0, 0)], mode="symmetric")
    return torch.from_numpy(padded).to(image.device)


def _available_tasks(train: Sequence[LoadedImage], test: Sequence[LoadedImage]) -> str:
    sides = []
    for words, images in (("training images for", train), ("test images for", test)):
        names = [task.name for task in PAPER_TASKS if has_task(images, task)]
        sides.append(f"{words} {', '.join(names) or 'nothing'}")
    return "; ".join(sides) + "."


def _description(
    train_images: Sequence[LoadedImage],
    test_images: Sequence[LoadedImage],
    train: Sequence[LoadedImage],
    test: Sequence[LoadedImage],
    leaked: frozenset[str],
    in_training: Mapping[str, bool],
    rules: Protocol,
) -> str:
    def counts(images: Sequence[LoadedImage]) -> str:
        return ", ".join(f"{name} ({count})" for name, count in Counter(image.spec.name for image in images).items())

    lines = [f"trained on {counts(train_images)}; tested on {counts(test_images)} under {rules.label}"]
    idle = [
        t.name
        for t in PAPER_TASKS
        if (has_task(train, t) or has_task(test, t)) and not (has_task(train_images, t) and has_task(test_images, t))
    ]
    if idle:
        lines.append(f"not used, for want of training or test images: {', '.join(idle)}")
    if leaked:
        lines.append(f"{len(leaked)} training scenes left out because they stand in test sets")
    if any(in_training.values()):
        lines.append(f"{sum(in_training.values())} of {len(in_training)} test images stand in the training images")
    if rules.noise.stand_in:
        lines.append("noise drawn here stands in for the protocol's own noisy files")
    return "; ".join(lines)
