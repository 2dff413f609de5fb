"""From bootstrap variances to an interval and a p value: Student's t with few seeds and few photographs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

from scipy import stats as sps

LEVEL = 0.95
_TINY = 1e-24  # dB squared; below it a variance is rounding


@dataclass(frozen=True, kw_only=True)
class Variances:
    """Bootstrap variances of a mean or of a difference, and the units behind them.

    Attributes:
        total: with seeds and images drawn together.
        seeds: with seeds drawn and images held.
        images: with images drawn and seeds held.
        n_seeds: seeds behind it; of the variant that has fewer.
        df_images: degrees of freedom over photographs.
    """

    total: float
    seeds: float
    images: float
    n_seeds: int
    df_images: int

    @property
    def seed_share(self) -> float:
        """Share of the variance that comes from training seeds, 0 to 1; NaN where nothing varies."""
        both = self.seeds + self.images
        return self.seeds / both if both > _TINY else math.nan


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean or a difference with its interval at `LEVEL`; NaN bounds where nothing could be resampled.

    Attributes:
        value: the mean or difference, in the metric's unit; `low`, `high` and the standard error `se` likewise.
        df: degrees of freedom of the t distribution behind interval and p.
        p: two-sided, uncorrected.
        n_seeds: seeds behind it; with one, the interval leaves training luck out.
        seed_share: share of the variance that comes from training seeds, 0 to 1.
        df_images: degrees of freedom over photographs alone.
    """

    value: float
    low: float
    high: float
    se: float
    df: float
    p: float
    n_seeds: int
    seed_share: float = math.nan
    df_images: int = 0

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval leaves zero out."""
        return bool(self.low > 0 or self.high < 0)

    def turned(self) -> Estimate:
        """The same difference seen from the other side."""
        return replace(self, value=-self.value, low=-self.high, high=-self.low)


def estimate(value: float, variances: Variances, *, study_share: float = math.nan) -> Estimate:
    """Interval and p from the variances.

    Args:
        value: the mean or difference.
        variances: its own.
        study_share: typical share of the seeds' variance in the study (`typical_share`). With three seeds a pair's own
            share is poorly known: where it comes out small by chance, so does the standard error, and many degrees of
            freedom would take that luck for certainty. The larger share, which has fewer degrees, therefore counts.
    """
    own = variances.seed_share
    alone = math.isnan(own) or math.isnan(study_share) or own == 0 or variances.n_seeds < 2
    share = own if alone else max(own, study_share)
    df = degrees_of_freedom(share, variances.n_seeds, variances.df_images)
    nan, se = math.nan, math.sqrt(variances.total)
    if math.isnan(df) or math.isnan(value):
        low, high, se, p = nan, nan, nan, nan
    elif se < 1e-12:  # rounding of equal numbers, or a shift without any spread
        low, high, se, p = value, value, 0.0, float(abs(value) < 1e-12)
    else:
        half = float(sps.t.ppf(0.5 + LEVEL / 2, df)) * se
        low, high, p = value - half, value + half, 2 * float(sps.t.sf(abs(value) / se, df))
    return Estimate(
        value=value,
        low=low,
        high=high,
        se=se,
        df=df,
        p=p,
        n_seeds=variances.n_seeds,
        seed_share=share,
        df_images=variances.df_images,
    )


def degrees_of_freedom(seed_share: float, n_seeds: int, df_images: int) -> float:
    """Satterthwaite's degrees of freedom of a variance, `seed_share` of which comes from seeds, the rest from images.

    A part without freedom (one seed, one photograph) is left out; NaN where both are.
    """
    df_seeds = n_seeds - 1
    if df_seeds <= 0 and df_images <= 0:
        return math.nan
    if math.isnan(seed_share):
        return math.inf
    parts = [(v, d) for v, d in ((seed_share, df_seeds), (1 - seed_share, df_images)) if d > 0 and v > 0]
    if not parts:
        return math.inf
    return sum(v for v, _ in parts) ** 2 / sum(v**2 / d for v, d in parts)


def typical_share(of_pairs: Sequence[Variances]) -> float:
    """Median over a study's pairs of the share that seeds have in a difference's variance; NaN where none has any."""
    shares = [v.seed_share for v in of_pairs if v.n_seeds > 1 and v.seed_share > 0]
    return median(shares) if shares else math.nan
