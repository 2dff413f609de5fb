"""What NAFNet and InstructIR share: the block without activation functions and the way through the U-Net.

Chen, Chu, Zhang, Sun, "Simple Baselines for Image Restoration", ECCV 2022, section 3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.base import Images
from baselines.layers import conv1, depthwise
from dfpir.layers import ChannelLayerNorm, Features
from dfpir.resampling import double


def simple_gate(x: Features) -> Features:
    """Product of the two halves of the channels (paper section 3.3)."""
    first, second = x.chunk(2, dim=1)
    return first * second


class NAFBlock(nn.Module):
    """Depthwise convolution, gate and channel attention, then a gated feed-forward network; both with a learned scale.

    The scales start at zero, so that a new block passes its input through.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1 = ChannelLayerNorm(channels, eps=1e-6)
        self.conv1 = conv1(channels, 2 * channels, bias=True)
        self.conv2 = depthwise(2 * channels, bias=True)
        self.sca = nn.Sequential(nn.AdaptiveAvgPool2d(1), conv1(channels, channels, bias=True))
        self.conv3 = conv1(channels, channels, bias=True)
        self.norm2 = ChannelLayerNorm(channels, eps=1e-6)
        self.conv4 = conv1(channels, 2 * channels, bias=True)
        self.conv5 = conv1(channels, channels, bias=True)
        self.beta = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.gamma = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Features) -> Features:
        mixed = simple_gate(self.conv2(self.conv1(self.norm1(x))))
        x = x + self.conv3(mixed * self.sca(mixed)) * self.beta
        return x + self.conv5(simple_gate(self.conv4(self.norm2(x)))) * self.gamma


class NAFUNet(nn.Module):
    """The way through NAFNet's U-Net, over modules with their released names."""

    memory_format: torch.memory_format = torch.preserve_format
    intro: nn.Module
    ending: nn.Module
    encoders: nn.ModuleList
    downs: nn.ModuleList
    middle_blks: nn.Module
    ups: nn.ModuleList
    decoders: nn.ModuleList

    def encoded(self, level: int, x: Features, code: Tensor | None) -> Features:
        """Features after the encoder's blocks at a level, 0 the highest."""
        return self.encoders[level](x)

    def decoded(self, level: int, x: Features, code: Tensor | None) -> Features:
        """Features after the decoder's blocks at a level, 0 the lowest."""
        return self.decoders[level](x)

    def forward(self, image: Images, code: Tensor | None = None) -> Images:
        """Images of any size, padded with zeros meanwhile."""
        height, width = image.shape[-2:]
        multiple = 2 ** len(self.encoders)
        padded = F.pad(image, (0, -width % multiple, 0, -height % multiple))
        x = self.intro(padded.to(memory_format=self.memory_format))
        skips: list[Features] = []
        for level, down in enumerate(self.downs):
            skips.append(self.encoded(level, x, code))
            x = down(skips[-1])
        x = self.middle_blks(x)
        for level, up in enumerate(self.ups):
            x = self.decoded(level, double(up(x)) + skips.pop(), code)
        return (self.ending(x) + padded)[..., :height, :width]


def blocks(channels: int, count: int, block: Callable[[int], nn.Module] = NAFBlock) -> nn.Sequential:
    """Some in a row."""
    return nn.Sequential(*(block(channels) for _ in range(count)))


def downs(widths: Sequence[int]) -> nn.ModuleList:
    """Half the size and twice the channels, for each level."""
    return nn.ModuleList(nn.Conv2d(w, 2 * w, 2, stride=2) for w in widths)


def ups(widths: Sequence[int]) -> nn.ModuleList:
    """For each level, the lowest first, the convolution whose channels become pixels."""
    return nn.ModuleList(nn.Sequential(conv1(2 * w, 4 * w)) for w in reversed(widths))
