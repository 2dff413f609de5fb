"""DFPIR and Restormer: models, variants, prompts, released weights.

>>> import dfpir
>>> model = dfpir.create_model("dfpir", gamma=0.8)
>>> dfpir.list_models("dfpir_g*")  # doctest: +ELLIPSIS
['dfpir_g50', ...]
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from dfpir.config import DFPIRConfig, make_config
from dfpir.model import RestorationUNet
from dfpir.variants import FITTED, VARIANTS, register_variant
from dfpir.weights import WeightsError, load_released

__all__ = [
    "DFPIRConfig",
    "RestorationUNet",
    "WeightsError",
    "create_model",
    "list_models",
    "load_released",
    "register_variant",
    "variant_config",
]


def variant_config(name: str, **config: Any) -> DFPIRConfig:
    """The configuration of a registered variant with some settings replaced.

    Raises:
        ValueError: unknown name or setting (with the nearest known one), or a value that is not allowed.
    """
    made = make_config(**(asdict(VARIANTS[name]()) | config))
    return FITTED[name](made) if name in FITTED else made


def create_model(name: str, **config: Any) -> RestorationUNet:
    """A model by its registered name, randomly initialised, on the CPU in float32.

    Args:
        name: see `list_models()`.
        **config: settings of `DFPIRConfig` that replace the variant's (`dim`, `num_blocks`, `gamma`, ...).

    Returns:
        A module called as `model(image, code)`: see `RestorationUNet`.

    Raises:
        ValueError: unknown name or setting, or a value that is not allowed.
    """
    return RestorationUNet(variant_config(name, **config))


def list_models(pattern: str = "*") -> list[str]:
    """Registered names that match a shell-style pattern."""
    return VARIANTS.names(pattern)
