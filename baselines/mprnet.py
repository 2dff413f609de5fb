"""MPRNet: three stages, on quarters, halves and the full image, each passing features to the next.

Zamir, Arora, Khan, Hayat, Khan, Yang, Shao, "Multi-Stage Progressive Image Restoration", CVPR 2021, section 3.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines.base import Images
from baselines.layers import Residual, conv1, conv3, named
from baselines.losses import multi_stage_loss
from baselines.mprnet_parts import AttentionBlock, SupervisedAttention, shallow
from baselines.registry import Baseline, register
from dfpir.layers import Features

Pyramid = list[Features]
"""Features of the three levels, finest first."""


def resize(factor: float, channels_in: int, channels_out: int) -> nn.Sequential:
    """Bilinear resizing by a factor, then a 1x1 convolution. The released names differ for up and down."""
    resized = nn.Upsample(scale_factor=factor, mode="bilinear", align_corners=False)
    return named(**{"up" if factor > 1 else "down": nn.Sequential(resized, conv1(channels_in, channels_out))})


class Encoder(nn.Module):
    """Three levels of attention blocks; with `csff` the features of an earlier stage are added to each level."""

    def __init__(self, widths: list[int], activation: nn.PReLU, *, csff: bool) -> None:
        super().__init__()
        for level, width in enumerate(widths, start=1):
            self.add_module(f"encoder_level{level}", _pair(width, activation))
            if csff:
                self.add_module(f"csff_enc{level}", conv1(width, width))
                self.add_module(f"csff_dec{level}", conv1(width, width))
        self.down12 = resize(0.5, widths[0], widths[1])
        self.down23 = resize(0.5, widths[1], widths[2])

    def forward(self, x: Features, encoded: Pyramid | None = None, decoded: Pyramid | None = None) -> Pyramid:
        out: Pyramid = []
        for level in (1, 2, 3):
            x = self.get_submodule(f"encoder_level{level}")(x)
            if encoded is not None and decoded is not None:
                x = x + self.get_submodule(f"csff_enc{level}")(encoded[level - 1])
                x = x + self.get_submodule(f"csff_dec{level}")(decoded[level - 1])
            out.append(x)
            if level < 3:
                x = self.get_submodule(f"down{level}{level + 1}")(x)
        return out


class Decoder(nn.Module):
    """From the coarsest level up, adding each level's features after an attention block."""

    def __init__(self, widths: list[int], activation: nn.PReLU) -> None:
        super().__init__()
        for level, width in enumerate(widths, start=1):
            self.add_module(f"decoder_level{level}", _pair(width, activation))
        self.skip_attn1 = AttentionBlock(widths[0], activation)
        self.skip_attn2 = AttentionBlock(widths[1], activation)
        self.up21 = resize(2, widths[1], widths[0])
        self.up32 = resize(2, widths[2], widths[1])

    def forward(self, encoded: Pyramid) -> Pyramid:
        third = self.get_submodule("decoder_level3")(encoded[2])
        second = self.get_submodule("decoder_level2")(self.up32(third) + self.skip_attn2(encoded[1]))
        first = self.get_submodule("decoder_level1")(self.up21(second) + self.skip_attn1(encoded[0]))
        return [first, second, third]


def resolution_block(channels: int, count: int, activation: nn.PReLU) -> Residual:
    """ORB: attention blocks and a convolution around a shortcut."""
    return Residual(*(AttentionBlock(channels, activation) for _ in range(count)), conv3(channels, channels))


class ResolutionNet(nn.Module):
    """ORSNet: full resolution throughout, one level of the second stage joins after each block (Figure 3d)."""

    def __init__(self, widths: list[int], extra: int, count: int, activation: nn.PReLU) -> None:
        super().__init__()
        first, second, third = widths
        for block in (1, 2, 3):
            self.add_module(f"orb{block}", resolution_block(first + extra, count, activation))
        for side in ("enc", "dec"):
            self.add_module(f"up_{side}1", resize(2, second, first))
            self.add_module(f"up_{side}2", nn.Sequential(resize(2, third, second), resize(2, second, first)))
            for level in (1, 2, 3):
                self.add_module(f"conv_{side}{level}", conv1(first, first + extra))

    def forward(self, x: Features, encoded: Pyramid, decoded: Pyramid) -> Features:
        for level in (1, 2, 3):
            x = self.get_submodule(f"orb{level}")(x)
            for side, features in (("enc", encoded[level - 1]), ("dec", decoded[level - 1])):
                full = features if level == 1 else self.get_submodule(f"up_{side}{level - 1}")(features)
                x = x + self.get_submodule(f"conv_{side}{level}")(full)
        return x


def _pair(channels: int, activation: nn.PReLU) -> nn.Sequential:
    return nn.Sequential(AttentionBlock(channels, activation), AttentionBlock(channels, activation))


class MPRNet(nn.Module):
    """Three stages. Image (B, 3, H, W), RGB in [0, 1], sides multiples of 8, to the same shape; `code` is ignored.

    The defaults are the released deblurring model.

    Args:
        n_feat: channels of the first level.
        scale_unetfeats: channels that each level down adds.
        scale_orsnetfeats: channels that the last stage adds.
        num_cab: attention blocks in each of its three parts.
    """

    def __init__(
        self, *, n_feat: int = 96, scale_unetfeats: int = 48, scale_orsnetfeats: int = 32, num_cab: int = 8
    ) -> None:
        super().__init__()
        act = nn.PReLU()
        widths = [n_feat + scale_unetfeats * level for level in range(3)]
        last = n_feat + scale_orsnetfeats
        self.shallow_feat1 = shallow(n_feat, act)
        self.shallow_feat2 = shallow(n_feat, act)
        self.shallow_feat3 = shallow(n_feat, act)
        self.stage1_encoder = Encoder(widths, act, csff=False)
        self.stage1_decoder = Decoder(widths, act)
        self.stage2_encoder = Encoder(widths, act, csff=True)
        self.stage2_decoder = Decoder(widths, act)
        self.stage3_orsnet = ResolutionNet(widths, scale_orsnetfeats, num_cab, act)
        self.sam12 = SupervisedAttention(n_feat, gated=True)
        self.sam23 = SupervisedAttention(n_feat, gated=True)
        self.concat12 = conv3(2 * n_feat, n_feat)
        self.concat23 = conv3(2 * n_feat, last)
        self.tail = conv3(last, 3)

    def forward(self, image: Images, code: Tensor | None = None) -> Images:
        return self.stages(image)[0]

    def stages(self, image: Images) -> list[Images]:
        """The restored images of the three stages, the last stage's first."""
        image = image.contiguous(memory_format=torch.channels_last)
        halves = list(image.chunk(2, dim=2))
        stage1_features, restored1, encoded, decoded = zip(*(self._first_stage(half) for half in halves), strict=True)
        second = [self._second_stage(*args) for args in zip(halves, stage1_features, encoded, decoded, strict=True)]
        joined = [torch.cat(levels, dim=2) for levels in zip(*second, strict=True)]
        decoder_features = self.stage2_decoder(joined)
        features, restored2 = self.sam23(decoder_features[0], image)
        x = self.concat23(torch.cat([self.shallow_feat3(image), features], dim=1))
        restored3 = self.tail(self.stage3_orsnet(x, joined, decoder_features)) + image
        return [restored3, restored2, torch.cat(restored1, dim=2)]

    def _first_stage(self, half: Images) -> tuple[Features, Images, Pyramid, Pyramid]:
        """Encodes the left and right quarter of a half separately, decodes them joined."""
        quarters = [self.stage1_encoder(self.shallow_feat1(quarter)) for quarter in half.chunk(2, dim=3)]
        encoded = [torch.cat(levels, dim=3) for levels in zip(*quarters, strict=True)]
        decoded = self.stage1_decoder(encoded)
        features, restored = self.sam12(decoded[0], half)
        return features, restored, encoded, decoded

    def _second_stage(self, half: Images, stage1_features: Features, encoded: Pyramid, decoded: Pyramid) -> Pyramid:
        x = self.concat12(torch.cat([self.shallow_feat2(half), stage1_features], dim=1))
        levels: Pyramid = self.stage2_encoder(x, encoded, decoded)
        return levels


register(
    Baseline(
        name="mprnet",
        probed="stage2_encoder.encoder_level3",
        label="MPRNet",
        make=MPRNet,
        paper="Multi-Stage Progressive Image Restoration, CVPR 2021",
        licence="academic, non-commercial",
        multiple_of=8,
        notes="Blind. The defaults are the released deblurring model; denoising has n_feat=80 (15.741 M), deraining "
        "n_feat=40, scale_unetfeats=20, scale_orsnetfeats=16 (3.637 M).",
        params_m_published=20.127,
        gmacs_published=759,
        objective=multi_stage_loss,
        demo={"n_feat": 12, "scale_unetfeats": 6, "scale_orsnetfeats": 6, "num_cab": 4},
        small={"n_feat": 20, "scale_unetfeats": 8, "scale_orsnetfeats": 8, "num_cab": 4},
        quick={"n_feat": 40, "scale_unetfeats": 20, "scale_orsnetfeats": 20, "num_cab": 4},
    )
)
