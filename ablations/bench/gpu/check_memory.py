"""Memory: behaviour when it runs out, and layers whose inputs are not channels-last."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ablations.bench.gpu.check_training import PLAIN, tiny_spec, train_run
from ablations.harness.training.acceleration import GraphedStep
from ablations.spec import Phase
from dfpir import RestorationUNet, variant_config
from dfpir.layers import ChannelLayerNorm

_LIMIT_BYTES = 6 << 30
"""Memory limit of the process: three or four of the sixteen patches of a step fit (1.45 GiB each, float32)."""
_PHASE = Phase(steps=6, lr=1e-3, patch=256, batch=16)


def out_of_memory(device: torch.device, toy: bool) -> Iterator[dict[str, Any]]:
    """A run without and with CUDA graphs in little memory, then a capture that runs out of memory."""
    if device.type != "cuda":
        raise RuntimeError("a CPU's memory is not limited here")
    total = torch.cuda.get_device_properties(device).total_memory
    torch.cuda.set_per_process_memory_fraction(min(_LIMIT_BYTES / total, 1.0), torch.cuda.current_device())
    spec = tiny_spec("fp32", _PHASE, dim=24)
    for name, acceleration in {"plain": PLAIN, "graphs": replace(PLAIN, cuda_graphs=True)}.items():
        torch.cuda.empty_cache()
        try:
            with tempfile.TemporaryDirectory() as folder:
                _, summary, _ = train_run(spec, Path(folder), device, acceleration)
        except Exception as error:  # the other one is checked too
            yield {"way": name, "ok": False, "error": str(error)[-1200:]}
            continue
        splits = summary["oom_splits"]
        yield {"way": name, "halvings": splits, "peak_mb": summary["peak_memory_mb"], "ok": splits > 0}
    yield {"way": "within a capture", **_capture_out_of_memory(device)}


def _capture_out_of_memory(device: torch.device) -> dict[str, Any]:
    """The error of a capture that runs out of memory, and whether the step works afterwards, eager and captured."""
    weight = nn.Parameter(torch.ones(4, device=device))
    exceed_memory = True

    def compute(x: Tensor) -> Tensor:
        if exceed_memory and torch.cuda.is_current_stream_capturing():
            torch.empty(2 * _LIMIT_BYTES, dtype=torch.uint8, device=device)
        loss = (weight * x).sum()
        torch.autograd.backward(loss)
        return loss.detach()

    step, x = GraphedStep(compute, [weight]), torch.arange(4.0, device=device)
    error_type = "nothing"
    try:
        step(x)
    except Exception as error:
        error_type = type(error).__name__
    step.reset()
    exceed_memory = False
    weight.grad = None
    torch.cuda.empty_cache()
    try:
        eager = float(compute(x))
        weight.grad = None
        captured = float(step(x))
    except Exception as error:
        return {"raised": error_type, "ok": False, "error": f"afterwards: {error}"[-1200:]}
    # the training loop halves the batch on this error and on no other
    ok = error_type == "OutOfMemoryError" and eager == captured
    return {"raised": error_type, "eager": eager, "captured": captured, "ok": ok}


def memory_format(device: torch.device, toy: bool) -> Iterator[dict[str, Any]]:
    """One result: the memory formats of the inputs of norms and convolutions; others than channels-last cost a copy."""
    config = variant_config("dfpir", dim=16, num_blocks=(1, 1, 1, 1), num_refinement_blocks=1)
    model = RestorationUNet(config)
    model.bind_prompts(torch.randn(7, 512))
    model.to(device)
    formats: Counter[str] = Counter()

    def count_format(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        is_channels_last = inputs[0].is_contiguous(memory_format=torch.channels_last)
        formats[f"{type(module).__name__}: {'channels-last' if is_channels_last else 'other'}"] += 1

    for name, module in model.named_modules():
        # the image itself is not channels-last
        if isinstance(module, ChannelLayerNorm | nn.Conv2d) and name != "patch_embed":
            module.register_forward_pre_hook(count_format)
    model(torch.rand(2, 3, 32, 32, device=device), torch.tensor([0, 1], device=device))
    other_count = sum(count for kind, count in formats.items() if kind.endswith("other"))
    yield {"seen": dict(sorted(formats.items())), "others": other_count, "ok": other_count == 0}
