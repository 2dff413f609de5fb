"""The devices of `--device`, and autocast at a run's precision."""

from __future__ import annotations

import torch

from ablations.spec import Precision
from dfpir.registry import UnknownNameError, suggestion

DEVICES = ("auto", "cpu", "cuda")


def device_named(name: str) -> torch.device:
    """The device that `auto`, `cpu` or `cuda` means.

    Raises:
        ValueError: another name, or `cuda` without a GPU.
    """
    if name not in DEVICES:
        raise UnknownNameError(f"Unknown device {name!r}.{suggestion(name, DEVICES)}")
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("--device cuda: this PyTorch finds no GPU here; use --device cpu, or install a CUDA build.")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def autocast(device: torch.device, precision: Precision) -> torch.autocast:
    """The autocast context of a run's precision: enabled for bf16 only."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")
