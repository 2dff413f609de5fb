"""Scores of restored images beside those of their degraded inputs: each input's once a process, one wait a batch."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from datasets.bundle import EvalItem
from datasets.protocols import Protocol, score
from datasets.transfer import to_device_async
from reports.schema import PSNR, SSIM

PSNR_AND_SSIM = (PSNR, SSIM)

_input_scores: dict[tuple[str, str], float] = {}
"""By an input's `_content_key` and a metric: what the degraded image itself scores."""


def as_tensor(image: np.ndarray) -> Tensor:
    """(H, W, 3), uint8 or float in [0, 1], as (1, 3, H, W) float32 in [0, 1]."""
    tensor = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1).unsqueeze(0)
    return tensor.float().div_(255) if image.dtype == np.uint8 else tensor.float()


def score_batch(
    batch: Sequence[EvalItem], restored: Sequence[Tensor], rules: Protocol, metrics: Sequence[str] = PSNR_AND_SSIM
) -> list[dict[str, tuple[float, float]]]:
    """For each image metric -> its score and that of its degraded input, under the protocol.

    A validation meets the same inputs every time, and so do the runs of one process: an input is scored when its
    content was not met before. On a GPU everything is scored at once; on a CPU image by image, whose bits depend on
    nothing but the image. The batch is of one condition and size; restored images are (1, 3, H, W) each, on one device,
    and need not lie inside [0, 1].
    """
    device = restored[0].device
    content_keys = [_content_key(item, rules, device) for item in batch]
    unscored = [
        i for i, key in enumerate(content_keys) if any((key, metric) not in _input_scores for metric in metrics)
    ]
    clean = [_score_tensor(item.clean, device) for item in batch]
    images = [*restored, *(_score_tensor(batch[i].degraded, device) for i in unscored)]
    references = [*clean, *(clean[i] for i in unscored)]
    if device.type == "cuda":
        images, references = [torch.cat(images)], [torch.cat(references)]
    task = batch[0].condition.task
    parts = [score(*pair, rules, task, metrics) for pair in zip(images, references, strict=True)]
    values = torch.stack([torch.cat([part[metric] for part in parts]) for metric in metrics]).tolist()
    for column, i in enumerate(unscored, start=len(batch)):
        _input_scores.update(
            {(content_keys[i], metric): row[column] for metric, row in zip(metrics, values, strict=True)}
        )
    return [
        {metric: (row[i], _input_scores[key, metric]) for metric, row in zip(metrics, values, strict=True)}
        for i, key in enumerate(content_keys)
    ]


def _score_tensor(image: np.ndarray, device: torch.device) -> Tensor:
    """(1, 3, H, W) to score; on a CPU levels stay levels: a photograph of 12 megapixels takes 36 MB so, not 144."""
    if device.type == "cpu" and image.dtype == np.uint8:
        return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1).unsqueeze(0)
    return to_device_async(as_tensor(image), device)


def _content_key(item: EvalItem, rules: Protocol, device: torch.device) -> str:
    """All that an input's scores follow from."""
    identity = (
        rules.label,
        item.condition.task.name,
        device.type,
        item.clean.shape,
        item.degraded.dtype,
        item.clean.dtype,
    )
    digest = hashlib.blake2b(repr(identity).encode(), digest_size=16)
    for image in (item.degraded, item.clean):
        digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()
