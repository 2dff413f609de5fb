"""The models of studies: variants of DFPIR, and comparators from `baselines`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import baselines
from baselines.registry import BASELINES, Baseline, missing_extra_hint
from dfpir import DFPIRConfig, variant_config
from dfpir.config import PromptSet
from dfpir.plugins import plugins_behind
from dfpir.registry import UnknownNameError, suggestion
from dfpir.variants import VARIANTS


@dataclass(frozen=True, kw_only=True)
class BaselineConfig:
    """A comparator and its settings, with the interface of `DFPIRConfig` that specs use."""

    name: str  # as in `baselines.list_models()`
    settings: str = "{}"  # that replace its defaults, as JSON text, so that the config can be compared and hashed
    prompt_set: PromptSet = "detailed"  # which prompts a text-conditioned comparator gets

    @property
    def entry(self) -> Baseline:
        """Its entry in the registry."""
        entry = baselines.describe(self.name)
        if not isinstance(entry, Baseline):
            raise baselines.UnavailableError(f"{self.name} can't be built. {entry.reason}")
        return entry

    @property
    def uses_prompts(self) -> bool:
        """Whether its output depends on prompt codes."""
        return self.entry.needs in ("code512", "code256")

    def identity(self) -> dict[str, Any]:
        """What the model computes, as JSON-ready values; of a plug-in with versions and hashes of its code."""
        identity = {"baseline": self.name, "settings": json.loads(self.settings)}
        plugins = [plugin.to_json() for plugin in plugins_behind(self.entry.make, self.entry.objective)]
        return identity | ({"plugins": plugins} if plugins else {})


ModelConfig = DFPIRConfig | BaselineConfig


def model_names() -> list[str]:
    """All names of variants and comparators."""
    return [*VARIANTS, *(name for name in baselines.list_models() if name not in VARIANTS)]


def model_label(variant: str) -> str:
    """The label of a variant in tables and figures: `dgcpm_only` -> "+ DGCPM", `dfpir@rain` -> "DFPIR (rain)"."""
    name, _, task = variant.partition("@")
    label = VARIANTS.label(name) if name in VARIANTS else BASELINES.label(name)
    return f"{label} ({task})" if task else label


def model_ingredients(variant: str) -> dict[str, str]:
    """Parts of DFPIR that a variant has (`DFPIRConfig.ingredients`); empty for comparators."""
    name = variant.partition("@")[0]
    return variant_config(name).ingredients if name in VARIANTS else {}


def is_conditioned(variant: str) -> bool:
    """Whether a model is told the degradation of a test image; the others are blind."""
    name = variant.partition("@")[0]
    if name in VARIANTS:
        return variant_config(name).uses_prompts
    return BaselineConfig(name=name).entry.needs in ("code512", "code256", "operator", "condition")


def model_config(name: str, sizes: Mapping[str, Any], *, prompts: int | None = None) -> ModelConfig:
    """The configuration of a model at a budget's sizes; a comparator gets about as many trained parameters.

    `prompts` is the number of prompts, where known.

    Raises:
        ValueError: unknown name (with the nearest known one), or a method that can't be provided.
    """
    if name in VARIANTS:
        return variant_config(name, **sizes, **({} if prompts is None else {"num_prompts": prompts}))
    if name not in BASELINES:
        raise UnknownNameError(f"Unknown model {name!r}.{suggestion(name, model_names())}")
    settings = BaselineConfig(name=name).entry.settings_beside(sizes.get("dim"))
    return BaselineConfig(name=name, settings=json.dumps(settings, sort_keys=True))


def missing_extra(name: str) -> str | None:
    """Why a model can't be built, and the fix, where a library that it needs is not installed; else None."""
    entry = BASELINES[name] if name not in VARIANTS and name in BASELINES else None
    return missing_extra_hint(entry.extra, name) if isinstance(entry, Baseline) and entry.extra is not None else None


def is_trained(config: ModelConfig) -> bool:
    """Whether the model is trained; classical references are not."""
    return isinstance(config, DFPIRConfig) or config.entry.trained


def learning_rate_factor(config: ModelConfig) -> float:
    """The multiple of the budget's learning rate that trains the model."""
    return config.entry.lr_factor if isinstance(config, BaselineConfig) else 1.0


def is_tested_in_tiles(config: ModelConfig) -> bool:
    """Whether test images are restored in tiles of the model's training patches' size."""
    return isinstance(config, BaselineConfig) and config.entry.tiled_test


def config_json(config: ModelConfig) -> dict[str, Any]:
    """The configuration for spec.json."""
    return asdict(config) if isinstance(config, DFPIRConfig) else config.identity()
