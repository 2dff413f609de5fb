"""The U-Net that Restormer and DFPIR share, with a slot for a perturbation block on each skip and on the latent."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dfpir.block import PerturbationBlock
from dfpir.channel import ChannelPerturbation, Codes
from dfpir.config import CODE_DIM, PER_PROMPT, DFPIRConfig
from dfpir.layers import Features, TransformerBlock
from dfpir.resampling import pixel_shuffle, pixel_unshuffle

Images = Float[Tensor, "b 3 h w"]


class RestorationUNet(nn.Module):
    """Restormer's four-level U-Net; with perturbation blocks it is DFPIR (paper Figure 2).

    Call it as `model(image, code)`: image (B, 3, H, W), RGB, float, in [0, 1], H and W multiples of 8; code (B, 512),
    or (B,) int64 rows of the prompts bound before, or None for a model without prompts. Returns the restored image,
    (B, 3, H, W), not clipped.

    Raises:
        ValueError: a size that is no multiple of 8, or a code that is missing or of the wrong shape.
    """

    multiple_of = 8
    prompt_codes: Tensor | None

    def __init__(self, config: DFPIRConfig) -> None:
        super().__init__()
        self.config = config
        dim, channels = config.dim, config.channels
        self.patch_embed = nn.Conv2d(3, dim, 3, padding=1, bias=False)
        self.encoder = nn.ModuleList(self._stage(level, channels(level)) for level in (1, 2, 3))
        self.latent = self._stage(4, channels(4))
        self.down = nn.ModuleList(nn.Conv2d(channels(n), channels(n) // 2, 3, padding=1, bias=False) for n in (1, 2, 3))
        self.perturb = nn.ModuleDict(
            {str(level): PerturbationBlock(config, level) for level in (config.levels if config.perturbs else ())}
        )
        self.up = nn.ModuleList(nn.Conv2d(channels(n), channels(n) * 2, 3, padding=1, bias=False) for n in (2, 3, 4))
        self.reduce = nn.ModuleList(nn.Conv2d(channels(n + 1), channels(n), 1, bias=False) for n in (2, 3))
        # the first level has no reduction after its concatenation: it works on 2C channels
        self.decoder = nn.ModuleList(self._stage(n, width) for n, width in ((1, 2 * dim), (2, 2 * dim), (3, 4 * dim)))
        self.refinement = self._stage(1, 2 * dim, config.num_refinement_blocks)
        self.output = nn.Conv2d(2 * dim, 3, 3, padding=1, bias=False)
        self.register_buffer("prompt_codes", None)

    def _stage(self, level: int, channels: int, depth: int | None = None) -> nn.Sequential:
        config = self.config
        depth = config.num_blocks[level - 1] if depth is None else depth
        norm_bias = config.layer_norm == "with_bias"
        heads = config.heads[level - 1]
        return nn.Sequential(
            *(TransformerBlock(channels, heads, config.ffn_expansion, norm_bias=norm_bias) for _ in range(depth))
        )

    def bind_prompts(self, codes: Float[Tensor, "p 512"]) -> None:
        """Keep these prompt codes, and the channel orders they give, with the model, to call it with row numbers."""
        codes = codes.detach().to(self.patch_embed.weight.device, torch.float32)
        self.prompt_codes = codes.clone()
        for block in self._channel_blocks():
            block.bind(codes)

    def set_progress(self, fraction: float) -> None:
        """Anneal the `learned` order's temperature, geometrically, to this fraction of training."""
        start, end = self.config.order_temperature
        for block in self._channel_blocks():
            if isinstance(block, ChannelPerturbation) and block.order == "learned":
                block.temperature.fill_(start * (end / start) ** fraction)

    def _channel_blocks(self) -> list[Any]:
        blocks = (block.channel for block in self.perturb.values() if isinstance(block, PerturbationBlock))
        return [channel for channel in blocks if channel is not None]

    def forward(self, image: Images, code: Tensor | None = None) -> Images:
        """See the class."""
        if image.ndim != 4 or image.shape[1] != 3 or image.shape[-2] % 8 or image.shape[-1] % 8:
            raise ValueError(
                f"image of shape {tuple(image.shape)}: (B, 3, H, W) with H and W multiples of 8 is needed; "
                "pad by reflection and crop back."
            )
        codes, prompts = self._read_code(code, len(image))
        x = self.patch_embed(image.contiguous(memory_format=torch.channels_last))
        skips: list[Features] = []
        for level, (stage, down) in enumerate(zip(self.encoder, self.down, strict=True), start=1):
            x = stage(x)
            skips.append(self._perturb(level, x, codes, prompts))
            x = pixel_unshuffle(down(x))
        x = self._perturb(4, self.latent(x), codes, prompts)
        for level in (3, 2, 1):
            x = torch.cat([pixel_shuffle(self.up[level - 1](x)), skips[level - 1]], dim=1)
            x = x.contiguous(memory_format=torch.channels_last)
            if level > 1:
                x = self.reduce[level - 2](x)
            x = self.decoder[level - 1](x)
        out: Tensor = self.output(self.refinement(x)) + image
        return out

    def _perturb(self, level: int, x: Features, codes: Codes | None, prompts: Tensor | None) -> Features:
        return self.perturb[str(level)](x, codes, prompts) if str(level) in self.perturb else x

    def _read_code(self, code: Tensor | None, batch: int) -> tuple[Codes | None, Tensor | None]:
        if not (self.config.perturbs and self.config.channel_perturbation):
            return None, None
        if code is None:
            raise ValueError("This model needs a prompt code: (B, 512) float, or (B,) rows of the bound prompts.")
        if code.dtype == torch.long and code.shape == (batch,):
            if self.prompt_codes is None:
                raise ValueError("code holds row numbers, but no prompts are bound: call bind_prompts(codes) first.")
            return self.prompt_codes[code], code
        if code.is_floating_point() and code.shape == (batch, CODE_DIM):
            if self.config.order in PER_PROMPT and self.prompt_codes is not None:
                return code, torch.cdist(code.float(), self.prompt_codes).argmin(dim=1)
            return code, None
        raise ValueError(
            f"code of shape {tuple(code.shape)}, {code.dtype}: ({batch}, {CODE_DIM}) float or ({batch},) int64 needed."
        )
