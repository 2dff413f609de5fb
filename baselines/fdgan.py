"""FD-GAN's generator: a DenseNet encoder at full resolution and a light decoder, made for haze.

Dong, Liu, Zhang, Chen, Qiao, "FD-GAN: Generative Adversarial Networks with Fusion-discriminator for Single Image
Dehazing", AAAI 2020. Parameter names are the released file's.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.base import Images
from baselines.registry import Baseline, register
from dfpir.layers import Features


class _ImageNorm(nn.BatchNorm2d):
    """Batch normalisation as FD-GAN uses it: trained on single images and tested in training mode.

    So the statistics are always each image's own; the running ones are only there in the released files.
    """

    def forward(self, x: Features) -> Features:
        return F.instance_norm(x, weight=self.weight, bias=self.bias, eps=self.eps)


def _use_image_norm(module: nn.Module) -> nn.Module:
    """The module with an `_ImageNorm` for each of its batch normalisations."""
    if isinstance(module, nn.BatchNorm2d):
        return _ImageNorm(module.num_features)
    for name, child in module.named_children():
        setattr(module, name, _use_image_norm(child))
    return module


class _Bottleneck(nn.Module):
    """One dense layer of the decoder: its input, rectified, and new features. The norms are there but not used."""

    def __init__(self, count_in: int, growth: int) -> None:
        super().__init__()
        self.bn1, self.bn2 = _ImageNorm(count_in), _ImageNorm(4 * growth)
        self.conv1 = nn.Conv2d(count_in, 4 * growth, 1, bias=False)
        self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, x: Features) -> Features:
        # the released code rectifies in place, so the features that are passed on are rectified too
        x = F.relu(x)
        return torch.cat([x, self.conv2(F.relu(self.conv1(x)))], dim=1)


class _Up(nn.Module):
    """Twice the size by repeating pixels, after a 1x1 transposed convolution. The norm is there but not used."""

    def __init__(self, count_in: int, count_out: int) -> None:
        super().__init__()
        self.bn1 = _ImageNorm(count_in)
        self.conv1 = nn.ConvTranspose2d(count_in, count_out, 1, bias=False)

    def forward(self, x: Features) -> Features:
        return F.interpolate(self.conv1(F.relu(x)), scale_factor=2, mode="nearest")


class FDGAN(nn.Module):
    """FD-GAN's generator, called as `model(image)`; it exists in one size. Any `code` is ignored.

    Image (B, 3, H, W) in [0, 1], H and W multiples of 8, to the same shape: a hyperbolic tangent.
    """

    def __init__(self) -> None:
        super().__init__()
        from torchvision.models import densenet121  # type: ignore[import-untyped]  # 90 MB: for its models alone

        parts = _use_image_norm(densenet121(weights=None).features)
        for level in (1, 2, 3):
            self.add_module(f"dense_block{level}", parts.get_submodule(f"denseblock{level}"))
            self.add_module(f"trans_block{level}", parts.get_submodule(f"transition{level}"))
        # never run, but the released files have their weights
        self.conv0 = parts.get_submodule("conv0")
        self.dense_block31 = parts.get_submodule("denseblock4")
        self.dense_norm31 = parts.get_submodule("norm5")
        for level, (count_in, growth, count_out) in enumerate(((512, 256, 128), (384, 128, 64), (64, 32, 16)), start=4):
            self.add_module(f"dense_block{level}", _Bottleneck(count_in, growth))
            self.add_module(f"trans_block{level}", _Up(count_in + growth, count_out))
        self.conv_refin1 = nn.Conv2d(3, 64, 3, padding=1)
        self.conv_refin2 = nn.Conv2d(64, 32, 1)
        self.conv_refine4 = nn.Conv2d(32 + 128, 128, 3, padding=1)
        self.conv_refin5 = nn.Conv2d(256, 128, 1)
        self.conv_refin6 = nn.Conv2d(512 + 128, 512, 3, padding=1)
        self.conv_refin3 = nn.Conv2d(16, 3, 3, padding=1)

    def forward(self, image: Images, code: Tensor | None = None) -> Images:
        x = F.relu(self.conv_refin1(image))
        half = torch.cat([self.conv_refin2(F.avg_pool2d(x, 2)), self._stage(1, x)], dim=1)
        quarter = self._stage(2, self.conv_refine4(half))
        eighth = torch.cat([self._stage(3, quarter), self.conv_refin5(F.avg_pool2d(quarter, 2))], dim=1)
        x = self._stage(4, self.conv_refin6(eighth))
        x = self._stage(5, torch.cat([x, quarter], dim=1))
        return torch.tanh(self.conv_refin3(self._stage(6, x)))

    def _stage(self, level: int, x: Features) -> Features:
        out: Tensor = self.get_submodule(f"trans_block{level}")(self.get_submodule(f"dense_block{level}")(x))
        return out


register(
    Baseline(
        name="fdgan",
        probed="dense_block4",
        label="FD-GAN",
        make=FDGAN,
        paper="FD-GAN: Generative Adversarial Networks with Fusion-discriminator for Single Image Dehazing, AAAI 2020",
        licence="none stated",
        multiple_of=8,
        min_size=8,
        notes="Blind, made for haze. 2.178 M of the parameters are never used. Only a demo was published, without the "
        "training code and its fusion discriminator: trained here with L1, not from ImageNet's weights, and at a tenth "
        "of the budget's rate: at the common one its hyperbolic tangent saturates within three steps, and no gradient "
        "passes it. It normalises over the image, and is tested in tiles of its training patches' size. No output of "
        "the released code was at hand to compare with; parameters and multiply-adds agree with it.",
        params_m_published=13.981,
        gmacs_published=68.0,
        lr_factor=0.1,
        tiled_test=True,
    )
)
