"""Which norms and convolutions get memory that is not channels-last: each costs transposing copies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from dfpir import RestorationUNet, variant_config
from dfpir.layers import ChannelLayerNorm


def memory_format(device: torch.device, toy: bool) -> Iterator[dict[str, Any]]:
    """One result: how many of a small model's inputs of each kind are channels-last, and how many are not."""
    config = variant_config("dfpir", dim=16, num_blocks=(1, 1, 1, 1), num_refinement_blocks=1)
    model = RestorationUNet(config)
    model.bind_prompts(torch.randn(7, 512))
    model.to(device)
    seen: Counter[str] = Counter()

    def look(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        fits = inputs[0].is_contiguous(memory_format=torch.channels_last)
        seen[f"{type(module).__name__}: {'channels-last' if fits else 'other'}"] += 1

    for name, module in model.named_modules():
        # the image itself comes as it is
        if isinstance(module, ChannelLayerNorm | nn.Conv2d) and name != "patch_embed":
            module.register_forward_pre_hook(look)
    model(torch.rand(2, 3, 32, 32, device=device), torch.tensor([0, 1], device=device))
    others = sum(count for kind, count in seen.items() if kind.endswith("other"))
    yield {"seen": dict(sorted(seen.items())), "others": others, "ok": others == 0}
