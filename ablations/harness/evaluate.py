"""Evaluation: restore images of any size, score them by the run's protocol, one row an image, condition and metric."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from operator import itemgetter
from typing import Any, cast

import pandas as pd
import torch
from torch import Tensor, nn

from ablations.devices import autocast
from ablations.harness.context import RunContext
from ablations.harness.heartbeat import notify_heartbeat
from ablations.harness.image_scores import PSNR_AND_SSIM, as_tensor, score_batch
from ablations.spec import RunSpec
from baselines.base import Restorer, restore
from datasets.bundle import EvalItem
from datasets.protocols import Protocol, get_protocol
from datasets.transfer import to_device_async
from reports.schema import PSNR

__all__ = [
    "Origin",
    "as_tensor",
    "batch_pixels",
    "group_into_batches",
    "origin_from_spec",
    "restore_items",
    "score_items",
    "score_rows",
    "validation_scores",
]

_BATCH_PIXELS = {"cpu": 8 * 128 * 128, "cuda": 4 * 481 * 321}


def batch_pixels(device: torch.device) -> int:
    """Pixels that are restored at once, unless one image has more; on a CPU scores depend on it by rounding."""
    return _BATCH_PIXELS.get(device.type, _BATCH_PIXELS["cpu"])


def restore_items(run: RunContext, model: nn.Module, items: Iterable[EvalItem]) -> Iterator[tuple[EvalItem, Tensor]]:
    """Each item with its restored image, (1, 3, H, W) float32, not clipped; neighbours of one size share a batch.

    The model must be in eval mode.
    """
    for batch in group_into_batches(items, run.device):
        yield from zip(batch, _restore_batch(run, model, batch), strict=True)


def group_into_batches(items: Iterable[EvalItem], device: torch.device) -> Iterator[list[EvalItem]]:
    """Neighbours of one condition and size, as many as are restored at once."""
    for (_, shape), group in groupby(items, key=_condition_and_size):
        same_size, batch_size = list(group), max(1, batch_pixels(device) // (shape[0] * shape[1]))
        for start in range(0, len(same_size), batch_size):
            yield same_size[start : start + batch_size]


def _condition_and_size(item: EvalItem) -> tuple[str, tuple[int, ...]]:
    return item.condition.name, item.clean.shape


def _restore_batch(run: RunContext, model: nn.Module, batch: Sequence[EvalItem]) -> list[Tensor]:
    """(1, 3, H, W) float32 each; one after another where memory does not hold them together."""
    try:
        return _restore_in_one_pass(run, model, batch)
    except torch.OutOfMemoryError:
        if len(batch) == 1:
            raise
    # outside the handler, whose traceback keeps the failed pass's tensors alive
    torch.cuda.empty_cache()
    return [image for item in batch for image in _restore_in_one_pass(run, model, [item])]


def _restore_in_one_pass(run: RunContext, model: nn.Module, batch: Sequence[EvalItem]) -> list[Tensor]:
    images = to_device_async(torch.cat([as_tensor(item.degraded) for item in batch]), run.device)
    code = run.conditioning([item.condition for item in batch], run.device, training=False)
    with torch.inference_mode():
        with autocast(run.device, run.spec.precision):
            restored = restore(cast(Restorer, model), images, code, tile=run.spec.evaluation.tile)
        restored = restored.float()
    notify_heartbeat()
    return list(restored.chunk(len(batch)))


def score_items(
    run: RunContext,
    model: nn.Module,
    items: Iterable[EvalItem],
    *,
    protocol: str | None = None,
    metrics: Sequence[str] = PSNR_AND_SSIM,
) -> list[dict[str, Any]]:
    """Rows of images.parquet: the score of each item and metric, beside the degraded input's own.

    Several processes share whole batches, so that each image meets the neighbours that it meets in one process; every
    process gets all rows.

    Args:
        run: whose images the items are.
        model: in eval mode.
        items: to restore, made by the protocol.
        protocol: label; the spec's own by default.
        metrics: which scores; PSNR alone is much faster.
    """
    rules, device, process_group = get_protocol(protocol or run.spec.protocol), run.device, run.process_group
    origin = origin_from_spec(run.spec)
    all_items = list(items)
    order = list(range(len(all_items)))
    if device.type == "cuda":  # groups images of one size; not on a CPU, where a batch's images decide rounding
        conditions = list(dict.fromkeys(item.condition.name for item in all_items))
        order.sort(key=lambda i: (conditions.index(all_items[i].condition.name), all_items[i].clean.shape))
    item_indices, scored = iter(order), []
    for batch_index, batch in enumerate(group_into_batches([all_items[i] for i in order], device)):
        batch_indices = list(islice(item_indices, len(batch)))
        if batch_index % process_group.size == process_group.rank:
            images = _restore_batch(run, model, batch)
            batch_scores = score_batch(batch, images, rules, metrics)
            scored += [
                (i, score_rows(item, rules, scores, origin=origin))
                for i, item, scores in zip(batch_indices, batch, batch_scores, strict=True)
            ]
    return [row for _, rows in sorted(process_group.all_gather(scored), key=itemgetter(0)) for row in rows]


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The run of the scores, as in each row."""

    run_id: str
    variant: str
    seed: int
    dataset: str = ""  # of images that name no set


def origin_from_spec(spec: RunSpec) -> Origin:
    """The origin of a run's scores."""
    return Origin(run_id=spec.run_id, variant=spec.variant, seed=spec.seed, dataset=spec.data.name)


def score_rows(
    item: EvalItem, rules: Protocol, scores: Mapping[str, tuple[float, float]], *, origin: Origin
) -> list[dict[str, Any]]:
    """Rows of images.parquet of one image: metric -> its score and that of the degraded input."""
    return [
        {
            "run_id": origin.run_id,
            "variant": origin.variant,
            "seed": origin.seed,
            "dataset": item.dataset or origin.dataset,
            "protocol": rules.label,
            "task": item.condition.task.name,
            "condition": item.condition.name,
            "image": item.name,
            "scene": item.scene,
            "in_training_set": item.in_training_set,
            "metric": metric,
            "value": value,
            "input_value": input_value,
        }
        for metric, (value, input_value) in scores.items()
    ]


def validation_scores(run: RunContext, model: nn.Module, items: Iterable[EvalItem]) -> tuple[dict[str, float], float]:
    """Condition -> mean gain of PSNR over the degraded input in dB, and the mean PSNR over tasks in dB.

    The mean is over images of a condition first, then a task's conditions, then tasks.
    """
    psnr = pd.DataFrame(score_items(run, model, items, metrics=(PSNR,)))
    means = psnr.groupby(["task", "condition"], sort=False)[["value", "input_value"]].mean()
    gains = (means["value"] - means["input_value"]).droplevel("task").round(4)
    mean_over_tasks = means["value"].groupby(level="task").mean().mean()
    return {str(name): float(gain) for name, gain in gains.items()}, float(mean_over_tasks)
