"""What the card gives, and what a training step of the full-size model costs with and without deterministic cuDNN."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from typing import Any

import torch

from ablations.bench import ceilings as bench
from ablations.bench.gpu.check_training import use_deterministic_libraries
from ablations.harness.seeding import initialise
from dfpir import RestorationUNet, variant_config
from dfpir.prompts import load_prompts

_SMALL: dict[str, Any] = {"dim": 8, "num_blocks": (1, 1, 1, 1), "num_refinement_blocks": 1}
_REPEATS = 5


def ceilings(device: torch.device, toy: bool) -> Iterator[dict[str, Any]]:
    """Products and a copy as the bench measures them, and what a launch costs the host."""
    if not toy:  # a CPU's are in every CSV of the bench
        for line in bench.ceilings(device, _REPEATS):
            yield {"what": line.what, "unit": line.unit, "value": line.value, "spread": line.spread}
    small, calls = torch.empty(1, device=device), 50 if toy else 5000
    small.add_(1)
    _wait(device)
    started = time.perf_counter()
    for _ in range(calls):
        small.add_(1)
    taken = time.perf_counter() - started
    _wait(device)
    yield {"what": "a launch, host", "unit": "us", "value": taken / calls * 1e6}


def pace(device: torch.device, toy: bool) -> Iterator[dict[str, Any]]:
    """Patches a second of bf16 steps (fp32 on a CPU) at batch 5, eager; deterministic as `repeat` is."""
    deterministic = use_deterministic_libraries()
    batch, side, steps, repeats = (2, 16, 1, 1) if toy else (5, 128, 10, _REPEATS)
    model = RestorationUNet(variant_config("dfpir", **(_SMALL if toy else {})))
    initialise(model, 0)
    model.bind_prompts(load_prompts("detailed", "minilm").codes)
    model.to(device).train()
    adam = torch.optim.Adam([each for each in model.parameters() if each.requires_grad], lr=1e-4, fused=True)
    image = torch.rand(batch, 3, side, side, generator=torch.Generator().manual_seed(1)).to(device)
    rows = (torch.arange(batch) % 7).to(device)

    def work() -> None:
        for _ in range(steps):
            adam.zero_grad(set_to_none=True)
            with torch.autocast(device.type, torch.bfloat16, enabled=not toy):
                out = model(image, rows)
            (out.float() - image.roll(1, -1)).abs().mean().backward()
            adam.step()
        _wait(device)

    work()  # libraries choose their algorithms
    rates = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        rates.append(steps * batch / (time.perf_counter() - started))
    what = f"train: ours, {'fp32' if toy else 'bf16'}, eager, batch {batch}"
    what += ", deterministic cuDNN" if deterministic else ""
    yield {"what": what, "unit": "patches/s", "value": statistics.median(rates), "spread": max(rates) / min(rates)}


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
