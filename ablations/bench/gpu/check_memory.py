"""Memory: what happens where it runs out, and which layers get another layout than channels-last."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ablations.bench.gpu.check_training import PLAIN, tiny_spec, trained
from ablations.harness.training.acceleration import GraphedStep
from ablations.spec import Phase
from dfpir import RestorationUNet, variant_config
from dfpir.layers import ChannelLayerNorm

_LIMIT = 6 << 30
"""Bytes that the process may take: three or four of the sixteen patches of a step fit (1.45 GiB each, float32)."""
_PHASE = Phase(steps=6, lr=1e-3, patch=256, batch=16)


def out_of_memory(device: torch.device, toy: bool) -> Iterator[dict[str, Any]]:
    """A run without and with graphs in little memory, then a capture that runs out of it."""
    if device.type != "cuda":
        raise RuntimeError("a CPU's memory is not limited here")
    total = torch.cuda.get_device_properties(device).total_memory
    torch.cuda.set_per_process_memory_fraction(min(_LIMIT / total, 1.0), torch.cuda.current_device())
    spec = tiny_spec("fp32", _PHASE, dim=24)
    for name, acceleration in {"plain": PLAIN, "graphs": replace(PLAIN, cuda_graphs=True)}.items():
        torch.cuda.empty_cache()
        try:
            with tempfile.TemporaryDirectory() as folder:
                _, summary, _ = trained(spec, Path(folder), device, acceleration)
        except Exception as error:  # the other one's result is wanted all the same
            yield {"way": name, "ok": False, "error": str(error)[-1200:]}
            continue
        splits = summary["oom_splits"]
        yield {"way": name, "halvings": splits, "peak_mb": summary["peak_memory_mb"], "ok": splits > 0}
    yield {"way": "within a capture", **_within_a_capture(device)}


def _within_a_capture(device: torch.device) -> dict[str, Any]:
    """What a capture raises that runs out of memory, and whether the same step then works, eager and captured anew."""
    weight = nn.Parameter(torch.ones(4, device=device))
    much = True

    def compute(x: Tensor) -> Tensor:
        if much and torch.cuda.is_current_stream_capturing():
            torch.empty(2 * _LIMIT, dtype=torch.uint8, device=device)
        loss = (weight * x).sum()
        loss.backward()
        return loss.detach()

    step, x = GraphedStep(compute, [weight]), torch.arange(4.0, device=device)
    raised = "nothing"
    try:
        step(x)
    except Exception as error:
        raised = type(error).__name__
    step.reset()
    much = False
    weight.grad = None
    torch.cuda.empty_cache()
    try:
        eager = float(compute(x))
        weight.grad = None
        captured = float(step(x))
    except Exception as error:
        return {"raised": raised, "ok": False, "error": f"afterwards: {error}"[-1200:]}
    # the training loop halves the batch on this error and on no other
    good = raised == "OutOfMemoryError" and eager == captured
    return {"raised": raised, "eager": eager, "captured": captured, "ok": good}


def memory_format(device: torch.device, toy: bool) -> Iterator[dict[str, Any]]:
    """One result: how many inputs of norms and convolutions are channels-last; each other one costs a copy."""
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
