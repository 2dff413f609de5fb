"""AMIR: Restormer whose encoder routes pixels to experts and whose decoder gates channels, by a vector of the image.

Yang et al., "All-In-One Medical Image Restoration via Task-Adaptive Routing", MICCAI 2024; the noisy gate is that of
Shazeer et al., "Outrageously Large Neural Networks: The Sparsely-Gated Mixture-of-Experts Layer", ICLR 2017.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from baselines.base import Images
from baselines.layers import conv1
from baselines.registry import Baseline, configured, one_block_config, register, two_block_config
from baselines.restormer import RestormerUNet, Step, UNetConfig
from baselines.routing import Chosen, ExpertRouter, Weights, balance_losses, balanced_l1
from dfpir.layers import Features, Pixels, as_features, as_pixels

BALANCE_WEIGHT = 0.001
ATOMS, ATOM_WIDTH = 32, 256
NOISE_FLOOR = 0.01

RoutingVector = Float[Tensor, "b 256"]


class RoutingInstruction(nn.Module):
    """(B, 3, H, W), sides of 9 pixels or more, to the routing vector: a mixture of learned atoms."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.CondNet = nn.Sequential(
            nn.Conv2d(3, width, 3, stride=3),
            nn.LeakyReLU(0.1),
            nn.Conv2d(width, width, 3, stride=3),
            nn.LeakyReLU(0.1),
            conv1(width, width, bias=True),
            nn.LeakyReLU(0.1),
            conv1(width, width, bias=True),
            nn.LeakyReLU(0.1),
            conv1(width, ATOMS, bias=True),
        )
        self.lastOut = nn.Linear(ATOMS, ATOMS)
        self.dictionary = nn.Parameter(torch.randn(ATOMS, ATOM_WIDTH))

    def forward(self, image: Images) -> RoutingVector:
        weights = self.lastOut(self.CondNet(image).mean(dim=(-2, -1))).softmax(-1)
        return F.gelu(weights @ self.dictionary)


class Expert(nn.Module):
    """A network of two layers on the channels of a pixel."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, hidden)
        self.fc2 = nn.Linear(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return out


class ExpertMixture(ExpertRouter):
    """A router of pixels and its experts, whose weights the released files keep beside each other.

    Called, it routes; `mix` sends the pixels through their experts.

    Args:
        channels: of the features.
        expansion: an expert's hidden width over its input's.
        count: experts.
        topk: experts a pixel.
        noisy: whether training draws noise for the scores, as released.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, channels: int, expansion: float, *, count: int = 4, topk: int = 2, noisy: bool = True) -> None:
        super().__init__(count)
        self.topk, self.noisy = topk, noisy
        self.w_gate = nn.Parameter(torch.randn(2 * channels, count))
        self.w_noise = nn.Parameter(torch.zeros(2 * channels, count))
        # of the noise; constants that the released files hold
        self.register_buffer("mean", torch.zeros(1))
        self.register_buffer("std", torch.ones(1))
        self.experts = nn.ModuleList(Expert(channels, int(channels * expansion)) for _ in range(count))

    def forward(self, x: Pixels, vector: Tensor) -> tuple[Chosen, Weights]:
        """Pixels (B, N, C) and the routing vector at this level (B, C) to the experts of each pixel, (B, N, topk).

        The weights are a softmax over the chosen, in float32 or better: autocast would tie scores.
        """
        exact = torch.promote_types(x.dtype, torch.float32)
        x, vector = x.to(exact), vector.to(exact)
        with torch.autocast(x.device.type, enabled=False):
            clean = self._scores(x, vector, self.w_gate)
            noise_std, scores = None, clean
            if self.training and self.noisy:
                noise_std = F.softplus(self._scores(x, vector, self.w_noise)) + NOISE_FLOOR
                scores = clean + torch.randn_like(clean) * noise_std
            best, order = scores.topk(min(self.topk + 1, self.count), dim=-1)
            chosen, weights = order[..., : self.topk], best[..., : self.topk].softmax(-1)
            self.balance = self._imbalance(chosen, weights, clean, noise_std, best) if self.training else None
        return chosen, weights

    @staticmethod
    def _scores(x: Pixels, vector: Tensor, weight: Tensor) -> Tensor:
        """Of each pixel beside its image's vector; the vector's part is the same for all pixels of an image."""
        of_pixel, of_image = weight.to(x.dtype).chunk(2)
        return x @ of_pixel + (vector @ of_image)[:, None]

    def _imbalance(
        self, chosen: Chosen, weights: Weights, clean: Tensor, noise_std: Tensor | None, best: Tensor
    ) -> Tensor:
        """Variation of the experts' total weight, and of how many pixels each serves, over the batch.

        With noise the pixels are counted by the probability that a new draw of an expert's own noise would choose it,
        which has a gradient.
        """
        experts = range(self.count)
        importance = torch.stack([(weights * (chosen == n)).sum() for n in experts])
        if noise_std is None or self.topk == self.count:
            load = torch.stack([(chosen == n).sum() for n in experts]).to(importance.dtype)
        else:
            is_chosen = torch.stack([(chosen == n).any(-1) for n in experts], dim=-1)
            last_in, first_out = best[..., self.topk - 1, None], best[..., self.topk, None]
            needed = torch.where(is_chosen, first_out, last_in)
            load = torch.special.ndtr((clean - needed) / noise_std).flatten(0, -2).sum(0)
        return _variation(importance) + _variation(load)

    def mix(self, x: Pixels, chosen: Chosen, weights: Weights) -> Pixels:
        """For each pixel log sum_k weight_k * exp(expert_k(x)), (B, N, C); an expert computes its own pixels only."""
        pixels, slots = x.flatten(0, 1), chosen.flatten(0, 1)
        parts: Tensor | None = None
        for number, expert in enumerate(self.experts):
            rows, places = (slots == number).nonzero(as_tuple=True)
            out = expert(pixels[rows]).to(weights.dtype)
            parts = out.new_zeros(*slots.shape, out.shape[-1]) if parts is None else parts
            parts.index_put_((rows, places), out)
        assert parts is not None
        # summed as logarithms, exp cannot overflow; a weight that became zero would have an infinite gradient
        logs = weights.flatten(0, 1).clamp_min(torch.finfo(weights.dtype).tiny).log()
        mixed = torch.logsumexp(parts + logs[..., None], dim=1)
        return torch.unflatten(mixed, 0, x.shape[:2])


def _variation(x: Tensor) -> Tensor:
    """Squared coefficient of variation."""
    return x.var() / (x.mean().square() + 1e-10)


class SpatialRouting(nn.Module):
    """x plus what two of four experts make of each pixel, chosen by pixel and routing vector."""

    def __init__(self, channels: int, expansion: float, *, noisy: bool) -> None:
        super().__init__()
        self.fc = nn.Linear(ATOM_WIDTH, channels)
        self.moe = ExpertMixture(channels, expansion, noisy=noisy)

    def forward(self, x: Features, vector: RoutingVector) -> Features:
        pixels = as_pixels(x)
        chosen, weights = self.moe(pixels, self.fc(vector))
        return x + as_features(self.moe.mix(pixels, chosen, weights), like=x).to(x.dtype)


class ChannelRouting(nn.Module):
    """x plus an affine map of each channel, gated by the routing vector."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc = nn.Linear(ATOM_WIDTH, channels)
        self.beta = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.gamma = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Features, vector: RoutingVector) -> Features:
        gate = self.fc(vector).sigmoid()[..., None, None]
        out: Tensor = x + (x * self.gamma + self.beta) * gate
        return out


@dataclass(frozen=True, kw_only=True)
class AMIRConfig(UNetConfig):
    """Settings as released.

    Attributes:
        noisy_gating: whether training draws noise for the experts' scores.
    """

    dim: int = 42
    num_blocks: tuple[int, int, int, int] = (5, 7, 7, 9)
    noisy_gating: bool = True


class AMIR(RestormerUNet):
    """Four-level U-Net of Restormer with hard routing on each level; sides of 16 or more. Any `code` is ignored."""

    config: AMIRConfig

    def extra_modules(self, step: Step, level: int) -> Iterator[tuple[str, nn.Module]]:
        config = self.config
        if step == "encode":
            if level == 1:
                yield "dict_generator", RoutingInstruction()
            routing = SpatialRouting(config.channels(level), config.ffn_expansion_factor, noisy=config.noisy_gating)
            routing.moe.layer = f"encoder-{level}"
            yield f"spatial_routing_encoder_level{level}", routing
        elif step == "decode":
            yield f"channel_routing_decoder_level{level}", ChannelRouting(config.decoder_channels(level))
        elif step == "latent":
            yield "channel_routing_latent", ChannelRouting(config.channels(level))

    def before_step(self, step: Step, level: int, x: Features, context: RoutingVector) -> Features:
        routing = {
            "encode": f"spatial_routing_encoder_level{level}",
            "decode": f"channel_routing_decoder_level{level}",
            "latent": "channel_routing_latent",
        }.get(step)
        return x if routing is None else self.get_submodule(routing)(x, context)

    def context(self, image: Images, code: Tensor | None) -> RoutingVector:
        out: Tensor = self.get_submodule("dict_generator")(image)
        return out

    def balance_loss(self) -> Tensor:
        """How unevenly the last training batch used the experts, summed over the levels; see `balance_losses`."""
        return balance_losses(self).sum()


register(
    Baseline(
        name="amir",
        probed="latent",
        make=configured(AMIR, AMIRConfig),
        fixed={"inp_channels": 3, "out_channels": 3},
        paper="All-In-One Medical Image Restoration via Task-Adaptive Routing, MICCAI 2024",
        licence="Apache-2.0",
        multiple_of=8,
        min_size=16,
        notes="Blind. Hard routing: two of four experts a pixel. Published for medical images of one channel; here the "
        "first and last convolution and the routing vector's take RGB. Most likely what DFPIR's paper calls MedIR.",
        params_m_published=23.544,
        objective=partial(balanced_l1, weight=BALANCE_WEIGHT),
        whole_batch="gating noise and the balance of its experts are of the batch",
        demo=one_block_config(8),
        small=one_block_config(12),
        quick=two_block_config(26),
    )
)
