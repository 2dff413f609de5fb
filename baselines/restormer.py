"""Restormer's U-Net as its followers extend it, under the released parameter names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from baselines.base import Images
from baselines.layers import Down, PatchEmbed, Up, conv1, conv3, stage
from dfpir.layers import Features

Step = Literal["embed", "encode", "down", "latent", "up", "decode"]
"""The U-Net's steps; all but the first and the latent one are taken on each of the levels 1 to 3."""


@dataclass(frozen=True, kw_only=True)
class UNetConfig:
    """Sizes, named as in the released code.

    Attributes:
        dim: channels of the first level; each level down doubles them.
        num_blocks: transformer blocks on each level.
        num_refinement_blocks: blocks after the decoder.
        heads: attention heads on each level.
        ffn_expansion_factor: hidden width of the feed-forward networks over their input width.
    """

    dim: int = 48
    num_blocks: tuple[int, int, int, int] = (4, 6, 6, 8)
    num_refinement_blocks: int = 4
    heads: tuple[int, int, int, int] = (1, 2, 4, 8)
    ffn_expansion_factor: float = 2.66

    def channels(self, level: int) -> int:
        """Of the encoder's level, 1 to 4."""
        return self.dim << (level - 1)

    def decoder_channels(self, level: int) -> int:
        """Of the decoder's level, 1 to 3: the first one keeps both halves of its concatenation."""
        return self.channels(max(level, 2))


class RestormerUNet(nn.Module):
    """Restormer's four-level U-Net, to which a method adds modules before its steps.

    Image (B, 3, H, W), RGB in [0, 1], sides multiples of 8, to the same shape. `code` is ignored unless the method says
    otherwise.
    """

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        channels = config.channels
        self._add("embed", 0)
        self.patch_embed = PatchEmbed(config.dim)
        for level in (1, 2, 3):
            self._add("encode", level)
            self.add_module(f"encoder_level{level}", self._stage(level, channels(level)))
            self._add("down", level)
            self.add_module(f"down{level}_{level + 1}", Down(channels(level)))
            self._add("up", level)
            self.add_module(f"up{level + 1}_{level}", Up(self.up_channels(level)))
            self._add("decode", level)
            self.add_module(f"decoder_level{level}", self._stage(level, config.decoder_channels(level)))
        self._add("latent", 4)
        self.latent = self._stage(4, channels(4))
        for level in (3, 2):
            joined = self.up_channels(level) // 2 + channels(level)
            self.add_module(f"reduce_chan_level{level}", conv1(joined, channels(level)))
        self.refinement = stage(channels(2), config.heads[0], config.ffn_expansion_factor, config.num_refinement_blocks)
        self.output = conv3(channels(2), 3)

    def _stage(self, level: int, channels: int) -> nn.Sequential:
        config = self.config
        return stage(channels, config.heads[level - 1], config.ffn_expansion_factor, config.num_blocks[level - 1])

    def _add(self, step: Step, level: int) -> None:
        for name, module in self.extra_modules(step, level):
            self.add_module(name, module)

    def up_channels(self, level: int) -> int:
        """Of the features from which the decoder steps up to a level."""
        return self.config.channels(level + 1)

    def extra_modules(self, step: Step, level: int) -> Iterator[tuple[str, nn.Module]]:
        """Modules that a method adds before a step, by their released names."""
        yield from ()

    def before_step(self, step: Step, level: int, x: Features, context: Any) -> Features:
        """What a method does with the features before a step; `context` is what its `context` gave."""
        return x

    def context(self, image: Images, code: Tensor | None) -> Any:
        """What a method needs at its steps: computed once for a batch."""
        return image

    def forward(self, image: Images, code: Tensor | None = None) -> Images:
        return self.restored(image, self.context(image, code))

    def restored(self, image: Images, context: Any) -> Images:
        """The image restored in this context."""
        x = self.patch_embed(image)
        skips: list[Features] = []
        for level in (1, 2, 3):
            x = self.get_submodule(f"encoder_level{level}")(self.before_step("encode", level, x, context))
            skips.append(self.before_step("down", level, x, context))
            x = self.get_submodule(f"down{level}_{level + 1}")(skips[-1])
        x = self.latent(self.before_step("latent", 4, x, context))
        for level in (3, 2, 1):
            x = self.get_submodule(f"up{level + 1}_{level}")(self.before_step("up", level, x, context))
            x = torch.cat([x, skips[level - 1]], dim=1)
            if level > 1:
                x = self.get_submodule(f"reduce_chan_level{level}")(x)
            x = self.get_submodule(f"decoder_level{level}")(self.before_step("decode", level, x, context))
        out: Tensor = self.output(self.refinement(x)) + image
        return out
