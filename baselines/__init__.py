"""Comparators behind one interface: every model is called as `model(image, code=None)`.

>>> import baselines
>>> model = baselines.create_model("promptir")
>>> baselines.list_models("*net*")  # doctest: +ELLIPSIS
['...']
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

import dfpir
from baselines.registry import BASELINES, Baseline, MissingExtraError, Unavailable, UnavailableError, register
from dfpir.weights import WeightsError, check_fits, read_weights, resize_training_buffers

if not hasattr(dfpir, "create_model"):
    where = list(getattr(dfpir, "__path__", ()))
    raise ImportError(
        f"{where} is imported in place of this suite's package 'dfpir': run the command in another folder."
    )

Model = TypeVar("Model", bound=nn.Module)

__all__ = [
    "Baseline",
    "MissingExtraError",
    "Unavailable",
    "UnavailableError",
    "WeightsError",
    "create_model",
    "describe",
    "list_models",
    "load_released",
    "register",
]


def describe(name: str) -> Baseline | Unavailable:
    """What is known of a method: paper, licence, sizes, what it needs; or why it can't be provided.

    Raises:
        ValueError: unknown name, with the nearest known one.
    """
    return BASELINES[name]


def create_model(name: str, **config: Any) -> nn.Module:
    """A comparator by its name, randomly initialised, on the CPU in float32.

    Args:
        name: see `list_models()`.
        **config: sizes that replace the defaults, named as in the released code (`dim`, `num_blocks`, ...).

    Returns:
        A module called as `model(image, code=None)`, image (B, 3, H, W), RGB, float, in [0, 1], to the same shape, not
        clipped. Its `multiple_of` and `min_size` say which sides it takes; `baselines.base.restore` pads.

    Raises:
        ValueError: unknown name or setting (with the nearest known one), or a method that can't be provided.
        MissingExtraError: its library is not installed; the message names the extra.
    """
    baseline = describe(name)
    if isinstance(baseline, Unavailable):
        raise UnavailableError(f"{name} can't be built. {baseline.reason}")
    model: nn.Module = baseline.make(**baseline.checked(config))
    model.multiple_of, model.min_size = baseline.multiple_of, baseline.min_size  # type: ignore[assignment]
    return model


def list_models(pattern: str = "*", *, unavailable: bool = False) -> list[str]:
    """Names that match a shell-style pattern; with `unavailable` those that can't be built, instead."""
    kind = Unavailable if unavailable else Baseline
    return [name for name in BASELINES.names(pattern) if isinstance(BASELINES[name], kind)]


def load_released(model: Model, weights: str | Path | Mapping[str, Tensor]) -> Model:
    """Load a released checkpoint into a model from `create_model`, strictly, and return the model.

    Args:
        model: built with the checkpoint's configuration.
        weights: a file, or a state dict by released key names; the prefixes `module.`, `net.` and `model.` that every
            key has are taken off.

    Raises:
        WeightsError: keys that are missing, unexpected or of another shape, all of them listed; the model is unchanged
            then.
    """
    if isinstance(model, dfpir.RestorationUNet):
        dfpir.load_released(model, weights)
        return model
    source, tensors = read_weights(weights)
    # an adapter keeps the library's module as `network`: released names are that module's
    target = model.get_submodule("network") if hasattr(model, "network") else model
    resize_training_buffers(target, tensors)
    state = target.state_dict()
    check_fits(state, tensors, source)
    with torch.no_grad():
        for name, value in tensors.items():  # in the file's order: of shared parameters the last one counts
            state[name].copy_(value)
    return model
