"""Evaluation: restore images of any size, score them by the run's protocol, one row an image, condition and metric."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import cast

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from ablations.data import seen_word, test_set_of
from ablations.harness.heartbeat import beat
from ablations.harness.training.conditioning import Conditioning
from ablations.harness.training.distributed import ALONE, Team
from ablations.spec import RunSpec
from baselines.base import Restorer, restore
from datasets.corpus import DataBundle, EvalItem
from datasets.protocols import Protocol, get_protocol, score
from reports.schema import PSNR

BATCH_PIXELS = 8 * 128 * 128


def as_tensor(image: np.ndarray) -> Tensor:
    """(H, W, 3), uint8 or float in [0, 1], as (1, 3, H, W) float32 in [0, 1]."""
    tensor = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1).unsqueeze(0)
    return tensor.float().div_(255) if image.dtype == np.uint8 else tensor.float()


def restore_items(
    spec: RunSpec, model: nn.Module, items: Iterable[EvalItem], conditioning: Conditioning, device: torch.device
) -> Iterator[tuple[EvalItem, Tensor]]:
    """Each item with its restored image, (1, 3, H, W) float32, not clipped; neighbours of one size share a batch.

    The model must be in eval mode.
    """
    for batch in batches_of(items):
        yield from zip(batch, _restored(spec, model, batch, conditioning, device), strict=True)


def batches_of(items: Iterable[EvalItem]) -> Iterator[list[EvalItem]]:
    """Neighbours of one condition and size, as many as are restored at once."""
    for (_, shape), group in groupby(items, key=lambda item: (item.condition.name, item.clean.shape)):
        alike, size = list(group), max(1, BATCH_PIXELS // (shape[0] * shape[1]))
        for start in range(0, len(alike), size):
            yield alike[start : start + size]


def _restored(
    spec: RunSpec, model: nn.Module, batch: Sequence[EvalItem], conditioning: Conditioning, device: torch.device
) -> tuple[Tensor, ...]:
    images = torch.cat([as_tensor(item.degraded) for item in batch]).to(device)
    code = conditioning([item.condition for item in batch], device, training=False)
    with torch.inference_mode():
        with torch.autocast(device.type, torch.bfloat16, enabled=spec.precision == "bf16"):
            restored = restore(cast(Restorer, model), images, code)
        restored = restored.float()
    beat()
    return restored.split(1)


def score_items(
    spec: RunSpec,
    model: nn.Module,
    bundle: DataBundle,
    items: Iterable[EvalItem],
    conditioning: Conditioning,
    device: torch.device,
    *,
    protocol: str | None = None,
    team: Team = ALONE,
) -> list[dict[str, object]]:
    """Rows of images.parquet: the score of each item and metric, beside the degraded input's own.

    Several processes share whole batches, so that each image meets the neighbours that it meets in one process.

    Args:
        spec: of the run.
        model: in eval mode.
        bundle: whose images the items are.
        items: to restore, made by the protocol.
        conditioning: what the model is told.
        device: where.
        protocol: label; the spec's own by default.
        team: who shares the work; every process gets all rows.
    """
    rules = get_protocol(protocol or spec.protocol)
    own = [
        (number, _rows(spec, bundle, batch, _restored(spec, model, batch, conditioning, device), rules, device))
        for number, batch in enumerate(batches_of(items))
        if number % team.size == team.rank
    ]
    return [row for _, rows in sorted(team.gathered(own), key=itemgetter(0)) for row in rows]


def _rows(
    spec: RunSpec,
    bundle: DataBundle,
    batch: Sequence[EvalItem],
    images: Sequence[Tensor],
    rules: Protocol,
    device: torch.device,
) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for item, restored in zip(batch, images, strict=True):
        clean = as_tensor(item.clean).to(device)
        task = item.condition.task
        scores = score(restored, clean, rules, task)
        inputs = score(as_tensor(item.degraded).to(device), clean, rules, task)
        for metric, value in scores.items():
            rows.append(
                {
                    "run_id": spec.run_id,
                    "variant": spec.variant,
                    "seed": spec.seed,
                    "dataset": test_set_of(bundle, item.name, spec.data.name),
                    "protocol": rules.label,
                    "task": task.value,
                    "condition": item.condition.name,
                    "image": item.name,
                    "scene": item.scene,
                    "seen": seen_word(bundle, item.name),
                    "metric": metric,
                    "value": float(value),
                    "input_value": float(inputs[metric]),
                }
            )
    return rows


def validation_scores(
    spec: RunSpec,
    model: nn.Module,
    bundle: DataBundle,
    items: Iterable[EvalItem],
    conditioning: Conditioning,
    device: torch.device,
    team: Team = ALONE,
) -> tuple[dict[str, float], float]:
    """Condition -> mean gain of PSNR over the degraded input in dB, and the mean PSNR over tasks in dB.

    The mean is over images of a condition first, then a task's conditions, then tasks.
    """
    rows = pd.DataFrame(score_items(spec, model, bundle, items, conditioning, device, team=team))
    psnr = rows[rows["metric"] == PSNR]
    means = psnr.groupby(["task", "condition"], sort=False)[["value", "input_value"]].mean()
    gains = (means["value"] - means["input_value"]).droplevel("task").round(4)
    mean_over_tasks = means["value"].groupby(level="task").mean().mean()
    return {str(name): float(gain) for name, gain in gains.items()}, float(mean_over_tasks)
