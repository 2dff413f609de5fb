"""Controls of equal size: plain Restormer made as large as DFPIR by a wider feed-forward network."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Literal

from dfpir.config import DFPIRConfig

_SIDE = 128


def trained_parameters(config: DFPIRConfig) -> int:
    """Parameters that get a gradient: DGM is left out unless the order is learned."""
    import torch  # here: variants are listed and checked without it

    from dfpir.model import RestorationUNet

    with torch.device("meta"):
        return sum(p.numel() for p in RestorationUNet(config).parameters() if p.requires_grad)


@lru_cache(maxsize=32)
def fit_restormer(plain: DFPIRConfig, *, same: Literal["parameters", "multiply_adds"]) -> DFPIRConfig:
    """Plain Restormer with the feed-forward width that comes nearest to DFPIR's size.

    The width is changed in steps of one hidden channel of the first level, from `plain`'s own upwards.

    Args:
        plain: Restormer at the size wanted.
        same: what is to be equal: parameters that are trained, or multiply-adds at 128 x 128 pixels.
    """
    from dfpir.count import multiply_adds

    def count_parameters(config: DFPIRConfig) -> int:
        return trained_parameters(config) if same == "parameters" else multiply_adds(config, _SIDE, _SIDE)

    def with_width(steps: int) -> DFPIRConfig:
        # a little above the whole number, so that int() does not truncate it to the one below
        hidden = int(plain.dim * plain.ffn_expansion) + steps
        return replace(plain, ffn_expansion=round((hidden + 0.01) / plain.dim, 6)) if steps else plain

    goal = count_parameters(replace(plain, channel_perturbation=True, attention_perturbation=True))
    low, high = 0, 1
    while count_parameters(with_width(high)) < goal:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count_parameters(with_width(middle)) < goal else (low, middle)
    return min((with_width(low), with_width(high)), key=lambda config: abs(count_parameters(config) - goal))
