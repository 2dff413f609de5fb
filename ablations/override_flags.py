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

OF_PHASES = {
    "steps": "optimiser steps in all, which the phases share as before; or one number a phase",
    "lr": "learning rate of the first phase, the others in proportion; or one number a phase",
    "patch": "side of the square training patches, in pixels: of all phases, or one number a phase",
    "batch": "patches a step: of all phases, or one number a phase",
    "mixture": "tasks that are drawn in every phase: noise:SHARE:LOSS_WEIGHT rain:SHARE:LOSS_WEIGHT ...",
}
"""Settings of a recipe's phases -> what a value says of all of them."""

_UNSET = {"model": ("num_prompts",), "recipe": ("phases",), "evaluation": ()}
"""Fields that are no settings: the tasks say how many prompts there are, and phases are set field by field."""


@lru_cache
def hints(group: str) -> dict[str, Any]:
    """Setting -> annotation, of one of `GROUPS`."""
    cls = {"recipe": Recipe, "model": DFPIRConfig, "evaluation": Evaluation}[group]
    found = get_type_hints(cls)
    own = {field.name: found[field.name] for field in fields(cls) if field.name not in _UNSET[group]}
    phases = get_type_hints(Phase)
    return ({name: phases[name] for name in OF_PHASES} if group == "recipe" else {}) | own


def flags(group: str) -> Any:
    """The type whose keys tyro makes the flags of a group: a dictionary of those that were given."""
    cls = {"recipe": Recipe, "model": DFPIRConfig, "evaluation": Evaluation}[group]
    documented = parse(cls.__doc__ or "", DocstringStyle.GOOGLE).params
    said = {each.arg_name: _brief(each.description or "") for each in documented}
    said |= OF_PHASES if group == "recipe" else {}
    made = {}
    for name, hint in hints(group).items():
        shown = tyro.conf.arg(help=said[name], help_behavior_hint="", name=name)
        made[name] = Annotated[Any, value_list(flag_name(f"{group}.{name}"), _metavar(hint), literal), shown]
    make: Any = TypedDict  # whose keys type checkers want to see written out
    return make(f"{group.capitalize()}Settings", made, total=False)


def checked(group: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of one of `GROUPS` as its dataclass takes them: tuples where it has tuples, scalars elsewhere.

    A value is a tuple of one where the command line gave one word.

    Raises:
        ValueError: an unknown setting, or a value of another type; one line.
    """
    known = hints(group)
    found = {}
    for name, value in given.items():
        if name not in known:
            raise UnknownNameError(f"Unknown setting {name!r} of {group}.{suggestion(name, known)}")
        found[name] = _fitting(f"{group}.{name}", value, known[name], many=group == "recipe" and name in OF_PHASES)
    return found


def literal(word: str) -> Any:
    """A word of the command line as None, True, False, a number, or itself."""
    named = {"none": None, "true": True, "false": False}
    if word.lower() in named:
        return named[word.lower()]
    for number in (int, float):
        try:
            value = number(word) if len(word) < 40 else math.nan
        except ValueError:
            continue
        return value if math.isfinite(value) else word
    return word


def words_of(value: Any) -> list[str]:
    """A setting's value as words of the command line."""
    if isinstance(value, tuple | list):
        return [word for part in value for word in words_of(part)]
    if isinstance(value, TaskShare):
        return [f"{value.task}:{value.share:g}:{value.weight:g}"]
    return [str(value)]


def text_of(value: Any) -> str:
    """A setting's value for a reader: `(1, 2)` as `1,2`."""
    return ",".join(words_of(value))


def _fitting(name: str, value: Any, hint: Any, *, many: bool) -> Any:
    value = tuple(value) if isinstance(value, list | tuple) else (value,)
    if name == "recipe.mixture":
        return _mixture(value)
    if many and value and all(_is(each, hint) for each in value):  # of phases: one for all, or one a phase
        return value[0] if len(value) == 1 else value
    if len(value) == 1 and _is(value[0], hint):
        return value[0]
    if not many and _is(value, hint):
        return value
    near = suggestion(text_of(value), get_args(hint)) if get_origin(hint) is Literal else ""
    each = ", or one for each phase" if many else ""
    raise ValueError(f"{flag_name(name)} {text_of(value)}: {_needed(hint)}{each}.{near}")


def _is(value: Any, hint: Any) -> bool:
    from typeguard import TypeCheckError, check_type  # where a setting is given: `--help` is faster without

    parts = value if isinstance(value, tuple) else (value,)
    if any(isinstance(part, bool) for part in parts) and hint is not bool:  # to Python they are whole numbers, too
        return False
    if any(isinstance(part, float) and not math.isfinite(part) for part in parts):
        return False
    try:
        check_type(value, hint)
    except TypeCheckError:
        return False
    return True


def _mixture(value: tuple[Any, ...]) -> tuple[TaskShare, ...]:
    from datasets.tasks import known_tasks

    known, shares = [task.name for task in known_tasks()], []
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
        if task not in known:
            raise UnknownNameError(f"--recipe.mixture {part}: no such task.{suggestion(task, known)}")
        shares.append(TaskShare(task=task, share=share, weight=weight))
    return tuple(shares)


def _brief(text: str) -> str:
    """The first words of a field's description; the rest stands in its docstring."""
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


def _needed(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return f"one of {', '.join(map(str, get_args(hint)))} is needed"
    kind = _kind(hint)
    return f"{kind} {'are' if kind[0].isdigit() else 'is'} needed"


def _kind(hint: Any) -> str:
    if get_origin(hint) is tuple:
        parts = get_args(hint)
        return f"a list of {_kinds(parts[0])}" if ... in parts else f"{len(parts)} {_kinds(parts[0])}"
    options = get_args(hint)
    if options:
        return " or ".join(map(_kind, options))
    return {int: "a whole number", float: "a number", bool: "true or false", type(None): "none"}.get(hint, "a value")


def _kinds(hint: Any) -> str:
    return "whole numbers" if hint is int else "numbers"
