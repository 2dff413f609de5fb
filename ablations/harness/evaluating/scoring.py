"""Scores of a checkpoint: rows for each image, cached on disk image by image."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from rich.console import Console

from ablations.harness.evaluate import Origin, score_rows
from ablations.harness.evaluating.pretrained import PretrainedModel
from ablations.harness.evaluating.result_cache import CachedScores, ResultCache
from ablations.harness.image_scores import as_tensor, score_batch
from ablations.harness.memory import is_out_of_memory
from datasets.bundle import EvalItem
from datasets.protocols import Protocol
from datasets.tasks import Condition
from datasets.test_sets.opening import TestSets


@dataclass(frozen=True, kw_only=True)
class SkippedImage:
    """An image that could not be evaluated."""

    image: str  # its file, or its name in a packed set
    condition: str
    reason: str  # in words for the user


@dataclass(kw_only=True)
class Scores:
    """Scores of an evaluation, and the images without any."""

    rows: list[dict[str, Any]] = field(default_factory=list)  # of images.parquet
    predictions: list[dict[str, Any]] = field(
        default_factory=list
    )  # rows of guesses.csv, where degradations are predicted, too
    skipped: list[SkippedImage] = field(default_factory=list)  # images without rows
    cached_count: int = 0  # images whose rows an earlier call of the same evaluation has written

    def skip(self, image: str, condition: str, reason: str) -> None:
        """Record an image that has no rows."""
        self.skipped.append(SkippedImage(image=image, condition=condition, reason=reason))


PredictionFunction = Callable[[EvalItem, Sequence[dict[str, Any]]], dict[str, Any]]
"""Row of guesses.csv for an image and its rows of images.parquet."""


def score_pretrained(
    pretrained: PretrainedModel,
    data: TestSets,
    conditions: Sequence[Condition],
    *,
    limit: int | None = None,
    console: Console | None = None,
    predict: PredictionFunction | None = None,
    cache: ResultCache | None = None,
) -> Scores:
    """Rows of images.parquet: each image's score under each metric, beside the degraded input's own.

    Args:
        pretrained: the model.
        data: the images, under their protocol.
        conditions: which to evaluate.
        limit: at most this many images a set and condition.
        console: where a line on progress goes, when it is a terminal.
        predict: restores each image a second time, under its predicted degradation.
        cache: of the rows of earlier calls; new rows are added to it.

    Raises:
        ValueError: no image could be evaluated, or the model returned no numbers.
    """
    cache, scores = cache or ResultCache(), Scores()
    for count, item in enumerate(data.items(conditions, limit, scores.skip), start=1):
        cached = cache.get(item)
        scores.cached_count += cached is not None
        if cached is None:
            try:
                rows = _score_item(pretrained, item, data.rules)
                cached = CachedScores(rows=rows, prediction=predict(item, rows) if predict is not None else None)
            except _NotEvaluatedError as error:
                scores.skip(item.source or item.name, item.condition.name, str(error))
                continue
            cache.add(item, cached)
        scores.rows.extend(cached.rows)
        if cached.prediction is not None:
            scores.predictions.append(cached.prediction)
        if console is not None and console.is_terminal:
            console.print(f"{count} images, {item.dataset} {item.condition.name}   ", end="\r", markup=False)
        del item  # else two images are in memory while the next one is read
    if not scores.rows and scores.skipped:
        first = scores.skipped[0]
        remainder = f" (and {len(scores.skipped) - 1} more)" if len(scores.skipped) > 1 else ""
        raise ValueError(f"No image could be evaluated. {first.image}: {first.reason}{remainder}")
    if not scores.rows:
        raise ValueError("No image to evaluate: choose other --tasks or --data.")
    return scores


class _NotEvaluatedError(ValueError):
    """This image can't be evaluated; others can."""


def _score_item(pretrained: PretrainedModel, item: EvalItem, rules: Protocol) -> list[dict[str, Any]]:
    try:
        restored = pretrained.restore(as_tensor(item.degraded), item.condition)
        (scores,) = _score_or_skip(item, restored, rules)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        size = f"{item.degraded.shape[1]}x{item.degraded.shape[0]}"
        gpu = "use --device cpu, or " if pretrained.device.type == "cuda" else ""
        raise _NotEvaluatedError(
            f"{size} pixels do not fit in memory, and protocols score whole images: {gpu}cut it smaller "
            "(ablations.restore --tile 512 restores it in tiles, without a score)"
        ) from error
    for metric, (value, _) in scores.items():
        if not math.isfinite(value) and not torch.isfinite(restored).all():
            place = item.source or item.name
            raise ValueError(f"{place}: the model returned NaN or infinite pixels ({metric}); nothing is reported.")
    origin = Origin(run_id=pretrained.run_id, variant=pretrained.name, seed=pretrained.seed)
    return score_rows(item, rules, scores, origin=origin)


def _score_or_skip(item: EvalItem, restored: torch.Tensor, rules: Protocol) -> list[dict[str, tuple[float, float]]]:
    try:
        return score_batch([item], [restored], rules)
    except ValueError as error:  # too small for the protocol's SSIM
        raise _NotEvaluatedError(" ".join(str(error).split())) from error
