"""What the device can do at most: a large matrix product and a large copy, measured in the same run as the rest."""

from __future__ import annotations

import torch

from ablations.bench.record import Line, line, rate
from ablations.harness.cost.measure import has_bf16

_SIDE = 2048
_COPY_BYTES = 256 * 2**20


def matrix_product(device: torch.device, dtype: torch.dtype, repeats: int) -> Line:
    """10^9 multiply-adds a second of a square product of 2048."""
    a, b = (torch.randn(_SIDE, _SIDE, device=device).to(dtype) for _ in range(2))

    def work() -> int:
        for _ in range(4):
            a @ b
        _wait(device)
        return 4 * _SIDE**3

    name = str(dtype).removeprefix("torch.")
    rates = [r / 1e9 for r in rate(work, repeats)]
    return line(f"ceiling: matrix product of {_SIDE}, {name}", "GMACs/s", rates)


def copy(device: torch.device, repeats: int) -> Line:
    """10^9 bytes a second read and written by a copy of 256 MiB."""
    source = torch.zeros(_COPY_BYTES // 4, device=device)
    target = torch.empty_like(source)

    def work() -> int:
        target.copy_(source)
        _wait(device)
        return 2 * _COPY_BYTES

    return line("ceiling: copy of 256 MiB, read and write", "GB/s", [r / 1e9 for r in rate(work, repeats)])


def ceilings(device: torch.device, repeats: int) -> list[Line]:
    """Matrix products in float32 and, where the device has it, bf16; a copy."""
    found = [matrix_product(device, torch.float32, repeats)]
    if has_bf16(device):
        found.append(matrix_product(device, torch.bfloat16, repeats))
    return [*found, copy(device, repeats)]


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
