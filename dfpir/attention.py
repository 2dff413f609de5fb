"""CAAPM's attention: channel attention between perturbed and original features, small entries masked (section 3.4)."""

from __future__ import annotations

import math

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn

from dfpir.config import LogitScale, Masking
from dfpir.kernels import cosine_map
from dfpir.layers import Features, OutputProjection, Pixels, as_features, as_pixels, mix_channels

Logits = Float[Tensor, "b heads c c"]


def random_rows(heads: int, width: int, topk: int) -> Bool[Tensor, "heads c c"]:
    """True at `topk` places of each row, drawn from the global generator."""
    columns = torch.rand(heads, width, width).argsort(-1)[..., :topk]
    return torch.zeros(heads, width, width, dtype=torch.bool).scatter_(-1, columns, True)


def largest_in_rows(logits: Logits, topk: int) -> Bool[Tensor, "b heads c c"]:
    """True at the `topk` largest entries of each row (last axis: over keys, as released; the paper says columns)."""
    largest = logits.topk(topk, dim=-1).indices
    return torch.zeros_like(logits, dtype=torch.bool).scatter_(-1, largest, True)


def masked_softmax(logits: Logits, topk: int, masking: Masking, random_mask: Tensor | None = None) -> Logits:
    """Attention weights when each row keeps `topk` entries; all of them: the plain softmax.

    `released`: dropped entries get weight 0 and the others sum to 1. `paper`: softmax(M * logits), M in {0, 1}: a
    dropped logit is 0 and keeps the weight exp(0). `figure`: M * softmax(logits): rows sum to less than 1. `columns`:
    as released with the largest of each column kept; a row that no column keeps gets weight 0 everywhere. `random`: as
    released with the entries of `random_mask`, (heads, C, C) bool.
    """
    if topk >= logits.shape[-1]:
        return logits.softmax(-1)
    if masking == "random":
        assert random_mask is not None
        return logits.masked_fill(~random_mask, float("-inf")).softmax(-1)
    if masking == "columns":
        keep = largest_in_rows(logits.transpose(-1, -2), topk).transpose(-1, -2)
        empty = ~keep.any(-1, keepdim=True)  # all of a row dropped: a softmax over nothing would be NaN
        return logits.masked_fill(~(keep | empty), float("-inf")).softmax(-1).masked_fill(empty, 0.0)
    keep = largest_in_rows(logits, topk)
    if masking == "released":
        return logits.masked_fill(~keep, float("-inf")).softmax(-1)
    if masking == "paper":
        return (logits * keep).softmax(-1)
    return logits.softmax(-1) * keep


def dot_product_map(q: Pixels, k: Pixels, heads: int) -> Logits:
    """Q K^T / sqrt(d_k) between channels, (B, heads, C/heads, C/heads); d_k is the length of the vectors, the pixels.

    Unlike cosines these logits grow with the image: with the root of its pixels where channels are correlated.
    """
    split = "b n (heads c) -> b heads c n"
    q, k = (rearrange(x, split, heads=heads).float() for x in (q, k))
    return q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])


class PerturbedAttention(nn.Module):
    """Channel attention with the perturbed features as query and the original ones as key and value.

    Args:
        channels: C, of both inputs and the output.
        heads: attention heads.
        topk: entries kept in a row of a head's C/heads x C/heads map (gamma times C/heads, truncated).
        masking: what becomes of the others.
        logit_scale: cosines times a learned `temperature`, or dot products over the root of their length, `sqrt_dk`.
        output_scale: whether the weights are multiplied by a learned scalar.
        unit_init: begin with scale 1 and a projection three times PyTorch's default.
    """

    chosen: Tensor | None

    def __init__(
        self,
        channels: int,
        heads: int,
        *,
        topk: int,
        masking: Masking,
        logit_scale: LogitScale = "temperature",
        output_scale: bool = True,
        unit_init: bool = False,
    ) -> None:
        super().__init__()
        self.heads, self.topk = heads, topk
        self.masking: Masking = masking
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1)) if logit_scale == "temperature" else None
        self.scale = nn.Parameter(torch.tensor([1.0 if unit_init else 0.2])) if output_scale else None
        self.q = nn.Conv2d(channels, channels, 1, bias=False)
        self.q_dwconv = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.kv = nn.Conv2d(channels, 2 * channels, 1, bias=False)
        self.kv_dwconv = nn.Conv2d(2 * channels, 2 * channels, 3, padding=1, groups=2 * channels, bias=False)
        self.project_out = OutputProjection(channels, channels, gain=3.0 if unit_init else 1.0)
        draws_mask = masking == "random" and topk < channels // heads
        self.register_buffer("chosen", random_rows(heads, channels // heads, topk) if draws_mask else None)

    def reset_parameters(self) -> None:
        """Draw the `random` mask anew; the layers initialise themselves."""
        if self.chosen is not None:
            heads, width, _ = self.chosen.shape
            self.chosen.copy_(random_rows(heads, width, self.topk))

    def logits(self, q: Pixels, k: Pixels) -> Logits:
        """Attention logits between the channels of queries and keys, (B, N, C) both."""
        return dot_product_map(q, k, self.heads) if self.temperature is None else cosine_map(q, k, self.temperature)

    def forward(self, query: Features, features: Features) -> Features:
        """(B, C, H, W) twice, both LayerNormed; (B, C, H, W) out."""
        q = as_pixels(self.q_dwconv(self.q(query)))
        k, v = as_pixels(self.kv_dwconv(self.kv(features))).chunk(2, dim=-1)
        logits = self.logits(q, k)
        attention = masked_softmax(logits, self.topk, self.masking, self.chosen)
        if self.scale is not None:
            attention = attention * self.scale
        return as_features(mix_channels(attention, self.project_out.weight, v), like=query)
