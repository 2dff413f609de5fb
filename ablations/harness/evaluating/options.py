"""What the command lines of `evaluate` and `restore` share: settings and devices from words."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

import torch

from dfpir.registry import UnknownNameError, suggestion

DEVICES = ("auto", "cpu", "cuda")


def settings(words: Sequence[str]) -> dict[str, Any]:
    """`dim=8 num_blocks=1,1,1,1 layer_norm=with_bias` as a mapping; values are Python literals, else text.

    Raises:
        ValueError: a word without `=`, or a key twice.
    """
    found: dict[str, Any] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or not key.isidentifier():
            raise ValueError(f"--config {word!r}: KEY=VALUE is needed, such as dim=48 or num_blocks=4,6,6,8.")
        if key in found:
            raise ValueError(f"--config {word!r}: {key} is given twice.")
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            value = text
        found[key] = tuple(value) if isinstance(value, list) else value
    return found


def device_named(name: str) -> torch.device:
    """The device that `auto`, `cpu` or `cuda` stands for.

    Raises:
        ValueError: none of these, or `cuda` without a GPU.
    """
    if name not in DEVICES:
        raise UnknownNameError(f"Unknown device {name!r}.{suggestion(name, DEVICES)}")
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("--device cuda: this PyTorch finds no GPU here; use --device cpu, or install a CUDA build.")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")
