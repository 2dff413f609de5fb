"""The channel attention map: cosine similarity of the channels of q and k, times the head's temperature."""

from __future__ import annotations

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from dfpir.kernels.switch import SMALLEST_NORM, fused

Pixels = Float[Tensor, "b n c"]
Map = Float[Tensor, "b heads c c"]


def cosine_map(q: Pixels, k: Pixels, temperature: Float[Tensor, "heads 1 1"]) -> Map:
    """Cosine similarity between the channels of q and of k within each head, times the head's temperature.

    Equal to normalising q and k along the pixels first (Restormer, equation 2); scaling the small C x C map by the
    norms spares two passes over them.

    Args:
        q: (B, N, C); a slice of channels of a larger tensor will do.
        k: (B, N, C).
        temperature: (heads, 1, 1).

    Returns:
        (B, heads, C/heads, C/heads): float32, or float64 where q is.
    """
    if fused(q, k, temperature):
        from dfpir.kernels.cosine_map_triton import CosineMap

        fused_map: Tensor = CosineMap.apply(q, k, temperature)
        return fused_map
    return reference(q, k, temperature)


def reference(q: Pixels, k: Pixels, temperature: Tensor) -> Map:
    """`cosine_map` in PyTorch."""
    heads = temperature.shape[0]
    q, k = (rearrange(t, "b n (heads c) -> b heads c n", heads=heads) for t in (q, k))
    wide = torch.float64 if q.dtype == torch.float64 else torch.float32
    q_norm, k_norm = (torch.linalg.vector_norm(t, dim=-1, dtype=wide).clamp_min(SMALLEST_NORM) for t in (q, k))
    products = (q @ k.transpose(-1, -2)).to(wide)
    out: Tensor = products / (q_norm.unsqueeze(-1) * k_norm.unsqueeze(-2)) * temperature
    return out
