"""Depthwise 3x3 convolution of both halves of GDFN's hidden channels, and the gate of one by the GELU of the other.

In PyTorch alone: a Triton kernel that convolves again instead of storing what it gates is bound by instructions, not
by memory (docs/performance.md). torch.compile fuses the gate.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

Wide = Float[Tensor, "b 2c h w"]
Features = Float[Tensor, "b c h w"]


def depthwise_gate(x: Wide, weight: Float[Tensor, "2c 1 3 3"], bias: Float[Tensor, "2c"] | None = None) -> Features:
    """`gelu(first half) * second half` of the depthwise 3x3 convolution of x (Restormer, equation 3).

    Args:
        x: (B, 2C, H, W), best in channels-last memory; zeros around it.
        weight: (2C, 1, 3, 3).
        bias: (2C,), which one comparator has, or None.

    Returns:
        (B, C, H, W) in channels-last memory where x is. GELU is the exact one, by the error function.
    """
    convolved = F.conv2d(x, weight, bias, padding=1, groups=x.shape[1])
    del x  # the widest tensors of a model: where no gradient needs them, one less at a time
    gate, value = convolved.chunk(2, dim=1)
    gate = F.gelu(gate)
    return gate * value if torch.is_grad_enabled() else gate.mul_(value)
