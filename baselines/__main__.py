"""`python -m baselines`: the comparators' sizes beside DFPIR's and what to know of each, as Markdown for the docs."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import baselines
from baselines.registry import Baseline
from datasets.console import Parser, make_output_safe

REFERENCE = "dfpir"
BUDGETS = ("demo", "small", "quick")

BOUND = 1.5
"""How far a comparator's trained parameters may be from DFPIR's at the small budgets, as a factor."""

EXCEPTIONS = {
    "fdgan": "its encoder is torchvision's DenseNet-121, which has one size",
    "vlunet": "with fewer than 10 channels its prompts have none (it can be built here and timed, not trained)",
}
"""Comparators that can't come within `BOUND`, and why."""


def trained_parameters(name: str, settings: Mapping[str, Any]) -> int:
    """Parameters that training changes, of a comparator with these settings.

    Not counted: AirNet's momentum encoder, which follows, and DFPIR's guide, which no gradient reaches.

    Raises:
        MissingExtraError: the method's library is not installed.
    """
    model = baselines.create_model(name, **settings)
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def trained_baselines() -> list[Baseline]:
    """The comparators that have anything to train, DFPIR first."""
    entries = [baselines.describe(name) for name in baselines.list_models()]
    rows = [row for row in entries if isinstance(row, Baseline) and row.trained]
    return sorted(rows, key=lambda row: (row.name != REFERENCE, row.name))


def table() -> str:
    """The sizes as a Markdown table; a factor is to DFPIR's trained parameters at the same budget.

    Raises:
        MissingExtraError: a method's library is not installed.
    """
    heads = [cell for budget in BUDGETS for cell in (f"`{budget}`, k trained", "factor")]
    lines = [f"| {' | '.join(['model', 'published, M', *heads])} |", "|---" + "|---:" * (1 + len(heads)) + "|"]
    first: list[int] = []
    for row in trained_baselines():
        counts = [trained_parameters(row.name, settings) for settings in (row.demo, row.small, row.quick)]
        first = first or counts
        cells = [row.name, "-" if row.params_m_published is None else f"{row.params_m_published:.3f}"]
        for count, reference in zip(counts, first, strict=True):
            cells += [f"{count / 1e3:.1f}", f"{count / reference:.2f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def remarks() -> str:
    """What a reader of a comparator's numbers must know of it, as a Markdown list."""
    return "".join(
        f"- **{row.name}**{f' ({row.paper})' if row.paper else ''}: {row.notes or 'no notes'}\n"
        for row in trained_baselines()
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table; the exit code: 0, or 2 where a library is missing."""
    make_output_safe()
    Parser(
        prog="python -m baselines",
        description="Print what to know of each comparator, and its parameters: published, and those that training "
        "changes at the budgets demo, small and quick, beside DFPIR's.",
    ).parse_args(argv)
    try:
        print(table())
    except baselines.MissingExtraError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"Not within a factor of {BOUND} of DFPIR:")
    for name, reason in EXCEPTIONS.items():
        print(f"- {name}: {reason}")
    print(f"\n{remarks()}", end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
