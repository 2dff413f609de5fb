"""What the device can do at most: a large matrix product and a large copy, measured in the same run as the rest."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from ablations.bench.measurement import Line, line, rate
from ablations.harness.cost.measure import has_bf16

# large enough that launching a product or a copy costs nothing beside it, and that no cache holds the copy
SIDE = {"cpu": 2048, "cuda": 8192}
COPY_BYTES = {"cpu": 256 * 2**20, "cuda": 4 * 2**30}


def ceilings(device: torch.device, repeats: int) -> Iterator[Line]:
    """Matrix products in float32 and, where the device has them, TF32 and bf16; a copy."""
    yield matrix_product(device, torch.float32, repeats)
    if device.type == "cuda":
        yield matrix_product(device, torch.float32, repeats, tf32=True)
    if has_bf16(device):
        yield matrix_product(device, torch.bfloat16, repeats)
    yield copy(device, repeats)


def matrix_product(device: torch.device, dtype: torch.dtype, repeats: int, *, tf32: bool = False) -> Line:
    """10^9 multiply-adds a second of a square product."""
    side = SIDE[device.type]
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))

    def work() -> int:
        a @ b
        return side**3

    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = tf32
    try:
        rates = [r / 1e9 for r in rate(work, repeats, device)]
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
    name = "TF32" if tf32 else str(dtype).removeprefix("torch.")
    return line(f"ceiling: matrix product of {side}, {name}", "GMACs/s", rates)


def copy(device: torch.device, repeats: int) -> Line:
    """10^9 bytes a second read and written by a copy of random numbers: zeros would be compressed on some devices."""
    size = COPY_BYTES[device.type]
    source = torch.rand(size // 4, device=device)
    target = torch.empty_like(source)

    def work() -> int:
        target.copy_(source)
        return 2 * size

    rates = [r / 1e9 for r in rate(work, repeats, device)]
    return line(f"ceiling: copy of {size // 2**20} MiB, read and write", "GB/s", rates)
