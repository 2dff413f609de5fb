"""Every pair of a study's variants with all that is computed of it: difference, tests, effect sizes, power."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pandas as pd

from reports import paired
from reports.power import minimum_detectable_difference, seeds_needed
from reports.stats import AVERAGE, LEVEL, Bootstrap, Estimate, means

PAIR_COLUMNS = (
    "first", "second", "difference_db", "ci_low", "ci_high", "se_db", "df", "p", "p_holm", "p_wilcoxon",
    "p_wilcoxon_holm", "effect_gz", "rank_biserial", "mdd_db", "mdd_holm_db", "seeds_needed", "n_seeds", "n_scenes",
    "n_images", "distinguishable",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Difference `first - second` of the averages over tasks.

    Attributes:
        estimate: value, 95 % interval and p of the hierarchical bootstrap; units: seeds, scenes, images. Uncorrected.
        p_holm: its p after Holm's correction over all pairs of the study.
        p_wilcoxon, p_wilcoxon_holm: Wilcoxon's signed-rank test over scenes averaged over seeds (reports/paired.py),
            before and after Holm's correction; NaN with too few scenes.
        effect_gz: Hedges' g_z over the same scenes.
        rank_biserial: matched-pairs rank-biserial correlation over the same scenes.
        mdd: minimum detectable difference, uncorrected 5 % test, 80 % power; NaN with one seed.
        mdd_holm: the same at the strictest step of Holm's correction.
        seeds_needed: seeds that would find a difference as large as the observed one at that strictest step.
        n_scenes, n_images: photographs and images behind the difference.
    """

    first: str
    second: str
    estimate: Estimate
    p_holm: float
    p_wilcoxon: float
    p_wilcoxon_holm: float
    effect_gz: float
    rank_biserial: float
    mdd: float
    mdd_holm: float
    seeds_needed: int | None
    n_scenes: int
    n_images: int

    @property
    def models_differ(self) -> bool:
        """Whether the trained models differ on such photographs at `LEVEL` after the correction."""
        return bool(self.p_holm < 1 - LEVEL)

    @property
    def distinguishable(self) -> bool:
        """Whether the variants differ: as `models_differ`, and more than one seed says that it was not luck."""
        return self.models_differ and self.estimate.n_seeds > 1

    def other(self, variant: str) -> str:
        """The partner of `variant` in this pair."""
        return self.second if variant == self.first else self.first

    def against(self, reference: str) -> Pair:
        """The pair as `variant - reference`."""
        if self.second == reference:
            return self
        return replace(
            self,
            first=self.second,
            second=self.first,
            estimate=self.estimate.turned(),
            effect_gz=-self.effect_gz,
            rank_biserial=-self.rank_biserial,
        )


def pairs(bootstrap: Bootstrap) -> list[Pair]:
    """Every pair of variants that have all conditions, the better one first, best variants first."""
    scores = bootstrap.scores
    table = means(scores)
    ranked = table.drop(index="input")[AVERAGE].dropna().sort_values(ascending=False, kind="stable").index
    named = list(combinations(map(str, ranked), 2))
    estimates = [bootstrap.difference(a, b) for a, b in named]
    units = [paired.scene_differences(scores, a, b) for a, b in named]
    p_wilcoxon = [paired.wilcoxon(u) for u in units]
    corrected, corrected_wilcoxon = holm([e.p for e in estimates]), holm(p_wilcoxon)
    strictest = (1 - LEVEL) / max(len(named), 1)
    return [
        Pair(
            first=a,
            second=b,
            estimate=e,
            p_holm=corrected[k],
            p_wilcoxon=p_wilcoxon[k],
            p_wilcoxon_holm=math.nan if math.isnan(p_wilcoxon[k]) else corrected_wilcoxon[k],
            effect_gz=paired.hedges_gz(units[k]),
            rank_biserial=paired.rank_biserial(units[k]),
            mdd=minimum_detectable_difference(e),
            mdd_holm=minimum_detectable_difference(e, alpha=strictest),
            seeds_needed=seeds_needed(e, alpha=strictest),
            n_scenes=len(units[k]),
            n_images=int(scores.images_in(AVERAGE).sum()),
        )
        for k, ((a, b), e) in enumerate(zip(named, estimates, strict=True))
    ]


def holm(p_values: Sequence[float]) -> list[float]:
    """P values after Holm's step-down correction; NaN (no test) counts as 1, so the family keeps its size."""
    if not len(p_values):
        return []
    from statsmodels.stats.multitest import multipletests  # slow to import, and of no use to who draws

    p = np.nan_to_num(np.asarray(p_values, dtype=float), nan=1.0)
    return [float(v) for v in multipletests(p, alpha=1 - LEVEL, method="holm")[1]]


def pairs_frame(found: Sequence[Pair]) -> pd.DataFrame:
    """The pairs as rows of pairs.csv, unrounded; differences in dB, `seeds_needed` empty where 50 would not do."""
    rows = []
    for p in found:
        e = p.estimate
        rows.append((
            p.first, p.second, e.value, e.low, e.high, e.se, e.df, e.p, p.p_holm, p.p_wilcoxon,
            p.p_wilcoxon_holm, p.effect_gz, p.rank_biserial, p.mdd, p.mdd_holm, p.seeds_needed, e.n_seeds, p.n_scenes,
            p.n_images, p.distinguishable,
        ))  # fmt: skip
    frame = pd.DataFrame(rows, columns=pd.Index(PAIR_COLUMNS))
    return frame.astype({"seeds_needed": "Int64"})
