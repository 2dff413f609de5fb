"""Keep freed memory in the process: on a CPU half of a full-size training step went into the kernel's page faults.

glibc gives every tensor above 32 MiB a mapping of its own and returns it to the kernel when it is freed; each step then
pays for zeroed pages anew. With mappings off and no trimming, the next tensor gets the pages of the last.
"""

from __future__ import annotations

import ctypes
import platform
import sys

# mallopt(3): parameter numbers from malloc.h
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_DISABLED = 2**31 - 1
_PAD_BYTES = 64 * 2**20


def keep_freed_memory() -> bool:
    """Tell the C library to keep what is freed, until the process ends; whether it could.

    The process stays as large as its largest moment. Only glibc knows these settings: elsewhere nothing happens, and
    results are the same bits everywhere.
    """
    if not sys.platform.startswith("linux") or platform.libc_ver()[0] != "glibc":
        return False
    library = ctypes.CDLL(None)
    settings = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, _DISABLED), (_TOP_PAD, _PAD_BYTES))
    return all(library.mallopt(name, value) == 1 for name, value in settings)
