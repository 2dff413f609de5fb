"""VLU-Net: an unfolded gradient descent on features, steered by a vision-language model's feature of the image.

Zeng, Wang, Chen, Su, Liu, "Vision-Language Gradient Descent-driven All-in-One Deep Unfolding Networks", CVPR 2025,
section 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import einsum
from torch import Tensor, nn

from baselines.base import Images, require_code
from baselines.layers import Down, PatchEmbed, Up, conv1, conv3, depthwise, named, stage
from baselines.registry import Baseline, configured, one_block_config, register, two_block_config
from baselines.restormer import UNetConfig
from dfpir.kernels import cosine_map
from dfpir.layers import Features, TransposedAttention, as_features, as_pixels, mix_channels

CODE_DIM = 512
PROMPT_SIDE = 96
STEP_HEADS = 2


class PromptAttention(nn.Module):
    """Channel attention whose keys come from a prompt; queries and values from the features."""

    def __init__(self, channels: int, prompt_channels: int) -> None:
        super().__init__()
        self.temperature = nn.Parameter(torch.ones(STEP_HEADS, 1, 1))
        self.qv = conv1(channels, 2 * channels)
        self.qv_dwconv = depthwise(2 * channels)
        self.k = conv1(prompt_channels, channels)
        self.k_dwconv = depthwise(channels)
        self.project_out = conv1(channels, channels)

    def forward(self, x: Features, prompt: Features) -> Features:
        q, v = as_pixels(self.qv_dwconv(self.qv(x))).chunk(2, dim=-1)
        k = as_pixels(self.k_dwconv(self.k(prompt)))
        attention = cosine_map(q, k, self.temperature).softmax(-1)
        return as_features(mix_channels(attention, self.project_out.weight, v), like=x)


class GradientStep(nn.Module):
    """One step of gradient descent with learned operators: x - r phi_t(phi(x, prompt) - y) (paper equation 8).

    Args:
        channels: of the features.
        level: of the U-Net, 1 to 4: lower levels have smaller prompts with more channels.
        de_dim: prompts to mix.
    """

    def __init__(self, channels: int, level: int, de_dim: int) -> None:
        super().__init__()
        prompt_channels, side = channels // 10 * level, PROMPT_SIDE // level
        self.phi = PromptAttention(channels, prompt_channels)
        self.phit = TransposedAttention(channels, STEP_HEADS)
        self.r = nn.Parameter(torch.ones(1))
        self.linear = nn.Linear(CODE_DIM, de_dim)
        self.prompt_param = nn.Parameter(torch.rand(1, de_dim, prompt_channels, side, side))

    def forward(self, x: Features, observed: Features, code: Tensor) -> Features:
        weights = self.linear(code).softmax(-1)
        prompt = einsum(weights, self.prompt_param[0], "b n, n c h w -> b c h w")
        residual = self.phi(x, F.interpolate(prompt, x.shape[-2:], mode="bilinear")) - observed
        out: Tensor = x - self.r * self.phit(residual)
        return out


class UnfoldedStage(nn.Module):
    """A gradient step, then the prior."""

    def __init__(self, step: GradientStep, blocks: nn.Sequential) -> None:
        super().__init__()
        self.gradient_descent, self.denoiser = step, named(blocks=blocks)

    def forward(self, x: Features, observed: Features, code: Tensor) -> Features:
        out: Tensor = self.denoiser(self.gradient_descent(x, observed, code))
        return out


@dataclass(frozen=True, kw_only=True)
class VLUNetConfig(UNetConfig):
    """Settings as released; `dim` is 10 or more.

    Attributes:
        de_dim: prompts that each stage mixes.
    """

    de_dim: int = 7


class VLUNet(nn.Module):
    """Restormer's U-Net of unfolded stages, with the degraded image's features carried beside it.

    Call it as `model(image, code)`: image (B, 3, H, W), RGB in [0, 1], sides multiples of 8; code (B, 512), the image
    feature of the method's fine-tuned CLIP. Returns the restored image, same shape.

    Raises:
        ValueError: no code, or one of another shape.
    """

    def __init__(self, config: VLUNetConfig) -> None:
        super().__init__()
        add, channels, blocks = self.add_module, config.channels, config.num_blocks

        def unfolded(width: int, level: int, heads: int, depth: int) -> UnfoldedStage:
            step = GradientStep(width, level, config.de_dim)
            return UnfoldedStage(step, stage(width, heads, config.ffn_expansion_factor, depth))

        self.patch_embed = PatchEmbed(config.dim)
        self.patch_embed_i = PatchEmbed(config.dim)
        for level, heads, depth in zip((1, 2, 3), config.heads, blocks, strict=False):
            add(f"encoder_level{level}", unfolded(channels(level), level, heads, depth))
            add(f"decoder_level{level}", unfolded(config.decoder_channels(level), level, heads, depth))
            for suffix in ("", "_i"):
                add(f"down{level}_{level + 1}{suffix}", Down(channels(level)))
                add(f"up{level + 1}_{level}{suffix}", Up(channels(level + 1)))
            for suffix in ("", "_img") if level > 1 else ():
                add(f"reduce_chan_level{level}{suffix}", conv1(channels(level + 1), channels(level)))
        self.latent = unfolded(channels(4), 4, config.heads[3], blocks[3])
        self.refinement = unfolded(channels(2), 1, config.heads[0], config.num_refinement_blocks)
        self.output = conv3(channels(2), 3)

    def forward(self, image: Images, code: Tensor | None = None) -> Images:
        code = require_code(code, len(image), CODE_DIM, "VLU-Net (an image feature of its CLIP)")
        part = self.get_submodule
        x, observed = self.patch_embed(image), self.patch_embed_i(image)
        skips: list[tuple[Features, Features]] = []
        for level in (1, 2, 3):
            x = part(f"encoder_level{level}")(x, observed, code)
            skips.append((x, observed))
            down = f"down{level}_{level + 1}"
            # as released: the first step down of both is the features' own, so `down1_2_i` gets no gradient
            x, observed = part(down)(x), part(down if level == 1 else f"{down}_i")(observed)
        x = self.latent(x, observed, code)
        for level in (3, 2, 1):
            skip, skip_observed = skips[level - 1]
            x = torch.cat([part(f"up{level + 1}_{level}")(x), skip], dim=1)
            observed = torch.cat([part(f"up{level + 1}_{level}_i")(observed), skip_observed], dim=1)
            if level > 1:
                x, observed = part(f"reduce_chan_level{level}")(x), part(f"reduce_chan_level{level}_img")(observed)
            x = part(f"decoder_level{level}")(x, observed, code)
        out: Tensor = self.output(self.refinement(x, observed, code)) + image
        return out


register(
    Baseline(
        name="vlunet",
        probed="latent",
        label="VLU-Net",
        make=configured(VLUNet, VLUNetConfig),
        paper="Vision-Language Gradient Descent-driven All-in-One Deep Unfolding Networks, CVPR 2025",
        licence="none stated",
        multiple_of=8,
        needs="image512",
        notes="Takes an image feature of a CLIP that its authors fine-tuned; that CLIP is not counted.",
        params_m_published=35.353,
        gmacs_published=186,
        demo=one_block_config(10),
        small=one_block_config(10),
        quick=two_block_config(16),
    )
)
