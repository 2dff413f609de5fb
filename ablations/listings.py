"""What `python -m ablations.run --list` and `--variants` print."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from ablations.budgets import BUDGETS
from ablations.name_checks import matching
from ablations.registry import STUDIES
from dfpir import variant_config
from dfpir.count import multiply_adds
from dfpir.registry import UnknownNameError, suggestion
from dfpir.variants import VARIANTS

MACS_SIDE = 128


def list_studies(*, names_only: bool = False) -> int:
    """Print the studies: runs a seed, and what each shows; or their names alone, a line each."""
    if names_only:
        print("\n".join(STUDIES))
        return 0
    table = Table(box=None, pad_edge=False)
    for name in ("study", "variants", "what it shows"):
        table.add_column(name, overflow="fold")
    for name in STUDIES:
        table.add_row(name, str(len(STUDIES[name]().variants)), _summary(STUDIES[name]))
    table.add_row("efficiency", "", "Parameters, multiply-adds, time and memory of every model; trains nothing.")
    console = Console()
    console.print(table)
    console.print("\nbudgets:", highlight=False)
    for budget in BUDGETS.values():
        console.print(f"  {budget.name:6} {budget.summary}; seeds {list(budget.seeds)}", highlight=False, markup=False)
    return 0


def list_study(name: str) -> int:
    """Print a study: what it asks, its variants and its planned contrasts.

    Raises:
        ValueError: there is no such study.
    """
    study = STUDIES[name]()
    lines = [f"{study.name}: {study.question}", "", "variants (--only takes them, or 'dfpir_g*'):"]
    for variant in study.variants:
        marks = ["reference"] if variant == study.reference else []
        marks += ["not in the short form of small budgets"] if study.short and variant not in study.short else []
        lines.append(f"  {variant}" + (f"  ({'; '.join(marks)})" if marks else ""))
    if study.contrasts:
        lines += ["", "planned contrasts:", *(f"  {c.name}: {c.label}" for c in study.contrasts)]
    elif study.reference is not None:
        lines += ["", f"planned contrasts: each variant against {study.reference}"]
    if study.tasks is not None:
        lines += ["", f"trained on {', '.join(study.tasks)} (--tasks for others)"]
    console = Console()
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    return 0


def list_variants(pattern: str = "*", *, study: str | None = None) -> int:
    """Print the variants at the paper's size: parameters, multiply-adds, and which are one model under two names.

    The shell-style pattern, in any case, and the name of a study say which.

    Raises:
        ValueError: no such study, or no variant matches.
    """
    among = [name for name in VARIANTS if study is None or name in STUDIES[study]().variants]
    names = matching(pattern, among)
    if not names:
        of = f" of {study}" if study else ""
        raise UnknownNameError(f"--variants {pattern!r}: no variant{of} is called so.{suggestion(pattern, among)}")
    table = Table(box=None, pad_edge=False)
    table.add_column("variant", no_wrap=True)
    for name in ("params (M)", "GMACs"):
        table.add_column(name, justify="right")
    table.add_column("what it is", overflow="fold")
    seen: dict[str, str] = {}
    for name in names:
        config = variant_config(name)
        same = seen.setdefault(repr(sorted(config.identity().items())), name)
        note = "" if same == name else f" The same model as {same}."
        macs = multiply_adds(config, MACS_SIDE, MACS_SIDE) / 1e9
        table.add_row(name, f"{_params(config) / 1e6:.3f}", f"{macs:.1f}", _summary(VARIANTS[name]) + note)
    console = Console()
    console.print(table)
    console.print(
        f"\nGMACs: 10^9 multiply-adds for {MACS_SIDE} x {MACS_SIDE} pixels (convolutions, attention products and DGM's "
        "linear layers). Text encoder not counted. The smaller models of the budgets smoke, demo and quick keep the "
        "same switches.",
        highlight=False,
    )
    return 0


def _params(config: Any) -> int:
    from dfpir import RestorationUNet

    with torch.device("meta"):
        return sum(p.numel() for p in RestorationUNet(config).parameters())


def _summary(function: Callable[..., Any]) -> str:
    return (function.__doc__ or "").strip().partition("\n")[0]
