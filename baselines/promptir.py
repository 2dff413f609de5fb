"""PromptIR: Restormer whose decoder is told the degradation by prompts that it mixes from learned components itself.

Potlapalli, Zamir, Khan, Khan, "PromptIR: Prompting for All-in-One Blind Image Restoration", NeurIPS 2023, section 3.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import einsum, reduce
from torch import nn

from baselines.registry import Baseline, register
from baselines.restormer_parts import Block, Down, Features, Images, PatchEmbed, UNet, Up, conv1, conv3, stage


class PromptBlock(nn.Module):
    """Prompt generation (paper Figure 2b): a mixture of learned maps, weighted by the features' average.

    Args:
        channels: of the features that choose the weights.
        prompt_channels: of the prompt.
        size: side at which the components are stored; they are resized to the features.
        components: how many there are.
    """

    def __init__(self, channels: int, prompt_channels: int, size: int, components: int = 5) -> None:
        super().__init__()
        self.prompt_param = nn.Parameter(torch.rand(1, components, prompt_channels, size, size))
        self.linear_layer = nn.Linear(channels, components)
        self.conv3x3 = conv3(prompt_channels, prompt_channels)

    def forward(self, x: Features) -> Features:
        weights = self.linear_layer(reduce(x, "b c h w -> b c", "mean")).softmax(-1)
        prompt = einsum(weights, self.prompt_param[0], "b n, n c h w -> b c h w")
        return self.conv3x3(F.interpolate(prompt, x.shape[-2:], mode="bilinear"))


class PromptIR(UNet):
    """Four-level U-Net of Restormer with a prompt block before each step up. Any `code` is ignored.

    Image (B, 3, H, W), RGB in [0, 1], sides multiples of 8, to the same shape.

    Args:
        dim: channels of the first level.
        num_blocks: transformer blocks on each level.
        num_refinement_blocks: blocks after the decoder.
        heads: attention heads on each level; each prompt's own block has the third level's.
        ffn_expansion_factor: hidden width of the feed-forward network over its input width.
        prompt_channels: channels of the prompts of levels 1 to 3.
        prompt_sizes: sides at which their components are stored.
        decoder: the released code's switch for its prompts, which works only when on.

    Raises:
        ValueError: decoder is off.
    """

    def __init__(
        self,
        *,
        dim: int = 48,
        num_blocks: tuple[int, int, int, int] = (4, 6, 6, 8),
        num_refinement_blocks: int = 4,
        heads: tuple[int, int, int, int] = (1, 2, 4, 8),
        ffn_expansion_factor: float = 2.66,
        prompt_channels: tuple[int, int, int] = (64, 128, 320),
        prompt_sizes: tuple[int, int, int] = (64, 32, 16),
        decoder: bool = True,
    ) -> None:
        super().__init__()
        if not decoder:
            raise ValueError("decoder=False is not PromptIR: without its prompts it is Restormer ('restormer').")
        wide = [dim, 2 * dim, 4 * dim, 8 * dim]
        grow = ffn_expansion_factor
        self.patch_embed = PatchEmbed(3, dim)
        for level in (1, 2, 3):
            add = self.add_module
            prompt, below = prompt_channels[level - 1], wide[level]
            out = wide[min(level, 2)]  # the lowest reduction already halves, so both lower steps up start from 4C
            add(f"encoder_level{level}", stage(wide[level - 1], heads[level - 1], grow, num_blocks[level - 1]))
            add(f"down{level}_{level + 1}", Down(wide[level - 1]))
            add(f"prompt{level}", PromptBlock(below, prompt, prompt_sizes[level - 1]))
            add(f"noise_level{level}", Block(below + prompt, heads[2], grow))
            add(f"reduce_noise_level{level}", conv1(below + prompt, out))
            add(f"up{level + 1}_{level}", Up(out))
            decoded = wide[max(level - 1, 1)]
            add(f"decoder_level{level}", stage(decoded, heads[level - 1], grow, num_blocks[level - 1]))
        self.latent = stage(wide[3], heads[3], grow, num_blocks[3])
        self.reduce_chan_level3 = conv1(wide[2] // 2 + wide[2], wide[2])
        self.reduce_chan_level2 = conv1(wide[2] // 2 + wide[1], wide[1])
        self.refinement = stage(wide[1], heads[0], grow, num_refinement_blocks)
        self.output = conv3(wide[1], 3)
        self._add_unused(dim, prompt_channels)

    def _add_unused(self, dim: int, prompts: tuple[int, int, int]) -> None:
        """Parameters that the released files hold and nothing reads, so that they load strictly and count the same."""
        narrowed = (prompts[0], prompts[1], 256)
        for level, (prompt, out) in enumerate(zip(prompts, narrowed, strict=True), start=1):
            self.add_module(f"chnl_reduce{level}", conv1(prompt, out))
            width = dim * 2 ** (level - 1)
            self.add_module(f"reduce_noise_channel_{level}", conv1(width + out, width))

    def before_up(self, level: int, image: Images, x: Features) -> Features:
        """See the base."""
        x = torch.cat([x, self.get_submodule(f"prompt{level}")(x)], dim=1)
        return self.get_submodule(f"reduce_noise_level{level}")(self.get_submodule(f"noise_level{level}")(x))


register(
    Baseline(
        name="promptir",
        label="PromptIR",
        make=PromptIR,
        paper="PromptIR: Prompting for All-in-One Blind Image Restoration, NeurIPS 2023",
        year=2023,
        licence="academic, non-commercial",
        multiple_of=8,
        notes="Blind. 0.215 M of the released parameters are never used.",
        params_m_published=35.592,
        gmacs_published=172.7,
        demo={
            "dim": 8,
            "prompt_channels": (4, 8, 16),
            "prompt_sizes": (32, 16, 8),
            "num_blocks": (1, 1, 1, 1),
            "num_refinement_blocks": 1,
        },
        small={
            "dim": 12,
            "prompt_channels": (6, 12, 24),
            "prompt_sizes": (32, 16, 8),
            "num_blocks": (1, 1, 1, 1),
            "num_refinement_blocks": 1,
        },
        quick={
            "dim": 24,
            "prompt_channels": (12, 24, 48),
            "prompt_sizes": (32, 16, 8),
            "num_blocks": (1, 2, 2, 2),
            "num_refinement_blocks": 1,
        },
    )
)
