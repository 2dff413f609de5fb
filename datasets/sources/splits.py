"""Which scenes may train, validate and test: leaks, what a model has seen, and the validation scenes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from datasets.leaks import leaked_training_images, overlaps
from datasets.seeding import stable_seed
from datasets.sources.loading import LoadedImage
from datasets.tasks import Task

_VAL_SHARE = 0.05


def has_task(images: Sequence[LoadedImage], task: Task) -> bool:
    """Whether any image serves the task."""
    return any(image.spec.task is task for image in images)


def scene_of(image: LoadedImage) -> str:
    """What may not be on two sides: GoPro's sequence, else the clean file."""
    name = image.clean_name
    if image.spec.task is Task.BLUR:
        name = name.rpartition("/")[0] or name.rpartition("_")[0] or name
    return f"{image.spec.name}/{name}"


def stack_thumbnails(images: Sequence[LoadedImage]) -> NDArray[np.float32]:
    """(N, 1536) thumbnails of the images' clean sides."""
    return np.stack([image.thumb for image in images]) if images else np.empty((0, 1536), dtype=np.float32)


def unique_clean_images(images: Sequence[LoadedImage]) -> list[LoadedImage]:
    """Each clean image once, whatever number of degraded ones it serves."""
    return list({(image.spec.name, image.clean_name): image for image in reversed(images)}.values())[::-1]


def leaked_scenes(train: Sequence[LoadedImage], test: Sequence[LoadedImage]) -> frozenset[str]:
    """Training scenes with an image that stands in any of the test images."""
    clean_images = unique_clean_images(train)
    names = leaked_training_images(
        [image.name for image in clean_images],
        stack_thumbnails(clean_images),
        stack_thumbnails(unique_clean_images(test)),
    )
    return frozenset(scene_of(image) for image in clean_images if image.name in names)


def match_training_images(train: Sequence[LoadedImage], test: Sequence[LoadedImage]) -> dict[str, bool]:
    """Test image -> whether its scene stands in the training images."""
    train_images = unique_clean_images(train)
    matches = overlaps(
        {"train": ([image.name for image in train_images], stack_thumbnails(train_images))},
        {"test": ([image.name for image in test], stack_thumbnails(test))},
    )
    matched_names = {match.test_image for match in matches}
    return {image.name: image.name in matched_names for image in test}


def validation_scenes(train: Sequence[LoadedImage]) -> tuple[frozenset[str], frozenset[str]]:
    """Scenes to validate on, a twentieth of each set's, and others that look like one of them."""
    val_scenes: set[str] = set()
    for name in dict.fromkeys(image.spec.name for image in train):
        scenes = sorted(
            {scene_of(image) for image in train if image.spec.name == name}, key=lambda scene: stable_seed("val", scene)
        )
        val_scenes.update(scenes[: min(len(scenes) - 1, max(1, round(_VAL_SHARE * len(scenes))))])
    clean_images = unique_clean_images(train)
    val_images = [image for image in clean_images if scene_of(image) in val_scenes]
    other_images = [image for image in clean_images if scene_of(image) not in val_scenes]
    names = leaked_training_images(
        [image.name for image in other_images], stack_thumbnails(other_images), stack_thumbnails(val_images)
    )
    return frozenset(val_scenes), frozenset(scene_of(image) for image in other_images if image.name in names)
