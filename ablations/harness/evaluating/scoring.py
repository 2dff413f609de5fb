"""Scores of a checkpoint: rows for each image, and their means."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from rich.console import Console

from ablations.harness.evaluate import as_tensor
from ablations.harness.evaluating.eval_sets import EvalImages
from ablations.harness.evaluating.own_folder import Shown
from ablations.harness.evaluating.released import Released
from datasets.protocols import Protocol, score
from datasets.tasks import Condition
from reports.schema import PSNR, SSIM, condition_sort_key


@dataclass(frozen=True, kw_only=True)
class Mean:
    """Means over the images of a set under a condition.

    Attributes:
        dataset: the set.
        condition: its degradation.
        part: `all` images, or those `seen` or `unseen` in training sets.
        images: how many.
        psnr_db: of the restored images; inf where one is perfect.
        ssim: of the restored images.
        input_psnr_db: of the degraded images themselves.
        input_ssim: of the degraded images themselves.
    """

    dataset: str
    condition: str
    part: str
    images: int
    psnr_db: float
    ssim: float
    input_psnr_db: float
    input_ssim: float


def score_released(
    released: Released,
    data: EvalImages,
    conditions: Sequence[Condition],
    rules: Protocol,
    *,
    limit: int | None = None,
    console: Console | None = None,
    also: Callable[[Shown, Sequence[dict[str, Any]]], None] | None = None,
) -> list[dict[str, Any]]:
    """Rows of images.parquet: each image's score under each metric, beside the degraded input's own.

    Args:
        released: the model.
        data: the images.
        conditions: which to evaluate.
        rules: the protocol; the data was made by it.
        limit: at most this many images a set and condition.
        console: where a line on progress goes, when it is a terminal.
        also: called with each image and its rows.
    """
    rows: list[dict[str, Any]] = []
    for number, shown in enumerate(data.items(conditions, limit), start=1):
        own = _rows(released, shown, rules)
        rows += own
        if also is not None:
            also(shown, own)
        if console is not None and console.is_terminal:
            console.print(f"{number} images, {shown.dataset} {shown.item.condition.name}   ", end="\r", markup=False)
    if not rows:
        raise ValueError("No image to evaluate: choose other --tasks or --data.")
    return rows


def _rows(released: Released, shown: Shown, rules: Protocol) -> list[dict[str, Any]]:
    item, task = shown.item, shown.item.condition.task
    degraded = as_tensor(item.degraded)
    try:
        restored = released.restore(degraded, item.condition)
    except torch.cuda.OutOfMemoryError as error:
        size = f"{degraded.shape[-1]}x{degraded.shape[-2]}"
        raise ValueError(
            f"{item.name}, {size}: protocols score whole images and this one does not fit on the GPU; use --device cpu."
        ) from error
    clean = as_tensor(item.clean).to(restored.device)
    scores = score(restored, clean, rules, task)
    inputs = score(degraded.to(restored.device), clean, rules, task)
    for metric, value in scores.items():
        if not math.isfinite(float(value)) and not torch.isfinite(restored).all():
            raise ValueError(f"{item.name}: the model returned NaN or infinite pixels ({metric}); nothing is reported.")
    return [
        {
            "run_id": released.run_id,
            "variant": released.name,
            "seed": released.seed,
            "dataset": shown.dataset,
            "protocol": rules.label,
            "task": task.value,
            "condition": item.condition.name,
            "image": item.name,
            "scene": item.scene,
            "seen": shown.seen,
            "metric": metric,
            "value": float(value),
            "input_value": float(inputs[metric]),
        }
        for metric, value in scores.items()
    ]


def means_of(rows: Sequence[dict[str, Any]], rules: Protocol) -> list[Mean]:
    """Means over the images of each set and condition, and of those seen and unseen apart where some were seen."""
    frame = pd.DataFrame(list(rows))
    means = []
    for (dataset, condition), group in frame.groupby(["dataset", "condition"], sort=False):
        apart = ("all", "seen", "unseen") if (group["seen"] == "seen").any() else ("all",)
        for part in apart:
            images = group if part == "all" else group[group["seen"] == part]
            if not images.empty:
                means.append(_mean(str(dataset), str(condition), part, images, rules))
    return sorted(means, key=lambda mean: (condition_sort_key(mean.condition), mean.dataset))


def _mean(dataset: str, condition: str, part: str, images: pd.DataFrame, rules: Protocol) -> Mean:
    def of(metric: str, column: str) -> float:
        values = images.loc[images["metric"] == metric, column].to_numpy(dtype=np.float64, copy=True)
        return rules.mean_psnr_db(torch.from_numpy(values)) if metric == PSNR else float(values.mean())

    return Mean(
        dataset=dataset,
        condition=condition,
        part=part,
        images=int((images["metric"] == PSNR).sum()),
        psnr_db=of(PSNR, "value"),
        ssim=of(SSIM, "value"),
        input_psnr_db=of(PSNR, "input_value"),
        input_ssim=of(SSIM, "input_value"),
    )
