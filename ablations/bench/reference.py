"""The released way of computing DFPIR, for measuring against: eager float32, NCHW, nothing folded, nothing fused.

A plain transcription of what method and released loop do, in this project's words: LayerNorm goes through two
rearrangements, q and k are normalised along all pixels, DGCPM expands, reorders and reduces feature maps. Parameters
have our names, so that a model of ours lends its weights; a test holds the two equal. Only the benchmarks use it.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from dfpir import DFPIRConfig


class ReferenceUNet(nn.Module):
    """Restormer or DFPIR as released, for `order` prompt and `masking` released.

    Call it as `model(image, codes)` with (B, 3, H, W) and (B, 512).
    """

    def __init__(self, config: DFPIRConfig) -> None:
        super().__init__()
        if config.order != "prompt" or config.masking != "released" or config.layer_norm != "with_bias":
            raise ValueError("The reference is DFPIR as released: order 'prompt', masking 'released'.")
        dim, channels = config.dim, config.channels

        def stage(level: int, width: int, depth: int) -> nn.Sequential:
            return nn.Sequential(*(_Block(width, config.heads[level - 1], config.ffn_expansion) for _ in range(depth)))

        depths = config.num_blocks
        self.patch_embed = nn.Conv2d(3, dim, 3, padding=1, bias=False)
        self.encoder = nn.ModuleList(stage(n, channels(n), depths[n - 1]) for n in (1, 2, 3))
        self.latent = stage(4, channels(4), depths[3])
        self.down = nn.ModuleList(nn.Conv2d(channels(n), channels(n) // 2, 3, padding=1, bias=False) for n in (1, 2, 3))
        levels = config.levels if config.perturbs else ()
        self.perturb = nn.ModuleDict({str(level): _Perturbation(config, level) for level in levels})
        self.up = nn.ModuleList(nn.Conv2d(channels(n), channels(n) * 2, 3, padding=1, bias=False) for n in (2, 3, 4))
        self.reduce = nn.ModuleList(nn.Conv2d(channels(n + 1), channels(n), 1, bias=False) for n in (2, 3))
        self.decoder = nn.ModuleList(
            stage(n, width, depths[n - 1]) for n, width in ((1, 2 * dim), (2, 2 * dim), (3, 4 * dim))
        )
        self.refinement = stage(1, 2 * dim, config.num_refinement_blocks)
        self.output = nn.Conv2d(2 * dim, 3, 3, padding=1, bias=False)

    def forward(self, image: Tensor, codes: Tensor) -> Tensor:
        """(B, 3, H, W) restored."""
        x = self.patch_embed(image)
        skips = []
        for level, (blocks, down) in enumerate(zip(self.encoder, self.down, strict=True), start=1):
            x = blocks(x)
            skips.append(self._perturbed(level, x, codes))
            x = F.pixel_unshuffle(down(x), 2)
        x = self._perturbed(4, self.latent(x), codes)
        for level in (3, 2, 1):
            x = torch.cat([F.pixel_shuffle(self.up[level - 1](x), 2), skips[level - 1]], dim=1)
            x = self.reduce[level - 2](x) if level > 1 else x
            x = self.decoder[level - 1](x)
        return torch.as_tensor(self.output(self.refinement(x)) + image)

    def _perturbed(self, level: int, x: Tensor, codes: Tensor) -> Tensor:
        return self.perturb[str(level)](x, codes) if str(level) in self.perturb else x


class _Norm(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        pixels = rearrange(x, "b c h w -> b (h w) c")
        mean = pixels.mean(-1, keepdim=True)
        variance = pixels.var(-1, keepdim=True, unbiased=False)
        pixels = (pixels - mean) / torch.sqrt(variance + 1e-5) * self.weight + self.bias
        return rearrange(pixels, "b (h w) c -> b c h w", h=x.shape[-2], w=x.shape[-1])


def _attend(q: Tensor, k: Tensor, v: Tensor, temperature: Tensor, kept: int | None) -> Tensor:
    heads = temperature.shape[0]
    height, width = q.shape[-2:]
    q, k, v = (rearrange(t, "b (head c) h w -> b head c (h w)", head=heads) for t in (q, k, v))
    logits = (F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(-2, -1)) * temperature
    if kept is not None and kept < logits.shape[-1]:
        chosen = torch.zeros_like(logits).scatter_(-1, logits.topk(kept, dim=-1).indices, 1.0)
        logits = torch.where(chosen > 0, logits, torch.full_like(logits, float("-inf")))
    return rearrange(logits.softmax(-1) @ v, "b head c (h w) -> b (head c) h w", h=height, w=width)


class _SelfAttention(nn.Module):
    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.qkv = nn.Conv2d(channels, 3 * channels, 1, bias=False)
        self.qkv_dwconv = nn.Conv2d(3 * channels, 3 * channels, 3, padding=1, groups=3 * channels, bias=False)
        self.project_out = nn.Conv2d(channels, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv_dwconv(self.qkv(x)).chunk(3, dim=1)
        return torch.as_tensor(self.project_out(_attend(q, k, v, self.temperature, None)))


class _FeedForward(nn.Module):
    def __init__(self, channels: int, expansion: float) -> None:
        super().__init__()
        hidden = int(channels * expansion)
        self.project_in = nn.Conv2d(channels, 2 * hidden, 1, bias=False)
        self.dwconv = nn.Conv2d(2 * hidden, 2 * hidden, 3, padding=1, groups=2 * hidden, bias=False)
        self.project_out = nn.Conv2d(hidden, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate, value = self.dwconv(self.project_in(x)).chunk(2, dim=1)
        return torch.as_tensor(self.project_out(F.gelu(gate) * value))


class _Block(nn.Module):
    def __init__(self, channels: int, heads: int, expansion: float) -> None:
        super().__init__()
        self.norm1, self.attn = _Norm(channels), _SelfAttention(channels, heads)
        self.norm2, self.ffn = _Norm(channels), _FeedForward(channels, expansion)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return torch.as_tensor(x + self.ffn(self.norm2(x)))


class _Guide(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.hidden, self.score = nn.Linear(512, 512), nn.Linear(512, channels)

    def forward(self, codes: Tensor) -> Tensor:
        return torch.as_tensor(self.score(self.hidden(codes)))


class _Channel(nn.Module):
    def __init__(self, channels: int, expansion: int) -> None:
        super().__init__()
        self.guide = _Guide(expansion * channels)
        self.expand = nn.Conv2d(channels, expansion * channels, 1)
        self.reduce = nn.Conv2d(expansion * channels, channels, 1)

    def forward(self, x: Tensor, codes: Tensor) -> Tensor:
        wide = self.expand(x)
        order = self.guide(codes).topk(wide.shape[1], dim=1).indices
        samples = torch.arange(len(wide), device=wide.device).unsqueeze(1)
        return torch.as_tensor(self.reduce(wide[samples, order]))


class _CrossAttention(nn.Module):
    def __init__(self, channels: int, heads: int, kept: int) -> None:
        super().__init__()
        self.kept = kept
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.scale = nn.Parameter(torch.tensor([0.2]))
        self.q = nn.Conv2d(channels, channels, 1, bias=False)
        self.q_dwconv = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.kv = nn.Conv2d(channels, 2 * channels, 1, bias=False)
        self.kv_dwconv = nn.Conv2d(2 * channels, 2 * channels, 3, padding=1, groups=2 * channels, bias=False)
        self.project_out = nn.Conv2d(channels, channels, 1, bias=False)

    def forward(self, query: Tensor, features: Tensor) -> Tensor:
        q = self.q_dwconv(self.q(query))
        k, v = self.kv_dwconv(self.kv(features)).chunk(2, dim=1)
        return torch.as_tensor(self.project_out(_attend(q, k, v, self.temperature, self.kept) * self.scale))


class _Perturbation(nn.Module):
    def __init__(self, config: DFPIRConfig, level: int) -> None:
        super().__init__()
        channels, heads = config.channels(level), config.heads[level - 1]
        self.channel = _Channel(channels, config.expansion)
        self.norm_query, self.norm_features = _Norm(channels), _Norm(channels)
        self.attention = _CrossAttention(channels, heads, config.kept(level))
        self.norm_ffn, self.ffn = _Norm(channels), _FeedForward(channels, config.ffn_expansion)

    def forward(self, features: Tensor, codes: Tensor) -> Tensor:
        query = self.channel(features, codes)
        out = self.attention(self.norm_query(query), self.norm_features(features))
        return torch.as_tensor(out + self.ffn(self.norm_ffn(out)))


def released_adam(model: nn.Module, lr: float) -> torch.optim.Adam:
    """The released loop's optimiser: PyTorch's defaults, which update all parameters together on a GPU."""
    return torch.optim.Adam(model.parameters(), lr=lr)


def lend_weights(ours: nn.Module, reference: ReferenceUNet) -> None:
    """Give the reference the weights of one of our models; prompts and orders bound to ours stay behind."""
    state: dict[str, Any] = {
        name: tensor.clone() for name, tensor in ours.state_dict().items() if name in reference.state_dict()
    }
    reference.load_state_dict(state)
