"""Names on the command line are checked before torch is imported: a typing error is told in a moment."""

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
    """Refuse names that do not exist. The suite's own registries of studies and variants need no torch.

    `only` may be patterns of the study's variants, `variants` is that of `--variants`; `efficiency` is no study and
    passes.

    Raises:
        ValueError: one line with the nearest known name.
    """
    from ablations.budgets import BUDGETS  # ours, once `startup.prepare` has looked
    from ablations.registry import STUDIES
    from datasets.tasks import known_tasks
    from dfpir.registry import UnknownNameError, suggestion
    from dfpir.variants import VARIANTS

    if budget not in BUDGETS:
        raise UnknownNameError(f"Unknown budget {budget!r}.{suggestion(budget.lower(), BUDGETS)}")
    for task in tasks or ():
        known = [each.name for each in known_tasks()]
        if task not in known:
            raise UnknownNameError(f"Unknown task {task!r}.{suggestion(task.lower(), known)}")
    if study == "efficiency":
        return
    if study is not None and study not in STUDIES:
        raise UnknownNameError(f"Unknown study {study!r}.{suggestion(study.lower(), [*STUDIES, 'efficiency'])}")
    named = STUDIES[study]().variants if study is not None else ()
    if study is not None and only:
        select_variants(study, named, only)
    if variants is not None:
        among = [name for name in VARIANTS if study is None or name in named]
        if not matching(variants, among):
            of = f" of {study}" if study else ""
            raise UnknownNameError(
                f"--variants {variants!r}: no variant{of} is called so.{suggestion(variants, among)}"
            )


def select_variants(study: str, variants: Sequence[str], only: Sequence[str] | None) -> tuple[str, ...]:
    """The study's variants that `--only` names, in the study's order; all where it names none.

    Raises:
        ValueError: a name or pattern that fits none.
    """
    from dfpir.registry import UnknownNameError, suggestion

    found: set[str] = set()
    for pattern in only or ():
        fitting = matching(pattern, variants)
        if not fitting:
            raise UnknownNameError(f"{pattern!r} is not in study {study}.{suggestion(pattern, variants)}")
        found.update(fitting)
    return tuple(v for v in variants if not only or v in found)


def matching(pattern: str, names: Sequence[str]) -> list[str]:
    """The names that a shell-style pattern fits, in any case."""
    return [name for name in names if fnmatchcase(name.lower(), pattern.lower())]
