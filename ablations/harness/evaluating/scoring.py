"""Scores of a checkpoint: rows for each image, kept as they are made."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from rich.console import Console

from ablations.harness.batch_scores import as_tensor, score_batch
from ablations.harness.evaluate import Origin, score_rows
from ablations.harness.evaluating.journal import Journal, Recorded
from ablations.harness.evaluating.released import Released
from ablations.harness.memory import is_out_of_memory
from datasets.bundle import EvalItem
from datasets.protocols import Protocol
from datasets.tasks import Condition
from datasets.test_sets.opening import TestSets


@dataclass(frozen=True, kw_only=True)
class Refused:
    """An image that could not be evaluated."""

    image: str  # its file, or its name in a packed set
    condition: str
    reason: str  # in words for the user


@dataclass(kw_only=True)
class Scores:
    """What scoring found."""

    rows: list[dict[str, Any]] = field(default_factory=list)  # of images.parquet
    guesses: list[dict[str, Any]] = field(default_factory=list)  # rows of guesses.csv, where guesses are tried
    refused: list[Refused] = field(default_factory=list)  # images that are in no row
    recalled: int = 0  # images whose rows an earlier call of the same evaluation had written

    def refuse(self, image: str, condition: str, reason: str) -> None:
        """Note an image that is in no row."""
        self.refused.append(Refused(image=image, condition=condition, reason=reason))


Guess = Callable[[EvalItem, Sequence[dict[str, Any]]], dict[str, Any]]
"""Row of guesses.csv for an image and its rows of images.parquet."""


def score_released(
    released: Released,
    data: TestSets,
    conditions: Sequence[Condition],
    *,
    limit: int | None = None,
    console: Console | None = None,
    guess: Guess | None = None,
    journal: Journal | None = None,
) -> Scores:
    """Rows of images.parquet: each image's score under each metric, beside the degraded input's own.

    Args:
        released: the model.
        data: the images, under their protocol.
        conditions: which to evaluate.
        limit: at most this many images a set and condition.
        console: where a line on progress goes, when it is a terminal.
        guess: tries a guess of each image's degradation.
        journal: where rows go as they are made, with those of an earlier call.

    Raises:
        ValueError: no image could be evaluated, or the model returned no numbers.
    """
    journal, scores = journal or Journal(), Scores()
    for number, item in enumerate(data.items(conditions, limit, scores.refuse), start=1):
        found = journal.recall(item)
        scores.recalled += found is not None
        if found is None:
            try:
                rows = _rows(released, item, data.rules)
                found = Recorded(rows=rows, guess=guess(item, rows) if guess is not None else None)
            except _NotEvaluated as error:
                scores.refuse(item.source or item.name, item.condition.name, str(error))
                continue
            journal.add(item, found)
        scores.rows.extend(found.rows)
        if found.guess is not None:
            scores.guesses.append(found.guess)
        if console is not None and console.is_terminal:
            console.print(f"{number} images, {item.dataset} {item.condition.name}   ", end="\r", markup=False)
        del item  # the next one is made before it would be let go
    if not scores.rows and scores.refused:
        first = scores.refused[0]
        more = f" (and {len(scores.refused) - 1} more)" if len(scores.refused) > 1 else ""
        raise ValueError(f"No image could be evaluated. {first.image}: {first.reason}{more}")
    if not scores.rows:
        raise ValueError("No image to evaluate: choose other --tasks or --data.")
    return scores


class _NotEvaluated(ValueError):
    """This image can't be evaluated; others can."""


def _rows(released: Released, item: EvalItem, rules: Protocol) -> list[dict[str, Any]]:
    try:
        restored = released.restore(as_tensor(item.degraded), item.condition)
        (scores,) = _scored(item, restored, rules)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        size = f"{item.degraded.shape[1]}x{item.degraded.shape[0]}"
        gpu = "use --device cpu, or " if released.device.type == "cuda" else ""
        raise _NotEvaluated(
            f"{size} pixels do not fit in memory, and protocols score whole images: {gpu}cut it smaller "
            "(ablations.restore --tile 512 restores it in tiles, without a score)"
        ) from error
    for metric, (value, _) in scores.items():
        if not math.isfinite(value) and not torch.isfinite(restored).all():
            place = item.source or item.name
            raise ValueError(f"{place}: the model returned NaN or infinite pixels ({metric}); nothing is reported.")
    origin = Origin(run_id=released.run_id, variant=released.name, seed=released.seed)
    return score_rows(item, rules, scores, origin=origin)


def _scored(item: EvalItem, restored: torch.Tensor, rules: Protocol) -> list[dict[str, tuple[float, float]]]:
    try:
        return score_batch([item], [restored], rules)
    except ValueError as error:  # too small for the protocol's SSIM
        raise _NotEvaluated(" ".join(str(error).split())) from error
