"""DGM and DGCPM: the degradation-guided order of channels and the perturbation it drives (paper section 3.3).

Between its two 1x1 convolutions DGCPM only permutes channels, so for one prompt it is a single C x C matrix
`W_reduce[:, :] @ W_expand[order]` and a bias. It is computed in that form, in training too: the same function and
gradients with a quarter of the multiply-adds and no expanded feature map.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from dfpir.config import CODE_DIM, Order
from dfpir.layers import Features, as_features, as_pixels

Codes = Float[Tensor, "b 512"]
Scores = Float[Tensor, "b e"]
Orders = Int[Tensor, "b e"]


class DegradationGuide(nn.Module):
    """DGM: two linear layers, no nonlinearity between them as released, from a prompt code to a score a channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(CODE_DIM, CODE_DIM)
        self.score = nn.Linear(CODE_DIM, channels)

    def forward(self, codes: Codes) -> Scores:
        # bf16 would move 10 to 53 % of the positions: the guide stays out of autocast
        with torch.autocast(codes.device.type, enabled=False):
            result: Tensor = self.score(self.hidden(codes.to(self.hidden.weight.dtype)))
            return result


def descending_order(scores: Scores) -> Orders:
    """Channel indices from the highest score to the lowest; equal scores keep their order."""
    return scores.argsort(dim=-1, descending=True, stable=True)


def soft_order(scores: Scores, temperature: Tensor) -> Float[Tensor, "b e e"]:
    """A row-stochastic matrix that tends to the permutation `descending_order` as the temperature falls.

    SoftSort (Prillo & Eisenschlos, ICML 2020): row i weighs each channel by its distance to the i-th highest score.
    Distances are in mean gaps between neighbouring scores, so that a temperature means the same at every width.
    """
    ranked = scores.sort(dim=-1, descending=True).values
    gap = (ranked[:, :1] - ranked[:, -1:]).detach().clamp_min(1e-12) / scores.shape[-1]
    distance = (ranked.unsqueeze(-1) - scores.unsqueeze(-2)).abs() / gap.unsqueeze(-1)
    return (-distance / temperature).softmax(-1)


class ChannelPerturbation(nn.Module):
    """DGCPM: expand the channels by a 1x1 convolution, reorder them by the prompt, reduce them by another.

    `orders` holds, once prompts are bound, the order of each of them: it travels with the checkpoint and is never
    recomputed, since a change of 5e-4 in a code already moves 2 to 11 % of the positions.
    """

    orders: Tensor | None
    order_seed: Tensor
    temperature: Tensor

    def __init__(self, channels: int, *, expansion: int, order: Order) -> None:
        super().__init__()
        self.order = order
        self.guide = DegradationGuide(expansion * channels)
        self.expand = nn.Conv2d(channels, expansion * channels, 1)
        self.reduce = nn.Conv2d(expansion * channels, channels, 1)
        self.register_buffer("orders", None)
        draws_order = order in ("random", "shared")
        self.register_buffer("order_seed", torch.zeros((), dtype=torch.long), persistent=draws_order)
        self.register_buffer("temperature", torch.ones(()), persistent=order == "learned")
        if order != "learned":
            self.guide.requires_grad_(
                False
            )  # an index carries no gradient: as released, the guide stays as initialised
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the seed of the random orders; the layers initialise themselves."""
        if self.order in ("random", "shared"):
            self.order_seed.random_(0, 2**31)

    def order_of(self, codes: Codes) -> Orders:
        """The order of the expanded channels for each code, (B, eC)."""
        width = self.expand.out_channels
        if self.order == "identity":
            return torch.arange(width, device=codes.device).expand(len(codes), -1)
        if self.order == "shared":
            return self._random_order(torch.zeros(1)).to(codes.device).expand(len(codes), -1)
        if self.order == "random":
            return torch.stack([self._random_order(code) for code in codes]).to(codes.device)
        return descending_order(self.guide(codes))

    def _random_order(self, code: Tensor) -> Tensor:
        # one order a prompt: the seed mixes the layer's own with the bits of the code
        bits = code.detach().cpu().float().view(torch.int32).to(torch.int64)
        mixed = (bits * torch.arange(1, 2 * len(bits), 2)).sum() ^ (self.order_seed.cpu() << 16)
        generator = torch.Generator().manual_seed(int(mixed) & 0x7FFF_FFFF_FFFF_FFFF)
        return torch.randperm(self.expand.out_channels, generator=generator)

    def bind(self, codes: Codes) -> None:
        """Store the order of each prompt, a row each, in memory of its own.

        Equal orders come as one expanded row, which can't be written to: whoever restores the buffers would fail.
        """
        with torch.no_grad():
            self.orders = self.order_of(codes).clone(memory_format=torch.contiguous_format)

    def folded(self, codes: Codes, prompts: Tensor | None) -> tuple[Tensor, Tensor]:
        """The matrix (B, C, C), input channels first, and bias (B, 1, C) that the module amounts to for each sample."""
        expand, bias = self.expand.weight[:, :, 0, 0], self.expand.bias
        reduce = self.reduce.weight[:, :, 0, 0]
        assert bias is not None
        assert self.reduce.bias is not None
        with torch.autocast(expand.device.type, enabled=False):
            if self.order == "learned" and self.training:
                soft = soft_order(self.guide(codes), self.temperature)
                rows, row_bias = soft @ expand, soft @ bias
            else:
                hard = self.order_of(codes) if prompts is None or self.orders is None else self.orders[prompts]
                rows, row_bias = expand[hard], bias[hard]
            matrix = rows.transpose(1, 2) @ reduce.T
            return matrix, (row_bias @ reduce.T + self.reduce.bias).unsqueeze(1)

    def forward(self, x: Features, codes: Codes, prompts: Tensor | None = None) -> Features:
        """Perturb features.

        Args:
            x: (B, C, H, W).
            codes: (B, 512), float32.
            prompts: (B,) rows of the bound prompts, whose stored orders are used then.
        """
        matrix, bias = self.folded(codes, prompts)
        pixels = as_pixels(x)
        return as_features(torch.baddbmm(bias.to(pixels.dtype), pixels, matrix.to(pixels.dtype)), like=x)


class ConvolutionPerPrompt(nn.Module):
    """A control for DGCPM: a 1x1 convolution of its own for each bound prompt, with nothing shared and nothing ordered.

    For one prompt DGCPM is one C x C matrix too, but the matrices of all prompts are made of the same weights: what
    this module gains over it, orders of channels can't give.
    """

    def __init__(self, channels: int, *, prompts: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv2d(channels, channels, 1) for _ in range(prompts))

    def bind(self, codes: Codes) -> None:
        """Check that there is a convolution for each prompt.

        Raises:
            ValueError: there are fewer.
        """
        if len(codes) > len(self.convolutions):
            raise ValueError(f"{len(codes)} prompts: num_prompts={len(self.convolutions)} has room for fewer.")

    def stacked(self) -> tuple[Float[Tensor, "p c c"], Float[Tensor, "p c"]]:
        """The matrices, input channels first, and biases of all prompts."""
        layers = [layer for layer in self.convolutions if isinstance(layer, nn.Conv2d)]
        biases = [layer.bias for layer in layers if layer.bias is not None]
        return torch.stack([layer.weight[:, :, 0, 0].T for layer in layers]), torch.stack(biases)

    def forward(self, x: Features, codes: Codes, prompts: Tensor | None = None) -> Features:
        """(B, C, H, W) to the same shape; `prompts`: (B,) rows of the bound prompts, always needed."""
        if prompts is None:
            raise ValueError(
                "A convolution per prompt is chosen by row numbers: bind_prompts(codes), then call with rows."
            )
        weights, biases = self.stacked()
        pixels = as_pixels(x)
        mixed = torch.baddbmm(biases[prompts].unsqueeze(1).to(pixels.dtype), pixels, weights[prompts].to(pixels.dtype))
        return as_features(mixed, like=x)


class BiasPerPrompt(nn.Module):
    """The cheapest way to tell a network its task: a learned bias a channel for each prompt, zero at the start."""

    def __init__(self, channels: int, *, prompts: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(prompts, channels))

    def bind(self, codes: Codes) -> None:
        """Check that there is a bias for each prompt.

        Raises:
            ValueError: there are fewer.
        """
        if len(codes) > len(self.bias):
            raise ValueError(f"{len(codes)} prompts: num_prompts={len(self.bias)} has room for fewer.")

    def forward(self, x: Features, codes: Codes, prompts: Tensor | None = None) -> Features:
        """(B, C, H, W) to the same shape; `prompts`: (B,) rows of the bound prompts, always needed."""
        if prompts is None:
            raise ValueError("A bias per prompt is chosen by row numbers: bind_prompts(codes), then call with rows.")
        return x + self.bias[prompts].to(x.dtype)[:, :, None, None]
