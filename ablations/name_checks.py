"""Checks of names on the command line, before torch is imported: a misspelt one is reported at once."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase


def check_names(
    study: str | None,
    budget: str,
    *,
    only: Sequence[str] | None = None,
    tasks: Sequence[str] | None = None,
    variants: str | None = None,
) -> None:
    """Refuse unknown names. The registries of studies and variants need no torch.

    `only` may be patterns of the study's variants, `variants` is the value of `--variants`. `efficiency` is no study
    and passes.

    Raises:
        ValueError: one line with the nearest known name.
    """
    from ablations.budgets import BUDGETS  # after `startup.prepare` has checked it
    from ablations.registry import STUDIES
    from datasets.tasks import known_tasks
    from dfpir.registry import UnknownNameError, suggestion
    from dfpir.variants import VARIANTS

    if budget not in BUDGETS:
        raise UnknownNameError(f"Unknown budget {budget!r}.{suggestion(budget.lower(), BUDGETS)}")
    for task in tasks or ():
        task_names = [task.name for task in known_tasks()]
        if task not in task_names:
            raise UnknownNameError(f"Unknown task {task!r}.{suggestion(task.lower(), task_names)}")
    if study == "efficiency":
        return
    if study is not None and study not in STUDIES:
        raise UnknownNameError(f"Unknown study {study!r}.{suggestion(study.lower(), [*STUDIES, 'efficiency'])}")
    study_variants = STUDIES[study]().variants if study is not None else ()
    if study is not None and only:
        select_variants(study, study_variants, only)
    if variants is not None:
        candidates = [name for name in VARIANTS if study is None or name in study_variants]
        if not matching(variants, candidates):
            suffix = f" of {study}" if study else ""
            raise UnknownNameError(
                f"--variants {variants!r}: no variant{suffix} matches.{suggestion(variants, candidates)}"
            )


def select_variants(study: str, variants: Sequence[str], only: Sequence[str] | None) -> tuple[str, ...]:
    """The study's variants that match `--only`, in the study's order; all of them without it.

    Raises:
        ValueError: a name or pattern that matches none.
    """
    from dfpir.registry import UnknownNameError, suggestion

    selected: set[str] = set()
    for pattern in only or ():
        matches = matching(pattern, variants)
        if not matches:
            raise UnknownNameError(f"{pattern!r} is not in study {study}.{suggestion(pattern, variants)}")
        selected.update(matches)
    return tuple(v for v in variants if not only or v in selected)


def matching(pattern: str, names: Sequence[str]) -> list[str]:
    """The names that match a shell-style pattern, in any case."""
    return [name for name in names if fnmatchcase(name.lower(), pattern.lower())]
