"""AdaIR: Restormer whose decoder is modulated by the degraded image's low and high frequencies.

Cui, Zamir, Khan, Knoll, Shah, Khan, "AdaIR: Adaptive All-in-One Image Restoration via Frequency Mining and
Modulation", ICLR 2025, section 3.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from einops import reduce
from torch import Tensor, nn

from baselines.base import Images
from baselines.layers import CrossAttention, conv1, conv3
from baselines.registry import Baseline, configured, one_block_config, register, two_block_config
from baselines.restormer import RestormerUNet, Step, UNetConfig
from dfpir.layers import Features

BANDS = 128
"""Band edges are fractions of this many parts of a side: below twice as many pixels the low band is empty."""


class SpatialGate(nn.Module):
    """One weight a pixel from its largest and its average channel."""

    def __init__(self) -> None:
        super().__init__()
        self.spatial = nn.Conv2d(2, 1, 7, padding=3, bias=False)

    def forward(self, x: Features) -> Features:
        summary = torch.cat([reduce(x, "b c h w -> b 1 h w", "max"), reduce(x, "b c h w -> b 1 h w", "mean")], dim=1)
        out: Tensor = self.spatial(summary).sigmoid()
        return out


class ChannelGate(nn.Module):
    """One weight a channel from its average and its largest pixel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = channels // 16
        self.mlp = nn.Sequential(conv1(channels, hidden), nn.ReLU(), conv1(hidden, channels))

    def forward(self, x: Features) -> Features:
        average, largest = F.adaptive_avg_pool2d(x, 1), F.adaptive_max_pool2d(x, 1)
        out: Tensor = (self.mlp(average) + self.mlp(largest)).sigmoid()
        return out


class FrequencyRefine(nn.Module):
    """Each band is weighted by a gate that the other band sets; their sum is projected (paper Figure 3c)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.SpatialGate = SpatialGate()
        self.ChannelGate = ChannelGate(channels)
        self.proj = conv1(channels, channels, bias=True)

    def forward(self, low: Features, high: Features) -> Features:
        out: Tensor = self.proj(low * self.SpatialGate(high) + high * self.ChannelGate(low))
        return out


class FrequencyModule(nn.Module):
    """Adaptive frequency learning block (paper Figure 3): mines two bands of the image, modulates features with them.

    The border between the bands is a rectangle in the centred spectrum whose half sides are whole numbers: the
    sub-network that sets it gets no gradient, and for sides below 256 pixels the low band is empty.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.conv1 = conv3(3, channels)
        self.rate_conv = nn.Sequential(conv1(channels, channels // 8), nn.GELU(), conv1(channels // 8, 2))
        self.channel_cross_l = CrossAttention(channels, heads)
        self.channel_cross_h = CrossAttention(channels, heads)
        self.channel_cross_agg = CrossAttention(channels, heads)
        self.frequency_refine = FrequencyRefine(channels)
        self.para1 = nn.Parameter(torch.zeros(channels, 1, 1))
        self.para2 = nn.Parameter(torch.ones(channels, 1, 1))
        # in the released files, but never used
        self.conv = conv3(3, channels)
        self.score_gen = nn.Conv2d(2, 2, 7, padding=3)

    def forward(self, image: Images, features: Features) -> Features:
        """Image (B, 3, H, W) at full size and features (B, C, h, w) to modulated features."""
        low, high = self._bands(F.interpolate(image, features.shape[-2:], mode="bilinear"))
        # the names of the two attentions are crossed in the released code: `_l` reads the high band
        high, low = self.channel_cross_l(high, features), self.channel_cross_h(low, features)
        mined = self.channel_cross_agg(features, self.frequency_refine(low, high))
        out: Tensor = mined * self.para1 + features * self.para2
        return out

    def _bands(self, image: Images) -> tuple[Features, Features]:
        x = self.conv1(image)
        height, width = x.shape[-2:]
        with torch.no_grad():
            rates = self.rate_conv(F.adaptive_avg_pool2d(x, 1)).sigmoid().flatten(1)
            half_height, half_width = (
                (side // BANDS * rate).int() for side, rate in zip(x.shape[-2:], rates.T, strict=True)
            )
            rows = _band(half_height, height)
            columns = _band(half_width, width)
            mask = (rows[:, :, None] & columns[:, None, :])[:, None]
        spectrum = torch.fft.fftshift(torch.fft.fft2(x, norm="forward"), dim=(-2, -1))
        low, high = (
            torch.fft.ifft2(torch.fft.ifftshift(part, dim=(-2, -1)), norm="forward").abs()
            for part in (spectrum * mask, spectrum * ~mask)
        )
        return low, high


def _band(half: Tensor, side: int) -> Tensor:
    """(B,) half widths to (B, side): true from side // 2 - half up to side // 2 + half, the end excluded."""
    offset = torch.arange(side, device=half.device) - side // 2
    return (offset >= -half[:, None]) & (offset < half[:, None])


class AdaIR(RestormerUNet):
    """Restormer's U-Net with a frequency module before each step up. Any `code` is ignored."""

    def extra_modules(self, step: Step, level: int) -> Iterator[tuple[str, nn.Module]]:
        if step == "up":
            yield f"fre{4 - level}", FrequencyModule(self.config.channels(level + 1), self.config.heads[2])

    def before_step(self, step: Step, level: int, x: Features, context: Images) -> Features:
        """See the base; the context is the degraded image."""
        return self.get_submodule(f"fre{4 - level}")(context, x) if step == "up" else x


register(
    Baseline(
        name="adair",
        probed="latent",
        label="AdaIR",
        make=configured(AdaIR, UNetConfig),
        fixed={"decoder": True},
        paper="AdaIR: Adaptive All-in-One Image Restoration via Frequency Mining and Modulation, ICLR 2025",
        licence="MIT",
        multiple_of=8,
        notes="Blind. Its low band is empty for sides below 256 pixels, so training on 128 px patches leaves that "
        "branch without input; the network that sets the band's border never gets a gradient.",
        params_m_published=28.785,
        gmacs_published=161.8,
        demo=one_block_config(8),
        small=one_block_config(12),
        quick=two_block_config(24),
    )
)
