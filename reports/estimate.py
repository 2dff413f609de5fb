"""An estimate with its interval and p value, from the two components of its variance: training runs and photographs."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from scipy import special

LEVEL = 0.95
NEGLIGIBLE_VARIANCE = 1e-24  # dB squared; a smaller variance is rounding error


@dataclass(frozen=True, kw_only=True)
class VarianceComponent:
    """A component of a squared standard error, in the metric's unit squared; `df` is 0 where it is unknown."""

    variance: float
    df: float


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean or a contrast with its interval at `level`; NaN bounds where its variance is unknown.

    Attributes:
        value: in the metric's unit; `low`, `high` and the standard error `se` likewise.
        df: degrees of freedom of the t distribution behind interval and p.
        p: two-sided, unadjusted.
        n_seeds: seeds of the variant that has fewest; with one, the interval omits the variance over runs.
        seed_share: share of the variance that comes from training runs, 0 to 1.
        df_seeds, df_images: degrees of freedom of the two components.
        level: of the interval.
    """

    value: float
    low: float
    high: float
    se: float
    df: float
    p: float
    n_seeds: int
    seed_share: float = math.nan
    df_seeds: float = 0.0
    df_images: float = 0.0
    level: float = LEVEL

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval excludes zero."""
        return bool(self.low > 0 or self.high < 0)

    def at_level(self, level: float) -> Estimate:
        """The same estimate with its interval at another level."""
        half = _half_width(self.se, self.df, level)
        return replace(self, low=self.value - half, high=self.value + half, level=level)


def estimate_from_components(
    value: float, *, runs: VarianceComponent, images: VarianceComponent, n_seeds: int
) -> Estimate:
    """Interval at `LEVEL` and p from the two components of the variance.

    Args:
        value: the mean or contrast.
        runs: its variance over training runs, given these images.
        images: its variance over photographs, without the runs' component.
        n_seeds: seeds of the variant that has fewest.
    """
    variance = runs.variance + images.variance
    df = degrees_of_freedom((runs, images))
    se = (
        0.0 if variance <= NEGLIGIBLE_VARIANCE else math.sqrt(variance)
    )  # equal numbers up to rounding, or a constant shift
    if math.isnan(df) or math.isnan(value):
        se = p = math.nan
    elif se == 0:
        p = float(abs(value) < 1e-12)
    else:
        p = 2 * float(special.stdtr(df, -abs(value) / se))
    half = _half_width(se, df, LEVEL)
    return Estimate(
        value=value,
        low=value - half,
        high=value + half,
        se=se,
        df=df,
        p=p,
        n_seeds=n_seeds,
        seed_share=runs.variance / variance if variance > NEGLIGIBLE_VARIANCE else math.nan,
        df_seeds=runs.df,
        df_images=images.df,
    )


def degrees_of_freedom(parts: Iterable[VarianceComponent]) -> float:
    """Satterthwaite's degrees of freedom of a sum of independent variances.

    A component with unknown variance is omitted; NaN where all are unknown, infinite where all are zero.
    """
    estimated = [p for p in parts if p.df > 0]
    if not estimated:
        return math.nan
    spread = sum(p.variance**2 / p.df for p in estimated)
    return sum(p.variance for p in estimated) ** 2 / spread if spread > NEGLIGIBLE_VARIANCE**2 else math.inf


def _half_width(se: float, df: float, level: float) -> float:
    if math.isnan(se) or math.isnan(df):
        return math.nan
    return float(special.stdtrit(df, 0.5 + level / 2)) * se if se else 0.0
