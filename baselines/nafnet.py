"""NAFNet: a plain U-Net of convolutions whose only nonlinearity is a product of two halves.

Chen, Chu, Zhang, Sun, "Simple Baselines for Image Restoration", ECCV 2022, sections 3 and 4.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from baselines.layers import conv3
from baselines.naf_layers import NAFUNet, blocks, downs, ups
from baselines.registry import Baseline, register


class NAFNet(NAFUNet):
    """U-Net of NAF blocks. Any `code` is ignored.

    Image (B, 3, H, W), RGB in [0, 1], any size (padded with zeros to a multiple of 2 to the depth), to the same shape.

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
        super().__init__()
        self.intro = conv3(img_channel, width, bias=True)
        self.ending = conv3(width, img_channel, bias=True)
        widths = [width * 2**level for level in range(len(enc_blk_nums))]
        self.encoders = nn.ModuleList(blocks(w, n) for w, n in zip(widths, enc_blk_nums, strict=True))
        self.downs = downs(widths)
        self.middle_blks = blocks(2 * widths[-1], middle_blk_num)
        self.ups = ups(widths)
        self.decoders = nn.ModuleList(blocks(w, n) for w, n in zip(reversed(widths), dec_blk_nums, strict=True))


def psnr_loss(model: nn.Module, degraded: Tensor, clean: Tensor, code: Tensor | None) -> Tensor:
    """Negative PSNR in dB for values in [0, 1], averaged over the images: the released training loss."""
    error = (model(degraded, code) - clean).square().mean(dim=(1, 2, 3))
    return 10 * torch.log10(error + 1e-8).mean()


register(
    Baseline(
        name="nafnet",
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
