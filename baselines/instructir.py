"""InstructIR: a NAFNet whose channels are weighted by an instruction such as "remove the rain".

Conde, Geigle, Timofte, "InstructIR: High-Quality Image Restoration Following Human Instructions", ECCV 2024. Parameter
names are the released file's. Images are RGB in [0, 1].
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from baselines.base import Images, require_code
from baselines.layers import conv1, depthwise
from baselines.nafnet import NAFBlock, NAFUNet
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
        out: Tensor = x + self.block((x * self.gamma + self.beta) * weights)
        return out


class InstructIR(NAFUNet):
    """InstructIR's image model, called as `model(image, code)`; its text encoder is not part of it.

    `code` is (B, txtdim), an instruction's embedding by the released language model (unit length).

    Args:
        input_channels: of the image.
        width: channels at full size, doubled at each level.
        enc_blks: blocks of each encoder level.
        middle_blk_num: blocks at the lowest resolution.
        dec_blks: blocks of each decoder level, lowest resolution first.
        txtdim: length of the instruction embedding.

    Raises:
        ValueError: no code, or one of another shape.
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
        def condition(channels: int) -> nn.Module:
            return _InstructionBlock(channels, txtdim)

        super().__init__(input_channels, width, (enc_blks, middle_blk_num, dec_blks), _NAFBlock, condition)
        self.txtdim = txtdim

    def forward(self, image: Images, code: Tensor | None = None) -> Images:
        return super().forward(image, require_code(code, len(image), self.txtdim, "InstructIR"))


register(
    Baseline(
        name="instructir",
        probed="middle_blks.-1",
        label="InstructIR",
        make=InstructIR,
        paper="InstructIR: High-Quality Image Restoration Following Human Instructions, ECCV 2024",
        licence="MIT",
        needs="code256",
        notes="Conditioned on an instruction's 256-d embedding (bge-micro-v2 and a linear head, not counted). Pads "
        "with zeros to a multiple of 16 by itself. No training code was published; the paper states L1.",
        params_m_published=15.843,
        gmacs_published=16.2,
        demo={"width": 6, "enc_blks": (1, 1, 1, 1), "middle_blk_num": 1, "dec_blks": (1, 1, 1, 1)},
        small={"width": 10, "enc_blks": (1, 1, 1, 1), "middle_blk_num": 1, "dec_blks": (1, 1, 1, 1)},
        quick={"width": 24, "enc_blks": (1, 1, 1, 1), "middle_blk_num": 1, "dec_blks": (1, 1, 1, 1)},
    )
)
