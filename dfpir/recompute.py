"""What a block's training may be done by: activation checkpointing, torch.compile, or both."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from dfpir.kernels import chosen_kernels

_LIMITS = {"recompile_limit": 64, "accumulated_recompile_limit": 512}


def recompute_activations(model: nn.Module, on: bool = True) -> int:
    """Trade time for memory in training (or take it back): each block computes its activations twice.

    Args:
        model: any model with transformer blocks of Restormer or perturbation blocks of DFPIR.
        on: whether to.

    Returns:
        How many blocks of the model can; 0: it trains as before.
    """
    blocks = [module for module in model.modules() if isinstance(module, RecomputableBlock)]
    for block in blocks:
        block.recompute = on
    return len(blocks)


def compile_blocks(model: nn.Module, backend: str | None = "inductor", *, evaluation: bool = False) -> int:
    """Have each block's training done by torch.compile (or, with None, no longer).

    Blocks that differ in their weights alone share what is compiled. Evaluation stays eager unless asked for: its
    images have many sizes, and each would be compiled. Choose kernels and padding (`dfpir.kernels`) before: a change
    compiles anew.

    Args:
        model: any model with transformer blocks of Restormer or perturbation blocks of DFPIR.
        backend: of torch.compile.
        evaluation: whether in eval mode as well: for images of a few sizes.

    Returns:
        How many blocks of the model can; 0: it trains as before.
    """
    chosen_kernels()  # what is compiled depends on it: the environment is read now, not while a block is traced
    blocks = [module for module in model.modules() if isinstance(module, RecomputableBlock)]
    for block in blocks:
        block.compiled_by, block.compiled_in_evaluation = backend, evaluation
    return len(blocks)


class RecomputableBlock(nn.Module):
    """A block that, with `recompute`, keeps its inputs alone for the backward pass and computes the rest again there.

    The same numbers for about a third more time and a fraction of the memory; see `recompute_activations`. A block
    says in `compute` what it does, and draws no random numbers there. `compile_blocks` has `compute` compiled.
    """

    recompute = False
    compiled_by: str | None = None
    compiled_in_evaluation = False

    def compute(self, *inputs: Any) -> Tensor:
        """The block's function."""
        raise NotImplementedError

    def forward(self, *inputs: Any) -> Tensor:
        if self.recompute and torch.is_grad_enabled():
            return checkpoint(self._run_compute, *inputs, use_reentrant=False, preserve_rng_state=False)
        return self._run_compute(*inputs)

    def _run_compute(self, *inputs: Any) -> Tensor:
        if self.compiled_by is None or not (self.training or self.compiled_in_evaluation):
            return self.compute(*inputs)
        _raise_compile_limits()
        return _compile(type(self).compute, self.compiled_by)(self, *inputs)


@cache
def _compile(compute: Callable[..., Tensor], backend: str) -> Callable[..., Tensor]:
    """A class's `compute`, compiled separately for each kind of its blocks and each size of their inputs."""
    return torch.compile(compute, dynamic=False, backend=backend)


def _raise_compile_limits() -> None:
    """Let a function be compiled as often as a model has kinds of blocks, for each size of a recipe's patches.

    PyTorch's own limit, eight, would leave the ninth kind of a full-size DFPIR eager. Settings are a thread's own, and
    checkpointed blocks are computed in the backward pass's thread as well.
    """
    from torch._dynamo import config  # the compiler: seconds to import

    for name, limit in _LIMITS.items():
        if getattr(config, name) < limit:
            setattr(config, name, limit)
