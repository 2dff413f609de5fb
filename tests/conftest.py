"""Threads of the test processes: one each, and no processes for figures, since pytest-xdist fills the cores.

Without a GPU Triton's kernels run in its interpreter, which must be chosen before anything imports Triton: torch.compile
does so, in whatever test comes first.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("LOKY_MAX_CPU_COUNT", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import torch  # after the settings that it reads

if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")
