"""DGUNet: unfolded gradient descent whose degradation operators are learned, seven stages with one shared middle.

Mou, Wang, Zhang, "Deep Generalized Unfolding Networks for Image Restoration", CVPR 2022, section 3.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from baselines.base import Images
from baselines.layers import Residual, conv1, conv3
from baselines.losses import multi_stage_loss
from baselines.mprnet_parts import SupervisedAttention, shallow
from baselines.registry import Baseline, register
from dfpir.layers import Features

LEVELS = 4
SUBSPACE = 16
OPERATOR_WIDTH = 64


def operator(activation: nn.PReLU) -> Residual:
    """A learned degradation (or its transpose) on images: two 3x3 convolutions around a shortcut."""
    return Residual(conv3(3, OPERATOR_WIDTH, bias=True), activation, conv3(OPERATOR_WIDTH, 3, bias=True))


def descend(image: Images, degraded: Images, phi: nn.Module, phi_t: nn.Module, step: Tensor) -> Images:
    """One step down the data term's gradient: x - r phi_t(phi(x) - y) (paper equation 5)."""
    out: Tensor = image - step * phi_t(phi(image) - degraded)
    return out


class ConvBlock(nn.Module):
    """Two 3x3 convolutions around a 1x1 shortcut; in an encoder half the channels are instance-normalised.

    Args:
        channels_in: of the input.
        channels: of the output.
        normalised: whether it belongs to an encoder.
        uses_previous_features: whether features of the stage before scale and shift the output (paper Figure 3, ISFF).
        halves: whether a strided convolution follows.
    """

    def __init__(
        self,
        channels_in: int,
        channels: int,
        *,
        normalised: bool = False,
        uses_previous_features: bool = False,
        halves: bool = False,
    ) -> None:
        super().__init__()
        self.identity = conv1(channels_in, channels, bias=True)
        self.conv_1 = conv3(channels_in, channels, bias=True)
        self.conv_2 = conv3(channels, channels, bias=True)
        self.norm = nn.InstanceNorm2d(channels // 2, affine=True) if normalised else None
        self.uses_previous_features = uses_previous_features
        if uses_previous_features:
            self.csff_enc = conv3(channels, channels, bias=True)
            self.csff_dec = conv3(channels_in, channels, bias=True)
            self.phi = conv3(channels, channels, bias=True)
            self.gamma = conv3(channels, channels, bias=True)
        self.downsample = nn.Conv2d(channels, channels, 4, stride=2, padding=1, bias=False) if halves else None

    def forward(self, x: Features, encoded: Features | None = None, decoded: Features | None = None) -> Features:
        out: Tensor = self.conv_1(x)
        if self.norm is not None:
            first, second = out.chunk(2, dim=1)
            out = torch.cat([self.norm(first), second], dim=1)
        out = F.leaky_relu(self.conv_2(F.leaky_relu(out, 0.2)), 0.2) + self.identity(x)
        if encoded is not None and decoded is not None:
            previous = F.leaky_relu(self.csff_enc(encoded) + self.csff_dec(decoded), 0.1)
            out = out * self.phi(previous).sigmoid() + self.gamma(previous) + out
        return out


class Encoder(nn.Module):
    """Four blocks, each half the size of the one before; returns the features of the first three, and the last's."""

    def __init__(self, widths: list[int], *, uses_previous_features: bool) -> None:
        super().__init__()
        self.body = nn.ModuleList(
            ConvBlock(first, second, normalised=True, uses_previous_features=uses_previous_features, halves=True)
            for first, second in pairwise(widths)
        )
        self.body.append(ConvBlock(widths[-1], widths[-1], normalised=True))

    def forward(
        self, x: Features, encoded: list[Features] | None = None, decoded: list[Features] | None = None
    ) -> tuple[list[Features], Features]:
        features: list[Features] = []
        for level in range(LEVELS - 1):
            block: Any = self.body[level]
            # the decoder's list runs from coarse to fine
            previous = (encoded[level], decoded[-level - 1]) if encoded is not None and decoded is not None else ()
            features.append(block(x, *previous))
            x = block.downsample(features[-1])
        return features, self.body[-1](x)


class UpBlock(nn.Module):
    """Twice the size, then a block on the result and the skip."""

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(channels_in, channels, 2, stride=2)
        self.conv_block = ConvBlock(2 * channels, channels)

    def forward(self, x: Features, skip: Features) -> Features:
        out: Tensor = self.conv_block(torch.cat([self.up(x), skip], dim=1))
        return out


class Decoder(nn.Module):
    """Three blocks up; returns the features after each, from coarse to fine."""

    def __init__(self, widths: list[int]) -> None:
        super().__init__()
        steps = list(pairwise(reversed(widths)))
        self.body = nn.ModuleList(UpBlock(below, above) for below, above in steps)
        self.skip_conv = nn.ModuleList(conv3(below, above, bias=True) for below, above in steps)

    def forward(self, x: Features, encoded: list[Features]) -> list[Features]:
        out: list[Features] = []
        for up, conv, skip in zip(self.body, self.skip_conv, reversed(encoded), strict=True):
            x = up(x, conv(skip))
            out.append(x)
        return out


class SubspaceMerge(nn.Module):
    """Projects handed-on features onto a subspace that both inputs span, and joins them to the stage's own.

    Comes from NBNet (CVPR 2021): the projection is V (V^T V)^-1 V^T for 16 basis maps V.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_block = conv3(2 * channels, channels, bias=True)
        self.subnet = conv3(2 * channels, SUBSPACE, bias=True)

    def forward(self, x: Features, previous: Features) -> Features:
        basis = rearrange(self.subnet(torch.cat([x, previous], dim=1)), "b k h w -> b k (h w)")
        basis = basis / (basis.abs().sum(-1, keepdim=True) + 1e-6)
        gram = basis @ basis.mT
        pixels = rearrange(previous, "b c h w -> b (h w) c")
        projected = basis.mT @ (torch.linalg.inv(gram) @ basis @ pixels)
        projected = rearrange(projected, "b (h w) c -> b c h w", h=x.shape[-2])
        out: Tensor = self.conv_block(torch.cat([x, projected], dim=1)) + x
        return out


class MiddleStage(nn.Module):
    """A gradient step and a U-Net, used again and again with the same weights."""

    def __init__(self, n_feat: int, widths: list[int], operators: nn.PReLU) -> None:
        super().__init__()
        self.phi_1 = operator(operators)
        self.phit_1 = operator(operators)
        self.shallow_feat2 = shallow(n_feat, nn.PReLU())
        self.stage2_encoder = Encoder(widths, uses_previous_features=True)
        self.stage2_decoder = Decoder(widths)
        self.sam23 = SupervisedAttention(n_feat, gated=False)
        self.r1 = nn.Parameter(torch.tensor([0.5]))
        self.merge12 = SubspaceMerge(n_feat)
        self.concat12 = conv3(2 * n_feat, n_feat)  # in the released files, but never used

    def forward(
        self, degraded: Images, image: Images, encoded: list[Features], decoded: list[Features], previous: Features
    ) -> tuple[Features, Images, list[Features], list[Features]]:
        stepped = descend(image, degraded, self.phi_1, self.phit_1, self.r1)
        x = self.merge12(self.shallow_feat2(stepped), previous)
        encoded, bottom = self.stage2_encoder(x, encoded, decoded)
        decoded = self.stage2_decoder(bottom, encoded)
        features, restored = self.sam23(decoded[-1], stepped)
        return features, restored, encoded, decoded


class DGUNet(nn.Module):
    """Seven unfolded stages. Image (B, 3, H, W), RGB in [0, 1], sides multiples of 8, to the same shape; no `code`.

    The defaults are the released deblurring model.

    Args:
        n_feat: channels of the first level.
        scale_unetfeats: channels that each level down adds.
        scale_orsnetfeats: channels that the last stage adds.
        depth: how often the middle stage is used.
    """

    def __init__(
        self, *, n_feat: int = 80, scale_unetfeats: int = 48, scale_orsnetfeats: int = 32, depth: int = 5
    ) -> None:
        super().__init__()
        self.depth = depth
        widths = [n_feat + scale_unetfeats * level for level in range(LEVELS)]
        act, operators = nn.PReLU(), nn.PReLU()  # two slopes, shared between the blocks as in the released code
        self.basic = MiddleStage(n_feat, widths, operators)
        self.shallow_feat1 = shallow(n_feat, act)
        self.shallow_feat7 = shallow(n_feat, act)
        self.stage1_encoder = Encoder(widths, uses_previous_features=False)
        self.stage1_decoder = Decoder(widths)
        self.sam12 = SupervisedAttention(n_feat, gated=False)
        self.phi_0 = operator(operators)
        self.phit_0 = operator(operators)
        self.phi_6 = operator(operators)
        self.phit_6 = operator(operators)
        self.r0 = nn.Parameter(torch.tensor([0.5]))
        self.r6 = nn.Parameter(torch.tensor([0.5]))
        self.concat67 = conv3(2 * n_feat, n_feat + scale_orsnetfeats)
        self.tail = conv3(n_feat + scale_orsnetfeats, 3)

    def forward(self, image: Images, code: Tensor | None = None) -> Images:
        return self.stages(image)[0]

    def stages(self, image: Images) -> list[Images]:
        """The restored images of all stages, the last stage's first."""
        stepped = descend(image, image, self.phi_0, self.phit_0, self.r0)
        encoded, bottom = self.stage1_encoder(self.shallow_feat1(stepped))
        decoded = self.stage1_decoder(bottom, encoded)
        previous, restored = self.sam12(decoded[-1], stepped)
        out = [restored]
        for _ in range(self.depth):
            previous, restored, encoded, decoded = self.basic(image, restored, encoded, decoded, previous)
            out.append(restored)
        stepped = descend(restored, image, self.phi_6, self.phit_6, self.r6)
        last = self.concat67(torch.cat([self.shallow_feat7(stepped), previous], dim=1))
        out.append(self.tail(last) + image)
        return out[::-1]


register(
    Baseline(
        name="dgunet",
        label="DGUNet",
        make=DGUNet,
        paper="Deep Generalized Unfolding Networks for Image Restoration, CVPR 2022",
        licence="none stated",
        multiple_of=8,
        notes="Blind. The defaults are the released deblurring model; deraining has n_feat=40, scale_unetfeats=20, "
        "scale_orsnetfeats=16 (3.662 M).",
        params_m_published=17.332,
        gmacs_published=843,
        objective=multi_stage_loss,
        demo={"n_feat": 12, "scale_unetfeats": 6, "scale_orsnetfeats": 6, "depth": 1},
        small={"n_feat": 16, "scale_unetfeats": 8, "scale_orsnetfeats": 8, "depth": 1},
        quick={"n_feat": 40, "scale_unetfeats": 20, "scale_orsnetfeats": 20, "depth": 3},
    )
)
