"""DGPB, the degradation-guided perturbation block: F_b = CAAPM(DGCPM(F_n, DGM(P_e)), F_n) (paper section 3.2)."""

from __future__ import annotations

from torch import Tensor, nn

from dfpir.attention import PerturbedAttention
from dfpir.channel import BiasPerPrompt, ChannelPerturbation, Codes, ConvolutionPerPrompt
from dfpir.config import DFPIRConfig
from dfpir.layers import ChannelLayerNorm, Features, GatedFeedForward
from dfpir.recompute import RecomputableBlock


class PerturbationBlock(RecomputableBlock):
    """The block of one level.

    As released there is no residual around it; `config.residual` adds one. With attention perturbation off the block's
    output is DGCPM's; with channel perturbation off the features themselves are the query.
    """

    def __init__(self, config: DFPIRConfig, level: int) -> None:
        super().__init__()
        channels, heads = config.channels(level), config.heads[level - 1]
        bias = config.layer_norm == "with_bias"
        unit = config.block_init == "unit"
        self.residual = config.residual
        self.channel: ChannelPerturbation | ConvolutionPerPrompt | BiasPerPrompt | None = None
        self.attention: PerturbedAttention | None = None
        if config.channel_perturbation and config.order == "conv_per_prompt":
            self.channel = ConvolutionPerPrompt(channels, prompts=config.num_prompts)
        elif config.channel_perturbation and config.order == "bias_per_prompt":
            self.channel = BiasPerPrompt(channels, prompts=config.num_prompts)
        elif config.channel_perturbation:
            self.channel = ChannelPerturbation(channels, expansion=config.expansion, order=config.order)
        if config.attention_perturbation:
            self.norm_query = ChannelLayerNorm(channels, bias=bias)
            self.norm_features = ChannelLayerNorm(channels, bias=bias)
            self.attention = PerturbedAttention(
                channels,
                heads,
                topk=config.topk(level),
                masking=config.masking,
                logit_scale=config.logit_scale,
                output_scale=config.output_scale,
                unit_init=unit,
            )
            self.norm_ffn = ChannelLayerNorm(channels, bias=bias) if config.ffn_norm else nn.Identity()
            self.ffn = GatedFeedForward(channels, config.ffn_expansion, unit_init=unit)

    def compute(self, features: Features, codes: Codes | None, prompts: Tensor | None = None) -> Features:
        """(B, C, H, W) and prompt codes (B, 512) to (B, C, H, W); `prompts`: rows of the bound prompts."""
        query = features
        if self.channel is not None:
            assert codes is not None
            query = self.channel(features, codes, prompts)
        out = query
        if self.attention is not None:
            out = self.attention(self.norm_query(query), self.norm_features(features))
            out = out + self.ffn(self.norm_ffn(out))
        return out + features if self.residual else out
