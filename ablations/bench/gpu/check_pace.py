"""Ceilings of the card, and the speed of training steps with and without deterministic cuDNN."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from typing import Any

import torch

from ablations.bench import ceilings as bench
from ablations.bench.gpu.check_training import use_deterministic_libraries
from ablations.bench.measurement import measure_rate, synchronize
from ablations.bench.model_setup import suite_model
from ablations.bench.train import suite_step
from dfpir import variant_config

_SMALL: dict[str, Any] = {"dim": 8, "num_blocks": (1, 1, 1, 1), "num_refinement_blocks": 1}
_REPEATS = 5


def ceilings(device: torch.device, toy: bool) -> Iterator[dict[str, Any]]:
    """Matrix products and a copy as the bench measures them, and the host time of a launch."""
    if not toy:  # those of a CPU are in each CSV file of the bench
        for measurement in bench.measure_ceilings(device, _REPEATS):
            yield {
                "what": measurement.what,
                "unit": measurement.unit,
                "value": measurement.value,
                "spread": measurement.spread,
            }
    small, calls = torch.empty(1, device=device), 50 if toy else 5000
    small.add_(1)
    synchronize(device)
    started = time.perf_counter()
    for _ in range(calls):
        small.add_(1)
    seconds = time.perf_counter() - started
    synchronize(device)
    yield {"what": "a launch, host", "unit": "us", "value": seconds / calls * 1e6}


def pace(device: torch.device, toy: bool) -> Iterator[dict[str, Any]]:
    """Patches a second of bf16 steps (fp32 on a CPU) at batch 5, eager; deterministic as `repeat` is."""
    deterministic = use_deterministic_libraries()
    batch, side, steps, repeats = (2, 16, 1, 1) if toy else (5, 128, 10, _REPEATS)
    model = suite_model(variant_config("dfpir", **(_SMALL if toy else {}))).to(device).train()
    step = suite_step(model, "fp32" if toy else "bf16", device)
    image = torch.rand(batch, 3, side, side, generator=torch.Generator().manual_seed(1)).to(device)
    target, rows = image.roll(1, -1), (torch.arange(batch) % 7).to(device)

    def train() -> int:
        for _ in range(steps):
            step(image, target, rows)
        return steps * batch

    rates = measure_rate(train, repeats, device, warm_up=1)
    label = f"train: ours, {'fp32' if toy else 'bf16'}, eager, batch {batch}"
    label += ", deterministic cuDNN" if deterministic else ""
    yield {"what": label, "unit": "patches/s", "value": statistics.median(rates), "spread": max(rates) / min(rates)}
