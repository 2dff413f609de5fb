"""What MPRNet and DGUNet share: blocks with channel attention and the module between two stages."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines.base import Images
from baselines.layers import conv1, conv3
from dfpir.layers import Features

REDUCTION = 4


class ChannelAttention(nn.Module):
    """Scales each channel by a weight that its average and the other channels' set (squeeze and excitation)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = channels // REDUCTION
        self.conv_du = nn.Sequential(conv1(channels, hidden), nn.ReLU(), conv1(hidden, channels), nn.Sigmoid())

    def forward(self, x: Features) -> Features:
        out: Tensor = x * self.conv_du(x.mean(dim=(-2, -1), keepdim=True))
        return out


class AttentionBlock(nn.Module):
    """CAB: two 3x3 convolutions and channel attention around a shortcut (MPRNet Figure 3b).

    Args:
        channels: in and out.
        activation: the PReLU, one learned slope that the released models share between their blocks.
    """

    def __init__(self, channels: int, activation: nn.PReLU) -> None:
        super().__init__()
        self.CA = ChannelAttention(channels)
        self.body = nn.Sequential(conv3(channels, channels), activation, conv3(channels, channels))

    def forward(self, x: Features) -> Features:
        out: Tensor = self.CA(self.body(x)) + x
        return out


def shallow(channels: int, activation: nn.PReLU) -> nn.Sequential:
    """First features of an image: a 3x3 convolution and one block."""
    return nn.Sequential(conv3(3, channels), AttentionBlock(channels, activation))


class SupervisedAttention(nn.Module):
    """SAM: the stage's image, and features for the next stage (MPRNet Figure 4).

    Args:
        channels: of the features.
        gated: whether the features are weighted by a mask that the stage's image sets (DGUNet leaves it out).
    """

    def __init__(self, channels: int, *, gated: bool) -> None:
        super().__init__()
        self.conv1 = conv1(channels, channels)
        self.conv2 = conv1(channels, 3)
        self.conv3 = conv1(3, channels) if gated else None

    def forward(self, x: Features, image: Images) -> tuple[Features, Images]:
        restored = self.conv2(x) + image
        features: Tensor = self.conv1(x)
        if self.conv3 is not None:
            features = features * torch.sigmoid(self.conv3(restored))
        return features + x, restored
