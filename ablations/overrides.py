"""Overrides: settings that replace the budget's recipe, evaluation and model size, or a switch of every variant.

They are part of each run's identity. A value that equals the budget's changes nothing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations, pairwise
from typing import Any, NamedTuple

from ablations.flags import flag_name
from ablations.models import BaselineConfig, ModelConfig, model_config
from ablations.override_flags import GROUPS, PHASE_SETTINGS, format_value, validate
from ablations.recipe import Phase
from ablations.registry import Study
from ablations.spec import Budget
from dfpir import DFPIRConfig

_MAX_SUFFIX_LENGTH = 60
"""Characters of a folder's name for the overrides; longer ones are replaced by a hash."""


def apply_overrides(
    budget: Budget, overrides: Mapping[str, Mapping[str, Any]], study: Study, only: Sequence[str]
) -> Budget:
    """The budget with the settings of the three groups replaced; `Budget.overrides` lists those that change a value.

    The model settings apply to the study's variants, of which those named in `only` are planned.

    Raises:
        ValueError: an unknown setting, an invalid value, or one that makes two planned variants the same model.
    """
    recipe, model, evaluation = (validate(group, overrides.get(group, {})) for group in GROUPS)
    changed: dict[str, Any] = {}
    for name, value in recipe.items():
        new_budget = _replace_recipe_setting(budget, name, value)
        if new_budget != budget:
            budget, changed[f"recipe.{name}"] = new_budget, value
    for name, value in evaluation.items():
        new_evaluation = _replace_field(budget.evaluation, "evaluation", name, value)
        if new_evaluation != budget.evaluation:
            budget, changed[f"evaluation.{name}"] = replace(budget, evaluation=new_evaluation), value
    model = _effective_model_settings(budget, model, study)
    _require_distinct_variants(budget, model, study, only)
    budget = replace(budget, model={**budget.model, **model})
    return replace(budget, overrides=changed | {f"model.{name}": value for name, value in model.items()})


def folder_suffix(overrides: Mapping[str, Any]) -> str:
    """The overrides in the name of a study's folder: `recipe.steps_500-model.dim_16`; a hash where that is too long."""
    text = "-".join(f"{name}_{format_value(value)}" for name, value in overrides.items())
    suffix = re.sub(r"[^A-Za-z0-9_.-]+", "+", text)
    return suffix if len(suffix) <= _MAX_SUFFIX_LENGTH else f"overrides-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _replace_recipe_setting(budget: Budget, name: str, value: Any) -> Budget:
    if name not in PHASE_SETTINGS:
        return replace(budget, recipe=_replace_field(budget.recipe, "recipe", name, value))
    phases = budget.recipe.phases
    if name == "mixture":
        values: Sequence[Any] = [value] * len(phases)
    elif isinstance(value, tuple):
        if len(value) != len(phases):
            raise ValueError(
                f"--recipe.{name} {format_value(value)}: one number is needed, or {len(phases)}, one for each phase of "
                f"{budget.name}."
            )
        values = value
    else:
        values = _split_over_phases(name, value, phases)
    new_phases = tuple(
        _replace_field(phase, "recipe", name, phase_value) for phase, phase_value in zip(phases, values, strict=True)
    )
    epochs = () if name == "steps" else budget.epochs  # else they replace the steps
    return replace(budget, recipe=replace(budget.recipe, phases=new_phases), epochs=epochs)


def _split_over_phases(name: str, value: Any, phases: Sequence[Phase]) -> list[Any]:
    """One value for each phase from one for all: steps in the phases' proportions, learning rates scaled alike."""
    if name == "lr":
        return [value * (phase.lr / phases[0].lr) for phase in phases]
    if name != "steps":
        return [value] * len(phases)
    if value < len(phases):
        raise ValueError(f"--recipe.steps {value}: {len(phases)} or more are needed, a step for each phase.")
    total, ends = sum(phase.steps for phase in phases), [0]
    for count in range(1, len(phases) + 1):
        end = round(value * sum(phase.steps for phase in phases[:count]) / total)
        ends.append(min(max(end, ends[-1] + 1), value - (len(phases) - count)))  # each phase has a step
    return [end - begin for begin, end in pairwise(ends)]


def _replace_field(instance: Any, group: str, name: str, value: Any) -> Any:
    try:
        return replace(instance, **{name: value})
    except ValueError as error:
        raise ValueError(f"{flag_name(f'{group}.{name}')} {format_value(value)}: {error}") from error


class _ConfigPair(NamedTuple):
    """A model's configuration without and with the overrides."""

    original: ModelConfig
    overridden: ModelConfig


def _model_configs(budget: Budget, model: Mapping[str, Any], variants: Sequence[str]) -> dict[str, _ConfigPair]:
    """Model -> its configurations."""
    names = dict.fromkeys(variant.partition("@")[0] for variant in variants)
    return {n: _ConfigPair(model_config(n, budget.model), model_config(n, budget.model | dict(model))) for n in names}


def _effective_model_settings(budget: Budget, model: Mapping[str, Any], study: Study) -> dict[str, Any]:
    """The settings that change some variant of the study; comparators have only `dim`, their size."""
    if not model:
        return {}
    configs = _model_configs(budget, model, study.variants)
    effective = {
        setting: value
        for setting, value in model.items()
        if any(_is_changed(pair, setting) for pair in configs.values())
    }
    if not effective and all(isinstance(pair.original, BaselineConfig) for pair in configs.values()):
        raise ValueError(f"--model.{next(iter(model))}: {study.name} has only comparators, whose settings are fixed.")
    return effective


def _is_changed(pair: _ConfigPair, setting: str) -> bool:
    if isinstance(pair.original, DFPIRConfig):
        return bool(getattr(pair.original, setting) != getattr(pair.overridden, setting))
    return setting == "dim" and pair.original != pair.overridden


def _require_distinct_variants(budget: Budget, model: Mapping[str, Any], study: Study, only: Sequence[str]) -> None:
    """Refuse an override of what the study varies: its axis, or the setting in which two planned variants differ."""
    if not model:
        return
    if study.axis is not None and study.axis in model:
        raise ValueError(
            f"--model.{study.axis} {format_value(model[study.axis])}: {study.axis} is what {study.name} varies; choose "
            "among its variants with --only."
        )
    for (name, pair), (other_name, other) in combinations(_model_configs(budget, model, only).items(), 2):
        if not isinstance(pair.original, DFPIRConfig) or not isinstance(other.original, DFPIRConfig):
            continue
        differing = [key for key in model if getattr(pair.original, key) != getattr(other.original, key)]
        were_equal, are_equal = (a.identity() == b.identity() for a, b in zip(pair, other, strict=True))
        if differing and are_equal and not were_equal:
            setting = differing[0]
            raise ValueError(
                f"{flag_name(f'model.{setting}')} {format_value(model[setting])}: {name} and {other_name} would be the "
                f"same model, since they differ in {setting}; leave it out, or leave one of them out with --only."
            )
