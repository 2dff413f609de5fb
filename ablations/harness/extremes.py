"""Crops of the images in which a study's pairs of variants differ most, restored again from the runs' final weights."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ablations.harness.evaluate import as_tensor, restore_items
from ablations.harness.run_one import test_items
from ablations.harness.samples import CROP_SIDES, Box, cut, densest_box, to_pixels, write_png
from ablations.harness.seeding import make_deterministic
from ablations.measures.loaded_run import load_run
from ablations.models import is_trained
from ablations.spec import RunSpec
from datasets.bundle import EvalItem
from datasets.protocols import get_protocol, score
from reports import schema
from reports.extremes import Extreme, scores_by_seed, stored_extreme, study_extremes
from reports.files import write_json
from reports.load import load_study
from reports.subsets import main_subset

_MOST_APART_DB = 0.05
"""Between the PSNR of an image restored again and that in the table; beyond, the weights are not the table's."""

ImageKey = tuple[str, str, str]
"""(data set, condition, image)."""


@dataclass(frozen=True, kw_only=True)
class _Task:
    """An extreme to restore: the seed whose runs do it, their ids, and its scores there."""

    extreme: Extreme
    seed: int
    runs: tuple[str, str]  # of the variant and of the reference
    scores_db: tuple[float, float, float]  # of the variant, the reference and the degraded input

    @property
    def key(self) -> ImageKey:
        """The image."""
        return self.extreme.dataset, self.extreme.condition, self.extreme.image


def write_extremes(folder: Path, root: Path, specs: Mapping[str, RunSpec], device: torch.device) -> int:
    """Bring a study's extremes.json up to date; crops whose scores are still the runs' stay.

    The runs of the seed nearest to the mean difference restore an image, of those whose spec and weights are here.

    Args:
        folder: of the study, with its study.json and finished runs.
        root: of the runs.
        specs: run id -> spec of the runs that may be used.
        device: where images are restored.

    Returns:
        The number of images restored.
    """
    study = main_subset(load_study(folder))
    extremes = study_extremes(study) if len(study.rows) else []
    stored = {extreme: stored_extreme(study, extreme) for extreme in extremes}
    usable = {run_id for run_id, spec in specs.items() if _has_weights(root / run_id, spec)}
    tasks = [
        task
        for extreme in extremes
        if stored[extreme] is None and (task := _task(extreme, scores_by_seed(study, extreme), usable)) is not None
    ]
    restored = _restore(tasks, root, specs, device)
    reusable = [entry for entry in stored.values() if entry is not None]
    records = [*(entry.record for entry in reusable), *(_write_crops(task, restored, folder) for task in tasks)]
    if records or (folder / schema.EXTREMES_FILE).is_file():
        write_json(folder / schema.EXTREMES_FILE, records)
        _remove_others(folder / schema.EXTREMES_FOLDER, records)
    return len(tasks)


def _has_weights(folder: Path, spec: RunSpec) -> bool:
    return not is_trained(spec.config) or (folder / schema.WEIGHTS_FILE).is_file()


def _task(extreme: Extreme, scores: pd.DataFrame, usable: set[str]) -> _Task | None:
    """How to restore an extreme; None where no seed's runs can."""
    for seed, row in scores.iterrows():
        runs = str(row["variant_run"]), str(row["reference_run"])
        if set(runs) <= usable:
            scores_db = float(row["variant"]), float(row["reference"]), float(row["input"])
            return _Task(extreme=extreme, seed=int(str(seed)), runs=runs, scores_db=scores_db)
    return None


def _restore(
    tasks: Sequence[_Task], root: Path, specs: Mapping[str, RunSpec], device: torch.device
) -> dict[tuple[str, ImageKey], tuple[EvalItem, Tensor]]:
    """(run id, image) -> the image and (1, 3, H, W) float32 on the CPU, restored by the run, which is loaded once."""
    scores_db = {
        (run_id, task.key): db for task in tasks for run_id, db in zip(task.runs, task.scores_db[:2], strict=True)
    }
    restored = {}
    for run_id in dict.fromkeys(run_id for run_id, _ in scores_db):
        keys = {key for name, key in scores_db if name == run_id}
        spec = specs[run_id]
        make_deterministic(device, spec.recipe.cpu_threads)
        run = load_run(spec, root / run_id, device)
        items = [item for item in test_items(spec, run.bundle, spec.protocol) if _key(item, spec) in keys]
        for item, image in restore_items(run, run.model, items):
            restored[run_id, _key(item, spec)] = item, image.cpu()
            _check_score(item, image.cpu(), spec, scores_db[run_id, _key(item, spec)])
    return restored


def _check_score(item: EvalItem, image: Tensor, spec: RunSpec, table_db: float) -> None:
    """Raise ValueError where an image's PSNR is not that of the table: other weights, or another device."""
    scores = score(image, as_tensor(item.clean), get_protocol(spec.protocol), item.condition.task)
    psnr_db = min(float(scores[schema.PSNR]), schema.METRICS[0].upper)
    if abs(psnr_db - table_db) > _MOST_APART_DB:
        raise ValueError(
            f"{spec.run_id} restores {item.name} ({item.condition.name}) to {psnr_db:.2f} dB, its table says "
            f"{table_db:.2f}: its weights are not those that were tested; run it again with --force."
        )


def _key(item: EvalItem, spec: RunSpec) -> ImageKey:
    return item.dataset or spec.data.name, item.condition.name, item.name


def _write_crops(
    task: _Task, restored: Mapping[tuple[str, ImageKey], tuple[EvalItem, Tensor]], folder: Path
) -> schema.ExtremeRecord:
    """Write the crops of an extreme; its entry of extremes.json."""
    (item, by_variant), (_, by_reference) = (restored[run_id, task.key] for run_id in task.runs)
    images = {
        "degraded": to_pixels(as_tensor(item.degraded)),
        "reference": to_pixels(by_reference),
        "variant": to_pixels(by_variant),
        "clean": item.clean,
    }
    box = most_different_box(images["variant"], images["reference"])
    extreme = task.extreme
    name = "|".join((extreme.variant, extreme.reference, *task.key, str(task.seed)))
    stem = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:12]
    files = {kind: f"{stem}-{kind}.png" for kind in images}
    for kind, image in images.items():
        write_png(cut(image, box), folder / schema.EXTREMES_FOLDER / files[kind])
    variant_db, reference_db, input_db = task.scores_db
    return schema.ExtremeRecord(
        variant=extreme.variant,
        reference=extreme.reference,
        dataset=extreme.dataset,
        condition=extreme.condition,
        image=extreme.image,
        seed=task.seed,
        box=list(box),
        files=files,
        variant_psnr_db=variant_db,
        reference_psnr_db=reference_db,
        input_psnr_db=input_db,
    )


def most_different_box(first: np.ndarray, second: np.ndarray) -> Box:
    """The square of 96 pixels, or half the longer side if less, in which two (H, W, 3) uint8 images differ most."""
    difference = np.abs(first.astype(np.float64) - second.astype(np.float64)).mean(axis=2)
    return densest_box(difference, min(CROP_SIDES[0], max(difference.shape) // 2))


def _remove_others(folder: Path, records: Iterable[schema.ExtremeRecord]) -> None:
    """Remove crops that no entry names."""
    names = {name for record in records for name in record["files"].values()}
    for path in folder.glob("*.png"):
        if path.name not in names:
            path.unlink()
