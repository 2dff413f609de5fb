"""`channel_norm` in Triton: one read and one write a pass, statistics in float32.

A program works on a block of pixels with all their channels. The backward pass normalises again from the stored mean
and reciprocal deviation; gradients of weight and bias are summed a block at a time and added up in a fixed order.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from dfpir.kernels.switch import compute_dtype

ELEMENTS = 4096  # of a block: what one program holds in registers
# programs that each sum the weight's gradient over pixels of their own: three a multiprocessor of an H100, one wave
PARTS = 3 * 132


@triton.jit
def _forward(
    x,
    weight,
    bias,
    y,
    means,
    scales,
    pixels,
    channels,
    eps,
    HAS_BIAS: tl.constexpr,
    ROWS: tl.constexpr,
    C: tl.constexpr,
):
    rows = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    columns = tl.arange(0, C)
    inside = columns < channels
    mask = (rows < pixels)[:, None] & inside[None, :]
    place = rows[:, None] * channels + columns[None, :]
    values = tl.load(x + place, mask=mask, other=0.0).to(tl.float32)
    mean = tl.sum(values, axis=1) / channels
    centred = tl.where(mask, values - mean[:, None], 0.0)
    scale = 1.0 / tl.sqrt(tl.sum(centred * centred, axis=1) / channels + eps)
    gain = tl.load(weight + columns, mask=inside, other=0.0).to(tl.float32)
    if HAS_BIAS:
        shift = tl.load(bias + columns, mask=inside, other=0.0).to(tl.float32)
        out = centred * scale[:, None] * gain[None, :] + shift[None, :]
    else:
        out = values * scale[:, None] * gain[None, :]
    tl.store(y + place, out.to(y.dtype.element_ty), mask=mask)
    tl.store(means + rows, mean, mask=rows < pixels)
    tl.store(scales + rows, scale, mask=rows < pixels)


@triton.jit
def _backward(
    x,
    weight,
    dy,
    means,
    scales,
    dx,
    dweight_parts,
    dbias_parts,
    pixels,
    channels,
    blocks,
    HAS_BIAS: tl.constexpr,
    ROWS: tl.constexpr,
    C: tl.constexpr,
):
    part = tl.program_id(0).to(tl.int64)
    columns = tl.arange(0, C)
    inside = columns < channels
    gain = tl.load(weight + columns, mask=inside, other=0.0).to(tl.float32)
    dweight = tl.zeros([C], dtype=tl.float32)
    dbias = tl.zeros([C], dtype=tl.float32)
    for block in range(0, blocks):
        rows = (part * blocks + block) * ROWS + tl.arange(0, ROWS)
        mask = (rows < pixels)[:, None] & inside[None, :]
        place = rows[:, None] * channels + columns[None, :]
        values = tl.load(x + place, mask=mask, other=0.0).to(tl.float32)
        upstream = tl.load(dy + place, mask=mask, other=0.0).to(tl.float32)
        mean = tl.load(means + rows, mask=rows < pixels, other=0.0)
        scale = tl.load(scales + rows, mask=rows < pixels, other=0.0)
        normal = tl.where(mask, values - mean[:, None], 0.0) * scale[:, None]
        inner = upstream * gain[None, :]
        if HAS_BIAS:
            along = tl.sum(inner * normal, axis=1) / channels
            level = tl.sum(inner, axis=1) / channels
            out = (inner - level[:, None] - normal * along[:, None]) * scale[:, None]
            dweight += tl.sum(upstream * normal, axis=0)
            dbias += tl.sum(upstream, axis=0)
        else:
            along = tl.sum(inner * values, axis=1) / channels
            out = inner * scale[:, None] - normal * (along * scale * scale)[:, None]
            dweight += tl.sum(upstream * values * scale[:, None], axis=0)
        tl.store(dx + place, out.to(dx.dtype.element_ty), mask=mask)
    tl.store(dweight_parts + part * channels + columns, dweight, mask=inside)
    if HAS_BIAS:
        tl.store(dbias_parts + part * channels + columns, dbias, mask=inside)


class ChannelNorm(torch.autograd.Function):
    """`ChannelNorm.apply(x, weight, bias, eps)`; see `channel_norm`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, eps: float) -> Tensor:
        pixels = x.permute(0, 2, 3, 1).contiguous()
        channels, count = x.shape[1], pixels.numel() // x.shape[1]
        y = torch.empty_like(pixels, dtype=compute_dtype(x))
        means, scales = (torch.empty(count, dtype=torch.float32, device=x.device) for _ in range(2))
        width, rows = _block(channels)
        _forward[(triton.cdiv(count, rows),)](
            pixels, weight, bias, y, means, scales, count, channels, eps, HAS_BIAS=bias is not None, ROWS=rows, C=width
        )
        ctx.save_for_backward(pixels, weight, means, scales)
        ctx.has_bias = bias is not None
        return y.permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        pixels, weight, means, scales = ctx.saved_tensors
        upstream = dy.permute(0, 2, 3, 1).contiguous()
        channels, count = pixels.shape[-1], means.numel()
        width, rows = _block(channels)
        blocks = triton.cdiv(triton.cdiv(count, rows), PARTS)
        parts = triton.cdiv(count, rows * blocks)
        dx = torch.empty_like(pixels)
        sums = torch.empty(2, parts, channels, dtype=torch.float32, device=dy.device)
        _backward[(parts,)](
            pixels,
            weight,
            upstream,
            means,
            scales,
            dx,
            sums[0],
            sums[1],
            count,
            channels,
            blocks,
            HAS_BIAS=ctx.has_bias,
            ROWS=rows,
            C=width,
        )
        dweight = sums[0].sum(0).to(weight.dtype)
        dbias = sums[1].sum(0).to(weight.dtype) if ctx.has_bias else None
        return dx.permute(0, 3, 1, 2), dweight, dbias, None


def _block(channels: int) -> tuple[int, int]:
    """Channels, rounded up to a power of two, and pixels of a block."""
    width = triton.next_power_of_2(channels)
    return width, max(1, ELEMENTS // width)
