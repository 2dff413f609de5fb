"""Empirical Bayes moderation of variances: each is shrunk towards the common value of a study's variants.

Three runs estimate a variant's variance over training runs poorly; nine variants of three runs do better. Each variance
over runs is modelled as a draw from a scaled inverse chi-squared distribution whose two parameters are fitted to
all of them (Smyth, 2004, as in limma), and replaced by its posterior mean. Where the variances scatter no more than
equal ones would, the fit makes them equal: the pooled variance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

_MIN_RELATIVE_VARIANCE = 1e-5  # relative to the median; floor for logarithms


@dataclass(frozen=True, kw_only=True)
class ModeratedVariances:
    """Variances after moderation.

    Attributes:
        variances: (V,) in the unit of what went in.
        df: (V,) degrees of freedom of each: its own and the prior's, but no more than `df_pooled`.
        df_prior: degrees of freedom that the prior is worth; 0 without one, infinite where all are pooled.
        variance_prior: the value towards which variances are shrunk; NaN without a prior.
        df_pooled: sum of the variances' own degrees of freedom.
    """

    variances: np.ndarray
    df: np.ndarray
    df_prior: float
    variance_prior: float
    df_pooled: float


def moderate_variances(variances: np.ndarray, df: np.ndarray) -> ModeratedVariances:
    """Shrink variances towards each other.

    Args:
        variances: (V,) above zero.
        df: (V,) degrees of freedom of each, above zero.
    """
    df_prior, variance_prior = fit_prior(variances, df)
    pooled = float(df.sum())
    if math.isinf(df_prior):
        shrunk = np.full(len(variances), variance_prior)
    elif df_prior > 0:
        shrunk = (df_prior * variance_prior + df * variances) / (df_prior + df)
    else:
        shrunk = variances
    return ModeratedVariances(
        variances=shrunk,
        df=np.minimum(df_prior + df, pooled),
        df_prior=df_prior,
        variance_prior=variance_prior,
        df_pooled=pooled,
    )


def fit_prior(variances: np.ndarray, df: np.ndarray) -> tuple[float, float]:
    """Degrees of freedom and value of the prior, from mean and variance of the variances' logarithms.

    Returns:
        (0, NaN) for fewer than two variances; infinite degrees of freedom and the pooled variance where the logarithms
        scatter no more than those of equal variances do.
    """
    if len(variances) < 2:
        return 0.0, math.nan
    floor = _MIN_RELATIVE_VARIANCE * float(np.median(variances))
    logs = np.log(np.maximum(variances, floor)) - special.psi(df / 2) + np.log(df / 2)
    excess = float(np.var(logs, ddof=1) - np.mean(_trigamma(df / 2)))
    if excess <= 0:
        return math.inf, float(variances @ df / df.sum())
    prior = 2 * trigamma_inverse(excess)
    return prior, float(np.exp(np.mean(logs) + special.psi(prior / 2) - math.log(prior / 2)))


def trigamma_inverse(value: float) -> float:
    """The x above zero at which the trigamma function has this value, by Newton's method (Smyth, 2004, appendix)."""
    x = 0.5 + 1 / value
    for _ in range(50):
        at = float(_trigamma(x))
        step = at * (1 - at / value) / (-2 * float(special.zeta(3, x)))
        x += step
        if -step / x < 1e-8:
            break
    return x


def _trigamma(x: np.ndarray | float) -> np.ndarray:
    return np.asarray(special.zeta(2, x))
