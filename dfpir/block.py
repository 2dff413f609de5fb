"""DGPB, the degradation-guided perturbation block: F_b = CAAPM(DGCPM(F_n, DGM(P_e)), F_n) (paper section 3.2)."""

from __future__ import annotations

from torch import Tensor

from dfpir.attention import PerturbedAttention
from dfpir.channel import ChannelPerturbation, Codes, ConvolutionPerPrompt
from dfpir.config import DFPIRConfig
from dfpir.layers import ChannelLayerNorm, Features, GatedFeedForward
from dfpir.recompute import Recomputed


class PerturbationBlock(Recomputed):
    """The block of one level.

    There is no residual around it, as released. With attention perturbation off the block's output is DGCPM's; with
    channel perturbation off the features themselves are the query.
    """

    def __init__(self, config: DFPIRConfig, level: int) -> None:
        super().__init__()
        channels, heads = config.channels(level), config.heads[level - 1]
        bias = config.layer_norm == "with_bias"
        self.channel: ChannelPerturbation | ConvolutionPerPrompt | None = None
        self.attention: PerturbedAttention | None = None
        if config.channel_perturbation and config.order == "conv_per_prompt":
            self.channel = ConvolutionPerPrompt(channels, prompts=config.num_prompts)
        elif config.channel_perturbation:
            self.channel = ChannelPerturbation(channels, expansion=config.expansion, order=config.order)
        if config.attention_perturbation:
            self.norm_query = ChannelLayerNorm(channels, bias=bias)
            self.norm_features = ChannelLayerNorm(channels, bias=bias)
            self.attention = PerturbedAttention(channels, heads, kept=config.kept(level), masking=config.masking)
            self.norm_ffn = ChannelLayerNorm(channels, bias=bias)
            self.ffn = GatedFeedForward(channels, config.ffn_expansion)

    def compute(  # type: ignore[override]
        self, features: Features, codes: Codes | None, prompts: Tensor | None = None
    ) -> Features:
        """(B, C, H, W) and prompt codes (B, 512) to (B, C, H, W); `prompts`: rows of the bound prompts."""
        query = features
        if self.channel is not None:
            assert codes is not None
            query = self.channel(features, codes, prompts)
        if self.attention is None:
            return query
        out = self.attention(self.norm_query(query), self.norm_features(features))
        return out + self.ffn(self.norm_ffn(out))
