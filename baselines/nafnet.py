"""NAFNet: a plain U-Net of convolutions whose only nonlinearity is a product of two halves.

Chen, Chu, Zhang, Sun, "Simple Baselines for Image Restoration", ECCV 2022, sections 3 and 4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.base import Images
from baselines.layers import conv1, conv3, depthwise
from baselines.registry import Baseline, register
from dfpir.layers import ChannelLayerNorm, Features
from dfpir.resampling import pixel_shuffle


def simple_gate(x: Features) -> Features:
    """Product of the two halves of the channels (paper section 3.3)."""
    first, second = x.chunk(2, dim=1)
    return first * second


class NAFBlock(nn.Module):
    """Depthwise convolution, gate and channel attention, then a gated feed-forward network; both with a learned scale.

    The scales start at zero, so that a new block passes its input through.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1 = ChannelLayerNorm(channels, eps=1e-6)
        self.conv1 = conv1(channels, 2 * channels, bias=True)
        self.conv2 = depthwise(2 * channels, bias=True)
        self.sca = nn.Sequential(nn.AdaptiveAvgPool2d(1), conv1(channels, channels, bias=True))
        self.conv3 = conv1(channels, channels, bias=True)
        self.norm2 = ChannelLayerNorm(channels, eps=1e-6)
        self.conv4 = conv1(channels, 2 * channels, bias=True)
        self.conv5 = conv1(channels, channels, bias=True)
        self.beta = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.gamma = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Features) -> Features:
        mixed = simple_gate(self.conv2(self.conv1(self.norm1(x))))
        x = x + self.conv3(mixed * self.sca(mixed)) * self.beta
        out: Tensor = x + self.conv5(simple_gate(self.conv4(self.norm2(x)))) * self.gamma
        return out


class NAFUNet(nn.Module):
    """U-Net of NAF blocks, with a module conditioned on the code after the blocks of each level, or without.

    Image (B, 3, H, W), RGB in [0, 1], any size (padded with zeros to a multiple of 2 to the depth), to the same shape.

    Args:
        channels: of the image.
        width: channels of the first level; each level down doubles them.
        depths: blocks on each level of the encoder, at the bottom, and on each level of the decoder from the bottom up.
        block: makes a block of so many channels.
        condition: makes a module called with features of so many channels and the code; None for none.
    """

    memory_format: torch.memory_format = torch.preserve_format

    def __init__(
        self,
        channels: int,
        width: int,
        depths: tuple[Sequence[int], int, Sequence[int]],
        block: Callable[[int], nn.Module],
        condition: Callable[[int], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        encoder, middle, decoder = depths
        widths = [width * 2**level for level in range(len(encoder))]

        def stages(widths: Sequence[int], depths: Sequence[int]) -> Iterator[nn.Sequential]:
            return (nn.Sequential(*(block(w) for _ in range(n))) for w, n in zip(widths, depths, strict=True))

        def conditions(widths: Sequence[int]) -> nn.ModuleList | None:
            return None if condition is None else nn.ModuleList(condition(w) for w in widths)

        self.intro = conv3(channels, width, bias=True)
        self.ending = conv3(width, channels, bias=True)
        self.encoders = nn.ModuleList(stages(widths, encoder))
        self.enc_cond = conditions(widths)
        self.downs = nn.ModuleList(nn.Conv2d(w, 2 * w, 2, stride=2) for w in widths)
        (self.middle_blks,) = stages([2 * widths[-1]], [middle])
        self.ups = nn.ModuleList(nn.Sequential(conv1(2 * w, 4 * w)) for w in widths[::-1])
        self.decoders = nn.ModuleList(stages(widths[::-1], decoder))
        self.dec_cond = conditions(widths[::-1])

    def forward(self, image: Images, code: Tensor | None = None) -> Images:
        height, width = image.shape[-2:]
        multiple = 2 ** len(self.encoders)
        padded = F.pad(image, (0, -width % multiple, 0, -height % multiple))
        x = self.intro(padded.to(memory_format=self.memory_format))
        skips: list[Features] = []
        for level, down in enumerate(self.downs):
            x = self.encoders[level](x)
            skips.append(x if self.enc_cond is None else self.enc_cond[level](x, code))
            x = down(skips[-1])
        x = self.middle_blks(x)
        for level, up in enumerate(self.ups):
            x = self.decoders[level](pixel_shuffle(up(x)) + skips.pop())
            x = x if self.dec_cond is None else self.dec_cond[level](x, code)
        out: Tensor = (self.ending(x) + padded)[..., :height, :width]
        return out


class NAFNet(NAFUNet):
    """U-Net of NAF blocks. Any `code` is ignored.

    Args:
        img_channel: channels of the image.
        width: channels of the first level; each level down doubles them.
        enc_blk_nums: blocks on each level of the encoder; their number is the depth.
        middle_blk_num: blocks at the bottom.
        dec_blk_nums: blocks on each level of the decoder, from the bottom up.
    """

    memory_format = torch.channels_last

    def __init__(
        self,
        *,
        img_channel: int = 3,
        width: int = 32,
        enc_blk_nums: Sequence[int] = (1, 1, 1, 28),
        middle_blk_num: int = 1,
        dec_blk_nums: Sequence[int] = (1, 1, 1, 1),
    ) -> None:
        super().__init__(img_channel, width, (enc_blk_nums, middle_blk_num, dec_blk_nums), NAFBlock)


def psnr_loss(model: nn.Module, degraded: Tensor, clean: Tensor, code: Tensor | None) -> Tensor:
    """Negative PSNR in dB for values in [0, 1], averaged over the images: the released training loss."""
    error = (model(degraded, code) - clean).square().mean(dim=(1, 2, 3))
    return 10 * torch.log10(error + 1e-8).mean()


register(
    Baseline(
        name="nafnet",
        probed="middle_blks.-1",
        label="NAFNet",
        make=NAFNet,
        paper="Simple Baselines for Image Restoration, ECCV 2022",
        licence="MIT",
        notes="Blind. Width 32; the 5-task table does not say which width it used.",
        params_m_published=17.112,
        gmacs_published=16.0,
        objective=psnr_loss,
        demo={"width": 8, "enc_blk_nums": (1, 1, 1, 1)},
        small={"width": 12, "enc_blk_nums": (1, 1, 1, 1)},
        quick={"width": 24, "enc_blk_nums": (1, 1, 1, 4)},
    )
)
