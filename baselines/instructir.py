"""InstructIR: a NAFNet whose channels are weighted by an instruction such as "remove the rain".

Conde, Geigle, Timofte, "InstructIR: High-Quality Image Restoration Following Human Instructions", ECCV 2024. Parameter
names are the released file's. Images are RGB in [0, 1].
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from baselines.registry import Baseline, register
from dfpir.layers import ChannelLayerNorm

Images = Float[Tensor, "b 3 h w"]
Features = Float[Tensor, "b c h w"]


def _gate(x: Features) -> Features:
    """NAFNet's activation: one half of the channels times the other."""
    one, two = x.chunk(2, dim=1)
    return one * two


def _per_channel(channels: int) -> nn.Parameter:
    return nn.Parameter(torch.zeros(1, channels, 1, 1))


class _NAFBlock(nn.Module):
    """NAFNet's block: gated depthwise convolution with channel attention, then a gated pointwise network."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        wide = 2 * channels
        self.beta, self.gamma = _per_channel(channels), _per_channel(channels)
        self.conv1 = nn.Conv2d(channels, wide, 1)
        self.conv2 = nn.Conv2d(wide, wide, 3, padding=1, groups=wide)
        self.conv3 = nn.Conv2d(channels, channels, 1)
        self.sca = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, channels, 1))
        self.conv4 = nn.Conv2d(channels, wide, 1)
        self.conv5 = nn.Conv2d(channels, channels, 1)
        self.norm1 = ChannelLayerNorm(channels, eps=1e-6)
        self.norm2 = ChannelLayerNorm(channels, eps=1e-6)

    def forward(self, x: Features) -> Features:
        out = _gate(self.conv2(self.conv1(self.norm1(x))))
        x = x + self.beta * self.conv3(out * self.sca(out))
        return x + self.gamma * self.conv5(_gate(self.conv4(self.norm2(x))))


class _InstructionBlock(nn.Module):
    """ICB (section 3.2): the instruction gates the channels, a NAFNet block refines what passes; residual."""

    def __init__(self, channels: int, code_dim: int) -> None:
        super().__init__()
        self.beta, self.gamma = _per_channel(channels), _per_channel(channels)
        self.fc = nn.Linear(code_dim, channels)
        self.block = _NAFBlock(channels)

    def forward(self, x: Features, code: Float[Tensor, "b d"]) -> Features:
        weights = self.fc(code).sigmoid()[..., None, None]
        return x + self.block((x * self.gamma + self.beta) * weights)


def _stack(channels: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(*(_NAFBlock(channels) for _ in range(blocks)))


class InstructIR(nn.Module):
    """InstructIR's image model, called as `model(image, code)`; its text encoder is not part of it.

    Args:
        input_channels: of the image.
        width: channels at full size, doubled at each level.
        enc_blks: blocks of each encoder level.
        middle_blk_num: blocks at the lowest resolution.
        dec_blks: blocks of each decoder level, lowest resolution first.
        txtdim: length of the instruction embedding.
    """

    def __init__(
        self,
        input_channels: int = 3,
        width: int = 32,
        enc_blks: Sequence[int] = (2, 2, 4, 8),
        middle_blk_num: int = 4,
        dec_blks: Sequence[int] = (2, 2, 2, 2),
        txtdim: int = 256,
    ) -> None:
        super().__init__()
        sizes = [width * 2**level for level in range(len(enc_blks))]
        self.txtdim = txtdim
        self.intro = nn.Conv2d(input_channels, width, 3, padding=1)
        self.ending = nn.Conv2d(width, input_channels, 3, padding=1)
        self.encoders = nn.ModuleList(_stack(size, count) for size, count in zip(sizes, enc_blks, strict=True))
        self.enc_cond = nn.ModuleList(_InstructionBlock(size, txtdim) for size in sizes)
        self.downs = nn.ModuleList(nn.Conv2d(size, 2 * size, 2, 2) for size in sizes)
        self.middle_blks = _stack(2 * sizes[-1], middle_blk_num)
        # a pixel shuffle follows: 4 C channels become C at twice the size
        self.ups = nn.ModuleList(
            nn.Sequential(nn.Conv2d(2 * size, 4 * size, 1, bias=False), nn.PixelShuffle(2)) for size in sizes[::-1]
        )
        self.decoders = nn.ModuleList(_stack(size, count) for size, count in zip(sizes[::-1], dec_blks, strict=True))
        self.dec_cond = nn.ModuleList(_InstructionBlock(size, txtdim) for size in sizes[::-1])

    def forward(self, image: Images, code: Float[Tensor, "b d"] | None = None) -> Images:
        """Restore images of any size as the instruction says.

        Args:
            image: (B, 3, H, W) in [0, 1].
            code: (B, txtdim), the instruction's embedding by the released language model (unit length).

        Raises:
            ValueError: no code, or one of another shape.
        """
        if code is None or code.shape != (len(image), self.txtdim):
            found = None if code is None else tuple(code.shape)
            raise ValueError(f"code of shape {found}: InstructIR needs ({len(image)}, {self.txtdim}), one a picture.")
        height, width = image.shape[-2:]
        multiple = 2 ** len(self.encoders)
        padded = F.pad(image, (0, -width % multiple, 0, -height % multiple))
        x = self.intro(padded)
        skips: list[Features] = []
        for stage, condition, down in zip(self.encoders, self.enc_cond, self.downs, strict=True):
            x = condition(stage(x), code)
            skips.append(x)
            x = down(x)
        x = self.middle_blks(x)
        for stage, condition, up in zip(self.decoders, self.dec_cond, self.ups, strict=True):
            x = condition(stage(up(x) + skips.pop()), code)
        return (self.ending(x) + padded)[..., :height, :width]


register(
    Baseline(
        name="instructir",
        label="InstructIR",
        make=InstructIR,
        paper="InstructIR: High-Quality Image Restoration Following Human Instructions, ECCV 2024",
        year=2024,
        licence="MIT",
        needs="code256",
        notes="Told what to do by an instruction's 256-d embedding (bge-micro-v2 and a linear head, not counted). Pads "
        "with zeros to a multiple of 16 by itself. No training code was published; the paper states L1.",
        params_m_published=15.843,
        gmacs_published=16.2,
        demo={"width": 6, "enc_blks": (1, 1, 1, 1), "middle_blk_num": 1, "dec_blks": (1, 1, 1, 1)},
        small={"width": 10, "enc_blks": (1, 1, 1, 1), "middle_blk_num": 1, "dec_blks": (1, 1, 1, 1)},
        quick={"width": 24, "enc_blks": (1, 1, 1, 1), "middle_blk_num": 1, "dec_blks": (1, 1, 1, 1)},
    )
)
