"""Pairwise differences of a study's variants, exploratory: unadjusted intervals and no verdict.

Tests are of the planned contrasts (reports/contrasts.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import pandas as pd

from reports.power import minimum_detectable_difference
from reports.stats import AVERAGE, Analysis, Estimate, means

PAIR_COLUMNS = (
    "first", "second", "difference_db", "ci_low", "ci_high", "se_db", "df", "p", "mdd_db", "n_seeds", "n_scenes",
    "n_images",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class PairDifference:
    """Difference `first - second` of the column averages.

    Attributes:
        estimate: value, 95 % interval and p for new runs and new photographs, unadjusted.
        n_scenes, n_images: photographs and images behind it.
    """

    first: str
    second: str
    estimate: Estimate
    n_scenes: int
    n_images: int


def pair_differences(analysis: Analysis) -> list[PairDifference]:
    """Every pair of variants that have all conditions, the better one first, best variants first."""
    n_scenes, n_images = analysis.scores.count_scenes_and_images(AVERAGE)
    averages = means(analysis.scores).drop(index="input")[AVERAGE].dropna()
    ranked = averages.sort_values(ascending=not analysis.scores.kind.higher_is_better, kind="stable").index
    return [
        PairDifference(first=a, second=b, estimate=analysis.difference(a, b), n_scenes=n_scenes, n_images=n_images)
        for a, b in combinations(map(str, ranked), 2)
    ]


def pairs_frame(pairs: Sequence[PairDifference]) -> pd.DataFrame:
    """The pairs as rows of pairs.csv, unrounded; differences in dB."""
    rows = []
    for p in pairs:
        e = p.estimate
        mdd = minimum_detectable_difference(e)
        rows.append((
            p.first, p.second, e.value, e.low, e.high, e.se, e.df, e.p, mdd, e.n_seeds, p.n_scenes, p.n_images
        ))  # fmt: skip
    return pd.DataFrame(rows, columns=pd.Index(PAIR_COLUMNS))
