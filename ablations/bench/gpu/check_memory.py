"""Out of memory: a run halves its batch and goes on, and a capture that hits the limit leaves the device usable."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ablations.bench.gpu.check_training import PLAIN, tiny_spec, trained
from ablations.harness.training.accelerate import GraphedStep
from ablations.spec import Phase

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
    step.forget()
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
