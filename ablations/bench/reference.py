"""DFPIR as the released code computes it, the reference of benchmarks: eager float32, NCHW, nothing folded or fused.

Rewritten from the method and the released loop: LayerNorm goes through two rearrangements, q and k are normalised along
all pixels, DGCPM expands, reorders and reduces feature maps. Layers are the suite's with another forward pass, so that
weights can be copied; a test checks that both are equal. Only the benchmarks use it.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from dfpir import DFPIRConfig, RestorationUNet
from dfpir.attention import PerturbedAttention
from dfpir.channel import ChannelPerturbation
from dfpir.layers import ChannelLayerNorm, GatedFeedForward, TransposedAttention


class _Norm(ChannelLayerNorm):
    def forward(self, x: Tensor) -> Tensor:
        pixels = rearrange(x, "b c h w -> b (h w) c")
        mean = pixels.mean(-1, keepdim=True)
        variance = pixels.var(-1, keepdim=True, unbiased=False)
        pixels = (pixels - mean) / torch.sqrt(variance + 1e-5) * self.weight + cast(Tensor, self.bias)
        return rearrange(pixels, "b (h w) c -> b c h w", h=x.shape[-2], w=x.shape[-1])


def _attention(q: Tensor, k: Tensor, v: Tensor, temperature: Tensor, top_k: int | None = None) -> Tensor:
    heads = temperature.shape[0]
    height, width = q.shape[-2:]
    q, k, v = (rearrange(t, "b (head c) h w -> b head c (h w)", head=heads) for t in (q, k, v))
    logits = (F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(-2, -1)) * temperature
    if top_k is not None and top_k < logits.shape[-1]:
        chosen = torch.zeros_like(logits).scatter_(-1, logits.topk(top_k, dim=-1).indices, 1.0)
        logits = torch.where(chosen > 0, logits, torch.full_like(logits, float("-inf")))
    return rearrange(logits.softmax(-1) @ v, "b head c (h w) -> b (head c) h w", h=height, w=width)


class _SelfAttention(TransposedAttention):
    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv_dwconv(self.qkv(x)).chunk(3, dim=1)
        return cast(Tensor, self.project_out(_attention(q, k, v, self.temperature)))


class _FeedForward(GatedFeedForward):
    def forward(self, x: Tensor) -> Tensor:
        gate, value = self.dwconv(self.project_in(x)).chunk(2, dim=1)
        return cast(Tensor, self.project_out(F.gelu(gate) * value))


class _Channel(ChannelPerturbation):
    def forward(self, x: Tensor, codes: Tensor, prompts: Tensor | None = None) -> Tensor:
        wide = self.expand(x)
        order = self.guide(codes).topk(wide.shape[1], dim=1).indices
        samples = torch.arange(len(wide), device=wide.device).unsqueeze(1)
        return cast(Tensor, self.reduce(wide[samples, order]))


class _CrossAttention(PerturbedAttention):
    def forward(self, query: Tensor, features: Tensor) -> Tensor:
        q = self.q_dwconv(self.q(query))
        k, v = self.kv_dwconv(self.kv(features)).chunk(2, dim=1)
        attended = _attention(q, k, v, cast(Tensor, self.temperature), self.topk)
        return cast(Tensor, self.project_out(attended * cast(Tensor, self.scale)))


_RELEASED_LAYERS: dict[type[nn.Module], type[nn.Module]] = {
    ChannelLayerNorm: _Norm,
    TransposedAttention: _SelfAttention,
    GatedFeedForward: _FeedForward,
    ChannelPerturbation: _Channel,
    PerturbedAttention: _CrossAttention,
}


class ReferenceUNet(RestorationUNet):
    """Restormer or DFPIR as released, for `order` prompt and `masking` released.

    Call it as `model(image, codes)` with (B, 3, H, W) and (B, 512).
    """

    def __init__(self, config: DFPIRConfig) -> None:
        if config.order != "prompt" or config.masking != "released" or config.layer_norm != "with_bias":
            raise ValueError("The reference is DFPIR as released: order 'prompt', masking 'released'.")
        super().__init__(config)
        for module in self.modules():
            # the same parameters, another forward pass
            module.__class__ = _RELEASED_LAYERS.get(type(module), type(module))

    def forward(self, image: Tensor, code: Tensor | None = None) -> Tensor:
        """(B, 3, H, W) restored."""
        x = self.patch_embed(image)
        skips = []
        for level, (blocks, down) in enumerate(zip(self.encoder, self.down, strict=True), start=1):
            x = blocks(x)
            skips.append(self._perturb(level, x, code, None))
            x = F.pixel_unshuffle(down(x), 2)
        x = self._perturb(4, self.latent(x), code, None)
        for level in (3, 2, 1):
            x = torch.cat([F.pixel_shuffle(self.up[level - 1](x), 2), skips[level - 1]], dim=1)
            x = self.reduce[level - 2](x) if level > 1 else x
            x = self.decoder[level - 1](x)
        return cast(Tensor, self.output(self.refinement(x))) + image


def released_adam(model: nn.Module, lr: float) -> torch.optim.Adam:
    """The released loop's optimiser: PyTorch's defaults, which update all parameters together on a GPU."""
    return torch.optim.Adam(model.parameters(), lr=lr)


def copy_weights(model: RestorationUNet, reference: ReferenceUNet) -> None:
    """Copy the weights of a model of the suite to the reference, without bound prompts and orders."""
    names = reference.state_dict()
    reference.load_state_dict({name: tensor.clone() for name, tensor in model.state_dict().items() if name in names})


def released_restore(model: nn.Module, image: Tensor, code: Tensor) -> Tensor:
    """(B, 3, H, W) of any size, restored as the released scripts do: padded by reflection to multiples of 8."""
    height, width = image.shape[-2:]
    padded = F.pad(image, (0, -width % 8, 0, -height % 8), mode="reflect")
    return cast(Tensor, model(padded, code))[..., :height, :width]
