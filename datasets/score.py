"""Means of scores, and the degraded input's own: the first number to compare with other people's.

If the input's score on a data set differs from somebody's, the data or the protocol differs, and no model's number can
be compared. Under several protocols the same images give several tables; their numbers never share a column.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from datasets.bundle import EvalItem
from datasets.protocols import Protocol, score
from datasets.tasks import Condition, Task
from datasets.test_sets.discovery import TestSet
from datasets.test_sets.items import make_items
from datasets.test_sets.opening import TestQuery, TestSets, holds_test_sets, open_clean_images, open_test_sets

PSNR, SSIM = "psnr_db", "ssim"
PARTS = ("all", "seen", "unseen")
_IN_TRAINING_SET = {"seen": "yes", "unseen": "no"}  # part -> its value of the column
UNKNOWN_TASK = Task(name="pairs", label="Pairs", colour="#000000", detailed="pairs", simple="pairs")
"""Of pairs of unknown kind: scored on RGB where a protocol asks for luma by task."""


@dataclass(frozen=True, kw_only=True)
class Mean:
    """Means over the images of a set under a condition."""

    dataset: str
    condition: str
    part: str  # `all` images, or those `seen` or `unseen` in training sets
    images: int
    psnr_db: float  # of the restored images; inf where one is perfect
    ssim: float  # of the restored images
    input_psnr_db: float  # of the degraded images themselves
    input_ssim: float  # of the degraded images themselves


@dataclass(frozen=True, kw_only=True)
class InputScores:
    """The degraded inputs' own scores on one set under one protocol."""

    dataset: str
    rules: Protocol
    notes: tuple[str, ...]  # on the images, for the reader
    rows: list[dict[str, Any]]  # dataset, image, condition, in_training_set, metric, value, input_value
    refused: tuple[tuple[str, str], ...]  # (file, reason) of images that could not be scored

    def means(self) -> list[Mean]:
        """See `compute_means`."""
        return compute_means(self.rows, self.rules)

    def to_json(self) -> dict[str, Any]:
        """Means by condition and every image; a PSNR that is infinite becomes null."""
        images: dict[tuple[str, str], dict[str, Any]] = {}
        for row in self.rows:
            image = images.setdefault(
                (row["image"], row["condition"]), {"image": row["image"], "condition": row["condition"]}
            )
            image[row["metric"]] = row["value"] if math.isfinite(row["value"]) else None
            if row["in_training_set"]:
                image["seen"] = row["in_training_set"] == "yes"
        return {
            "dataset": self.dataset,
            "protocol": self.rules.label,
            "means": [
                {
                    "condition": mean.condition,
                    "part": mean.part,
                    "images": mean.images,
                    "psnr_db": mean.psnr_db if math.isfinite(mean.psnr_db) else None,
                    "ssim": mean.ssim,
                }
                for mean in sorted(self.means(), key=lambda mean: PARTS.index(mean.part))
            ],
            "images": list(images.values()),
            "refused": [{"file": file, "reason": reason} for file, reason in self.refused],
        }


def compute_means(rows: Sequence[dict[str, Any]], rules: Protocol) -> list[Mean]:
    """Means over the images of each set and condition, and separately of seen and unseen images where some were seen.

    Args:
        rows: of images.parquet; one a metric.
        rules: the protocol that made them.
    """
    means: list[Mean] = []
    if not rows:
        return means
    for (dataset, condition), group in pd.DataFrame(list(rows)).groupby(["dataset", "condition"], sort=False):
        has_seen = (group["in_training_set"] == "yes").any()
        for part in PARTS if has_seen else PARTS[:1]:
            images = group if part == "all" else group[group["in_training_set"] == _IN_TRAINING_SET[part]]
            if not images.empty:
                means.append(_mean(str(dataset), str(condition), part, images, rules))
    return means


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


def score_inputs(folder: Path, query: TestQuery, condition: Condition | None = None) -> list[InputScores]:
    """Score the degraded inputs of a folder, set by set, as the protocol would score a model's outputs.

    Files that can't be used are left out and named.

    Args:
        folder: of test sets, pairs or images.
        query: protocol and tasks.
        condition: score this one alone, such as the level of noisy files.

    Raises:
        ValueError: nothing in the folder to score.
    """
    query = replace(query, skip_bad=True, unknown=UNKNOWN_TASK, scenes=False)
    noise_alone = query.tasks == (Task.NOISE,) and not holds_test_sets(folder)
    data = (open_clean_images if noise_alone else open_test_sets)(folder, query)
    conditions = [c for c in data.conditions if query.includes_task(c.task)] if condition is None else [condition]
    return [_score_set(test_set, data, conditions) for test_set in data.sets]


def _score_set(test_set: TestSet, data: TestSets, conditions: Sequence[Condition]) -> InputScores:
    refused = dict(test_set.refused)

    def refuse(file: str, condition: str, reason: str) -> None:
        refused.setdefault(file, reason)

    served = [condition for condition in conditions if test_set.task in (None, condition.task)]
    rows = list(_rows(make_items(data.rules, test_set.images, served, refuse=refuse), data.rules, refused))
    return InputScores(
        dataset=test_set.name, rules=data.rules, notes=data.notes, rows=rows, refused=tuple(refused.items())
    )


def _rows(items: Iterable[EvalItem], rules: Protocol, refused: dict[str, str]) -> Iterable[dict[str, Any]]:
    for item in items:
        try:
            scores = score(_floats(item.degraded), _floats(item.clean), rules, item.condition.task)
        except ValueError as error:  # too small for the protocol's SSIM
            refused[item.source or item.name] = " ".join(str(error).split())
            continue
        for metric, values in scores.items():
            yield {
                "dataset": item.dataset,
                "image": item.name.removeprefix(f"{item.dataset}/"),
                "condition": item.condition.name,
                "in_training_set": item.in_training_set,
                "metric": metric,
                "value": float(values),
                "input_value": float(values),
            }


def _floats(image: np.ndarray) -> Float[Tensor, "1 3 h w"]:
    """Levels stay levels, which take less memory."""
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None]
