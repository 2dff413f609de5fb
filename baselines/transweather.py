"""TransWeather: a pyramid transformer with intra-patch branches and learned weather queries in its decoder.

Valanarasu, Yasarla, Patel, "TransWeather: Transformer-based Restoration of Images Degraded by Adverse Weather
Conditions", CVPR 2022; its encoder blocks are those of PVT and SegFormer. Parameter names are the released file's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from baselines.base import Images
from baselines.layers import conv3, depthwise, named
from baselines.registry import Baseline, register
from dfpir.layers import Features, Pixels, as_features, as_pixels

SIZES = (64, 128, 320, 512)
TAIL = (16, 8)
HEADS = (1, 2, 4, 4)
REDUCTIONS = (4, 2, 2, 1)
DEPTH, DECODER_DEPTH, QUERIES = 2, 3, 48
DROP_PATH = 0.1
EPS = 1e-6


def _init(module: nn.Module) -> None:
    """First weights as published: linear layers truncated normal, convolutions by their fan-out, biases zero."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
    elif isinstance(module, nn.Conv2d):
        height, width = module.kernel_size
        nn.init.normal_(module.weight, std=(2.0 * module.groups / (height * width * module.out_channels)) ** 0.5)
    else:
        return
    if module.bias is not None:
        nn.init.zeros_(module.bias)


class _Embedding(nn.Module):
    """Overlapping patches: a strided convolution and LayerNorm."""

    def __init__(self, count_in: int, count_out: int, kernel: int = 3, stride: int = 2) -> None:
        super().__init__()
        self.proj = nn.Conv2d(count_in, count_out, kernel, stride, kernel // 2)
        self.norm = nn.LayerNorm(count_out)

    def forward(self, x: Features) -> Features:
        x = self.proj(x)
        return as_features(self.norm(as_pixels(x)), like=x)


class _MLP(nn.Module):
    """Two linear layers with a depthwise 3x3 convolution and GELU between them."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(channels, hidden), nn.Linear(hidden, channels)
        self.dwconv = named(dwconv=depthwise(hidden, bias=True))

    def forward(self, pixels: Pixels, like: Features) -> Pixels:
        hidden = self.dwconv(as_features(self.fc1(pixels), like))
        out: Tensor = self.fc2(F.gelu(as_pixels(hidden)))
        return out


class _Attention(nn.Module):
    """Attention over pixels, with keys and values from an image reduced by a strided convolution."""

    def __init__(self, channels: int, heads: int, reduction: int) -> None:
        super().__init__()
        self.heads, self.reduction = heads, reduction
        self.q, self.kv = nn.Linear(channels, channels), nn.Linear(channels, 2 * channels)
        self.proj = nn.Linear(channels, channels)
        if reduction > 1:
            self.sr = nn.Conv2d(channels, channels, reduction, reduction)
            self.norm = nn.LayerNorm(channels)

    def queries(self, pixels: Pixels) -> Float[Tensor, "b h n c"]:
        """The queries of each head."""
        out: Tensor = rearrange(self.q(pixels), "b n (h c) -> b h n c", h=self.heads)
        return out

    def forward(self, pixels: Pixels, like: Features) -> Pixels:
        q, source = self.queries(pixels), pixels
        if self.reduction > 1:
            source = self.norm(as_pixels(self.sr(as_features(pixels, like))))
        k, v = rearrange(self.kv(source), "b n (two h c) -> two b h n c", two=2, h=self.heads)
        out: Tensor = self.proj(rearrange(F.scaled_dot_product_attention(q, k, v), "b h n c -> b n (h c)"))
        return out


class _WeatherAttention(_Attention):
    """Attention whose queries are learned, 48 of them, stretched to the number of pixels (section 3.2)."""

    def __init__(self, channels: int, heads: int, reduction: int) -> None:
        super().__init__(channels, heads, reduction)
        self.task_query = nn.Parameter(torch.randn(1, QUERIES, channels))

    def queries(self, pixels: Pixels) -> Float[Tensor, "b h n c"]:
        """The learned queries, repeated or thinned out by nearest neighbour to one a pixel."""
        learned = super().queries(self.task_query)
        stretched = F.interpolate(learned, size=(pixels.shape[1], learned.shape[-1]))
        return stretched.expand(len(pixels), -1, -1, -1)


class _Block(nn.Module):
    """Pre-norm attention and MLP, each dropped at random in training."""

    def __init__(
        self, channels: int, heads: int, *, mlp_ratio: int, reduction: int = 1, drop: float, weather: bool = False
    ) -> None:
        super().__init__()
        attention = _WeatherAttention if weather else _Attention
        self.norm1, self.norm2 = nn.LayerNorm(channels, EPS), nn.LayerNorm(channels, EPS)
        self.attn = attention(channels, heads, reduction)
        self.mlp = _MLP(channels, mlp_ratio * channels)
        from torchvision.ops import StochasticDepth  # type: ignore[import-untyped]  # 90 MB: for its models alone

        self.drop_path = StochasticDepth(drop, "row")

    def forward(self, x: Features) -> Features:
        pixels = as_pixels(x)
        pixels = pixels + self.drop_path(self.attn(self.norm1(pixels), x))
        pixels = pixels + self.drop_path(self.mlp(self.norm2(pixels), x))
        return as_features(pixels, like=x)


def _normed(norm: nn.Module, blocks: nn.Module, x: Features) -> Features:
    for block in cast(nn.ModuleList, blocks):
        x = block(x)
    return as_features(norm(as_pixels(x)), like=x)


class _Encoder(nn.Module):
    """Four stages of halved size; a branch of smaller patches runs beside each and joins the next (section 3.1)."""

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        drops = torch.linspace(0, DROP_PATH, DEPTH * len(sizes)).tolist()
        for n, (size, heads, reduction) in enumerate(zip(sizes, HEADS, REDUCTIONS, strict=True)):
            embedding = _Embedding(sizes[n - 1], size) if n else _Embedding(3, size, kernel=7, stride=4)
            self.add_module(f"patch_embed{n + 1}", embedding)
            blocks = (
                _Block(size, heads, mlp_ratio=2, reduction=reduction, drop=drop) for drop in drops[DEPTH * n :][:DEPTH]
            )
            self.add_module(f"block{n + 1}", nn.ModuleList(blocks))
            self.add_module(f"norm{n + 1}", nn.LayerNorm(size, EPS))
            if n == len(sizes) - 1:
                # never run, but the released files have its weights
                self.mini_patch_embed4 = _Embedding(sizes[0], size)
                continue
            self.add_module(f"mini_patch_embed{n + 1}", _Embedding(size, sizes[n + 1]))
            mini = _Block(sizes[n + 1], HEADS[min(n, 1)], mlp_ratio=2, reduction=reduction, drop=drops[DEPTH * n])
            self.add_module(f"patch_block{n + 1}", nn.ModuleList([mini]))
            self.add_module(f"pnorm{n + 1}", nn.LayerNorm(sizes[n + 1], EPS))
        self.apply(_init)

    def forward(self, image: Images) -> list[Features]:
        """Features of the four stages, at 1/4, 1/8, 1/16 and 1/32 of the image's size."""
        outs: list[Features] = []
        x = image
        mini: Features | None = None
        for n in range(1, 1 + len(HEADS)):
            part = self.get_submodule
            x = part(f"patch_embed{n}")(x)
            x = x if mini is None else x + mini
            if n < len(HEADS):
                mini = part(f"mini_patch_embed{n}")(x)
                mini = _normed(part(f"pnorm{n}"), part(f"patch_block{n}"), mini)
            x = _normed(part(f"norm{n}"), part(f"block{n}"), x)
            outs.append(x)
        return outs


class _Decoder(nn.Module):
    """Three blocks at 1/64 of the image's size, whose queries are learned."""

    def __init__(self, size: int) -> None:
        super().__init__()
        # the released schedule of dropped paths counts sixteen blocks, of which only these exist
        drops = torch.linspace(0, DROP_PATH, 16).tolist()[:DECODER_DEPTH]
        self.patch_embed1 = _Embedding(size, size)
        self.block1 = nn.ModuleList(_Block(size, 8, mlp_ratio=4, drop=drop, weather=True) for drop in drops)
        self.norm1 = nn.LayerNorm(size, EPS)
        self.apply(_init)

    def forward(self, x: Features) -> Features:
        return _normed(self.norm1, self.block1, self.patch_embed1(x))


def _conv3(count_in: int, count_out: int) -> nn.Sequential:
    return named(conv2d=conv3(count_in, count_out, bias=True))


def _double(count_in: int, count_out: int) -> nn.Sequential:
    return named(conv2d=nn.ConvTranspose2d(count_in, count_out, 4, 2, 1))


class _Refinement(nn.Module):
    """x + 0.1 x (convolution, ReLU, convolution)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = _conv3(channels, channels), _conv3(channels, channels)

    def forward(self, x: Features) -> Features:
        out: Tensor = x + 0.1 * self.conv2(F.relu(self.conv1(x)))
        return out


class _Tail(nn.Module):
    """Transposed convolutions back to full size, with the encoder's features added on the way."""

    def __init__(self, sizes: Sequence[int], tail: Sequence[int]) -> None:
        super().__init__()
        first, second, third, fourth = sizes
        half_width, full_width = tail
        self.convd32x, self.convd16x = _double(fourth, fourth), _double(fourth, third)
        self.convd8x, self.convd4x = _double(third, second), _double(second, first)
        self.convd2x, self.convd1x = _double(first, half_width), _double(half_width, full_width)
        for n, channels in ((4, third), (3, second), (2, first), (1, half_width)):
            self.add_module(f"dense_{n}", nn.Sequential(_Refinement(channels)))
        self.conv_output = _conv3(full_width, 3)  # never run, but the released files have its weights

    def forward(self, skips: Sequence[Features], x: Features) -> Features:
        x = _cropped(self.convd32x(x), skips[3]) + skips[3]
        x = _cropped(self.convd16x(x), skips[2])
        x = self.convd8x(self.get_submodule("dense_4")(x) + skips[2])
        x = self.convd4x(self.get_submodule("dense_3")(x) + skips[1])
        x = self.convd2x(self.get_submodule("dense_2")(x) + skips[0])
        out: Tensor = self.convd1x(self.get_submodule("dense_1")(x))
        return out


def _cropped(x: Features, like: Features) -> Features:
    # an odd side was rounded up when it was halved
    return x[..., : like.shape[-2], : like.shape[-1]]


class TransWeather(nn.Module):
    """TransWeather, called as `model(image)`; it was published in one size, that of the defaults.

    Image (B, 3, H, W) in [0, 1], H and W multiples of 16 and at least 48, to the same shape: a hyperbolic tangent that
    is trained towards [0, 1]. The network is fed [-1, 1]. Any `code` is ignored.

    Args:
        sizes: channels of the encoder's four stages; heads divide them: 1, 2, 4, and 8 the last.
        tail: channels at half and at full size, at the decoder's end.
    """

    def __init__(self, sizes: Sequence[int] = SIZES, tail: Sequence[int] = TAIL) -> None:
        super().__init__()
        self.Tenc, self.Tdec, self.convtail = _Encoder(sizes), _Decoder(sizes[-1]), _Tail(sizes, tail)
        self.clean = _conv3(tail[-1], 3)

    def forward(self, image: Images, code: Tensor | None = None) -> Images:
        skips = self.Tenc(2 * image - 1)
        return torch.tanh(self.clean(self.convtail(skips, self.Tdec(skips[-1]))))


def objective(model: nn.Module, degraded: Images, clean: Images, code: Tensor | None) -> Tensor:
    """Smooth L1 (section 3.4). The published loss adds 0.04 x VGG16 features, whose weights are not shipped."""
    return F.smooth_l1_loss(model(degraded), clean)


register(
    Baseline(
        name="transweather",
        probed="Tdec",
        label="TransWeather",
        make=TransWeather,
        paper="TransWeather: Transformer-based Restoration of Images Degraded by Adverse Weather Conditions, CVPR 2022",
        licence="MIT",
        multiple_of=16,
        min_size=48,
        notes="Blind. 0.297 M of the parameters are never used. Trained here with its smooth L1 loss alone, without "
        "the perceptual term on VGG16 features.",
        params_m_published=38.052,
        gmacs_published=4.7,
        objective=objective,
        whole_batch="its dropped paths are drawn for the batch",
        demo={"sizes": (8, 16, 32, 40), "tail": (8, 8)},
        small={"sizes": (8, 16, 48, 64), "tail": (8, 8)},
        quick={"sizes": (20, 40, 92, 152)},
    )
)
