"""How large a tile fits: memory of a model for each pixel, and free memory of the device."""

from __future__ import annotations

import math
import os
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from ablations.harness.restoring.tiling import Tiling

MEMORY_FRACTION = 0.5
"""Of the free memory that a tile may take: libraries need scratch space that is not counted here."""

PROBE_SIDES_PX = (64, 128)
UNTILED_MAX_PX = 128 * 128
"""Images up to this size are restored without tiles: measuring what fits takes as much memory."""

_DEFAULT_FREE_BYTES = 2 << 30  # where the system reports nothing
MEMINFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")

Restore = Callable[[Float[Tensor, "1 3 h w"]], Float[Tensor, "1 3 h w"]]


class LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves it untyped
    """Counts the bytes of live tensors that operations of this thread return: `current`, and their `peak`.

    Works on any device.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.current = self.peak = 0
        self._references: dict[int, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation and count the tensors it returns."""
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else (result,):
            if isinstance(tensor, Tensor) and tensor.numel():
                self._track(tensor)
        return result

    def _track(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        address, size = storage.data_ptr(), storage.nbytes()
        if address not in self._references:
            self.current += size
            self.peak = max(self.peak, self.current)
        self._references[address] = self._references.get(address, 0) + 1
        weakref.finalize(tensor, self._release, address, size)

    def _release(self, address: int, size: int) -> None:
        # views share a storage: it is free when the last of them is gone
        self._references[address] -= 1
        if not self._references[address]:
            del self._references[address]
            self.current -= size


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error is out of memory: a GPU's, or a CPU's, for which torch has no type of its own."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and any(
        phrase in text for phrase in ("DefaultCPUAllocator", "can't allocate memory", "not enough memory")
    )


def bytes_per_pixel(restore: Restore) -> float:
    """Peak memory of restoring, in bytes for each pixel of a tile, from two small images of noise."""
    small, large = (_peak_bytes(restore, side) for side in PROBE_SIDES_PX)
    slope = (large - small) / (PROBE_SIDES_PX[1] ** 2 - PROBE_SIDES_PX[0] ** 2)
    # at least the tile, its result and a copy, for models that leave no trace (they compute outside of torch)
    return max(slope, 3 * 3 * 4.0)


def _peak_bytes(restore: Restore, side: int) -> int:
    image = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(side))
    with LiveBytes() as live:
        restore(image)
    peak: int = live.peak
    return peak


def largest_tile(pixel_bytes: float, free: int, multiple_of: int = 1) -> int:
    """Side of the largest tile, on the tiles' grid, that takes at most `MEMORY_FRACTION` of the free bytes.

    Restoring takes `pixel_bytes` bytes a pixel (`bytes_per_pixel`); sides are multiples of the model's `multiple_of`.
    """
    tiling = Tiling(tile=1 << 30, multiple_of=multiple_of)
    side = math.isqrt(max(int(MEMORY_FRACTION * free / pixel_bytes), 0))
    return max(side // tiling.grid * tiling.grid, tiling.min_tile)


def free_bytes(device: torch.device) -> int:
    """Memory that a new tensor may take on the device.

    On a CPU: what the system reports as available, and no more than a container's limit leaves; 2 GiB where neither is
    known.
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        # what torch holds without using it is free as well
        return int(free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device))
    limits = [value for value in (_available_bytes(), _container_free_bytes()) if value is not None]
    return min(limits) if limits else _DEFAULT_FREE_BYTES


def _available_bytes() -> int | None:
    try:
        for line in MEMINFO.read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def _container_free_bytes() -> int | None:
    """What a control group's limit leaves; page cache counts as used, a conservative estimate."""
    try:
        limit = (CGROUP / "memory.max").read_text(encoding="ascii").strip()
        used = (CGROUP / "memory.current").read_text(encoding="ascii").strip()
        return None if limit == "max" else max(int(limit) - int(used), 0)
    except (OSError, ValueError):
        return None
