"""`kept_softmax` in Triton: a row is read once, ranked by comparisons, masked, and normalised in float32.

An entry's rank is the number of larger entries of its row plus that of equal ones before it; those of rank below `kept`
stay. Rows are short (48 to 96 entries in DFPIR), so that comparing all pairs costs less than sorting in memory.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

_COMPARED = 32  # entries of a row that all others are compared with at once


@triton.jit
def _forward(logits, weights, width, kept, C: tl.constexpr, J: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    i = tl.arange(0, C)
    values = tl.load(logits + row * width + i, mask=i < width, other=float("-inf")).to(tl.float32)
    rank = tl.zeros([C], dtype=tl.int32)
    for start in range(0, width, J):
        j = start + tl.arange(0, J)
        others = tl.load(logits + row * width + j, mask=j < width, other=float("-inf")).to(tl.float32)
        ahead = (others[None, :] > values[:, None]) | ((others[None, :] == values[:, None]) & (j[None, :] < i[:, None]))
        rank += tl.sum((ahead & (j < width)[None, :]).to(tl.int32), axis=1)
    keep = (rank < kept) & (i < width)
    largest = tl.max(tl.where(keep, values, float("-inf")), axis=0)
    shares = tl.where(keep, tl.exp(values - largest), 0.0)
    out = shares / tl.sum(shares, axis=0)
    tl.store(weights + row * width + i, out.to(weights.dtype.element_ty), mask=i < width)


@triton.jit
def _backward(weights, upstream, dlogits, width, C: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    i = tl.arange(0, C)
    shares = tl.load(weights + row * width + i, mask=i < width, other=0.0).to(tl.float32)
    grads = tl.load(upstream + row * width + i, mask=i < width, other=0.0).to(tl.float32)
    out = shares * (grads - tl.sum(shares * grads, axis=0))  # a dropped entry has weight and gradient 0
    tl.store(dlogits + row * width + i, out.to(dlogits.dtype.element_ty), mask=i < width)


class KeptSoftmax(torch.autograd.Function):
    """`KeptSoftmax.apply(logits, kept)`; see `kept_softmax`."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, kept: int) -> Tensor:
        logits = logits.contiguous()
        width = logits.shape[-1]
        weights = torch.empty_like(logits)
        _forward[(logits.numel() // width,)](logits, weights, width, kept, C=triton.next_power_of_2(width), J=_COMPARED)
        ctx.save_for_backward(weights)
        return weights

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None]:
        (weights,) = ctx.saved_tensors
        width = weights.shape[-1]
        dlogits = torch.empty_like(weights)
        _backward[(weights.numel() // width,)](
            weights, upstream.contiguous(), dlogits, width, C=triton.next_power_of_2(width)
        )
        return dlogits, None
