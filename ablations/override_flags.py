"""The fields of recipe, model and evaluation as flags: `--recipe.steps 500`, `--model.dim 16`, `--evaluation.limit 8`.

Names, help and allowed values come from the dataclasses themselves. Imports no torch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from functools import lru_cache
from typing import Annotated, Any, Literal, TypedDict, get_args, get_origin, get_type_hints

import tyro
from docstring_parser import DocstringStyle, parse

from ablations.flags import flag_name, value_list
from ablations.recipe import Evaluation, Phase, Recipe, TaskShare
from dfpir.config import DFPIRConfig
from dfpir.registry import UnknownNameError, suggestion

GROUPS = ("recipe", "model", "evaluation")

PHASE_SETTINGS = {
    "steps": "optimiser steps in all, split in the phases' proportions; or one number a phase",
    "lr": "learning rate of the first phase, the others scaled alike; or one number a phase",
    "patch": "side of the square training patches, in pixels: of all phases, or one number a phase",
    "batch": "patches a step: of all phases, or one number a phase",
    "mixture": "task mixture of every phase: noise:SHARE:LOSS_WEIGHT rain:SHARE:LOSS_WEIGHT ...",
}
"""Settings of a recipe's phases -> help text: how one value applies to all phases."""

_NOT_SETTABLE = {"model": ("num_prompts",), "recipe": ("phases",), "evaluation": ()}
"""Fields without a flag: the tasks determine the number of prompts, and phases are set field by field."""


@lru_cache
def setting_types(group: str) -> dict[str, Any]:
    """Setting -> type annotation, for one of `GROUPS`."""
    cls = {"recipe": Recipe, "model": DFPIRConfig, "evaluation": Evaluation}[group]
    types = get_type_hints(cls)
    settings = {field.name: types[field.name] for field in fields(cls) if field.name not in _NOT_SETTABLE[group]}
    phase_types = get_type_hints(Phase)
    return ({name: phase_types[name] for name in PHASE_SETTINGS} if group == "recipe" else {}) | settings


def group_type(group: str) -> Any:
    """The TypedDict whose keys become the flags of a group."""
    cls = {"recipe": Recipe, "model": DFPIRConfig, "evaluation": Evaluation}[group]
    parameters = parse(cls.__doc__ or "", DocstringStyle.GOOGLE).params
    help_texts = {parameter.arg_name: _summarize(parameter.description or "") for parameter in parameters}
    help_texts |= PHASE_SETTINGS if group == "recipe" else {}
    keys = {}
    for name, hint in setting_types(group).items():
        argument = tyro.conf.arg(help=help_texts[name], help_behavior_hint="", name=name)
        keys[name] = Annotated[Any, value_list(flag_name(f"{group}.{name}"), _metavar(hint), parse_literal), argument]
    typed_dict: Any = TypedDict  # type checkers need its keys written out
    return typed_dict(f"{group.capitalize()}Settings", keys, total=False)


def validate(group: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Convert the settings of one of `GROUPS` to the types of its dataclass fields.

    From the command line each value is a tuple, also a single one.

    Raises:
        ValueError: an unknown setting, or a value of another type; one line.
    """
    types = setting_types(group)
    validated = {}
    for name, value in settings.items():
        if name not in types:
            raise UnknownNameError(f"Unknown setting {name!r} of {group}.{suggestion(name, types)}")
        validated[name] = _validate_value(
            f"{group}.{name}", value, types[name], per_phase=group == "recipe" and name in PHASE_SETTINGS
        )
    return validated


def parse_literal(word: str) -> Any:
    """Parse a word as None, True, False or a number; others are returned unchanged."""
    constants = {"none": None, "true": True, "false": False}
    if word.lower() in constants:
        return constants[word.lower()]
    for number in (int, float):
        try:
            value = number(word) if len(word) < 40 else math.nan
        except ValueError:
            continue
        return value if math.isfinite(value) else word
    return word


def to_arguments(value: Any) -> list[str]:
    """A setting's value as words of the command line."""
    if isinstance(value, tuple | list):
        return [word for part in value for word in to_arguments(part)]
    if isinstance(value, TaskShare):
        return [f"{value.task}:{value.share:g}:{value.weight:g}"]
    return [str(value)]


def format_value(value: Any) -> str:
    """A setting's value as text: `(1, 2)` as `1,2`."""
    return ",".join(to_arguments(value))


def _validate_value(name: str, value: Any, hint: Any, *, per_phase: bool) -> Any:
    value = tuple(value) if isinstance(value, list | tuple) else (value,)
    if name == "recipe.mixture":
        return _parse_mixture(value)
    if (
        per_phase and value and all(_has_type(alternative, hint) for alternative in value)
    ):  # one for all phases, or one a phase
        return value[0] if len(value) == 1 else value
    if len(value) == 1 and _has_type(value[0], hint):
        return value[0]
    if not per_phase and _has_type(value, hint):
        return value
    spelling_hint = suggestion(format_value(value), get_args(hint)) if get_origin(hint) is Literal else ""
    alternative = ", or one for each phase" if per_phase else ""
    raise ValueError(
        f"{flag_name(name)} {format_value(value)}: {_describe_requirement(hint)}{alternative}.{spelling_hint}"
    )


def _has_type(value: Any, hint: Any) -> bool:
    from typeguard import TypeCheckError, check_type  # not at the top: `--help` is faster without

    parts = value if isinstance(value, tuple) else (value,)
    if any(isinstance(part, bool) for part in parts) and hint is not bool:  # to Python they are integers
        return False
    if any(isinstance(part, float) and not math.isfinite(part) for part in parts):
        return False
    try:
        check_type(value, hint)
    except TypeCheckError:
        return False
    return True


def _parse_mixture(value: tuple[Any, ...]) -> tuple[TaskShare, ...]:
    from datasets.tasks import known_tasks

    task_names, shares = [task.name for task in known_tasks()], []
    for part in value:
        if isinstance(part, TaskShare):
            shares.append(part)
            continue
        task, *numbers = str(part).split(":")
        try:
            share, weight = (*map(float, numbers), *(1.0,) * (2 - len(numbers)))
        except ValueError:
            share = weight = math.nan
        if not (0 < share < math.inf and 0 <= weight < math.inf):
            raise ValueError(f"--recipe.mixture {part}: TASK:SHARE:LOSS_WEIGHT is needed, as in noise:7:1.5.")
        if task not in task_names:
            raise UnknownNameError(f"--recipe.mixture {part}: no such task.{suggestion(task, task_names)}")
        shares.append(TaskShare(task=task, share=share, weight=weight))
    return tuple(shares)


def _summarize(text: str) -> str:
    """The first sentence or clause of a field's description."""
    first = " ".join(text.split())
    for end in (". `", ": `", ". ", "; ", " ("):
        first = first.partition(end)[0]
    return first.rstrip(".").replace("`", "")


def _metavar(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return "|".join(map(str, get_args(hint)))
    if get_origin(hint) is tuple:
        parts = get_args(hint)
        if parts[0] is TaskShare:
            return "TASK:SHARE:WEIGHT"
        return f"{_metavar(parts[0])} ..." if ... in parts else " ".join(map(_metavar, parts))
    options = get_args(hint)
    if options:
        return "|".join(dict.fromkeys(_metavar(option) for option in options))
    return {int: "N", float: "X", bool: "true|false", type(None): "none"}.get(hint, "VALUE")


def _describe_requirement(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return f"one of {', '.join(map(str, get_args(hint)))} is needed"
    kind = _describe_type(hint)
    return f"{kind} {'are' if kind[0].isdigit() else 'is'} needed"


def _describe_type(hint: Any) -> str:
    if get_origin(hint) is tuple:
        parts = get_args(hint)
        return f"a list of {_plural_type(parts[0])}" if ... in parts else f"{len(parts)} {_plural_type(parts[0])}"
    options = get_args(hint)
    if options:
        return " or ".join(map(_describe_type, options))
    return {int: "a whole number", float: "a number", bool: "true or false", type(None): "none"}.get(hint, "a value")


def _plural_type(hint: Any) -> str:
    return "whole numbers" if hint is int else "numbers"
