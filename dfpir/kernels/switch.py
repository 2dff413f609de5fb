"""Which kernels run: one switch for the whole process, no part of a model's config or of a run's identity."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Literal

import torch
from torch import Tensor

from dfpir.registry import UnknownNameError, suggestion

Kernels = Literal["torch", "triton"]
KERNELS: tuple[Kernels, ...] = ("torch", "triton")
VARIABLE = "DFPIR_KERNELS"

SMALLEST_NORM = 1e-12
"""What a smaller norm counts as, in PyTorch and in Triton, so that a channel of zeros gives zeros."""

_DTYPES = (torch.float32, torch.bfloat16, torch.float16)
_chosen: Kernels | None = None
_padded: bool | None = None


def use_kernels(name: str) -> None:
    """Choose the kernels of this process: `torch` (the default) or `triton`.

    Triton kernels serve tensors on a GPU, in float32, bfloat16 and float16; all others keep the PyTorch path. They
    change numbers by rounding alone. The environment variable DFPIR_KERNELS chooses where nobody calls this.

    Raises:
        ValueError: an unknown name, or Triton where it is not installed.
    """
    global _chosen
    if name not in KERNELS:
        raise UnknownNameError(f"Unknown kernels {name!r}.{suggestion(name, KERNELS)}")
    if name == "triton" and find_spec("triton") is None:
        raise ValueError("kernels 'triton': Triton is not installed here; use 'torch', or a CUDA build of PyTorch.")
    if name == "triton":
        # what Triton does by default up to 3.9, which warns at each kernel that 3.10 will round otherwise
        os.environ.setdefault("TRITON_DEFAULT_FP_FUSION", "1")
    _chosen = "triton" if name == "triton" else "torch"


def chosen_kernels() -> Kernels:
    """What `use_kernels` or the environment chose."""
    if _chosen is None:
        use_kernels(os.environ.get(VARIABLE, "torch"))
    assert _chosen is not None
    return _chosen


def use_padded_widths(choice: bool | None) -> None:
    """Whether GDFN computes its hidden channels padded by zeros to a multiple of 8; None: on CUDA devices alone.

    A matrix whose rows don't begin at multiples of 16 bytes keeps a GPU from its fast loads. Parameters, checkpoints
    and results are the same, the latter up to the order of sums: a CPU's bits stay only where its widths do.
    """
    global _padded
    _padded = choice


def padded_widths(device_type: str) -> bool:
    """Whether hidden channels are padded on such a device (`cpu`, `cuda`)."""
    return device_type == "cuda" if _padded is None else _padded


def fused(*tensors: Tensor) -> bool:
    """Whether Triton kernels are to work on these tensors."""
    if chosen_kernels() != "triton":
        return False
    return all((t.is_cuda or is_interpreted()) and t.dtype in _DTYPES and t.numel() > 0 for t in tensors)


def is_interpreted() -> bool:
    """Whether Triton's interpreter stands in for a GPU, as in the tests."""
    return os.environ.get("TRITON_INTERPRET") == "1"


def compute_dtype(x: Tensor) -> torch.dtype:
    """What a kernel writes: autocast's dtype where it is on, since a convolution reads the result; else the input's."""
    kind = x.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype
