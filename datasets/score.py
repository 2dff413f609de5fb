"""The degraded input's own PSNR and SSIM: the first number to compare with other people's.

If the input's score on a data set differs from somebody's, the data or the protocol differs, and no model's number can
be compared. Under several protocols the same images give several tables; their numbers never share a column.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from datasets.check import clean_thumbs
from datasets.dataset_spec import DatasetSpec
from datasets.finder import Pair, find_sets, require_clear_names
from datasets.inspection import look_at_all
from datasets.leaks import overlaps
from datasets.noise import noisy_inputs
from datasets.pair_layouts import (
    LAYOUTS,
    RULES,
    find_pair_sets,
    image_files,
    pair_notes,
    require_one_of_a_name,
    tested_files,
)
from datasets.pair_layouts import fitting as fitting_sets
from datasets.pair_suspects import refuse_unnamed_pairs
from datasets.protocols import Protocol, score
from datasets.readers import ImageRefused, passed_over, read_rgb
from datasets.tasks import Condition, Task, noise

_LEVELS = 3


@dataclass(frozen=True, kw_only=True)
class ScoreSet:
    """Images to score: a set of the catalogue, or a folder of the user's own.

    Attributes:
        name: the set's name, or the folder's.
        task: its degradation; None for pairs of unknown kind (scored on RGB where a protocol asks for luma by task).
        pairs: its images; without degraded files they get noise.
        refused: (file, reason) of degraded images without a partner.
        notes: what was found and what was not used, in words; of a set of the catalogue, whether images are missing.
        whole: images that the set of the catalogue has; None for a folder of the user's own.
    """

    name: str
    task: Task | None
    pairs: tuple[Pair, ...]
    refused: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    whole: int | None = None


@dataclass(frozen=True, kw_only=True)
class ImageScore:
    """One image under one condition.

    Attributes:
        image: its name.
        condition: `noise-25`, `rain`, ...; `pairs` for a task that isn't known.
        psnr_db: of the degraded input; inf where it equals the clean image.
        ssim: of the degraded input.
    """

    image: str
    condition: str
    psnr_db: float
    ssim: float


@dataclass(frozen=True, kw_only=True)
class InputScores:
    """The input's scores on one set under one protocol.

    Attributes:
        dataset: the set.
        protocol: the protocol's label.
        images: one score for each image and condition.
        refused: (file, reason) of images that could not be scored.
        seen: images whose scene stands in training sets; None where nobody asked.
    """

    dataset: str
    protocol: str
    images: tuple[ImageScore, ...]
    refused: tuple[tuple[str, str], ...]
    seen: frozenset[str] | None = None

    def means(self, part: str = "all") -> dict[str, tuple[int, float, float]]:
        """Condition -> images, mean PSNR (dB), mean SSIM, in the order in which conditions came.

        Args:
            part: `all` images, those `seen` in training, or the `unseen`.
        """
        seen = self.seen or frozenset()
        table: dict[str, list[ImageScore]] = {}
        for each in self.images:
            if part == "all" or (each.image in seen) == (part == "seen"):
                table.setdefault(each.condition, []).append(each)
        return {
            name: (len(rows), float(np.mean([r.psnr_db for r in rows])), float(np.mean([r.ssim for r in rows])))
            for name, rows in table.items()
        }

    @property
    def parts(self) -> tuple[str, ...]:
        """`all`, and seen and unseen apart where some images were seen."""
        return ("all", "seen", "unseen") if self.seen else ("all",)

    def to_json(self) -> dict[str, Any]:
        """Means by condition and every image; a PSNR that is infinite becomes null."""
        means = [
            {"condition": name, "part": part, "images": count, "psnr_db": _finite(psnr), "ssim": ssim}
            for part in self.parts
            for name, (count, psnr, ssim) in self.means(part).items()
        ]
        images: list[dict[str, Any]] = [{**asdict(each), "psnr_db": _finite(each.psnr_db)} for each in self.images]
        if self.seen is not None:
            images = [{**row, "seen": row["image"] in self.seen} for row in images]
        refused = [{"file": file, "reason": reason} for file, reason in self.refused]
        return {
            "dataset": self.dataset,
            "protocol": self.protocol,
            "means": means,
            "images": images,
            "refused": refused,
        }


class NothingToScoreError(ValueError):
    """A folder that holds neither test sets nor pairs nor, where those were asked for, clean images."""


def sets_to_score(folder: Path, task: Task | None = None) -> list[ScoreSet]:
    """What there is to score in a folder.

    Tried in turn: test sets of the catalogue below the folder; the folder being one of them; pairs of the user's own
    (`datasets.pair_layouts`; of those with a split, the ones to test on); clean images below it, with `task` noise.

    Raises:
        NothingToScoreError: nothing in it fits the task.
        ValueError: no such folder, or names that two files share.
    """
    known = [found for found in find_sets(folder) if found.spec.split == "test"]
    if not known:
        inside = folder.resolve()
        # `LOL-v1/eval15` is a set of the root two folders up.
        for root in list(inside.parents)[:_LEVELS]:
            near = [found for found in find_sets(root) if found.spec.split != "none"]
            known = [found for found in near if all(pair.clean.is_relative_to(inside) for pair in found.pairs)]
            if known:
                break
    require_clear_names(known)
    sets = [
        ScoreSet(
            name=found.spec.name,
            task=found.spec.task,
            pairs=found.pairs,
            notes=part_note(found.spec, len(found.pairs)),
            whole=found.spec.count,
        )
        for found in known
    ]
    if not sets:
        sets = _own_pairs(folder, task) or (_own_clean(folder) if task is Task.NOISE else [])
    fitting = [each for each in sets if task is None or each.task in (task, None)]
    if not fitting:
        has = ", ".join(f"{each.name} ({each.task.name})" for each in sets if each.task)
        if not has:
            count = len(image_files(folder))
            has = f"no test set of the field and no pairs ({LAYOUTS}), but {count} images" if count else "no images"
        wants = f" for task {task.name}" if task else ""
        raise NothingToScoreError(
            f"Nothing to score{wants} in {str(folder)!r}: it holds {has}. Give a root of test sets, a folder of pairs, "
            "or a folder of clean images: `datasets score FOLDER --task noise`, or `ablations.evaluate --data FOLDER`."
        )
    return fitting


def part_note(spec: DatasetSpec, images: int) -> tuple[str, ...]:
    """That fewer images are there than the set has, in words; nothing for a whole set."""
    if images >= spec.count:
        return ()
    return (
        f"{spec.name}: {images} of the set's {spec.count} images, so means are not comparable with the whole set's",
    )


def seen_in_training(sets: Sequence[ScoreSet], training: Path) -> dict[str, frozenset[str]]:
    """Set -> images whose scene stands in a training set that the folder holds.

    Raises:
        ValueError: the folder is none, or holds no training set.
    """
    found = [each for each in find_sets(training) if each.spec.split == "train"]
    if not found:
        raise ValueError(f"{str(training)!r} holds no training set of the catalogue.")
    train = {each.spec.name: clean_thumbs(each, list(look_at_all(each.pairs))) for each in found}
    test = {each.name: _thumbs(each) for each in sets}
    known = {(each.test_set, each.test_image) for each in overlaps(train, test)}
    return {each.name: frozenset(image for name, image in known if name == each.name) for each in sets}


def score_inputs(images: ScoreSet, protocol: Protocol, seen: frozenset[str] | None = None) -> InputScores:
    """Score the degraded inputs of a set as the protocol would score a model's outputs.

    Args:
        images: what to score.
        protocol: how.
        seen: images to report apart from the rest (`seen_in_training`).
    """
    refused: dict[str, str] = dict(images.refused)
    by_name = {pair.name: pair for pair in images.pairs}
    pairs = [by_name[name] for name in protocol.ordered(by_name)]
    if all(pair.degraded is None for pair in pairs):
        rows = list(_noise_scores(pairs, protocol, refused))
    else:
        rows = list(_pair_scores(pairs, images.task, protocol, refused))
    return InputScores(
        dataset=images.name, protocol=protocol.label, images=tuple(rows), refused=tuple(refused.items()), seen=seen
    )


class _CleanImages(Sequence[NDArray[np.uint8]]):
    """Files decoded when asked for: a set at full resolution need not fit in memory."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: Any) -> Any:
        return read_rgb(self.paths[index])


def _thumbs(images: ScoreSet) -> tuple[list[str], NDArray[np.float32]]:
    """Names and thumbnails of the clean images that decode."""
    looks = look_at_all([Pair(name=pair.name, clean=pair.clean) for pair in images.pairs])
    kept = [(look.name, look.thumb) for look in looks if look.thumb is not None]
    return [name for name, _ in kept], np.stack([thumb for _, thumb in kept]) if kept else np.empty((0, 1), np.float32)


def _noise_scores(pairs: list[Pair], protocol: Protocol, refused: dict[str, str]) -> Iterator[ImageScore]:
    usable = []
    for pair in pairs:
        # Decoded once more than needed: an image that fails half-way through would shift the noise of all after it.
        try:
            protocol.crop(torch.from_numpy(read_rgb(pair.clean)).permute(2, 0, 1))
            usable.append(pair)
        except ImageRefused as refusal:
            refused[str(pair.clean)] = refusal.reason
        except ValueError as error:
            refused[str(pair.clean)] = str(error)
    for item in noisy_inputs(protocol, _CleanImages([pair.clean for pair in usable])):
        metrics = score(item.degraded[None], item.clean[None], protocol, Task.NOISE)
        yield _row(usable[item.index].name, noise(item.sigma_255), metrics)


def _pair_scores(
    pairs: list[Pair], task: Task | None, protocol: Protocol, refused: dict[str, str]
) -> Iterator[ImageScore]:
    for pair in pairs:
        if pair.degraded is None:
            refused[str(pair.clean)] = "has no degraded partner"
            continue
        try:
            degraded, clean = (
                torch.from_numpy(read_rgb(path)).permute(2, 0, 1).float() / 255.0
                for path in (pair.degraded, pair.clean)
            )
            if degraded.shape != clean.shape:
                sizes = " and ".join(f"{image.shape[2]}x{image.shape[1]}" for image in (degraded, clean))
                raise ValueError(f"degraded and clean differ in size: {sizes}")
            metrics = score(protocol.crop(degraded)[None], protocol.crop(clean)[None], protocol, task)
        except ImageRefused as refusal:
            refused[str(refusal.path)] = refusal.reason
        except ValueError as error:
            refused[str(pair.degraded)] = str(error)
        else:
            yield _row(pair.name, Condition(task=task) if task else None, metrics)


def _row(image: str, condition: Condition | None, metrics: dict[str, torch.Tensor]) -> ImageScore:
    return ImageScore(
        image=image,
        condition=condition.name if condition else "pairs",
        psnr_db=float(metrics["psnr_db"]),
        ssim=float(metrics["ssim"]),
    )


def _own_pairs(folder: Path, task: Task | None) -> list[ScoreSet]:
    """Pairs of the user's own, a set for each task; of those with a split of their own, the ones to test on."""
    told = [task] if task else []
    found = fitting_sets(find_pair_sets(folder, told), told, folder)
    parts = {each.part for each in found}
    part = next((name for name in ("test", "val", "", "train") if name in parts), "")
    several = len({each.task for each in found if each.part == part}) > 1
    sets = []
    for each in found:
        if each.part == part:
            name = folder.resolve().name or "folder"
            left = sum(len(other.pairs) for other in found if other.part != part)
            split = [f"{part}/ alone: {left} pairs of its other parts not used"] if left else []
            sets.append(
                ScoreSet(
                    name=f"{name}-{each.task.name}" if several and each.task else name,
                    task=each.task,
                    pairs=each.pairs,
                    refused=tuple((str(path), f"no clean partner ({RULES})") for path in each.unpaired),
                    notes=tuple(pair_notes(folder, found) + split),
                )
            )
    return sets


def _own_clean(folder: Path) -> list[ScoreSet]:
    """Clean images of the user's own, which get noise."""
    files = image_files(folder)
    require_one_of_a_name(folder, files)
    refuse_unnamed_pairs(folder, files)
    files, left = tested_files(folder, files)
    pairs = tuple(Pair(name=path.relative_to(folder).with_suffix("").as_posix(), clean=path) for path in files)
    notes = tuple(filter(None, (left, passed_over(folder))))
    return (
        [ScoreSet(name=folder.resolve().name or "folder", task=Task.NOISE, pairs=pairs, notes=notes)] if pairs else []
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
