"""Layers that comparators share, under the released parameter names.

Those of Restormer compute what `dfpir.layers` does; only names differ (a `body` in each norm and resampling step).
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from baselines.base import Images
from dfpir.kernels import cosine_map
from dfpir.layers import ChannelLayerNorm, Features, TransformerBlock, as_features, as_pixels, mix_channels
from dfpir.resampling import pixel_shuffle, pixel_unshuffle


def conv1(channels_in: int, channels_out: int, *, bias: bool = False) -> nn.Conv2d:
    """1x1 convolution."""
    return nn.Conv2d(channels_in, channels_out, 1, bias=bias)


def conv3(channels_in: int, channels_out: int, *, bias: bool = False) -> nn.Conv2d:
    """3x3 convolution that keeps the size."""
    return nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=bias)


def depthwise(channels: int, kernel: int = 3, *, bias: bool = False) -> nn.Conv2d:
    """One filter a channel, keeping the size."""
    return nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels, bias=bias)


def named(**modules: nn.Module) -> nn.Sequential:
    """Modules one after another, by the names that the released files give them."""
    return nn.Sequential(OrderedDict(modules))


class Residual(nn.Module):
    """x + body(x)."""

    def __init__(self, *body: nn.Module) -> None:
        super().__init__()
        self.body = nn.Sequential(*body)

    def forward(self, x: Features) -> Features:
        out: Tensor = self.body(x) + x
        return out


def norm(channels: int) -> nn.Sequential:
    """LayerNorm over each pixel's channels."""
    return named(body=ChannelLayerNorm(channels))


class Block(TransformerBlock):
    """Restormer's transformer block."""

    def __init__(self, channels: int, heads: int, expansion: float) -> None:
        super().__init__(channels, heads, expansion, norm_bias=True)
        self.add_module("norm1", norm(channels))
        self.add_module("norm2", norm(channels))


def stage(channels: int, heads: int, expansion: float, depth: int) -> nn.Sequential:
    """`depth` transformer blocks in a row."""
    return nn.Sequential(*(Block(channels, heads, expansion) for _ in range(depth)))


class PatchEmbed(nn.Module):
    """3x3 convolution from an image to the first features."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.proj = conv3(3, channels)

    def forward(self, image: Images) -> Features:
        # channels-last memory makes LayerNorm and depthwise convolutions several times faster on a CPU
        out: Tensor = self.proj(image.contiguous(memory_format=torch.channels_last))
        return out


class Down(nn.Module):
    """Half the size, twice the channels: convolution to C/2, then pixels become channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(conv3(channels, channels // 2))  # the released keys: body.0.weight

    def forward(self, x: Features) -> Features:
        return pixel_unshuffle(self.body(x))


class Up(nn.Module):
    """Twice the size, half the channels: convolution to 2C, then channels become pixels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(conv3(channels, 2 * channels))  # the released keys: body.0.weight

    def forward(self, x: Features) -> Features:
        return pixel_shuffle(self.body(x))


class CrossAttention(nn.Module):
    """Restormer's channel attention with queries from one map and keys and values from another of the same size."""

    def __init__(self, channels: int, heads: int, *, kv_kernel: int = 3) -> None:
        super().__init__()
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.q = conv1(channels, channels)
        self.q_dwconv = depthwise(channels)
        self.kv = conv1(channels, 2 * channels)
        self.kv_dwconv = depthwise(2 * channels, kv_kernel)
        self.project_out = conv1(channels, channels)

    def forward(self, x: Features, y: Features) -> Features:
        """Queries from x, keys and values from y."""
        q = as_pixels(self.q_dwconv(self.q(x)))
        k, v = as_pixels(self.kv_dwconv(self.kv(y))).chunk(2, dim=-1)
        attention = cosine_map(q, k, self.temperature).softmax(-1)
        return as_features(mix_channels(attention, self.project_out.weight, v), like=x)
