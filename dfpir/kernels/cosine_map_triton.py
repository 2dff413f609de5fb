"""`cosine_map` in Triton: products and norms in one pass over the pixels, summed in float32.

The map is small and the pixels are many: each program sums over pixels of its own, and the parts are added up in a
fixed order. The C x C algebra that is left (norms, temperature, their gradients) is PyTorch's. Products of float32 are
exact or TF32 as `torch.backends.cuda.matmul.allow_tf32` says.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from dfpir.kernels.switch import SMALLEST_NORM, is_interpreted

_PIXELS = 64  # of a block
_LARGEST = 64  # channels of a block
PARTS = 64  # programs a tile of the map that each sum over pixels of their own


@triton.jit
def _dot(a, b, accumulator, PRECISION: tl.constexpr, WIDEN: tl.constexpr):
    """`accumulator` + a @ b, summed in float32."""
    if WIDEN:  # Triton's interpreter would multiply the bits of bfloat16 as integers
        a, b = a.to(tl.float32), b.to(tl.float32)
    return tl.dot(a, b, accumulator, input_precision=PRECISION)


@triton.jit
def _products(
    q,
    k,
    products,
    q_squares,
    k_squares,
    q_batch,
    q_pixel,
    k_batch,
    k_pixel,
    pixels,
    width,
    heads,
    groups,
    blocks,
    P: tl.constexpr,
    C: tl.constexpr,
    PRECISION: tl.constexpr,
    WIDEN: tl.constexpr,
):
    """Parts of q^T k and of the squared norms, for one tile of one head's map and one part of the pixels."""
    part, tiles = tl.program_id(0).to(tl.int64), tl.cdiv(width, C)
    row, column = tl.program_id(1) // tiles, tl.program_id(1) % tiles
    group = tl.program_id(2).to(tl.int64)  # an image's head
    image, head = group // heads, group % heads
    i, j = row * C + tl.arange(0, C), column * C + tl.arange(0, C)
    q_here, k_here = q + image * q_batch + head * width, k + image * k_batch + head * width
    total = tl.zeros([C, C], dtype=tl.float32)
    q_total, k_total = tl.zeros([C], dtype=tl.float32), tl.zeros([C], dtype=tl.float32)
    for block in range(0, blocks):
        n = (part * blocks + block) * P + tl.arange(0, P)
        q_mask = (n < pixels)[:, None] & (i < width)[None, :]
        k_mask = (n < pixels)[:, None] & (j < width)[None, :]
        q_values = tl.load(q_here + n[:, None] * q_pixel + i[None, :], mask=q_mask, other=0.0)
        k_values = tl.load(k_here + n[:, None] * k_pixel + j[None, :], mask=k_mask, other=0.0)
        q_wide, k_wide = q_values.to(tl.float32), k_values.to(tl.float32)
        total = _dot(tl.trans(q_values), k_values, total, PRECISION, WIDEN)
        q_total += tl.sum(q_wide * q_wide, axis=0)
        k_total += tl.sum(k_wide * k_wide, axis=0)
    place = part * groups + group
    tile = (i < width)[:, None] & (j < width)[None, :]
    tl.store(products + (place * width + i[:, None]) * width + j[None, :], total, mask=tile)
    # each tile of a row (or column) has the same sums: one writes them
    if column == 0:
        tl.store(q_squares + place * width + i, q_total, mask=i < width)
    if row == 0:
        tl.store(k_squares + place * width + j, k_total, mask=j < width)


@triton.jit
def _gradient(
    x,
    other,
    matrix,
    factors,
    dx,
    x_batch,
    x_pixel,
    other_batch,
    other_pixel,
    across,
    along,
    pixels,
    width,
    heads,
    P: tl.constexpr,
    C: tl.constexpr,
    PRECISION: tl.constexpr,
    WIDEN: tl.constexpr,
):
    """dx[n, i] = sum over j of other[n, j] * matrix[i, j] + factors[i] * x[n, i]; `matrix` is read by its strides."""
    n = tl.program_id(0).to(tl.int64) * P + tl.arange(0, P)
    i = tl.program_id(1) * C + tl.arange(0, C)
    group = tl.program_id(2).to(tl.int64)
    image, head = group // heads, group % heads
    inside = (n < pixels)[:, None] & (i < width)[None, :]
    factor = tl.load(factors + group * width + i, mask=i < width, other=0.0)
    values = tl.load(x + image * x_batch + head * width + n[:, None] * x_pixel + i[None, :], mask=inside, other=0.0)
    out = values.to(tl.float32) * factor[None, :]
    for start in range(0, width, C):
        j = start + tl.arange(0, C)
        mask = (n < pixels)[:, None] & (j < width)[None, :]
        partners = tl.load(
            other + image * other_batch + head * width + n[:, None] * other_pixel + j[None, :], mask=mask, other=0.0
        )
        tile = (i < width)[None, :] & (j < width)[:, None]
        weights = tl.load(
            matrix + group * width * width + i[None, :] * across + j[:, None] * along, mask=tile, other=0.0
        )
        out = _dot(partners, weights.to(partners.dtype), out, PRECISION, WIDEN)
    place = (image * pixels + n[:, None]) * (heads * width) + head * width + i[None, :]
    tl.store(dx + place, out.to(dx.dtype.element_ty), mask=inside)


class CosineMap(torch.autograd.Function):
    """`CosineMap.apply(q, k, temperature)`; see `cosine_map`."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, temperature: Tensor) -> Tensor:
        k = k.to(q.dtype)
        q, k = (t if t.stride(-1) == 1 else t.contiguous() for t in (q, k))
        batch, pixels, channels = q.shape
        heads = temperature.shape[0]
        width, groups = channels // heads, batch * heads
        block = _block(width)
        blocks = triton.cdiv(triton.cdiv(pixels, _PIXELS), PARTS)
        parts, tiles = triton.cdiv(pixels, _PIXELS * blocks), triton.cdiv(width, block)
        products = torch.empty(parts, batch, heads, width, width, dtype=torch.float32, device=q.device)
        squares = torch.empty(2, parts, batch, heads, width, dtype=torch.float32, device=q.device)
        _products[(parts, tiles * tiles, groups)](
            q,
            k,
            products,
            squares[0],
            squares[1],
            q.stride(0),
            q.stride(1),
            k.stride(0),
            k.stride(1),
            pixels,
            width,
            heads,
            groups,
            blocks,
            P=_PIXELS,
            C=block,
            PRECISION=_precision(),
            WIDEN=is_interpreted(),
        )
        q_norm, k_norm = squares.sum(1).sqrt().clamp_min(SMALLEST_NORM)
        cosine = products.sum(0) / (q_norm.unsqueeze(-1) * k_norm.unsqueeze(-2))
        ctx.save_for_backward(q, k, temperature, cosine, q_norm, k_norm)
        cosine_map: Tensor = cosine * temperature.float()
        return cosine_map

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        q, k, temperature, cosine, q_norm, k_norm = ctx.saved_tensors
        per_cosine = upstream.float() * temperature.float()
        dtemperature = (upstream.float() * cosine).sum((0, 2, 3)).reshape(temperature.shape).to(temperature.dtype)
        dproducts = (per_cosine / (q_norm.unsqueeze(-1) * k_norm.unsqueeze(-2))).contiguous()
        weighted = per_cosine * cosine
        # through the norms; one that was too small and replaced passes no gradient
        q_factors = -weighted.sum(-1) / q_norm.square() * (q_norm > SMALLEST_NORM)
        k_factors = -weighted.sum(-2) / k_norm.square() * (k_norm > SMALLEST_NORM)
        width = cosine.shape[-1]
        dq = _gradient_of(q, k, dproducts, q_factors, (width, 1))
        dk = _gradient_of(k, q, dproducts, k_factors, (1, width))
        return dq, dk, dtemperature


def _gradient_of(x: Tensor, other: Tensor, matrix: Tensor, factors: Tensor, strides: tuple[int, int]) -> Tensor:
    batch, pixels, channels = x.shape
    heads, width = matrix.shape[1:3]
    dx = torch.empty(batch, pixels, channels, dtype=x.dtype, device=x.device)
    block = _block(width)
    _gradient[(triton.cdiv(pixels, _PIXELS), triton.cdiv(width, block), batch * heads)](
        x,
        other,
        matrix,
        factors.contiguous(),
        dx,
        x.stride(0),
        x.stride(1),
        other.stride(0),
        other.stride(1),
        *strides,
        pixels,
        width,
        heads,
        P=_PIXELS,
        C=block,
        PRECISION=_precision(),
        WIDEN=is_interpreted(),
    )
    return dx


def _block(width: int) -> int:
    """Channels of a block: matrix products need 16 at least."""
    rounded: int = triton.next_power_of_2(width)
    return min(_LARGEST, max(16, rounded))


def _precision() -> str:
    return "tf32" if torch.backends.cuda.matmul.allow_tf32 else "ieee"
