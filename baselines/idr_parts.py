"""Parts of IDR: keys of degradations, their principles, and the mixing of both into ingredients.

See `baselines.idr` for the paper. Features are (B, C, H, W), images RGB in [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

from baselines.base import Images
from baselines.layers import conv1, conv3, depthwise, norm
from baselines.mprnet_parts import SupervisedAttention
from dfpir.layers import Features

CLASSES = 5
"""Noise, rain, haze, blur, low light, in the order of the released labels."""

QUERIES = 24
KERNEL = 5

Keys = Float[Tensor, "b k d"]
Labels = Int[Tensor, "b"]
Prediction = Float[Tensor, "b 5 1 1"]


class _KeyAttention(nn.Module):
    """Attention of each pixel over the degradation's keys. Three tensors are only there in the released files."""

    def __init__(self, channels: int, key_dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Sequential(conv1(channels, channels), depthwise(channels))
        self.kv = nn.Linear(key_dim, 2 * channels)
        self.project_out = conv1(channels, channels)
        # never used
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.qkv = conv1(channels, 3 * channels)
        self.qkv_dwconv = depthwise(3 * channels)

    def forward(self, x: Features, keys: Keys) -> Features:
        q = rearrange(self.q(x), "b (heads c) h w -> b heads (h w) c", heads=self.heads)
        k, v = rearrange(self.kv(keys), "b k (two heads c) -> two b heads k c", two=2, heads=self.heads)
        # scaled by all channels of the layer, not by those of a head
        out = F.scaled_dot_product_attention(q, k, v, scale=x.shape[1] ** -0.5)
        result: Tensor = self.project_out(rearrange(out, "b heads (h w) c -> b (heads c) h w", h=x.shape[-2]))
        return result


class _FeedForward(nn.Module):
    """Two 1x1 convolutions with a depthwise 3x3 one and GELU between them."""

    def __init__(self, channels: int, expansion: float) -> None:
        super().__init__()
        hidden = int(channels * expansion)
        self.fc1 = conv1(channels, hidden)
        self.dwconv = depthwise(hidden, bias=True)
        self.fc2 = conv1(hidden, channels)

    def forward(self, x: Features) -> Features:
        out: Tensor = self.fc2(F.gelu(self.dwconv(self.fc1(x))))
        return out


class _Residual(nn.Module):
    """x + convolution, ReLU, convolution, with small first weights."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = (conv3(channels, channels, bias=True) for _ in range(2))
        for convolution in (self.conv1, self.conv2):
            nn.init.kaiming_normal_(convolution.weight)
            convolution.weight.data.mul_(0.1)
            nn.init.zeros_(cast(Tensor, convolution.bias))

    def forward(self, x: Features) -> Features:
        out: Tensor = x + self.conv2(F.relu(self.conv1(x)))
        return out


def _conv_prelu(count_in: int, count_out: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(count_in, count_out, kernel, padding=kernel // 2), nn.PReLU(init=0.2))


def _estimator(count_in: int, count_out: int) -> nn.Sequential:
    return nn.Sequential(_conv_prelu(count_in, count_out, 3), _Residual(count_out), _Residual(count_out))


class _Addition(nn.Module):
    """Undoes additive degradations: noise, rain."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.add = _estimator(2 * channels, channels)

    def forward(self, x: Features, evidence: Features) -> Features:
        out: Tensor = x + self.add(evidence)
        return out


class _Pointwise(nn.Module):
    """Undoes degradations that multiply and shift each point: haze, low light."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = _estimator(2 * channels, 2 * channels)

    def forward(self, x: Features, evidence: Features) -> Features:
        scale, shift = self.weight(evidence).chunk(2, dim=1)
        out: Tensor = scale * x + shift
        return out


class _Convolution(nn.Module):
    """Undoes degradations that convolve: blur. Every channel of every pixel gets its own 5x5 kernel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolve = nn.Sequential(
            *_estimator(2 * channels, channels), _conv_prelu(channels, KERNEL**2 * channels, 1)
        )

    def forward(self, x: Features, evidence: Features) -> Features:
        kernels = rearrange(self.convolve(evidence), "b (c k) h w -> b c k h w", k=KERNEL**2)
        margin = KERNEL // 2
        height, width = x.shape[-2:]
        padded = F.pad(x, (margin,) * 4, mode="replicate")
        # one shift after the other: patches of all of them at once would be 25 copies of the features
        out = torch.zeros_like(x)
        for place in range(KERNEL**2):
            top, left = divmod(place, KERNEL)
            out = out + kernels[:, :, place] * padded[..., top : top + height, left : left + width]
        return out


class _Principle(nn.Module):
    """The physics of degradations (section 3.2): three routes, chosen by label or weighted by a prediction."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mlp_img, self.mlp_degra = conv1(channels, channels, bias=True), conv1(channels, channels, bias=True)
        self.convolve = _Convolution(channels)
        self.addition = _Addition(channels)
        self.point = _Pointwise(channels)
        self.pred = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            conv1(channels, channels, bias=True),
            conv1(channels, CLASSES, bias=True),
            nn.Softmax(dim=1),
        )

    def forward(self, x: Features, degradation: Features, prediction: Prediction, labels: Labels | None) -> Features:
        x = self.mlp_img(x)
        evidence = rearrange([x, self.mlp_degra(degradation)], "two b c h w -> b (c two) h w")
        if labels is not None:
            return self._routed(x, evidence, labels)
        noise, rain, haze, blur, lowlight = torch.split(prediction, 1, dim=1)
        # in the released code the addition is done in place, so that the other routes start from its result
        x = self.addition(x, evidence)
        convolved, points = self.convolve(x, evidence), self.point(x, evidence)
        out: Tensor = (haze + lowlight) * points + (noise + rain) * x + blur * convolved
        return out

    def _routed(self, x: Features, evidence: Features, labels: Labels) -> Features:
        routes = (self.addition, self.addition, self.point, self.convolve, self.point)
        out = torch.empty_like(x)
        for route in (self.addition, self.point, self.convolve):
            classes = torch.tensor([n for n, owner in enumerate(routes) if owner is route], device=labels.device)
            rows = torch.isin(labels, classes).nonzero()[:, 0]
            if len(rows):
                out = out.index_copy(0, rows, route(x[rows], evidence[rows]))
        return out


@dataclass(frozen=True)
class Knowledge:
    """Degradations: keys by label (stage one), or directions with strengths by class (stage two)."""

    keys: Keys | None = None
    left_vectors: Float[Tensor, "k k"] | None = None
    strengths: Float[Tensor, "5 k"] | None = None
    right_vectors: Float[Tensor, "k d"] | None = None

    def keys_for(self, prediction: Prediction) -> Keys:
        """Keys of each image; in stage two U diag(prediction S) V (equation 6)."""
        if self.keys is not None:
            return self.keys
        left_vectors, strengths, right_vectors = (
            cast(Tensor, t) for t in (self.left_vectors, self.strengths, self.right_vectors)
        )
        return (left_vectors * (prediction.flatten(1) @ strengths).unsqueeze(1)) @ right_vectors


class KnowledgeBlock(nn.Module):
    """Finds the degradation in the features by their keys and undoes it by its principle."""

    def __init__(self, channels: int, key_dim: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = norm(channels), norm(channels)
        self.attn = _KeyAttention(channels, key_dim, heads)
        self.ffn = _FeedForward(channels, 2.66)
        self.principle = _Principle(channels)
        self.SAM = SupervisedAttention(channels, gated=True)

    def forward(
        self, x: Features, knowledge: Knowledge, image: Images, labels: Labels | None
    ) -> tuple[Features, Images, Prediction]:
        prediction = self.principle.pred(x)
        keys = knowledge.keys_for(prediction)
        attended, restored = self.SAM(x, image)
        degradation = self.attn(self.norm1(attended), F.layer_norm(keys, keys.shape[-1:]))
        x = self.principle(x, degradation, prediction, labels)
        return x + self.ffn(self.norm2(x)), restored, prediction


class Mixer(nn.Module):
    """Mixes the principal directions of all degradations into ingredients (section 3.3)."""

    def __init__(self, queries: int = QUERIES) -> None:
        super().__init__()
        self.convU, self.convV = (conv1(CLASSES * queries, queries, bias=True) for _ in range(2))

    def forward(self, keys: Float[Tensor, "5 k d"]) -> Knowledge:
        # The mixing is not blind to the signs of singular vectors, which differ between a CPU and a GPU: always the
        # CPU's, so that a checkpoint means the same on both. Directions are the columns of `left`, the rows of `right`.
        left, strengths, right = (t.to(keys) for t in torch.linalg.svd(keys.detach().cpu(), full_matrices=False))
        left, right = rearrange(left, "n k s -> (n s) k"), rearrange(right, "n s d -> (n s) d")
        mixed_left = self.convU(left[None, :, :, None])[0, :, :, 0]
        mixed_right = self.convV(right[None, :, :, None])[0, :, :, 0]
        return Knowledge(left_vectors=mixed_left.T, strengths=strengths, right_vectors=mixed_right)
