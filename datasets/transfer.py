"""Tensors on their way to a GPU, without waiting for it."""

from __future__ import annotations

import torch
from torch import Tensor


def to_device_async(tensor: Tensor, device: torch.device | str) -> Tensor:
    """The tensor on a device; work queued on a GPU continues meanwhile.

    A copy from ordinary memory waits until the GPU has done everything queued before it. From page-locked memory it
    takes its place in the queue, and PyTorch keeps that memory until the copy is through.
    """
    if torch.device(device).type == "cuda" and tensor.device.type == "cpu":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
