"""Activation checkpointing: blocks that keep their inputs alone for the backward pass."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


def recompute_activations(model: nn.Module, on: bool = True) -> int:
    """Trade time for memory in training (or take it back): each block computes its activations twice.

    Args:
        model: any model with transformer blocks of Restormer or perturbation blocks of DFPIR.
        on: whether to.

    Returns:
        How many blocks of the model can; 0: it trains as before.
    """
    blocks = [module for module in model.modules() if isinstance(module, Recomputed)]
    for block in blocks:
        block.recompute = on
    return len(blocks)


class Recomputed(nn.Module):
    """A block that, told so, keeps its inputs alone for the backward pass and computes the rest again there.

    The same numbers for about a third more time and a fraction of the memory; see `recompute_activations`. A block
    says in `compute` what it does, and draws no random numbers there.
    """

    recompute = False

    def compute(self, *inputs: Any) -> Tensor:
        """The block's function."""
        raise NotImplementedError

    def forward(self, *inputs: Any) -> Tensor:
        if self.recompute and torch.is_grad_enabled():
            return checkpoint(self.compute, *inputs, use_reentrant=False, preserve_rng_state=False)
        return self.compute(*inputs)
