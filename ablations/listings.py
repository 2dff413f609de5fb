"""The lists of `python -m ablations.run --list` and `--variants`."""

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
    """Print the studies: number of variants and summary; or their names only, one a line."""
    if names_only:
        print("\n".join(STUDIES))
        return 0
    table = Table(box=None, pad_edge=False)
    for name in ("study", "variants", "summary"):
        table.add_column(name, overflow="fold")
    for name in STUDIES:
        table.add_row(name, str(len(STUDIES[name]().variants)), _summary(STUDIES[name]))
    table.add_row("efficiency", "", "Parameters, multiply-adds, time and memory of every model; no training.")
    console = Console()
    console.print(table)
    console.print("\nbudgets:", highlight=False)
    for budget in BUDGETS.values():
        console.print(f"  {budget.name:6} {budget.summary}; seeds {list(budget.seeds)}", highlight=False, markup=False)
    return 0


def list_study(name: str) -> int:
    """Print a study: its question, its variants and its planned contrasts.

    Raises:
        ValueError: unknown study.
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
    """Print the variants at the paper's size: parameters, multiply-adds, and which of them are the same model.

    Args:
        pattern: shell-style, in any case.
        study: list the variants of this study only.

    Raises:
        ValueError: unknown study, or no variant matches.
    """
    candidates = [name for name in VARIANTS if study is None or name in STUDIES[study]().variants]
    names = matching(pattern, candidates)
    if not names:
        suffix = f" of {study}" if study else ""
        raise UnknownNameError(f"--variants {pattern!r}: no variant{suffix} matches.{suggestion(pattern, candidates)}")
    table = Table(box=None, pad_edge=False)
    table.add_column("variant", no_wrap=True)
    for name in ("params (M)", "GMACs"):
        table.add_column(name, justify="right")
    table.add_column("summary", overflow="fold")
    first_by_identity: dict[str, str] = {}
    for name in names:
        config = variant_config(name)
        original = first_by_identity.setdefault(repr(sorted(config.identity().items())), name)
        note = "" if original == name else f" The same model as {original}."
        macs = multiply_adds(config, MACS_SIDE, MACS_SIDE) / 1e9
        table.add_row(name, f"{_params(config) / 1e6:.3f}", f"{macs:.1f}", _summary(VARIANTS[name]) + note)
    console = Console()
    console.print(table)
    console.print(
        f"\nGMACs: 10^9 multiply-adds for {MACS_SIDE} x {MACS_SIDE} pixels (convolutions, attention products and DGM's "
        "linear layers), without the text encoder. The smaller models of the budgets smoke, demo and quick have the "
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
