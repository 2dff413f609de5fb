"""How much memory decoded images may take."""

from __future__ import annotations

import sys
from pathlib import Path


def memory_limit() -> int:
    """Bytes that decoded images may take: half of what the machine, its control group and its limits leave free."""
    free = [16 << 30]
    try:
        with Path("/proc/meminfo").open(encoding="ascii") as lines:
            free = [int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:")] or free
        group = Path("/sys/fs/cgroup")
        limit = (group / "memory.max").read_text(encoding="ascii").strip()
        if limit.isdecimal():
            free.append(int(limit) - int((group / "memory.current").read_text(encoding="ascii")))
    except (OSError, ValueError):
        pass
    if sys.platform.startswith("linux"):
        import resource

        soft, _ = resource.getrlimit(resource.RLIMIT_AS)
        if soft != resource.RLIM_INFINITY:
            used = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
            free.append(soft - used)
    return max(min(free), 0) // 2
