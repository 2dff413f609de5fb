"""BSDS500's photographs, degraded here: enough images to train and test small models, in a root that few must ask for.

The field's own training pairs for rain and haze are large or hard to get. Here every task is made from the same clean
photographs, so that a difference between tasks is not one between data sets; real test pairs stand beside the synthetic
ones as a transfer test.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from datasets.bundle import DataBundle, Sample
from datasets.catalog import get_dataset
from datasets.catalog.finder import find_set
from datasets.leaks import same_scenes
from datasets.sources.embedded import smooth_depth
from datasets.sources.loading import LoadedImage, load_set, stored_sets
from datasets.sources.splits import leaked_scenes, scene_of, stack_thumbnails, validation_scenes
from datasets.tasks import CONDITIONS, Condition, Task

_TRAIN, _NOISE_TEST, _TEST, _PAIRS = "bsd400", "cbsd68", "bsds500-val", "rain100l-test"
_NOISE = tuple(c for c in CONDITIONS if c.task is Task.NOISE)
_NOT_NOISE = tuple(c for c in CONDITIONS if c.task is not Task.NOISE)


def load_bsds(root: Path) -> DataBundle:
    """BSDS500's train and test photographs to learn from, tested on CBSD68, BSDS500's val and Rain100L's own pairs.

    Noise is tested on CBSD68, the other tasks on the 100 photographs of BSDS500's val, degraded here; Rain100L's own
    pairs, where the root has them, are a second test of rain. Training leaves out every photograph that stands in a
    test set (67 scenes stand in Rain100L's), and a twentieth to validate on.

    Raises:
        ValueError: the root lacks one of BSD400, BSDS500's val and CBSD68, or has unusable files, all of them named.
    """
    train, val_photos, noise, pairs = (_images(root, name) for name in (_TRAIN, _TEST, _NOISE_TEST, _PAIRS))
    missing = [name for name, images in ((_TRAIN, train), (_TEST, val_photos), (_NOISE_TEST, noise)) if not images]
    if missing:
        raise ValueError(
            f"--data bsds needs BSDS500 and CBSD68 under {str(root)!r}; not found: {', '.join(missing)} "
            "(python -m datasets list says where they come from)."
        )
    test_images = [*noise, *val_photos, *pairs]
    leaked = leaked_scenes(train, test_images)
    usable = [image for image in train if scene_of(image) not in leaked]
    val_scenes, resembling = validation_scenes(usable)
    scenes = same_scenes([image.name for image in test_images], stack_thumbnails(test_images))
    train_images = [image for image in usable if scene_of(image) not in val_scenes | resembling]
    transfer = f" and, for rain, on Rain100L's own {len(pairs)} pairs" if pairs else ""
    return DataBundle(
        name="BSDS500",
        description=(
            f"{len(train_images)} photographs of BSDS500 (train and test) to train on, "
            f"{len(usable) - len(train_images)} of them to validate, less {len(train) - len(usable)} that stand in "
            f"test sets; noise tested on CBSD68 ({len(noise)}), other tasks on BSDS500 val ({len(val_photos)}), "
            f"all degraded here{transfer}"
        ),
        train=tuple(_sample(image, CONDITIONS, scene_of(image)) for image in train_images),
        val=tuple(_sample(image, CONDITIONS, scene_of(image)) for image in usable if scene_of(image) in val_scenes),
        test=(
            *(_sample(image, _NOISE, f"test:{scenes[image.name]}") for image in noise),
            *(_sample(image, _NOT_NOISE, f"test:{scenes[image.name]}") for image in val_photos),
            *(_sample(image, (Condition(task=Task.RAIN),), f"test:{scenes[image.name]}") for image in pairs),
        ),
        sets_in_names=True,
    )


def _images(root: Path, name: str) -> list[LoadedImage]:
    spec = get_dataset(name)
    local, store = find_set(root, spec), stored_sets(root).get(name)
    return [] if local is None and store is None else load_set(spec, local, store)


def _sample(image: LoadedImage, conditions: Sequence[Condition], scene: str) -> Sample:
    return image.sample(scene, conditions, None if image.degraded is not None else smooth_depth(image.clean))
