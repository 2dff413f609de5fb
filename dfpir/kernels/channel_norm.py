"""LayerNorm over the channels of each pixel, with bias or in Restormer's variant without."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from dfpir.kernels.switch import fused

Features = Float[Tensor, "b c h w"]
Channels = Float[Tensor, " c"]


def channel_norm(x: Features, weight: Channels, bias: Channels | None, eps: float) -> Features:
    """Normalise the channels of each pixel; without a bias the mean is not subtracted from the numerator.

    Args:
        x: (B, C, H, W), best in channels-last memory.
        weight: (C,).
        bias: (C,), or None for the variant `bias_free` (Restormer, CVPR 2022, its released code).
        eps: added to the variance.

    Returns:
        (B, C, H, W) in channels-last memory.
    """
    if fused(x, weight):
        from dfpir.kernels.channel_norm_triton import ChannelNorm

        normalised: Tensor = ChannelNorm.apply(x, weight, bias, eps)
        return normalised
    return reference(x, weight, bias, eps)


def reference(x: Features, weight: Tensor, bias: Tensor | None, eps: float) -> Features:
    """`channel_norm` in PyTorch."""
    channels_last = x.permute(0, 2, 3, 1)
    if bias is not None:
        out = F.layer_norm(channels_last, weight.shape, weight, bias, eps)
    else:
        variance = channels_last.var(-1, keepdim=True, unbiased=False)
        out = channels_last * torch.rsqrt(variance + eps) * weight
    return out.permute(0, 3, 1, 2)
