"""MoCE-IR's experts and the router that picks them for an image.

Zamfir et al., "Complexity Experts are Task-Discriminative Learners for Any Image Restoration", CVPR 2025, sections 3.2
and 3.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from baselines.layers import conv1, depthwise, norm
from baselines.restormer import UNetConfig
from baselines.routing import ExpertRouter
from dfpir.layers import Features


@dataclass(frozen=True, kw_only=True)
class MoCEIRConfig(UNetConfig):
    """Settings as released: the defaults are MoCE-IR, `dim=32` is MoCE-IR-S.

    Attributes:
        num_dec_blocks: blocks on levels 1 to 3 of the decoder.
        topk: experts an image.
        num_experts: experts a block; their widths double from one to the next.
        with_complexity: whether the balance loss counts an expert's load in proportion to its parameters.
        complexity_scale: `max` or `min`: what these are divided by.
        eval_noise: whether the routers draw noise in evaluation too, as released; results then vary with the
            generator's state.

    Raises:
        ValueError: another `complexity_scale`.
    """

    num_dec_blocks: tuple[int, int, int] = (2, 4, 4)
    ffn_expansion_factor: float = 2
    topk: int = 1
    num_experts: int = 4
    with_complexity: bool = True
    complexity_scale: Literal["max", "min"] = "max"
    eval_noise: bool = False

    def __post_init__(self) -> None:
        if self.complexity_scale not in ("max", "min"):
            raise ValueError(f"complexity_scale={self.complexity_scale!r} is not provided. One of: max, min.")


class PatchCorrelation(nn.Module):
    """Multiplies the spectra of queries and keys within patches and weights the values by the result (FFT attention).

    Args:
        channels: in and out.
        patch: side of a patch; the larger, the further an expert sees.
    """

    def __init__(self, channels: int, patch: int) -> None:
        super().__init__()
        self.patch = patch
        self.q = conv1(channels, channels)
        self.q_dwconv = depthwise(channels, bias=True)
        self.kv = conv1(channels, 2 * channels)
        self.kv_dwconv = depthwise(2 * channels, 7, bias=True)
        self.norm = norm(channels)
        self.proj_out = conv1(channels, channels, bias=True)

    def forward(self, x: Features) -> Features:
        height, width = x.shape[-2:]
        q = self.q_dwconv(self.q(x))
        k, v = self.kv_dwconv(self.kv(x)).chunk(2, dim=1)
        spectrum = torch.fft.rfft2(self._patches(q)) * torch.fft.rfft2(self._patches(k))
        mixed = torch.fft.irfft2(spectrum, s=(self.patch, self.patch))
        mixed = rearrange(mixed, "b c i j h w -> b c (i h) (j w)")[..., :height, :width]
        out: Tensor = self.proj_out(self.norm(mixed) * v)
        return out

    def _patches(self, x: Features) -> Tensor:
        height, width = x.shape[-2:]
        # Fourier transforms have no half precision on every device
        x = F.pad(x, (0, -width % self.patch, 0, -height % self.patch)).to(torch.promote_types(x.dtype, torch.float32))
        return rearrange(x, "b c (i h) (j w) -> b c i j h w", h=self.patch, w=self.patch)


class Expert(nn.Module):
    """A narrow branch: the patch correlation of the features, gated by the shared attention's features."""

    def __init__(self, channels: int, rank: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.ModuleList([conv1(channels, rank), conv1(channels, rank), conv1(rank, channels)])
        self.body = PatchCorrelation(rank, patch)

    def forward(self, x: Features, shared: Features) -> Features:
        out: Tensor = self.proj[2](self.body(self.proj[0](x)) * F.silu(self.proj[1](shared))) + x
        return out


class Router(ExpertRouter):
    """Scores the experts of an image from its features and its high frequencies, and keeps the `topk` best.

    Args:
        channels: of the features.
        complexity: parameters of each expert.
        config: of the model.
    """

    complexity: Tensor

    def __init__(self, channels: int, complexity: list[int], config: MoCEIRConfig) -> None:
        count = len(complexity)
        super().__init__(count)
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, count, bias=False))
        self.freq_gate = nn.Linear(config.channels(4), count, bias=False)
        divisor = max(complexity) if config.complexity_scale == "max" else min(complexity)
        self.register_buffer("complexity", torch.tensor(complexity) / divisor)
        self.topk, self.weighted, self.eval_noise = config.topk, config.with_complexity, config.eval_noise
        self.noise_std = 1 / count

    def forward(self, x: Features, frequencies: Tensor) -> tuple[Tensor, Tensor]:
        """Indices (B, topk) of the experts and their softmax weights (B, topk), which don't sum to one."""
        logits = self.gate(x) + self.freq_gate(frequencies)
        noisy = logits
        if self.training or self.eval_noise:
            noisy = logits + torch.randn_like(logits) * self.noise_std
        weights, chosen = noisy.softmax(-1).topk(self.topk, dim=-1)
        self.balance = 0.5 * self._importance(logits) + 0.5 * self._load(logits, noisy) if self.training else None
        return chosen, weights

    def _importance(self, logits: Tensor) -> Tensor:
        """Variation of the experts' total weight over a batch, weights scaled by their size (paper equation 6)."""
        total = logits.softmax(-1).sum(0)
        return _variation(total * self.complexity if self.weighted else total)

    def _load(self, logits: Tensor, noisy: Tensor) -> Tensor:
        """Variation of the experts' probability of being chosen when the noise is drawn again."""
        needed = (noisy.topk(self.topk, dim=-1).values[:, -1:] - logits) / self.noise_std
        return _variation((1 - torch.special.ndtr(needed)).mean(0))


def _variation(x: Tensor) -> Tensor:
    """Squared coefficient of variation."""
    return (x.std() / (x.mean() + 1e-8)).square()


class Experts(nn.Module):
    """The experts of a block and their router; each image goes through its own experts.

    In evaluation the released code applies the experts of every image of a batch to all of them; the two agree for one
    image at a time, which is how it is evaluated. With one expert an image the router's weight only scales the mixer's
    queries, whose normalisation takes it out again: then the router learns from the balance loss alone.

    Args:
        channels: of the features; the experts have channels / 8, / 4, / 2 and / 1 for four of them.
        config: of the model.
    """

    def __init__(self, channels: int, config: MoCEIRConfig) -> None:
        super().__init__()
        ranks = [channels // 2**index for index in reversed(range(config.num_experts))]
        # one expert a list: the released code keeps room for several in a row
        self.experts = nn.ModuleList(
            nn.ModuleList([Expert(channels, rank, 2 ** (index + 2))]) for index, rank in enumerate(ranks)
        )
        self.proj_out = conv1(channels, channels)
        sizes = [sum(p.numel() for p in expert.parameters()) for expert in self.experts]
        self.routing = Router(channels, sizes, config)

    def forward(self, x: Features, frequencies: Tensor, shared: Features) -> Features:
        chosen, weights = self.routing(x, frequencies)
        mixed = torch.zeros_like(x)
        for index in range(len(self.experts)):
            rows, slots = (chosen == index).nonzero(as_tuple=True)
            if len(rows):
                out = self._expert(index, x[rows], shared[rows]) * weights[rows, slots][:, None, None, None]
                mixed = mixed.index_add(0, rows, out.to(mixed.dtype))
        result: Tensor = self.proj_out(mixed)
        return result

    def _expert(self, index: int, x: Features, shared: Features) -> Features:
        layers: Any = self.experts[index]
        out: Tensor = layers[0](x, shared)
        return out
