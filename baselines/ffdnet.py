"""FFDNet for colour images: a small denoiser with known results, here to prove the protocols end to end.

Zhang, Zuo, Zhang, "FFDNet: Toward a Fast and Flexible Solution for CNN-Based Image Denoising", TIP 2018.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

WIDTH, LAYERS = 96, 12


class FFDNet(nn.Module):
    """Twelve 3x3 convolutions at half resolution on the image and a constant map of the noise level."""

    def __init__(self) -> None:
        super().__init__()
        widths = [3 * 4 + 1, *[WIDTH] * (LAYERS - 1), 3 * 4]
        layers: list[nn.Module] = []
        for count_in, count_out in pairwise(widths):
            layers += [nn.Conv2d(count_in, count_out, 3, padding=1), nn.ReLU(inplace=True)]
        self.model = nn.Sequential(*layers[:-1])

    def forward(self, degraded: Float[Tensor, "B 3 H W"], sigma_255: float) -> Float[Tensor, "B 3 H W"]:
        """Denoise RGB images of nominal range [0, 1].

        Args:
            degraded: noisy images of any size; odd sides are extended by repeating the edge and cut again.
            sigma_255: standard deviation of their noise on the 0..255 scale.
        """
        height, width = degraded.shape[-2:]
        even = F.pad(degraded, (0, width % 2, 0, height % 2), mode="replicate")
        small = F.pixel_unshuffle(even, 2)
        level = small.new_full((small.shape[0], 1, *small.shape[-2:]), sigma_255 / 255.0)
        restored = F.pixel_shuffle(self.model(torch.cat([small, level], dim=1)), 2)
        return restored[..., :height, :width]
