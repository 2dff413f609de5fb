"""What the card gives, and what a training step of the full-size model costs with and without deterministic cuDNN."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from typing import Any

import torch

from ablations.bench import ceilings as bench
from ablations.bench.gpu.check_training import use_deterministic_libraries
from ablations.bench.measurement import synchronize
from ablations.bench.model_setup import suite_model
from ablations.bench.train import suite_step
from dfpir import variant_config

_SMALL: dict[str, Any] = {"dim": 8, "num_blocks": (1, 1, 1, 1), "num_refinement_blocks": 1}
_REPEATS = 5


def ceilings(device: torch.device, toy: bool) -> Iterator[dict[str, Any]]:
    """Products and a copy as the bench measures them, and what a launch costs the host."""
    if not toy:  # a CPU's are in every CSV of the bench
        for line in bench.measure_ceilings(device, _REPEATS):
            yield {"what": line.what, "unit": line.unit, "value": line.value, "spread": line.spread}
    small, calls = torch.empty(1, device=device), 50 if toy else 5000
    small.add_(1)
    synchronize(device)
    started = time.perf_counter()
    for _ in range(calls):
        small.add_(1)
    taken = time.perf_counter() - started
    synchronize(device)
    yield {"what": "a launch, host", "unit": "us", "value": taken / calls * 1e6}


def pace(device: torch.device, toy: bool) -> Iterator[dict[str, Any]]:
    """Patches a second of bf16 steps (fp32 on a CPU) at batch 5, eager; deterministic as `repeat` is."""
    deterministic = use_deterministic_libraries()
    batch, side, steps, repeats = (2, 16, 1, 1) if toy else (5, 128, 10, _REPEATS)
    model = suite_model(variant_config("dfpir", **(_SMALL if toy else {}))).to(device).train()
    step = suite_step(model, "fp32" if toy else "bf16", device)
    image = torch.rand(batch, 3, side, side, generator=torch.Generator().manual_seed(1)).to(device)
    target, rows = image.roll(1, -1), (torch.arange(batch) % 7).to(device)

    def work() -> None:
        for _ in range(steps):
            step(image, target, rows)
        synchronize(device)

    work()  # libraries choose their algorithms
    rates = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        rates.append(steps * batch / (time.perf_counter() - started))
    what = f"train: ours, {'fp32' if toy else 'bf16'}, eager, batch {batch}"
    what += ", deterministic cuDNN" if deterministic else ""
    yield {"what": what, "unit": "patches/s", "value": statistics.median(rates), "spread": max(rates) / min(rates)}
