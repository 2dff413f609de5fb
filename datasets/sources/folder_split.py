"""Which images of a folder train, validate and test: by the folder's own parts, or by count in order of content."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from datasets.bundle import Sample
from datasets.seeding import stable_seed

Percentages = tuple[int, int, int]
DEFAULT_PERCENTAGES: Percentages = (80, 10, 10)


@dataclass(frozen=True, kw_only=True)
class FolderSplit:
    """Images to train on, validate and test, and a description of the split."""

    train: tuple[Sample, ...]
    val: tuple[Sample, ...]
    test: tuple[Sample, ...]
    description: str


def has_split_folders(parts: Collection[str]) -> bool:
    """Whether folders of these parts are a split: one to train on, and one besides. `train/` alone may hold trains."""
    return "train" in parts and bool({"val", "test"} & set(parts))


def split_by_count(samples: Sequence[Sample], split: Percentages) -> FolderSplit:
    """So many per cent of the scenes on each side, at least one each, in the order of the hash of their content.

    Raises:
        ValueError: percentages that are none: below 1, or that do not add up to 100.
    """
    if sum(split) != 100 or min(split) < 1:
        words = " ".join(map(str, split))
        raise ValueError(f"--split {words}: three whole percentages of 1 or more that add up to 100, as in 80 10 10.")
    scenes = _scenes(samples)
    val, test = (max(1, round(len(scenes) * share / 100)) for share in split[1:])
    while len(scenes) - val - test < 1:  # few images, or a small first share
        val, test = (val - 1, test) if val >= test else (val, test - 1)
    side_of = {scene: "test" if at < test else "val" if at < test + val else "train" for at, scene in enumerate(scenes)}
    place = {scene: at for at, scene in enumerate(scenes)}
    ordered = sorted(samples, key=lambda sample: (place[sample.scene], sample.name))
    train, val_side, test_side = (
        tuple(s for s in ordered if side_of[s.scene] == side) for side in ("train", "val", "test")
    )
    return FolderSplit(
        train=train, val=val_side, test=test_side, description=f"split by count, {split[0]} / {split[1]} / {split[2]}"
    )


def split_by_folders(samples: Sequence[tuple[Sample, str]], root: Path) -> FolderSplit:
    """The folder's own parts. Training images that are tested or validated on, too, are left out, and counted.

    Without `val/` a tenth of the training scenes validates; without `test/`, `val/` is tested on.

    Raises:
        ValueError: no images to train or to test on.
    """
    parts = {side: [s for s, part in samples if part == side] for side in ("train", "val", "test")}
    unused = sum(part == "" for _, part in samples)
    how = "split as its own folders are"
    if unused:
        how += f" ({unused} images outside of them not used)"
    if not parts["test"]:
        parts["test"], parts["val"] = parts["val"], []
        how += ", with val/ to test on since there is no test/"
    if not parts["train"] or not parts["test"]:
        has = ", ".join(f"{name}/ with {len(images)}" for name, images in parts.items() if images)
        raise ValueError(f"{root} holds {has} images: train/ and test/ are needed, or neither of them.")
    tested = {sample.content for sample in parts["test"]}
    parts["val"], val_copies = _exclude(parts["val"], tested)
    held_out = tested | {sample.content for sample in parts["val"]}
    parts["train"], train_copies = _exclude(parts["train"], held_out)
    if val_copies + train_copies:
        how += f", {val_copies + train_copies} images left out that stand in another part, too"
    if not parts["val"]:
        scenes = _scenes(parts["train"])
        chosen = set(scenes[: max(1, round(len(scenes) / 10))])
        parts["val"], parts["train"] = (
            [s for s in parts["train"] if (s.scene in chosen) is in_val] for in_val in (True, False)
        )
        how += ", a tenth of train/ to validate"
    if not parts["train"]:
        raise ValueError(f"{root}: no images are left to train on: {how}.")
    return FolderSplit(train=tuple(parts["train"]), val=tuple(parts["val"]), test=tuple(parts["test"]), description=how)


def _exclude(samples: Sequence[Sample], contents: set[str]) -> tuple[list[Sample], int]:
    remaining = [sample for sample in samples if sample.content not in contents]
    return remaining, len(samples) - len(remaining)


def _scenes(samples: Sequence[Sample]) -> list[str]:
    """Scenes in the order of the hash of a content."""
    places: dict[str, int] = {}
    for sample in samples:
        place = stable_seed("split", sample.content)
        places[sample.scene] = min(place, places.get(sample.scene, place))
    return sorted(places, key=lambda scene: places[scene])
