"""Data for figures of a model's features: feature maps of a few crops, attention weights and attention masks.

Everything is stored as float16 and small: at the released size a megabyte beside weights of a hundred.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ablations.devices import autocast
from ablations.harness.context import RunContext
from ablations.harness.evaluate import as_tensor
from baselines.base import restore
from datasets.bundle import EvalItem
from dfpir import RestorationUNet
from dfpir.attention import PerturbedAttention, largest_in_rows, masked_softmax
from dfpir.block import PerturbationBlock
from dfpir.layers import as_pixels
from reports.schema import ATTENTION_PREFIX, KEPT_PREFIX, MAP_CHANNEL_PREFIX, MAP_PREFIX, ProbedImage

BLOCK_NAMES = {"1": "skip1", "2": "skip2", "3": "skip3", "4": "latent"}
MAP_CHANNELS = 3


def feature_maps(
    run: RunContext,
    model: nn.Module,
    crops: Sequence[tuple[EvalItem, tuple[int, int, int, int]]],
) -> tuple[dict[str, Tensor], list[ProbedImage]]:
    """Maps of the features that pass the first skip and the latent, after the perturbation block where there is one.

    Of each of I images the box (top, left, height, width) is shown to the model, which is in eval mode.

    Returns:
        `map.<place>` (I, K, h, w) float16 and `map_channel.<place>` (K,) int32: the `MAP_CHANNELS` channels with the
        largest variance over the pixels, averaged over the images, an eighth of the side at each edge left out (what
        padding does there is no feature of the image); and what the I images are.
    """
    layers = _map_layers(model)
    maps_by_place: dict[str, list[Tensor]] = {name: [] for name in layers}
    hooks = [
        layer.register_forward_hook(
            lambda _m, _i, out, name=name: maps_by_place[name].append(first_tensor(out)[0].float().cpu())
        )
        for name, layer in layers.items()
    ]
    images: list[ProbedImage] = []
    divisor: int = model.multiple_of  # type: ignore[assignment]
    try:
        for item, (top, left, height, width) in crops:
            height, width = height - height % divisor, width - width % divisor
            crop = as_tensor(item.degraded[top : top + height, left : left + width]).to(run.device)
            code = run.conditioning([item.condition], run.device, training=False)
            with torch.inference_mode(), autocast(run.device, run.spec.precision):
                restore(model, crop, code)  # type: ignore[arg-type]
            box = [top, left, height, width]
            images.append(ProbedImage(condition=item.condition.name, image=item.name, box=box))
    finally:
        for hook in hooks:
            hook.remove()
    tensors: dict[str, Tensor] = {}
    for name, maps in maps_by_place.items():
        if maps and all(feature_map.shape == maps[0].shape for feature_map in maps):
            stack = torch.stack(maps)
            top, left = (side // 8 for side in stack.shape[2:])
            inner = stack[:, :, top : stack.shape[2] - top, left : stack.shape[3] - left]
            channels = inner.var(dim=(2, 3)).mean(0).topk(min(MAP_CHANNELS, stack.shape[1])).indices
            tensors[MAP_PREFIX + name] = stack[:, channels].half().contiguous()
            tensors[MAP_CHANNEL_PREFIX + name] = channels.int()
    return tensors, images


def _map_layers(model: nn.Module) -> dict[str, nn.Module]:
    """Where maps are taken: of DFPIR after its blocks, of a comparator its `latent`, if it has one."""
    if not isinstance(model, RestorationUNet):
        latent = getattr(model, "latent", None)
        return {"latent": latent} if isinstance(latent, nn.Module) else {}
    blocks = dict(model.perturb.items())
    return {"skip1": blocks.get("1", model.encoder[0]), "latent": blocks.get("4", model.latent)}


def first_tensor(output: Any) -> Tensor:
    """The output of a layer, or the first of its outputs."""
    tensor: Tensor = output[0] if isinstance(output, tuple | list) else output
    return tensor


class AttentionRecorder:
    """Sums up CAAPM's attention by condition, one of P, while a model runs; use it as a context.

    Call `set_conditions` before each batch; blocks without CAAPM are left out.
    """

    def __init__(self, model: nn.Module, n_conditions: int) -> None:
        self.rows = torch.zeros(0, dtype=torch.long)
        self.counts = np.zeros(n_conditions, dtype=np.int64)
        self._modules = {
            BLOCK_NAMES[level]: block.attention
            for level, block in (model.perturb.items() if isinstance(model, RestorationUNet) else ())
            if isinstance(block, PerturbationBlock) and block.attention is not None
        }
        self._sums: dict[str, Tensor] = {}
        self._hooks: list[torch.utils.hooks.RemovableHandle] = []

    def __enter__(self) -> AttentionRecorder:
        for name, module in self._modules.items():
            hook = module.register_forward_pre_hook(lambda m, inputs, name=name: self._add(name, m, *inputs))
            self._hooks.append(hook)
        return self

    def __exit__(self, *_: object) -> None:
        for hook in self._hooks:
            hook.remove()

    def set_conditions(self, rows: Sequence[int]) -> None:
        """Set the conditions of the next batch, as rows."""
        self.rows = torch.tensor(rows)
        self.counts += np.bincount(rows, minlength=len(self.counts))

    def tensors(self) -> dict[str, Tensor]:
        """`attention.<block>` and, where entries are dropped, `kept.<block>`: (P, heads, c, c) float16.

        Means over the patches of each condition: of the attention weights, and of whether an entry was kept. NaN for a
        condition without patches.
        """
        counts = torch.from_numpy(self.counts).view(-1, 1, 1, 1)
        return {name: (total.cpu() / counts).half().contiguous() for name, total in self._sums.items()}

    def _add(self, name: str, module: PerturbedAttention, query: Tensor, features: Tensor) -> None:
        weights, kept_mask = attention_entries(module, query, features)
        self._add_to(ATTENTION_PREFIX + name, weights)
        if module.topk < weights.shape[-1]:
            self._add_to(KEPT_PREFIX + name, kept_mask)

    def _add_to(self, name: str, values: Tensor) -> None:
        if name not in self._sums:
            self._sums[name] = torch.zeros(len(self.counts), *values.shape[1:], device=values.device)
        self._sums[name].index_add_(0, self.rows.to(values.device), values.float())


def attention_entries(module: PerturbedAttention, query: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
    """Attention weights before the block's own scale, and which entries its mask kept: (B, heads, c, c) both.

    The query, LayerNormed, and the features are (B, C, H, W).
    """
    q = as_pixels(module.q_dwconv(module.q(query)))
    k, _ = as_pixels(module.kv_dwconv(module.kv(features))).chunk(2, dim=-1)
    logits = module.logits(q, k)
    weights = masked_softmax(logits, module.topk, module.masking, module.chosen)
    # the paper's formula leaves a dropped entry the weight of a zero logit
    kept_mask = largest_in_rows(logits, module.topk) if module.masking == "paper" else weights > 0
    return weights, kept_mask
