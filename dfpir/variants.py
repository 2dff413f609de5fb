"""The registered variants: each a few lines over the released configuration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from dfpir.config import DFPIRConfig
from dfpir.registry import Registry

Variant = Callable[[], DFPIRConfig]

VARIANTS: Registry[Variant] = Registry("variant", entry_point_group="dfpir.variants")
register_variant = VARIANTS.register


@register_variant()
def restormer() -> DFPIRConfig:
    """Plain Restormer: no perturbation block."""
    return DFPIRConfig(channel_perturbation=False, attention_perturbation=False)


@register_variant()
def dgcpm_only() -> DFPIRConfig:
    """Channel perturbation alone: the block's output is DGCPM's."""
    return DFPIRConfig(attention_perturbation=False)


@register_variant()
def caapm_only() -> DFPIRConfig:
    """Attention perturbation alone: the features are their own query."""
    return DFPIRConfig(channel_perturbation=False)


@register_variant()
def dfpir() -> DFPIRConfig:
    """DFPIR as released: the full block, gamma 0.9."""
    return DFPIRConfig()


@register_variant()
def dfpir_identity_order() -> DFPIRConfig:
    """Control of equal size: DGCPM without reordering, so nothing depends on the prompt."""
    return replace(dfpir(), order="identity")


@register_variant()
def dfpir_random_order() -> DFPIRConfig:
    """Control of equal size: a fixed random order for each prompt, whatever its text says."""
    return replace(dfpir(), order="random")


@register_variant()
def dfpir_learned_order() -> DFPIRConfig:
    """The order is learned: a differentiable sort lets gradients reach DGM."""
    return replace(dfpir(), order="learned")


@register_variant()
def dfpir_paper_mask() -> DFPIRConfig:
    """Masking by the paper's formula: dropped logits become zero."""
    return replace(dfpir(), masking="paper")


@register_variant()
def dfpir_figure_mask() -> DFPIRConfig:
    """Masking as the paper's figure draws it: after the softmax."""
    return replace(dfpir(), masking="figure")


def _register_gamma(percent: int) -> None:
    def variant() -> DFPIRConfig:
        return replace(dfpir(), gamma=percent / 100)

    variant.__doc__ = f"DFPIR with gamma {percent / 100:.2f}" + (": no masking." if percent == 100 else ".")
    register_variant(f"dfpir_g{percent}")(variant)


for _percent in (50, 60, 70, 80, 90, 95, 100):
    _register_gamma(_percent)
