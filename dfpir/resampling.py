"""Halving and doubling of features between the levels of the U-Net, in channels-last memory on every device.

A CPU's own kernels for pixel (un)shuffling keep channels-last. CUDA's return NCHW memory whatever they are given, and
what follows copies it back, in the backward pass as well: there the same permutation is done on the (B, H, W, C) view.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

Features = Float[Tensor, "b c h w"]

FACTOR = 2


def pixel_unshuffle(x: Features) -> Float[Tensor, "b 4c h/2 w/2"]:
    """`F.pixel_unshuffle(x, 2)`: (B, C, H, W) to (B, 4C, H/2, W/2), with one copy; H and W are even."""
    if kernel_keeps_layout(x):
        return F.pixel_unshuffle(x, FACTOR)
    _, _, height, width = x.shape
    pixels = torch.unflatten(x.permute(0, 2, 3, 1), 2, (width // FACTOR, FACTOR))
    blocks = torch.unflatten(pixels, 1, (height // FACTOR, FACTOR))
    return blocks.permute(0, 1, 3, 5, 2, 4).flatten(3).permute(0, 3, 1, 2)


def pixel_shuffle(x: Features) -> Float[Tensor, "b c/4 2h 2w"]:
    """`F.pixel_shuffle(x, 2)`: (B, C, H, W) to (B, C/4, 2H, 2W), with one copy; C is a multiple of 4."""
    if kernel_keeps_layout(x):
        return F.pixel_shuffle(x, FACTOR)
    channels = x.shape[1] // FACTOR**2
    pixels = torch.unflatten(x.permute(0, 2, 3, 1), 3, (channels, FACTOR, FACTOR))
    batch, height, width = pixels.shape[:3]
    return (
        pixels.permute(0, 1, 4, 2, 5, 3).reshape(batch, height * FACTOR, width * FACTOR, channels).permute(0, 3, 1, 2)
    )


def kernel_keeps_layout(x: Features) -> bool:
    """Whether PyTorch's own kernel returns channels-last memory; a CPU's does, in half the time of permuting."""
    return not x.is_cuda
