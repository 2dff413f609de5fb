"""InstructIR: a NAFNet whose channels are weighted by an instruction such as "remove the rain".

Conde, Geigle, Timofte, "InstructIR: High-Quality Image Restoration Following Human Instructions", ECCV 2024. Parameter
names are the released file's. Images are RGB in [0, 1].
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from baselines.base import Images
from baselines.layers import conv1, conv3, depthwise
from baselines.naf_layers import NAFBlock, NAFUNet, blocks, downs, ups
from baselines.registry import Baseline, register
from dfpir.layers import ChannelLayerNorm, Features


def _per_channel(channels: int) -> nn.Parameter:
    return nn.Parameter(torch.zeros(1, channels, 1, 1))


class _NAFBlock(NAFBlock):
    """NAFNet's block; its layers come in the order in which this method draws their first weights."""

    def __init__(self, channels: int) -> None:
        nn.Module.__init__(self)
        self.beta, self.gamma = _per_channel(channels), _per_channel(channels)
        self.conv1 = conv1(channels, 2 * channels, bias=True)
        self.conv2 = depthwise(2 * channels, bias=True)
        self.conv3 = conv1(channels, channels, bias=True)
        self.sca = nn.Sequential(nn.AdaptiveAvgPool2d(1), conv1(channels, channels, bias=True))
        self.conv4 = conv1(channels, 2 * channels, bias=True)
        self.conv5 = conv1(channels, channels, bias=True)
        self.norm1 = ChannelLayerNorm(channels, eps=1e-6)
        self.norm2 = ChannelLayerNorm(channels, eps=1e-6)


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


class InstructIR(NAFUNet):
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
        self.intro = conv3(input_channels, width, bias=True)
        self.ending = conv3(width, input_channels, bias=True)
        self.encoders = nn.ModuleList(blocks(*each, _NAFBlock) for each in zip(sizes, enc_blks, strict=True))
        self.enc_cond = nn.ModuleList(_InstructionBlock(size, txtdim) for size in sizes)
        self.downs = downs(sizes)
        self.middle_blks = blocks(2 * sizes[-1], middle_blk_num, _NAFBlock)
        self.ups = ups(sizes)
        self.decoders = nn.ModuleList(blocks(*each, _NAFBlock) for each in zip(sizes[::-1], dec_blks, strict=True))
        self.dec_cond = nn.ModuleList(_InstructionBlock(size, txtdim) for size in sizes[::-1])

    def encoded(self, level: int, x: Features, code: Tensor | None) -> Features:
        return self.enc_cond[level](super().encoded(level, x, code), code)

    def decoded(self, level: int, x: Features, code: Tensor | None) -> Features:
        return self.dec_cond[level](super().decoded(level, x, code), code)

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
        return super().forward(image, code)


register(
    Baseline(
        name="instructir",
        label="InstructIR",
        make=InstructIR,
        paper="InstructIR: High-Quality Image Restoration Following Human Instructions, ECCV 2024",
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
