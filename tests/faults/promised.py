"""What the project promises of its faults: which counts of the tests make up each row, and how many it must reach."""

from __future__ import annotations

from collections.abc import Mapping

KILLS = "SIGKILLs"
RACES = "races"
FLIPS = "flipped bits"
MALFORMED = "malformed"

PROMISED = {KILLS: 200, RACES: 50, FLIPS: 500, MALFORMED: 10_000}
"""Row -> how many in a full run; a kind of fault counts for the row that its name begins with."""


def summed(counts: Mapping[str, int]) -> dict[str, int]:
    """The sum of each promised row over the kinds that were tried."""
    return {row: sum(n for kind, n in counts.items() if kind.startswith(row)) for row in PROMISED}


def lines(counts: Mapping[str, int]) -> list[str]:
    """The summary: each kind, then each row's sum beside what is promised."""
    found = [f"{count:7} {name}" for name, count in sorted(counts.items())]
    return found + [f"{n:7} of {PROMISED[row]} promised: {row}" for row, n in summed(counts).items()]
