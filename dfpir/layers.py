"""Restormer's building blocks: channel LayerNorm, transposed attention (MDTA), gated feed-forward network (GDFN).

Source: Restormer (CVPR 2022), sections 3.1 and 3.2. Feature maps are (B, C, H, W), kept in channels-last memory: there
LayerNorm reads contiguous channels and depthwise convolutions are several times faster on a CPU.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from dfpir.kernels import channel_norm, cosine_map, depthwise_gate, padded_widths
from dfpir.recompute import RecomputableBlock

Features = Float[Tensor, "b c h w"]
Pixels = Float[Tensor, "b n c"]

_ALIGNED = 8  # channels: 16 bytes of bfloat16


def as_pixels(features: Features) -> Pixels:
    """(B, C, H, W) as (B, H*W, C); no copy in channels-last memory."""
    return features.permute(0, 2, 3, 1).flatten(1, 2)


def as_features(pixels: Pixels, like: Features) -> Features:
    """(B, H*W, C) as (B, C, H, W) in channels-last memory, with H and W of `like`."""
    return torch.unflatten(pixels, 1, like.shape[-2:]).permute(0, 3, 1, 2)


class ChannelLayerNorm(nn.Module):
    """LayerNorm over the channels of each pixel. `bias=False` is Restormer's variant without mean in the numerator."""

    def __init__(self, channels: int, *, bias: bool = True, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.empty(channels))
        self.bias = nn.Parameter(torch.empty(channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight one, bias zero."""
        nn.init.ones_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, x: Features) -> Features:
        return channel_norm(x, self.weight, self.bias, self.eps)


def mix_channels(attention: Tensor, projection: Tensor, values: Pixels) -> Pixels:
    """Attention over channels followed by the output projection, as one matrix product a sample.

    `projection @ blockdiag(attention)` is a C x C matrix, so both steps cost one pass over the pixels instead of two.

    Args:
        attention: (B, heads, C/heads, C/heads), rows sum to one unless masked otherwise.
        projection: weight of the 1x1 output convolution, (C, C, 1, 1).
        values: (B, N, C).
    """
    heads = attention.shape[1]
    by_head = rearrange(projection[:, :, 0, 0], "out (heads c) -> heads out c", heads=heads).to(attention.dtype)
    matrix = rearrange(by_head @ attention, "b heads out c -> b (heads c) out")
    return values @ matrix.to(values.dtype)


class OutputProjection(nn.Conv2d):
    """A 1x1 convolution without bias whose first weights are PyTorch's default times `gain`."""

    def __init__(self, channels: int, out_channels: int, *, gain: float = 1.0) -> None:
        self.gain = gain
        super().__init__(channels, out_channels, 1, bias=False)

    def reset_parameters(self) -> None:
        """The default draw, scaled."""
        super().reset_parameters()
        with torch.no_grad():
            self.weight.mul_(self.gain)


class TransposedAttention(nn.Module):
    """MDTA: attention between channels instead of pixels, linear in the number of pixels."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.qkv = nn.Conv2d(channels, 3 * channels, 1, bias=False)
        self.qkv_dwconv = nn.Conv2d(3 * channels, 3 * channels, 3, padding=1, groups=3 * channels, bias=False)
        self.project_out = nn.Conv2d(channels, channels, 1, bias=False)

    def forward(self, x: Features) -> Features:
        q, k, v = as_pixels(self.qkv_dwconv(self.qkv(x))).chunk(3, dim=-1)
        attention = cosine_map(q, k, self.temperature).softmax(-1)
        return as_features(mix_channels(attention, self.project_out.weight, v), like=x)


class GatedFeedForward(nn.Module):
    """GDFN: 1x1 expansion into two halves, depthwise 3x3, one half gated by the GELU of the other, 1x1 projection."""

    def __init__(self, channels: int, expansion: float, *, unit_init: bool = False) -> None:
        super().__init__()
        hidden = int(channels * expansion)
        self.project_in = nn.Conv2d(channels, 2 * hidden, 1, bias=False)
        self.dwconv = nn.Conv2d(2 * hidden, 2 * hidden, 3, padding=1, groups=2 * hidden, bias=False)
        self.project_out: nn.Conv2d = OutputProjection(hidden, channels, gain=3.0 if unit_init else 1.0)

    def forward(self, x: Features) -> Features:
        extra = -self.project_out.in_channels % _ALIGNED
        if extra and padded_widths(x.device.type):
            return self._padded(x, extra)
        out: Tensor = self.project_out(depthwise_gate(self.project_in(x), self.dwconv.weight, self.dwconv.bias))
        return out

    def _padded(self, x: Features, extra: int) -> Features:
        """The same with `extra` more channels in each half, whose weights are zero: their gate is zero, too."""
        hidden = self.project_out.in_channels
        wide = [self.project_in.weight, self.project_in.bias, self.dwconv.weight, self.dwconv.bias]
        w_in, b_in, w_conv, b_conv = (
            None if parameter is None else _pad_halves(parameter, hidden, extra) for parameter in wide
        )
        assert w_in is not None
        assert w_conv is not None
        gated = depthwise_gate(F.conv2d(x, w_in, b_in), w_conv, b_conv)
        return F.conv2d(gated, F.pad(self.project_out.weight, (0, 0, 0, 0, 0, extra)), self.project_out.bias)


def _pad_halves(parameter: Tensor, hidden: int, extra: int) -> Tensor:
    """(2 * hidden, ...) with `extra` zeros behind each half of the first axis."""
    halves = torch.unflatten(parameter, 0, (2, hidden))
    return F.pad(halves, (0, 0) * (parameter.ndim - 1) + (0, extra)).flatten(0, 1)


class TransformerBlock(RecomputableBlock):
    """x + MDTA(LN(x)), then + GDFN(LN(x)). (B, C, H, W) in and out."""

    def __init__(self, channels: int, heads: int, ffn_expansion: float, *, norm_bias: bool) -> None:
        super().__init__()
        self.norm1 = ChannelLayerNorm(channels, bias=norm_bias)
        self.attn = TransposedAttention(channels, heads)
        self.norm2 = ChannelLayerNorm(channels, bias=norm_bias)
        self.ffn = GatedFeedForward(channels, ffn_expansion)

    def compute(self, x: Features) -> Features:
        x = x + self.attn(self.norm1(x))
        out: Tensor = x + self.ffn(self.norm2(x))
        return out
