"""Ceilings of the device: a large matrix product and a large copy, measured in the same process as the benchmark."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from ablations.bench.measurement import Measurement, measure_rate, summarize
from ablations.harness.cost.measure import has_bf16

# large enough that launches cost nothing in comparison, and that the copy does not fit in a cache
MATRIX_SIDE = {"cpu": 2048, "cuda": 8192}
COPY_BYTES = {"cpu": 256 * 2**20, "cuda": 4 * 2**30}


def measure_ceilings(device: torch.device, repeats: int) -> Iterator[Measurement]:
    """Matrix products in float32 and, where the device has them, TF32 and bf16; a copy."""
    yield measure_matrix_product(device, torch.float32, repeats)
    if device.type == "cuda":
        yield measure_matrix_product(device, torch.float32, repeats, tf32=True)
    if has_bf16(device):
        yield measure_matrix_product(device, torch.bfloat16, repeats)
    yield measure_copy(device, repeats)


def measure_matrix_product(
    device: torch.device, dtype: torch.dtype, repeats: int, *, tf32: bool = False
) -> Measurement:
    """GMACs per second of a square matrix product."""
    side = MATRIX_SIDE[device.type]
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))

    def work() -> int:
        a @ b
        return side**3

    previous = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = tf32
    try:
        rates = [value / 1e9 for value in measure_rate(work, repeats, device)]
    finally:
        torch.backends.cuda.matmul.allow_tf32 = previous
    name = "TF32" if tf32 else str(dtype).removeprefix("torch.")
    return summarize(f"ceiling: matrix product of {side}, {name}", "GMACs/s", rates)


def measure_copy(device: torch.device, repeats: int) -> Measurement:
    """GB per second read and written by a copy of random numbers: some devices compress zeros."""
    size = COPY_BYTES[device.type]
    source = torch.rand(size // 4, device=device)
    target = torch.empty_like(source)

    def work() -> int:
        target.copy_(source)
        return 2 * size

    rates = [value / 1e9 for value in measure_rate(work, repeats, device)]
    return summarize(f"ceiling: copy of {size // 2**20} MiB, read and write", "GB/s", rates)
