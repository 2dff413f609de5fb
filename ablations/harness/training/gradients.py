"""Gradients of a batch's training loss: in micro-batches where memory is short, reduced over processes."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ablations.devices import autocast
from ablations.models import ModelConfig
from ablations.spec import RunSpec
from datasets.seeding import stable_seed
from dfpir import DFPIRConfig


class WholeBatchError(RuntimeError):
    """The memory does not hold the batch, and the model's objective forbids splitting it."""


@dataclass(frozen=True)
class Batch:
    """Training samples on the device."""

    degraded: Tensor  # (B, 3, H, W) in [0, 1]
    clean: Tensor  # the same, as it should be
    code: Tensor | None = None  # the model's conditioning of each sample
    weights: Tensor | None = None  # (B,) factors of the samples' losses; None for one each

    def __len__(self) -> int:
        return len(self.degraded)

    def __getitem__(self, index: slice) -> Batch:
        code, weights = (None if tensor is None else tensor[index] for tensor in (self.code, self.weights))
        return Batch(self.degraded[index], self.clean[index], code, weights)


def unsplittable_reason(spec: RunSpec) -> str:
    """Why the model's batch can't be split; empty where it can."""
    return "" if isinstance(spec.config, DFPIRConfig) else spec.config.entry.whole_batch


def backward(
    spec: RunSpec,
    model: nn.Module,
    batch: Batch,
    *,
    micro_batch: int,
    step: int,
    batch_share: float = 1.0,
    ddp: DistributedDataParallel | None = None,
) -> Tensor:
    """Add the gradient of a batch's training loss to the parameters' own, `micro_batch` samples at a time.

    The objectives are means over samples: the gradient is that of the whole batch up to the rounding of sums, but for
    models whose `whole_batch` says why not. The batch is this process's `batch_share` of the whole one; `ddp` sums the
    gradients of all shares, once the last sample is through. Steps count from 0.

    Returns:
        This process's share of the loss of the batch, detached, on the device.
    """
    # what a model draws while training (dropped paths, routing noise) depends on the step, not on what ran before
    torch.manual_seed(stable_seed("step", spec.seed, step))
    total = None
    for start in range(0, len(batch), micro_batch):
        part = batch[start : start + micro_batch]
        is_last = start + micro_batch >= len(batch)
        with nullcontext() if ddp is None or is_last else ddp.no_sync():
            loss = forward_backward(spec, model, part, batch_share=batch_share * (len(part) / len(batch)), ddp=ddp)
        total = loss if total is None else total + loss
    assert total is not None
    return total


def forward_backward(
    spec: RunSpec,
    model: nn.Module,
    batch: Batch,
    *,
    batch_share: float = 1.0,
    ddp: DistributedDataParallel | None = None,
) -> Tensor:
    """Forward and backward pass of samples that are in memory at once; their share of the loss, detached."""
    with autocast(batch.degraded.device, spec.precision):
        call = partial(training_loss, spec.config, model) if ddp is None else ddp
        loss: Tensor = call(batch.degraded, batch.clean, batch.code, batch.weights)
    if batch_share != 1:
        loss = loss * batch_share
    loss.backward()  # type: ignore[no-untyped-call]
    return loss.detach()


class TrainingLoss(nn.Module):
    """The training loss as a module: whatever a model's objective calls, its gradients are reduced."""

    def __init__(self, config: ModelConfig, model: nn.Module) -> None:
        super().__init__()
        self.config, self.model = config, model

    def forward(self, degraded: Tensor, clean: Tensor, code: Tensor | None, weights: Tensor | None = None) -> Tensor:
        return training_loss(self.config, self.model, degraded, clean, code, weights)


def training_loss(
    config: ModelConfig,
    model: nn.Module,
    degraded: Tensor,
    clean: Tensor,
    code: Tensor | None,
    weights: Tensor | None = None,
) -> Tensor:
    """A comparator's own training objective, or the mean absolute error.

    Sample weights multiply each sample's error. An objective of its own is called for the samples of each weight apart,
    since it gives one number for all; one that needs the whole batch goes without weights.
    """
    baseline = None if isinstance(config, DFPIRConfig) else config.entry
    if baseline is None or baseline.objective is None:
        errors: Tensor = (model(degraded, code).float() - clean).abs()
        return errors.mean() if weights is None else (errors.mean(dim=(1, 2, 3)) * weights).mean()
    if weights is None or baseline.whole_batch:
        loss: Tensor = baseline.objective(model, degraded, clean, code).float()
        return loss
    total = torch.zeros((), device=degraded.device)
    for weight in weights.unique():  # type: ignore[no-untyped-call]
        indices = (weights == weight).nonzero().flatten()
        loss = baseline.objective(
            model, degraded[indices], clean[indices], None if code is None else code[indices]
        ).float()
        total = total + loss * weight * (len(indices) / len(weights))
    return total
