"""Softmax over the largest entries of each row of an attention map, the others at zero."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from dfpir.kernels.switch import fused

Map = Float[Tensor, "b heads c c"]


def kept_softmax(logits: Map, kept: int) -> Map:
    """Softmax of each row (last axis) over its `kept` largest entries; the others get weight 0, as released.

    Where entries are tied for the last place, exactly `kept` are kept all the same: PyTorch doesn't say which of the
    tied ones, the Triton kernel takes the first. Their logits are equal: the row's weights are the same set either way.

    Args:
        logits: (B, heads, C, C).
        kept: 1 to C.
    """
    if fused(logits):
        from dfpir.kernels.kept_softmax_triton import KeptSoftmax

        return KeptSoftmax.apply(logits, kept)  # type: ignore[no-untyped-call, no-any-return]
    return reference(logits, kept)


def reference(logits: Map, kept: int) -> Map:
    """`kept_softmax` in PyTorch."""
    return logits.masked_fill(~largest_in_rows(logits, kept), float("-inf")).softmax(-1)


def largest_in_rows(logits: Map, kept: int) -> Bool[Tensor, "b heads c c"]:
    """True at the `kept` largest entries of each row (last axis: over keys, as released; the paper says columns)."""
    largest = logits.topk(kept, dim=-1).indices
    return torch.zeros_like(logits, dtype=torch.bool).scatter_(-1, largest, True)
