"""What the comparators built on Restormer share, under the released parameter names.

`dfpir.layers` holds the arithmetic; here only the names differ (a `body` inside each norm and each resampling step).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dfpir.kernels import cosine_map
from dfpir.layers import (
    ChannelLayerNorm,
    TransformerBlock,
    as_features,
    as_pixels,
    mix_channels,
)
from dfpir.resampling import double, halve

Features = Float[Tensor, "b c h w"]
Images = Float[Tensor, "b 3 h w"]


class Norm(nn.Module):
    """LayerNorm over each pixel's channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = ChannelLayerNorm(channels)

    def forward(self, x: Features) -> Features:
        return self.body(x)


class Block(TransformerBlock):
    """Restormer's transformer block."""

    def __init__(self, channels: int, heads: int, expansion: float) -> None:
        super().__init__(channels, heads, expansion, norm_bias=True)
        self.add_module("norm1", Norm(channels))
        self.add_module("norm2", Norm(channels))


def stage(channels: int, heads: int, expansion: float, depth: int) -> nn.Sequential:
    """`depth` transformer blocks in a row."""
    return nn.Sequential(*(Block(channels, heads, expansion) for _ in range(depth)))


class PatchEmbed(nn.Module):
    """3x3 convolution from an image to the first features."""

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        self.proj = conv3(channels_in, channels)

    def forward(self, image: Tensor) -> Features:
        # channels-last memory makes LayerNorm and depthwise convolutions several times faster on a CPU
        return self.proj(image.contiguous(memory_format=torch.channels_last))


class Down(nn.Module):
    """Half the size, twice the channels: convolution to C/2, then pixels become channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(conv3(channels, channels // 2))  # the released keys: body.0.weight

    def forward(self, x: Features) -> Features:
        return halve(self.body(x))


class Up(nn.Module):
    """Twice the size, half the channels: convolution to 2C, then channels become pixels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(conv3(channels, 2 * channels))  # the released keys: body.0.weight

    def forward(self, x: Features) -> Features:
        return double(self.body(x))


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


class UNet(nn.Module):
    """The way through Restormer's U-Net that its followers share, over submodules with their released names."""

    patch_embed: nn.Module
    latent: nn.Module
    refinement: nn.Module
    output: nn.Module

    def before_up(self, level: int, image: Images, x: Features) -> Features:
        """What a method adds: the features below `level` (3 is the lowest) before the step up to it."""
        raise NotImplementedError

    def forward(self, image: Images, code: Tensor | None = None) -> Images:
        """See the class."""
        x = self.patch_embed(image)
        skips: list[Features] = []
        for level in (1, 2, 3):
            x = self.get_submodule(f"encoder_level{level}")(x)
            skips.append(x)
            x = self.get_submodule(f"down{level}_{level + 1}")(x)
        x = self.latent(x)
        for level in (3, 2, 1):
            x = self.before_up(level, image, x)
            x = torch.cat([self.get_submodule(f"up{level + 1}_{level}")(x), skips[level - 1]], dim=1)
            if level > 1:
                x = self.get_submodule(f"reduce_chan_level{level}")(x)
            x = self.get_submodule(f"decoder_level{level}")(x)
        return self.output(self.refinement(x)) + image


def conv1(channels_in: int, channels_out: int, *, bias: bool = False) -> nn.Conv2d:
    """1x1 convolution."""
    return nn.Conv2d(channels_in, channels_out, 1, bias=bias)


def conv3(channels_in: int, channels_out: int, *, bias: bool = False) -> nn.Conv2d:
    """3x3 convolution that keeps the size."""
    return nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=bias)


def depthwise(channels: int, kernel: int = 3, *, bias: bool = False) -> nn.Conv2d:
    """One filter a channel, keeping the size."""
    return nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels, bias=bias)
