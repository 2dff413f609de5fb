"""Scores of a checkpoint: rows for each image, and their means."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Shaped
from rich.console import Console
from torch import Tensor

from ablations.harness.evaluate import as_tensor
from ablations.harness.evaluating.eval_sets import EvalImages
from ablations.harness.evaluating.journal import Journal, Recorded
from ablations.harness.evaluating.own_folder import Shown
from ablations.harness.evaluating.released import Released
from ablations.harness.memory import is_out_of_memory
from datasets.console import readable
from datasets.protocols import Protocol, score
from datasets.tasks import Condition, Task
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


@dataclass(frozen=True, kw_only=True)
class Refused:
    """An image that could not be evaluated.

    Attributes:
        image: its file, or its name in a packed set.
        condition: under which.
        reason: why, in words for the user.
    """

    image: str
    condition: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Scores:
    """What scoring found.

    Attributes:
        rows: of images.parquet.
        guesses: rows of guesses.csv, where guesses are tried.
        refused: images that are in no row.
        recalled: images whose rows an earlier call of the same evaluation had written.
    """

    rows: list[dict[str, Any]]
    guesses: list[dict[str, Any]]
    refused: list[Refused]
    recalled: int


Guess = Callable[[Shown, Sequence[dict[str, Any]]], dict[str, Any]]
"""Row of guesses.csv for an image and its rows of images.parquet."""


def score_released(
    released: Released,
    data: EvalImages,
    conditions: Sequence[Condition],
    rules: Protocol,
    *,
    limit: int | None = None,
    console: Console | None = None,
    guess: Guess | None = None,
    journal: Journal | None = None,
) -> Scores:
    """Rows of images.parquet: each image's score under each metric, beside the degraded input's own.

    Args:
        released: the model.
        data: the images.
        conditions: which to evaluate.
        rules: the protocol; the data was made by it.
        limit: at most this many images a set and condition.
        console: where a line on progress goes, when it is a terminal.
        guess: tries a guess of each image's degradation.
        journal: where rows go as they are made, with those of an earlier call.

    Raises:
        ValueError: no image could be evaluated, or the model returned no numbers.
    """
    journal = journal or Journal()
    scores = Scores(rows=[], guesses=[], refused=[], recalled=0)
    recalled = 0

    def refuse(image: str, condition: str, reason: str) -> None:
        scores.refused.append(Refused(image=image, condition=condition, reason=reason))

    for number, shown in enumerate(data.items(conditions, limit, refuse), start=1):
        found = journal.recall(shown)
        recalled += found is not None
        if found is None:
            try:
                rows = _rows(released, shown, rules)
                found = Recorded(rows=rows, guess=guess(shown, rows) if guess is not None else None)
            except _NotEvaluated as error:
                refuse(shown.source or shown.item.name, shown.item.condition.name, str(error))
                continue
            journal.add(shown, found)
        scores.rows.extend(found.rows)
        if found.guess is not None:
            scores.guesses.append(found.guess)
        if console is not None and console.is_terminal:
            console.print(f"{number} images, {shown.dataset} {shown.item.condition.name}   ", end="\r", markup=False)
        del shown  # the next one is made before it would be let go
    if not scores.rows and scores.refused:
        first = scores.refused[0]
        more = f" (and {len(scores.refused) - 1} more)" if len(scores.refused) > 1 else ""
        raise ValueError(f"No image could be evaluated. {first.image}: {first.reason}{more}")
    if not scores.rows:
        raise ValueError("No image to evaluate: choose other --tasks or --data.")
    return replace(scores, recalled=recalled)


class _NotEvaluated(ValueError):
    """This image can't be evaluated; others can."""


def _rows(released: Released, shown: Shown, rules: Protocol) -> list[dict[str, Any]]:
    item, task = shown.item, shown.item.condition.task
    try:
        restored = released.restore(as_tensor(item.degraded), item.condition)
        # levels, not floats: a photograph of 12 megapixels takes 36 MB so, and 144 MB as float32
        degraded, clean = (_planes(image).to(restored.device) for image in (item.degraded, item.clean))
        scores, inputs = _scored([restored, degraded], clean, rules, task)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        size = f"{item.degraded.shape[1]}x{item.degraded.shape[0]}"
        gpu = "use --device cpu, or " if released.device.type == "cuda" else ""
        raise _NotEvaluated(
            f"{size} pixels do not fit in memory, and protocols score whole images: {gpu}cut it smaller "
            "(ablations.restore --tile 512 restores it in tiles, without a score)"
        ) from error
    for metric, value in scores.items():
        if not math.isfinite(value) and not torch.isfinite(restored).all():
            raise ValueError(
                f"{shown.source or item.name}: the model returned NaN or infinite pixels ({metric}); nothing is "
                "reported."
            )
    return [
        {
            "run_id": released.run_id,
            "variant": released.name,
            "seed": released.seed,
            "dataset": readable(shown.dataset),
            "protocol": rules.label,
            "task": task.name,
            "condition": item.condition.name,
            "image": readable(item.name),
            "scene": readable(item.scene),
            "seen": shown.seen,
            "metric": metric,
            "value": value,
            "input_value": inputs[metric],
        }
        for metric, value in scores.items()
    ]


def _planes(image: np.ndarray) -> Tensor:
    """(H, W, 3) as (1, 3, H, W) of the same type and memory."""
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1).unsqueeze(0)


def _scored(
    images: Sequence[Shaped[Tensor, "1 3 h w"]], clean: Shaped[Tensor, "1 3 h w"], rules: Protocol, task: Task
) -> list[dict[str, float]]:
    """Metric -> score of each image; a GPU is waited for once."""
    try:
        found = [score(image, clean, rules, task) for image in images]
    except ValueError as error:  # too small for the protocol's SSIM
        raise _NotEvaluated(" ".join(str(error).split())) from error
    values = torch.cat([value for scores in found for value in scores.values()]).tolist()
    return [
        dict(zip(found[0], values[i : i + len(found[0])], strict=True)) for i in range(0, len(values), len(found[0]))
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
