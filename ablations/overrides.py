"""Overrides: settings that replace the budget's recipe, evaluation and model size, or every variant's switches.

They are part of each run's identity as any other number is: a value that a budget has already changes nothing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations, pairwise
from typing import Any

from ablations.flags import flag_name
from ablations.models import BaselineConfig, ModelConfig, model_config
from ablations.override_flags import OF_PHASES, checked, text_of
from ablations.recipe import Phase
from ablations.registry import Study
from ablations.spec import Budget
from dfpir import DFPIRConfig

_LONGEST = 60
"""Characters of a folder's name that say what was replaced; more are told by a hash."""


def overridden(budget: Budget, asked: Mapping[str, Mapping[str, Any]], study: Study, only: Sequence[str]) -> Budget:
    """The budget with what was asked for of its three groups; `Budget.overrides` says what of it changes anything.

    The model's settings go to the study's variants, of which those named in `only` are planned.

    Raises:
        ValueError: an unknown setting or a value that can't be used, or planned variants that it would make one model.
    """
    recipe, model, evaluation = (checked(group, asked.get(group, {})) for group in ("recipe", "model", "evaluation"))
    changed: dict[str, Any] = {}
    for name, value in recipe.items():
        with_it = _with_recipe(budget, name, value)
        if with_it != budget:
            budget, changed[f"recipe.{name}"] = with_it, value
    for name, value in evaluation.items():
        tested = _replaced(budget.evaluation, "evaluation", name, value)
        if tested != budget.evaluation:
            budget, changed[f"evaluation.{name}"] = replace(budget, evaluation=tested), value
    model = _acting(budget, model, study)
    _require_apart(budget, model, study, only)
    budget = replace(budget, model={**budget.model, **model})
    return replace(budget, overrides=changed | {f"model.{name}": value for name, value in model.items()})


def name_part(overrides: Mapping[str, Any]) -> str:
    """What a study's folder says of the overrides: `recipe.steps_500-model.dim_16`, a hash where that gets long."""
    said = "-".join(f"{name}_{text_of(value)}" for name, value in overrides.items())
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "+", said)
    return plain if len(plain) <= _LONGEST else f"overrides-{hashlib.sha256(said.encode()).hexdigest()[:8]}"


def _with_recipe(budget: Budget, name: str, value: Any) -> Budget:
    if name not in OF_PHASES:
        return replace(budget, recipe=_replaced(budget.recipe, "recipe", name, value))
    phases = budget.recipe.phases
    if name == "mixture":
        values: Sequence[Any] = [value] * len(phases)
    elif isinstance(value, tuple):
        if len(value) != len(phases):
            raise ValueError(
                f"--recipe.{name} {text_of(value)}: one number is needed, or {len(phases)}, one for each phase of "
                f"{budget.name}."
            )
        values = value
    else:
        values = _shared_out(name, value, phases)
    made = tuple(_replaced(phase, "recipe", name, each) for phase, each in zip(phases, values, strict=True))
    epochs = () if name == "steps" else budget.epochs  # which would replace the steps
    return replace(budget, recipe=replace(budget.recipe, phases=made), epochs=epochs)


def _shared_out(name: str, value: Any, phases: Sequence[Phase]) -> list[Any]:
    """One value for each phase from one for all: steps in the phases' shares, learning rates in proportion."""
    if name == "lr":
        return [value * (phase.lr / phases[0].lr) for phase in phases]
    if name != "steps":
        return [value] * len(phases)
    if value < len(phases):
        raise ValueError(f"--recipe.steps {value}: {len(phases)} or more are needed, a step for each phase.")
    total, ends = sum(phase.steps for phase in phases), [0]
    for place in range(1, len(phases) + 1):
        end = round(value * sum(phase.steps for phase in phases[:place]) / total)
        ends.append(min(max(end, ends[-1] + 1), value - (len(phases) - place)))  # no phase is left without a step
    return [end - begin for begin, end in pairwise(ends)]


def _replaced(old: Any, group: str, name: str, value: Any) -> Any:
    try:
        return replace(old, **{name: value})
    except ValueError as error:
        raise ValueError(f"{flag_name(f'{group}.{name}')} {text_of(value)}: {error}") from error


def _made(
    budget: Budget, model: Mapping[str, Any], variants: Sequence[str]
) -> dict[str, tuple[ModelConfig, ModelConfig]]:
    """Model -> its configuration without and with these settings."""
    names = dict.fromkeys(variant.partition("@")[0] for variant in variants)
    return {n: (model_config(n, budget.model), model_config(n, {**budget.model, **model})) for n in names}


def _acting(budget: Budget, model: Mapping[str, Any], study: Study) -> dict[str, Any]:
    """The settings that are another value in some variant of the study, which a comparator has for its size alone."""
    if not model:
        return {}
    made = _made(budget, model, study.variants)
    acting = {
        setting: value
        for setting, value in model.items()
        if any(_differ(plain, other, setting) for plain, other in made.values())
    }
    if not acting and all(isinstance(plain, BaselineConfig) for plain, _ in made.values()):
        raise ValueError(f"--model.{next(iter(model))}: {study.name} has comparators alone, which keep their settings.")
    return acting


def _differ(plain: ModelConfig, made: ModelConfig, setting: str) -> bool:
    if isinstance(plain, DFPIRConfig):
        return bool(getattr(plain, setting) != getattr(made, setting))
    return setting == "dim" and plain != made


def _require_apart(budget: Budget, model: Mapping[str, Any], study: Study, only: Sequence[str]) -> None:
    """Refuse what a study varies itself: its axis, or the setting that tells two planned variants apart."""
    if not model:
        return
    if study.axis is not None and study.axis in model:
        raise ValueError(
            f"--model.{study.axis} {text_of(model[study.axis])}: {study.axis} is what {study.name} varies; choose "
            "among its variants with --only."
        )
    for (name, one), (other_name, other) in combinations(_made(budget, model, only).items(), 2):
        if not isinstance(one[0], DFPIRConfig) or not isinstance(other[0], DFPIRConfig):
            continue
        lost = [setting for setting in model if getattr(one[0], setting) != getattr(other[0], setting)]
        one_model = [a.identity() == b.identity() for a, b in zip(one, other, strict=True)]
        if lost and one_model == [False, True]:
            raise ValueError(
                f"{flag_name(f'model.{lost[0]}')} {text_of(model[lost[0]])}: {name} and {other_name} would be one model, "
                f"since {lost[0]} tells them apart; leave it out, or leave one of them out with --only."
            )
