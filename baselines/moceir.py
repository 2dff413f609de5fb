"""MoCE-IR: a decoder of experts of growing size, of which a router picks one an image.

Zamfir, Wu, Mehta, Tan, Paudel, Zhang, Timofte, "Complexity Experts are Task-Discriminative Learners for Any Image
Restoration", CVPR 2025, section 3.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from baselines.base import Images
from baselines.layers import CrossAttention, Down, PatchEmbed, Up, conv1, conv3, depthwise, named, norm
from baselines.moceir_experts import Experts, MoCEIRConfig
from baselines.registry import Baseline, configured, register
from baselines.routing import balance_losses, balanced_l1
from dfpir.layers import Features, GatedFeedForward, TransposedAttention

BALANCE_WEIGHT = 0.01


class Attention(TransposedAttention):
    """Restormer's attention with biases."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__(channels, heads)
        self.qkv = conv1(channels, 3 * channels, bias=True)
        self.qkv_dwconv = depthwise(3 * channels, bias=True)
        self.project_out = conv1(channels, channels, bias=True)

    def forward(self, x: Features) -> Features:
        bias = self.project_out.bias
        assert bias is not None
        return super().forward(x) + bias[:, None, None]


class FeedForward(GatedFeedForward):
    """Restormer's feed-forward network with biases."""

    def __init__(self, channels: int, expansion: float) -> None:
        super().__init__(channels, expansion)
        hidden = self.project_out.in_channels
        self.project_in = conv1(channels, 2 * hidden, bias=True)
        self.dwconv = depthwise(2 * hidden, bias=True)
        self.project_out = conv1(hidden, channels, bias=True)


class EncoderBlock(nn.Module):
    """Restormer's block, with biases."""

    def __init__(self, channels: int, heads: int, expansion: float) -> None:
        super().__init__()
        self.norms = nn.ModuleList([norm(channels), norm(channels)])
        self.mixer = Attention(channels, heads)
        self.ffn = FeedForward(channels, expansion)

    def forward(self, x: Features) -> Features:
        x = x + self.mixer(self.norms[0](x))
        out: Tensor = x + self.ffn(self.norms[1](x))
        return out


def encoder_blocks(channels: int, heads: int, expansion: float, depth: int) -> nn.Sequential:
    """Blocks in a row."""
    return named(layers=nn.Sequential(*(EncoderBlock(channels, heads, expansion) for _ in range(depth))))


class DecoderBlock(nn.Module):
    """Experts look at the normed features beside one shared attention; the shared one is mixed into the experts'."""

    def __init__(self, channels: int, heads: int, config: MoCEIRConfig) -> None:
        super().__init__()
        self.norms = nn.ModuleList([norm(channels), norm(channels)])
        self.proj = nn.ModuleList([conv1(channels, channels, bias=True), conv1(channels, channels, bias=True)])
        self.shared = TransposedAttention(channels, heads)
        self.mixer = CrossAttention(channels, heads, kv_kernel=7)
        self.ffn = GatedFeedForward(channels, config.ffn_expansion_factor)
        self.adapter = Experts(channels, config)

    def forward(self, x: Features, frequencies: Tensor) -> Features:
        normed = self.norms[0](x)
        shared = self.shared(self.proj[0](normed))
        x = x + self.mixer(self.adapter(self.proj[1](normed), frequencies, shared), shared)
        out: Tensor = x + self.ffn(self.norms[1](x))
        return out


def high_pass(channels: int) -> nn.Sequential:
    """A depthwise convolution that starts as a Laplacian."""
    convolution, kernel = depthwise(channels), torch.full((3, 3), -1.0)
    kernel[1, 1] = 8
    with torch.no_grad():
        convolution.weight.copy_(kernel.expand_as(convolution.weight))
    return named(conv=convolution)


class FrequencyEmbedding(nn.Module):
    """(B, C, H, W) latent features to (B, C): the routers' input on an image's high frequencies."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.high_conv = nn.Sequential(high_pass(channels), nn.GELU())
        self.mlp = nn.Sequential(nn.Linear(channels, 2 * channels), nn.GELU(), nn.Linear(2 * channels, channels))

    def forward(self, x: Features) -> Tensor:
        out: Tensor = self.mlp(self.high_conv(x).mean(dim=(-2, -1)))
        return out


class MoCEIR(nn.Module):
    """U-Net whose decoder blocks route each image to complexity experts. Any `code` is ignored.

    Image (B, 3, H, W), RGB in [0, 1], sides multiples of 8, to the same shape.
    """

    def __init__(self, config: MoCEIRConfig) -> None:
        super().__init__()
        dim, heads, grow = config.dim, config.heads, config.ffn_expansion_factor
        wide = [config.channels(level) for level in (1, 2, 3, 4)]
        self.patch_embed = PatchEmbed(dim)
        self.freq_embed = FrequencyEmbedding(wide[3])
        self.enc = nn.ModuleList(
            nn.ModuleList([encoder_blocks(wide[i], heads[i], grow, config.num_blocks[i]), Down(wide[i])])
            for i in range(3)
        )
        self.latent = encoder_blocks(wide[3], heads[3], grow, config.num_blocks[3])
        self.dec = nn.ModuleList()
        for i in (2, 1, 0):
            blocks = [DecoderBlock(wide[i], heads[i], config) for _ in range(config.num_dec_blocks[i])]
            for number, block in enumerate(blocks, start=1):
                block.adapter.routing.layer = f"decoder-{i + 1}, block {number}"
            self.dec.append(
                nn.ModuleList(
                    [Up(wide[i + 1]), conv1(wide[i + 1], wide[i]), nn.ModuleDict({"layers": nn.ModuleList(blocks)})]
                )
            )
        self.refinement = encoder_blocks(dim, heads[0], grow, config.num_refinement_blocks)
        self.output = conv3(dim, 3)

    def forward(self, image: Images, code: Tensor | None = None) -> Images:
        x = self.patch_embed(image)
        skips: list[Features] = []
        part: Any
        for part in self.enc:
            x = part[0](x)
            skips.append(x)
            x = part[1](x)
        x = self.latent(x)
        frequencies = self.freq_embed(x)
        for part, skip in zip(self.dec, reversed(skips), strict=True):
            x = part[1](torch.cat([part[0](x), skip], dim=1))
            for block in part[2]["layers"]:
                x = block(x, frequencies)
        out: Tensor = self.output(self.refinement(x)) + image
        return out

    def balance_loss(self) -> Tensor:
        """How unevenly the last training batch used the experts, averaged over the blocks; see `balance_losses`."""
        return balance_losses(self).mean()


register(
    Baseline(
        name="moceir",
        probed="latent",
        label="MoCE-IR",
        make=configured(MoCEIR, MoCEIRConfig),
        fixed={"levels": 4, "depth_type": "constant", "stage_depth": (1, 1, 1), "rank_type": "spread", "rank": 2},
        paper="Complexity Experts are Task-Discriminative Learners for Any Image Restoration, CVPR 2025",
        licence="Apache-2.0",
        multiple_of=8,
        notes="Blind. dim=32 is MoCE-IR-S (11.478 M). The released code adds noise to the routing in evaluation too "
        "(eval_noise=True).",
        params_m_published=25.354,
        gmacs_published=95,
        objective=partial(balanced_l1, weight=BALANCE_WEIGHT),
        whole_batch="routing noise and the balance of its experts are of the batch",
        demo={"dim": 8, "num_blocks": (1, 2, 2, 2), "num_dec_blocks": (1, 1, 1), "num_refinement_blocks": 1},
        small={"dim": 12, "num_dec_blocks": (1, 1, 1), "num_blocks": (1, 2, 2, 2), "num_refinement_blocks": 1},
        quick={"dim": 32, "num_dec_blocks": (1, 1, 1), "num_blocks": (1, 1, 1, 1), "num_refinement_blocks": 1},
    )
)
