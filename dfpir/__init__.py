"""DFPIR and Restormer: models, variants, prompts, released weights.

>>> import dfpir
>>> model = dfpir.create_model("dfpir", gamma=0.8)
>>> dfpir.list_models("dfpir_g*")  # doctest: +ELLIPSIS
['dfpir_g50', ...]
"""

from __future__ import annotations

from dataclasses import asdict
from importlib import import_module
from typing import TYPE_CHECKING, Any

from dfpir.config import DFPIRConfig, make_config
from dfpir.variants import FITTED, VARIANTS, register_variant

if TYPE_CHECKING:
    from dfpir.model import RestorationUNet
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

# names of variants are known in a moment; torch, which takes seconds, is imported where a model is asked for
_WITH_TORCH = {"RestorationUNet": "model", "WeightsError": "weights", "load_released": "weights"}


def __getattr__(name: str) -> Any:
    if name not in _WITH_TORCH:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_WITH_TORCH[name]}"), name)
    return value


def variant_config(name: str, **config: Any) -> DFPIRConfig:
    """The configuration of a registered variant with some settings replaced.

    Raises:
        ValueError: unknown name or setting (with the nearest known one), or a value that is not allowed.
    """
    settings = make_config(**(asdict(VARIANTS[name]()) | config))
    return FITTED[name](settings) if name in FITTED else settings


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
    from dfpir.model import RestorationUNet

    return RestorationUNet(variant_config(name, **config))


def list_models(pattern: str = "*") -> list[str]:
    """Registered names that match a shell-style pattern."""
    return VARIANTS.names(pattern)
