"""PromptIR: Restormer whose decoder is conditioned by prompts that it mixes from learned components itself.

Potlapalli, Zamir, Khan, Khan, "PromptIR: Prompting for All-in-One Blind Image Restoration", NeurIPS 2023, section 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from einops import einsum, reduce
from torch import Tensor, nn

from baselines.layers import Block, conv1, conv3
from baselines.registry import Baseline, configured, one_block_config, register, two_block_config
from baselines.restormer import RestormerUNet, Step, UNetConfig
from dfpir.layers import Features


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
        out: Tensor = self.conv3x3(F.interpolate(prompt, x.shape[-2:], mode="bilinear"))
        return out


@dataclass(frozen=True, kw_only=True)
class PromptIRConfig(UNetConfig):
    """Settings as released; each prompt's own block has the third level's heads.

    Attributes:
        prompt_channels: channels of the prompts of levels 1 to 3.
        prompt_sizes: sides at which their components are stored.
    """

    prompt_channels: tuple[int, int, int] = (64, 128, 320)
    prompt_sizes: tuple[int, int, int] = (64, 32, 16)


class PromptIR(RestormerUNet):
    """Four-level U-Net of Restormer with a prompt block before each step up. Any `code` is ignored."""

    config: PromptIRConfig

    def __init__(self, config: PromptIRConfig) -> None:
        super().__init__(config)
        # the released files hold these, and nothing reads them
        for level, prompt in enumerate(config.prompt_channels, start=1):
            narrowed = prompt if level < 3 else 256
            self.add_module(f"chnl_reduce{level}", conv1(prompt, narrowed))
            width = config.channels(level)
            self.add_module(f"reduce_noise_channel_{level}", conv1(width + narrowed, width))

    def up_channels(self, level: int) -> int:
        """The lowest reduction already halves: both lower steps up start from 4C."""
        return self.config.channels(min(level + 1, 3))

    def extra_modules(self, step: Step, level: int) -> Iterator[tuple[str, nn.Module]]:
        if step == "up":
            config, below = self.config, self.config.channels(level + 1)
            prompt, size = config.prompt_channels[level - 1], config.prompt_sizes[level - 1]
            yield f"prompt{level}", PromptBlock(below, prompt, size)
            yield f"noise_level{level}", Block(below + prompt, config.heads[2], config.ffn_expansion_factor)
            yield f"reduce_noise_level{level}", conv1(below + prompt, self.up_channels(level))

    def before_step(self, step: Step, level: int, x: Features, context: Any) -> Features:
        if step != "up":
            return x
        x = torch.cat([x, self.get_submodule(f"prompt{level}")(x)], dim=1)
        out: Tensor = self.get_submodule(f"reduce_noise_level{level}")(self.get_submodule(f"noise_level{level}")(x))
        return out


register(
    Baseline(
        name="promptir",
        probed="latent",
        label="PromptIR",
        make=configured(PromptIR, PromptIRConfig),
        fixed={"decoder": True},
        paper="PromptIR: Prompting for All-in-One Blind Image Restoration, NeurIPS 2023",
        licence="academic, non-commercial",
        multiple_of=8,
        notes="Blind. 0.215 M of the released parameters are never used.",
        params_m_published=35.592,
        gmacs_published=172.7,
        demo={**one_block_config(8), "prompt_channels": (4, 8, 16), "prompt_sizes": (32, 16, 8)},
        small={**one_block_config(12), "prompt_channels": (8, 12, 24), "prompt_sizes": (32, 16, 8)},
        quick={**two_block_config(24), "prompt_channels": (12, 24, 48), "prompt_sizes": (32, 16, 8)},
    )
)
