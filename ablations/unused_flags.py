"""Flags of `ablations.run` that would not act are refused, rather than accepted without a word."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ablations.command_line import given
from ablations.options import RunOptions


def refuse_unused_flags(options: RunOptions) -> None:
    """Refuse combinations of which a part would not act.

    Args:
        options: what was given.

    Raises:
        ValueError: one line with the flags that would not act, and what does.
    """
    found = given(options, RunOptions(study=options.study))
    if "names" in found and "list" not in found:
        raise ValueError("--names goes with --list: python -m ablations.run --list --names.")
    if "list" in found:
        used = ("list",) if options.study not in (None, "efficiency") else ("list", "names")
        _only(found, used, "--list prints and stops")
    elif "variants" in found:
        _only(found, ("variants",), "--variants prints and stops")
    elif options.study == "efficiency":  # nothing is trained: its own command measures
        takes = "efficiency trains nothing and takes --budget, --device and --out alone here"
        _only(
            found, ("budget", "device", "out"), takes, "python -m ablations.efficiency --help shows what else it knows."
        )
    elif "dry_run" in found and "early_look" in found:
        raise ValueError("--dry-run, --early-look: each trains nothing and prints something else; name one of them.")
    elif "force" in found and ("dry_run" in found or "early_look" in found):
        raise ValueError("--force: --dry-run and --early-look train nothing; leave it out.")


def refuse_flags_without(options: Any, usual: Any, names: Sequence[str], where: str) -> None:
    """Refuse options that are read with another one alone.

    Args:
        options: what was given.
        usual: the same dataclass, whose defaults tell what was given.
        names: of the options.
        where: the flag and value that they go with.

    Raises:
        ValueError: one line with those that were given.
    """
    idle = [flag for name, flag in given(options, usual).items() if name in names]
    if idle:
        raise ValueError(f"{', '.join(idle)}: read with {where} alone; leave it out.")


def _only(given: dict[str, str], used: Iterable[str], why: str, mend: str = "leave it out.") -> None:
    idle = [flag for name, flag in given.items() if name not in used]
    if idle:
        raise ValueError(f"{', '.join(idle)}: {why}; {mend}")
