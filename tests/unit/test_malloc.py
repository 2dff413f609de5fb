"""The process keeps the memory that tensors give back."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from ablations.harness.malloc import keep_freed_memory

ONLY_GLIBC = "only glibc has these settings"

SCRIPT = """
import torch
from ablations.harness.malloc import keep_freed_memory

def resident_mib():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 2**20

def left_over():
    before = resident_mib()
    tensor = torch.ones(64, 2**20)  # 256 MiB
    del tensor
    return resident_mib() - before

given_back = left_over()
assert keep_freed_memory()
print(given_back, left_over())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason=ONLY_GLIBC)
def test_freed_memory_stays_in_the_process() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    given_back, kept = map(float, done.stdout.split())
    assert given_back < 32
    assert kept > 200


def test_nothing_happens_where_the_c_library_has_no_such_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not keep_freed_memory()
