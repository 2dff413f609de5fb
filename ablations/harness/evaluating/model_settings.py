"""The settings of --config from words, and a model with them; one that does not fit is named with what is allowed."""

from __future__ import annotations

import ast
import inspect
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

import baselines
import dfpir
from baselines.registry import BASELINES, Baseline
from dfpir.registry import UnknownNameError
from dfpir.variants import VARIANTS

_TYPE_DESCRIPTIONS = (
    (bool, "True or False"),
    (int, "a whole number"),
    (float, "a number"),
    (tuple, "numbers with commas"),
)


def parse_settings(arguments: Sequence[str]) -> dict[str, Any]:
    """`dim=8 num_blocks=1,1,1,1 layer_norm=with_bias` as a mapping; values are Python literals, else text.

    Raises:
        ValueError: a word without `=`, or a key twice.
    """
    parsed: dict[str, Any] = {}
    for argument in arguments:
        key, separator, text = argument.partition("=")
        if not separator or not key.isidentifier():
            raise ValueError(f"--config {argument!r}: KEY=VALUE is needed, such as dim=48 or num_blocks=4,6,6,8.")
        if key in parsed:
            raise ValueError(f"--config {argument!r}: {key} is given twice.")
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            value = text
        parsed[key] = tuple(value) if isinstance(value, list) else value
    return parsed


def build_with_settings(name: str, config: Mapping[str, Any]) -> nn.Module:
    """A variant or comparator with these settings.

    Raises:
        ValueError: a setting that the model does not have, or a value of one that it can't be built with; the message
            names the key and what is allowed.
    """
    defaults = _default_settings(name)
    for key, value in config.items():
        if key in defaults and not _has_type_of(value, defaults[key]):
            raise ValueError(_invalid_setting_message(name, key, value, defaults))
    try:
        return _create_model(name, config)
    except (UnknownNameError, baselines.MissingExtraError, baselines.UnavailableError):
        raise
    except Exception as error:
        if not config or (isinstance(error, ValueError) and any(key in str(error) for key in config)):
            raise
        invalid_key = _first_invalid_setting(name, config)
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        if invalid_key is None:
            raise ValueError(f"--config does not fit {name}: {reason}.") from error
        raise ValueError(
            f"{_invalid_setting_message(name, invalid_key, config[invalid_key], defaults)} ({reason})"
        ) from error


def _create_model(name: str, config: Mapping[str, Any]) -> nn.Module:
    with warnings.catch_warnings():
        # torch warns of layers without channels: the setting's error is reported in one line instead
        warnings.filterwarnings("ignore", message="Initializing zero-element tensors")
        return dfpir.create_model(name, **config) if name in VARIANTS else baselines.create_model(name, **config)


def _first_invalid_setting(name: str, config: Mapping[str, Any]) -> str | None:
    """The first setting that alone, beside the defaults, breaks the model."""
    for key, value in config.items():
        try:
            _create_model(name, {key: value})
        except Exception:
            return key
    return None


def _default_settings(name: str) -> dict[str, Any]:
    """Setting -> its default, of those that have one."""
    if name in VARIANTS:
        config = dfpir.variant_config(name)
        return {key: getattr(config, key) for key in config.__dataclass_fields__}
    row = BASELINES[name]
    if not isinstance(row, Baseline):
        return {}
    parameters = inspect.signature(row.make).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}


def _has_type_of(value: Any, default: Any) -> bool:
    """Whether a value is of its default's kind, and not below zero where the default isn't."""
    if default is None or isinstance(default, str):
        return True
    if isinstance(default, tuple):
        if not default:
            return True
        return isinstance(value, tuple | list) and all(_has_type_of(element, default[0]) for element in value)
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(value, bool) and isinstance(default, bool)
    if isinstance(default, int | float):
        types = (int,) if isinstance(default, int) else (int, float)
        return isinstance(value, types) and (value >= 0 or default < 0)
    return True


def _invalid_setting_message(name: str, key: str, value: Any, defaults: Mapping[str, Any]) -> str:
    default = defaults.get(key)
    description = next((text for type_, text in _TYPE_DESCRIPTIONS if isinstance(default, type_)), "another value")
    default_text = ",".join(map(str, default)) if isinstance(default, tuple) else default
    return f"--config {key}={value}: {name} takes {description} there, such as {default_text}, its default."
