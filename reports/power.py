"""Statistical power of a study with its seeds and images.

From a contrast's standard error and degrees of freedom, by the noncentral t distribution. (`statsmodels.stats.power`
makes the same calculation, but returns NaN at some of the few and fractional degrees of freedom that three seeds give;
`scipy.special.nctdtr` does not.)
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence

from scipy import optimize, special

from reports.estimate import LEVEL, Estimate, VarianceComponent, degrees_of_freedom

POWER = 0.80
MAX_SEEDS = 50
_LARGE_DF = 1e6  # used in place of infinite degrees of freedom


def power_of(difference: float, *, se: float, df: float, alpha: float) -> float:
    """Probability that a two-sided t test at level `alpha` finds a true `difference` with its sign.

    Args:
        difference: the true one, in the unit of `se`.
        se: its standard error, above zero.
        df: degrees of freedom of the standard error; may be infinite.
        alpha: level of the test.
    """
    df = min(df, _LARGE_DF)
    return 1 - float(special.nctdtr(df, abs(difference) / se, special.stdtrit(df, 1 - alpha / 2)))


def minimum_detectable_difference(estimate: Estimate, *, alpha: float = 1 - LEVEL, power: float = POWER) -> float:
    """The true difference that a two-sided test at `alpha` finds with probability `power`, in the metric's unit.

    Args:
        estimate: the contrast; its standard error and degrees of freedom count, not its value.
        alpha: the test's level; `0.05 / m` for one of m planned contrasts.
        power: the required probability.

    Returns:
        NaN for one seed or one image: the variance is unknown.
    """
    if estimate.n_seeds < 2 or math.isnan(estimate.se) or math.isnan(estimate.df):
        return math.nan
    df = min(estimate.df, _LARGE_DF)

    def power_gap(in_standard_errors: float) -> float:
        return power_of(in_standard_errors, se=1.0, df=df, alpha=alpha) - power

    upper_bound = 3 * float(special.stdtrit(df, 1 - alpha / 2)) + 10
    return estimate.se * float(optimize.brentq(power_gap, 0.0, upper_bound, xtol=1e-4))


def seeds_needed(estimate: Estimate, *, alpha: float = 1 - LEVEL, power: float = POWER) -> int | None:
    """Number of seeds that detect a true difference of the observed size on the same images.

    More seeds shrink the seeds' share of the variance and add degrees of freedom; the images' share stays. What was
    observed is itself uncertain, so this is a rough guide, not a promise.

    Returns:
        None where `MAX_SEEDS` are too few, or where the variance between seeds is unknown.
    """
    if estimate.n_seeds < 2 or not estimate.se > 0 or math.isnan(estimate.seed_share):
        return None

    def finds(n_seeds: int) -> bool:
        factor, df = n_seeds / estimate.n_seeds, (n_seeds - 1) / (estimate.n_seeds - 1)
        runs = VarianceComponent(variance=estimate.seed_share / factor, df=estimate.df_seeds * df)
        images = VarianceComponent(variance=1 - estimate.seed_share, df=estimate.df_images)
        se = estimate.se * math.sqrt(runs.variance + images.variance)
        return power_of(estimate.value, se=se, df=degrees_of_freedom((runs, images)), alpha=alpha) >= power

    # power only grows with seeds
    n_seeds_needed = bisect_left(range(2, MAX_SEEDS + 1), True, key=finds) + 2
    return n_seeds_needed if n_seeds_needed <= MAX_SEEDS else None


def quadratic_mean(sizes: Sequence[float]) -> float:
    """The typical one of several minimum detectable differences.

    They are proportional to standard errors; with few seeds those scatter widely, and only their squares are unbiased.
    """
    return math.sqrt(sum(size**2 for size in sizes) / len(sizes))
