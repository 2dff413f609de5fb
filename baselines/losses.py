"""Training losses that several comparators share. Images (B, 3, H, W), RGB, in [0, 1]."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from baselines.base import Images

EDGE_WEIGHT = 0.05


def charbonnier(restored: Images, clean: Images, eps: float = 1e-3) -> Tensor:
    """Mean of sqrt(d^2 + eps^2): an absolute error that is smooth at zero."""
    return ((restored - clean).square() + eps**2).sqrt().mean()


def laplacian(image: Images) -> Images:
    """The image minus its coarse version: one level of a Laplacian pyramid at full size."""
    return image - _blur(_every_second_times_4(_blur(image)))


def edge_loss(restored: Images, clean: Images) -> Tensor:
    """Charbonnier distance of the two images' Laplacians (MPRNet, CVPR 2021, equation 2)."""
    return charbonnier(laplacian(restored), laplacian(clean))


def multi_stage_loss(model: Any, degraded: Images, clean: Images, code: Tensor | None) -> Tensor:
    """Charbonnier plus 0.05 times the edge loss, summed over the images of `model.stages` (MPRNet, equation 1)."""
    losses = [charbonnier(out, clean) + EDGE_WEIGHT * edge_loss(out, clean) for out in model.stages(degraded)]
    return torch.stack(losses).sum()


def _blur(image: Images) -> Images:
    taps = image.new_tensor([0.05, 0.25, 0.4, 0.25, 0.05])
    kernel = torch.outer(taps, taps).expand(image.shape[1], 1, 5, 5)
    return F.conv2d(F.pad(image, (2, 2, 2, 2), mode="replicate"), kernel, groups=image.shape[1])


def _every_second_times_4(image: Images) -> Images:
    """Keeps each second row and column; the others become zero, so that a blur fills them in."""
    mask = torch.zeros_like(image[:1, :1])
    mask[..., ::2, ::2] = 4
    return image * mask
