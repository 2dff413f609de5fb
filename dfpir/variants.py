"""The registered variants: each a few lines over the released configuration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from dfpir.config import DFPIRConfig, PromptSet
from dfpir.fit import fit_restormer
from dfpir.registry import Registry

Variant = Callable[[], DFPIRConfig]

VARIANTS: Registry[Variant] = Registry("variant", entry_point_group="dfpir.variants")
register_variant = VARIANTS.register

FITTED: dict[str, Callable[[DFPIRConfig], DFPIRConfig]] = {}
"""Variants whose settings follow from the model's size: they are worked out when the size is known."""


@register_variant(label="Restormer")
def restormer() -> DFPIRConfig:
    """Plain Restormer: no perturbation block."""
    return DFPIRConfig(channel_perturbation=False, attention_perturbation=False)


@register_variant(label="Restormer, equal params")
def restormer_same_params() -> DFPIRConfig:
    """Control: Restormer with a wider feed-forward network, as many trained parameters as DFPIR of the same size."""
    return restormer()


FITTED["restormer_same_params"] = partial(fit_restormer, same="parameters")


@register_variant(label="Restormer, equal MACs")
def restormer_same_macs() -> DFPIRConfig:
    """Control: Restormer with a wider feed-forward network, as many multiply-adds as DFPIR of the same size."""
    return restormer()


FITTED["restormer_same_macs"] = partial(fit_restormer, same="multiply_adds")


@register_variant(label="+ DGCPM")
def dgcpm_only() -> DFPIRConfig:
    """Channel perturbation alone: the block's output is DGCPM's."""
    return DFPIRConfig(attention_perturbation=False)


@register_variant(label="Restormer, task bias")
def restormer_told() -> DFPIRConfig:
    """Control: Restormer conditioned in the cheapest way, by a learned bias a channel for each prompt."""
    return DFPIRConfig(attention_perturbation=False, order="bias_per_prompt")


@register_variant(label="+ DGCPM, identity order")
def dgcpm_only_identity_order() -> DFPIRConfig:
    """Channel perturbation alone without reordering: two linear layers on each skip, unconditioned."""
    return DFPIRConfig(attention_perturbation=False, order="identity")


@register_variant(label="Conv per prompt")
def dgcpm_only_conv_per_prompt() -> DFPIRConfig:
    """Channel perturbation alone with a plain 1x1 convolution of its own for each prompt."""
    return DFPIRConfig(attention_perturbation=False, order="conv_per_prompt")


@register_variant(label="+ CAAPM")
def caapm_only() -> DFPIRConfig:
    """Attention perturbation alone: the features are their own query."""
    return DFPIRConfig(channel_perturbation=False)


@register_variant(label="+ CAAPM, \N{GREEK SMALL LETTER GAMMA} = 1")
def caapm_only_g100() -> DFPIRConfig:
    """Attention alone without its mask (gamma 1)."""
    return DFPIRConfig(channel_perturbation=False, gamma=1.0)


@register_variant(label="DFPIR")
def dfpir() -> DFPIRConfig:
    """DFPIR as released: the full block, gamma 0.9."""
    return DFPIRConfig()


@register_variant(label="DFPIR, residual")
def dfpir_residual() -> DFPIRConfig:
    """DFPIR with a residual connection around the block, which the released one lacks."""
    return replace(dfpir(), residual=True)


@register_variant(label="DFPIR, unit init")
def dfpir_unit_init() -> DFPIRConfig:
    """DFPIR whose block begins with an output about as large as its input, instead of a tenth of it."""
    return replace(dfpir(), block_init="unit")


@register_variant(label="DFPIR, dot product")
def dfpir_dot_product() -> DFPIRConfig:
    """The formula's logits: dot products over sqrt(d_k) instead of cosines times a temperature."""
    return replace(dfpir(), logit_scale="sqrt_dk")


@register_variant(label="DFPIR, no output scale")
def dfpir_no_output_scale() -> DFPIRConfig:
    """No learned scalar on the attention's output, as in the formula."""
    return replace(dfpir(), output_scale=False)


@register_variant(label="DFPIR, no FFN norm")
def dfpir_no_ffn_norm() -> DFPIRConfig:
    """The feed-forward network reads its input without LayerNorm, as in the formula."""
    return replace(dfpir(), ffn_norm=False)


@register_variant(label="DFPIR, paper's formula")
def dfpir_paper_formula() -> DFPIRConfig:
    """Every reading of the paper's formula at once: mask, logits, no output scale, no LayerNorm before the FFN."""
    return replace(dfpir(), masking="paper", logit_scale="sqrt_dk", output_scale=False, ffn_norm=False)


@register_variant(label="DFPIR, identity order")
def dfpir_identity_order() -> DFPIRConfig:
    """Control of equal size: DGCPM without reordering, so nothing depends on the prompt."""
    return replace(dfpir(), order="identity")


@register_variant(label="DFPIR, random order")
def dfpir_random_order() -> DFPIRConfig:
    """Control of equal size: a fixed random order for each prompt, whatever its text says."""
    return replace(dfpir(), order="random")


@register_variant(label="DFPIR, learned order")
def dfpir_learned_order() -> DFPIRConfig:
    """The order is learned: a differentiable sort lets gradients reach DGM."""
    return replace(dfpir(), order="learned")


@register_variant(label="DFPIR, mask by formula")
def dfpir_paper_mask() -> DFPIRConfig:
    """Masking by the paper's formula: dropped logits become zero."""
    return replace(dfpir(), masking="paper")


@register_variant(label="DFPIR, mask by figure")
def dfpir_figure_mask() -> DFPIRConfig:
    """Masking as the paper's figure draws it: after the softmax."""
    return replace(dfpir(), masking="figure")


@register_variant(label="DFPIR, column mask")
def dfpir_column_mask() -> DFPIRConfig:
    """The largest entries of each column are kept, as the paper's words say."""
    return replace(dfpir(), masking="columns")


@register_variant(label="DFPIR, random mask")
def dfpir_random_mask() -> DFPIRConfig:
    """Control for the mask: as many entries a row are kept, but a fixed random choice of them."""
    return replace(dfpir(), masking="random")


@register_variant(label="DFPIR, mask on skips")
def dfpir_skips_mask() -> DFPIRConfig:
    """The mask on the skips alone: gamma 1 on the latent."""
    return replace(dfpir(), gamma=(0.9, 0.9, 0.9, 1.0))


@register_variant(label="DFPIR, mask on latent")
def dfpir_latent_mask() -> DFPIRConfig:
    """The mask on the latent alone: gamma 1 on the skips."""
    return replace(dfpir(), gamma=(1.0, 1.0, 1.0, 0.9))


@register_variant(label="DFPIR, shared order")
def dfpir_shared_order() -> DFPIRConfig:
    """Control of equal size: one fixed random order for all prompts, so nothing depends on them."""
    return replace(dfpir(), order="shared")


@register_variant(label="Conv per prompt + CAAPM")
def dfpir_conv_per_prompt() -> DFPIRConfig:
    """Control: a plain 1x1 convolution of its own for each prompt in DGCPM's place."""
    return replace(dfpir(), order="conv_per_prompt")


@register_variant(label="DFPIR, expansion 1")
def dfpir_expansion1() -> DFPIRConfig:
    """The channels are reordered without being expanded."""
    return replace(dfpir(), expansion=1)


@register_variant(label="DFPIR, expansion 4")
def dfpir_expansion4() -> DFPIRConfig:
    """The channels are expanded fourfold before they are reordered."""
    return replace(dfpir(), expansion=4)


def _register_levels(name: str, levels: tuple[int, ...], where: str, label: str) -> None:
    def variant() -> DFPIRConfig:
        return replace(dfpir(), levels=levels)

    variant.__doc__ = f"Perturbation blocks on {where} alone."
    register_variant(name, label=label)(variant)


for _level in (1, 2, 3):
    _register_levels(f"dfpir_skip{_level}", (_level,), f"the skip of level {_level}", f"DFPIR on skip {_level}")
_register_levels("dfpir_latent", (4,), "the latent", "DFPIR on the latent")
_register_levels("dfpir_skips", (1, 2, 3), "the three skips", "DFPIR on the skips")


def _register_prompts(prompt_set: PromptSet, docstring: str, label: str = "") -> None:
    def variant() -> DFPIRConfig:
        return replace(dfpir(), prompt_set=prompt_set)

    variant.__doc__ = docstring
    register_variant(f"dfpir_{prompt_set}_prompts", label=f"DFPIR, {label or prompt_set} prompts")(variant)


_register_prompts("simple", "The paper's one-word prompts, the same for all noise levels.")
_register_prompts("onehot", "A one-hot code for each condition instead of a sentence.", "one-hot")
_register_prompts("empty", "Control: the empty sentence for every condition: no conditioning.")
_register_prompts("permuted", "Control: each condition has another task's sentence: distinct, but wrongly named.")
_register_prompts("shuffled", "Control: in training each sample gets a random condition's prompt.")


def _register_gamma(percent: int) -> None:
    def variant() -> DFPIRConfig:
        return replace(dfpir(), gamma=percent / 100)

    variant.__doc__ = f"DFPIR with gamma {percent / 100:.2f}" + (": no masking." if percent == 100 else ".")
    label = f"DFPIR, \N{GREEK SMALL LETTER GAMMA} = {percent / 100:g}"
    register_variant(f"dfpir_g{percent}", label=label)(variant)


for _percent in (50, 60, 70, 80, 90, 95, 100):
    _register_gamma(_percent)
