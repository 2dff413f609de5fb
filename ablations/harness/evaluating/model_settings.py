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

_KINDS = ((bool, "True or False"), (int, "a whole number"), (float, "a number"), (tuple, "numbers with commas"))


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


def built(name: str, config: Mapping[str, Any]) -> nn.Module:
    """A variant or comparator with these settings.

    Raises:
        ValueError: a setting that the model does not have, or a value of one that it can't be built with; the message
            names the key and what is allowed.
    """
    usual = _defaults(name)
    for key, value in config.items():
        if key in usual and not _alike(value, usual[key]):
            raise ValueError(_misfit(name, key, value, usual))
    try:
        return _create(name, config)
    except (UnknownNameError, baselines.MissingExtraError, baselines.UnavailableError):
        raise
    except Exception as error:
        if not config or (isinstance(error, ValueError) and any(key in str(error) for key in config)):
            raise
        culprit = _culprit(name, config)
        why = (str(error).strip().splitlines() or [type(error).__name__])[0]
        if culprit is None:
            raise ValueError(f"--config does not fit {name}: {why}.") from error
        raise ValueError(f"{_misfit(name, culprit, config[culprit], usual)} ({why})") from error


def _create(name: str, config: Mapping[str, Any]) -> nn.Module:
    with warnings.catch_warnings():
        # torch's word on layers without channels: what is wrong with the setting is said in one line instead
        warnings.filterwarnings("ignore", message="Initializing zero-element tensors")
        return dfpir.create_model(name, **config) if name in VARIANTS else baselines.create_model(name, **config)


def _culprit(name: str, config: Mapping[str, Any]) -> str | None:
    """The first setting that alone, beside the defaults, breaks the model."""
    for key, value in config.items():
        try:
            _create(name, {key: value})
        except Exception:
            return key
    return None


def _defaults(name: str) -> dict[str, Any]:
    """Setting -> its default, of those that have one."""
    if name in VARIANTS:
        config = dfpir.variant_config(name)
        return {key: getattr(config, key) for key in config.__dataclass_fields__}
    row = BASELINES[name]
    if not isinstance(row, Baseline):
        return {}
    parameters = inspect.signature(row.make).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}


def _alike(value: Any, usual: Any) -> bool:
    """Whether a value is of its default's kind, and not below zero where the default isn't."""
    if usual is None or isinstance(usual, str):
        return True
    if isinstance(usual, tuple):
        return isinstance(value, tuple | list) and all(_alike(each, usual[0]) for each in value) if usual else True
    if isinstance(usual, bool) or isinstance(value, bool):
        return isinstance(value, bool) and isinstance(usual, bool)
    if isinstance(usual, int | float):
        kinds = (int,) if isinstance(usual, int) else (int, float)
        return isinstance(value, kinds) and (value >= 0 or usual < 0)
    return True


def _misfit(name: str, key: str, value: Any, usual: Mapping[str, Any]) -> str:
    default = usual.get(key)
    kind = next((words for kind, words in _KINDS if isinstance(default, kind)), "another value")
    shown = ",".join(map(str, default)) if isinstance(default, tuple) else default
    return f"--config {key}={value}: {name} takes {kind} there, such as {shown}, its default."
