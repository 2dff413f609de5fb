"""`depthwise_gate` in Triton: the convolved features, twice as many as the result, never reach memory.

A program works on a block of pixels, in the order of channels-last memory, and a block of channels of both halves. Two
kernels make the backward pass: the first convolves again instead of reading stored features, and writes the gradient
of the convolved features and the sums for the weight's; the second convolves that gradient with the mirrored weight.
Sums are in float32 whatever the input's type.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from dfpir.kernels.switch import compute_dtype

_PIXELS, _CHANNELS = 32, 64  # of a block
_PARTS = 256  # programs a block of channels that each sum the weight's gradient over pixels of their own
_RSQRT_2: tl.constexpr = tl.constexpr(0.7071067811865476)
_RSQRT_2PI: tl.constexpr = tl.constexpr(0.3989422804014327)


@triton.jit
def _neighbour(pixel, total, height, width, down: tl.constexpr, right: tl.constexpr):
    """Places of the neighbours of pixels of all images, and whether they lie within their image."""
    row, column = (pixel // width) % height + down, pixel % width + right
    inside = (pixel < total) & (row >= 0) & (row < height) & (column >= 0) & (column < width)
    return pixel + down * width + right, inside


@triton.jit
def _convolved(x, weight, pixel, total, height, width, channel, last, channels, P: tl.constexpr, C: tl.constexpr):
    """(P, C) of the depthwise convolution; `last` ends the channels that may be read, `channels` are a pixel's."""
    out = tl.zeros([P, C], dtype=tl.float32)
    for tap in tl.static_range(9):
        place, inside = _neighbour(pixel, total, height, width, tap // 3 - 1, tap % 3 - 1)
        mask = inside[:, None] & (channel < last)[None, :]
        values = tl.load(x + place[:, None] * channels + channel[None, :], mask=mask, other=0.0).to(tl.float32)
        taps = tl.load(weight + channel * 9 + tap, mask=channel < last, other=0.0).to(tl.float32)
        out += values * taps[None, :]
    return out


@triton.jit
def _forward(x, weight, y, total, height, width, half, P: tl.constexpr, C: tl.constexpr):
    pixel = tl.program_id(0).to(tl.int64) * P + tl.arange(0, P)
    channel = tl.program_id(1) * C + tl.arange(0, C)
    gate = _convolved(x, weight, pixel, total, height, width, channel, half, 2 * half, P, C)
    value = _convolved(x, weight, pixel, total, height, width, channel + half, 2 * half, 2 * half, P, C)
    out = 0.5 * gate * (1.0 + tl.erf(gate * _RSQRT_2)) * value
    mask = (pixel < total)[:, None] & (channel < half)[None, :]
    tl.store(y + pixel[:, None] * half + channel[None, :], out.to(y.dtype.element_ty), mask=mask)


@triton.jit
def _weight_sums(x, upstream, sums, pixel, total, height, width, channel, last, channels):
    """`sums` (16, C), a row a tap of the nine, plus gradient times input over a block's pixels."""
    taps = tl.arange(0, 16)
    for tap in tl.static_range(9):
        place, inside = _neighbour(pixel, total, height, width, tap // 3 - 1, tap % 3 - 1)
        mask = inside[:, None] & (channel < last)[None, :]
        values = tl.load(x + place[:, None] * channels + channel[None, :], mask=mask, other=0.0).to(tl.float32)
        sums += tl.where((taps == tap)[:, None], tl.sum(values * upstream, axis=0)[None, :], 0.0)
    return sums


@triton.jit
def _backward_gate(x, weight, dy, grads, sums, total, height, width, half, blocks, P: tl.constexpr, C: tl.constexpr):
    part = tl.program_id(0).to(tl.int64)
    channel = tl.program_id(1) * C + tl.arange(0, C)
    valid, channels = channel < half, 2 * half
    gate_sums, value_sums = tl.zeros([16, C], dtype=tl.float32), tl.zeros([16, C], dtype=tl.float32)
    for block in range(0, blocks):
        pixel = (part * blocks + block) * P + tl.arange(0, P)
        mask = (pixel < total)[:, None] & valid[None, :]
        gate = _convolved(x, weight, pixel, total, height, width, channel, half, channels, P, C)
        value = _convolved(x, weight, pixel, total, height, width, channel + half, channels, channels, P, C)
        upstream = tl.load(dy + pixel[:, None] * half + channel[None, :], mask=mask, other=0.0).to(tl.float32)
        below = 0.5 * (1.0 + tl.erf(gate * _RSQRT_2))  # the normal distribution function
        density = tl.exp(-0.5 * gate * gate) * _RSQRT_2PI
        dgate = upstream * value * (below + gate * density)
        dvalue = upstream * gate * below
        place = grads + pixel[:, None] * channels + channel[None, :]
        tl.store(place, dgate.to(grads.dtype.element_ty), mask=mask)
        tl.store(place + half, dvalue.to(grads.dtype.element_ty), mask=mask)
        gate_sums = _weight_sums(x, dgate, gate_sums, pixel, total, height, width, channel, half, channels)
        value_sums = _weight_sums(
            x, dvalue, value_sums, pixel, total, height, width, channel + half, channels, channels
        )
    taps = tl.arange(0, 16)
    own = sums + (part * 9 + taps)[:, None] * channels + channel[None, :]
    used = (taps < 9)[:, None] & valid[None, :]
    tl.store(own, gate_sums, mask=used)
    tl.store(own + half, value_sums, mask=used)


@triton.jit
def _backward_convolution(grads, weight, dx, total, height, width, channels, P: tl.constexpr, C: tl.constexpr):
    pixel = tl.program_id(0).to(tl.int64) * P + tl.arange(0, P)
    channel = tl.program_id(1) * C + tl.arange(0, C)
    out = tl.zeros([P, C], dtype=tl.float32)
    for tap in tl.static_range(9):
        place, inside = _neighbour(pixel, total, height, width, 1 - tap // 3, 1 - tap % 3)
        mask = inside[:, None] & (channel < channels)[None, :]
        values = tl.load(grads + place[:, None] * channels + channel[None, :], mask=mask, other=0.0).to(tl.float32)
        taps = tl.load(weight + channel * 9 + tap, mask=channel < channels, other=0.0).to(tl.float32)
        out += values * taps[None, :]
    mask = (pixel < total)[:, None] & (channel < channels)[None, :]
    tl.store(dx + pixel[:, None] * channels + channel[None, :], out.to(dx.dtype.element_ty), mask=mask)


class DepthwiseGate(torch.autograd.Function):
    """`DepthwiseGate.apply(x, weight)`; see `depthwise_gate`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        pixels, weight = x.permute(0, 2, 3, 1).contiguous(), weight.contiguous()
        batch, height, width, channels = pixels.shape
        half, total = channels // 2, batch * height * width
        y = torch.empty(batch, height, width, half, dtype=compute_dtype(x), device=x.device)
        grid = (triton.cdiv(total, _PIXELS), triton.cdiv(half, _CHANNELS))
        _forward[grid](pixels, weight, y, total, height, width, half, P=_PIXELS, C=_CHANNELS)
        ctx.save_for_backward(pixels, weight)
        return y.permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, Tensor]:
        pixels, weight = ctx.saved_tensors
        upstream = dy.permute(0, 2, 3, 1).contiguous()
        batch, height, width, channels = pixels.shape
        half, total = channels // 2, batch * height * width
        blocks = triton.cdiv(triton.cdiv(total, _PIXELS), _PARTS)
        parts = triton.cdiv(total, _PIXELS * blocks)
        grads, dx = torch.empty_like(pixels), torch.empty_like(pixels)
        sums = torch.empty(parts, 9, channels, dtype=torch.float32, device=dy.device)
        grid = (parts, triton.cdiv(half, _CHANNELS))
        _backward_gate[grid](
            pixels, weight, upstream, grads, sums, total, height, width, half, blocks, P=_PIXELS, C=_CHANNELS
        )
        grid = (triton.cdiv(total, _PIXELS), triton.cdiv(channels, _CHANNELS))
        _backward_convolution[grid](grads, weight, dx, total, height, width, channels, P=_PIXELS, C=_CHANNELS)
        dweight = sums.sum(0).T.reshape(weight.shape).to(weight.dtype)
        return dx.permute(0, 3, 1, 2), dweight
