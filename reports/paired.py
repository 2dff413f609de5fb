"""Wilcoxon's test and effect sizes of a pair of variants, over photographs.

The unit is the scene (the photograph): its difference is averaged over the seeds that both variants have, over the
conditions as the average over tasks weighs them, and over the crops cut from it. Crops of one photograph, the same
photograph under seven degradations, and the same image under three seeds are not independent; counted as units of
their own they would make any difference significant. Where each image is a photograph of its own, units are images.

Averaged over seeds, the units know nothing of training luck: these numbers speak of the trained models at hand. That
another training would show the same is the hierarchical bootstrap's question (reports/stats.py).
"""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from reports.stats import AVERAGE, Scores

MIN_SCENES = 6  # with five, no outcome of a two-sided signed-rank test lies below 5 %


def scene_differences(scores: Scores, first: str, second: str) -> np.ndarray:
    """(N,) difference `first - second` of each scene, in the metric's unit; rounding errors are taken out."""
    rows_a, rows_b, _ = scores.seed_rows(first, second)
    gap = scores.values[first][list(rows_a)].mean(axis=0) - scores.values[second][list(rows_b)].mean(axis=0)  # (I, C)
    weights = np.where(np.isnan(gap), 0.0, scores.weights(AVERAGE))
    known = weights.sum(axis=1) > 0
    by_image = np.nansum(gap * weights, axis=1)[known] / weights.sum(axis=1)[known]
    scene = scores.scene[known]
    counts = np.bincount(scene)
    return np.asarray(np.round(np.bincount(scene, weights=by_image)[counts > 0] / counts[counts > 0], 9))


def wilcoxon(differences: np.ndarray) -> float:
    """The two-sided p value of Wilcoxon's signed-rank test; NaN below `MIN_SCENES`, 1 if all are zero."""
    from scipy import stats  # a second to import, which processes that only draw need not spend

    if len(differences) < MIN_SCENES:
        return math.nan
    return float(stats.wilcoxon(differences).pvalue) if np.any(differences) else 1.0


def rank_biserial(differences: np.ndarray) -> float:
    """Matched-pairs rank-biserial correlation (Kerby, 2014), -1 to 1: the test's effect size.

    The share of the rank sum that favours the first variant minus the share that favours the second; NaN below
    three scenes and where all differences are zero.
    """
    from scipy import stats

    nonzero = differences[differences != 0]
    if len(differences) < 3 or not len(nonzero):
        return math.nan
    ranks = stats.rankdata(np.abs(nonzero))
    return float(np.sum(np.sign(nonzero) * ranks) / np.sum(ranks))


def hedges_gz(differences: np.ndarray) -> float:
    """Standardised mean difference of pairs: Cohen's d_z with Hedges' correction for few units (then called g_z).

    The mean difference over its standard deviation between scenes (Cohen, 1988; Lakens, 2013), times Hedges' (1981)
    exact factor J(N - 1). NaN below three scenes, or where every scene has the same difference.
    """
    df = len(differences) - 1
    spread = float(np.std(differences, ddof=1)) if df > 1 else 0.0
    if spread < 1e-9:
        return math.nan
    correction = math.exp(special.gammaln(df / 2) - special.gammaln((df - 1) / 2)) / math.sqrt(df / 2)
    return float(np.mean(differences)) / spread * correction
