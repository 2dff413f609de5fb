"""How large a tile fits: what a model needs for a pixel, and what the device has to give."""

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

SHARE = 0.5
"""Of the free memory that a tile may take: libraries need scratch space that is not seen here."""

PROBES_PX = (64, 128)
WHOLE_PX = 128 * 128
"""An image of no more pixels is restored whole without asking what fits: it is no larger than what asking takes."""

_UNKNOWN_FREE = 2 << 30  # where the system tells nothing
MEMINFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")

Restore = Callable[[Float[Tensor, "1 3 h w"]], Float[Tensor, "1 3 h w"]]


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of tensors that operations make, for as long as they live: those alive `now`, and the `peak`.

    Works on any device, and sees this thread's tensors alone.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._users: dict[int, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation and note what it returns."""
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else (result,):
            if isinstance(tensor, Tensor) and tensor.numel():
                self._note(tensor)
        return result

    def _note(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        place, size = storage.data_ptr(), storage.nbytes()
        if place not in self._users:
            self.now += size
            self.peak = max(self.peak, self.now)
        self._users[place] = self._users.get(place, 0) + 1
        weakref.finalize(tensor, self._drop, place, size)

    def _drop(self, place: int, size: int) -> None:
        # views share a storage: it is free when the last of them is gone
        self._users[place] -= 1
        if not self._users[place]:
            del self._users[place]
            self.now -= size


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out: a GPU's, or a CPU's, for which torch has no type of its own."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    words = str(error)
    return isinstance(error, RuntimeError) and any(
        each in words for each in ("DefaultCPUAllocator", "can't allocate memory", "not enough memory")
    )


def bytes_per_pixel(restore: Restore) -> float:
    """What restoring takes for each pixel of a tile, at the peak, from two small images of noise."""
    small, large = (_peak_bytes(restore, side) for side in PROBES_PX)
    slope = (large - small) / (PROBES_PX[1] ** 2 - PROBES_PX[0] ** 2)
    # at least the tile, its result and a copy, for models that leave no trace (they compute outside of torch)
    return max(slope, 3 * 3 * 4.0)


def _peak_bytes(restore: Restore, side: int) -> int:
    image = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(side))
    with LiveBytes() as live:
        restore(image)
    return live.peak


def tile_that_fits(per_pixel: float, free: int, multiple_of: int = 1) -> int:
    """Side of the largest tile, on the tiles' grid, that takes at most `SHARE` of the free bytes.

    Restoring takes `per_pixel` bytes a pixel (`bytes_per_pixel`); sides are multiples of the model's `multiple_of`.
    """
    tiling = Tiling(tile=1 << 30, multiple_of=multiple_of)
    side = math.isqrt(max(int(SHARE * free / per_pixel), 0))
    return max(side // tiling.grid * tiling.grid, tiling.smallest)


def free_bytes(device: torch.device) -> int:
    """Memory that a new tensor may take on the device.

    On a CPU: what the system calls available, and no more than a container's own limit leaves; 2 GiB where neither is
    told.
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        # what torch holds without using it is free as well
        return int(free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device))
    known = [value for value in (_available(), _container_left()) if value is not None]
    return min(known) if known else _UNKNOWN_FREE


def _available() -> int | None:
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


def _container_left() -> int | None:
    """What a control group's limit leaves; page cache counts as used, which errs on the safe side."""
    try:
        limit = (CGROUP / "memory.max").read_text(encoding="ascii").strip()
        used = (CGROUP / "memory.current").read_text(encoding="ascii").strip()
        return None if limit == "max" else max(int(limit) - int(used), 0)
    except (OSError, ValueError):
        return None
