"""From bootstrap variances to an interval and a p value: Student's t with few seeds and few photographs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from scipy import special

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
    def varies(self) -> bool:
        """Whether it is known how this varies from seed to seed; untrained methods do not vary."""
        return self.n_seeds > 1 and self.seeds > _TINY


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean or a difference with its interval at `LEVEL`; NaN bounds where nothing could be resampled.

    Attributes:
        value: the mean or difference, in the metric's unit; `low`, `high` and the standard error `se` likewise.
        df: degrees of freedom of the t distribution behind interval and p.
        p: two-sided, uncorrected.
        n_seeds: seeds behind it; with one, the interval leaves training luck out.
        seed_share: share of the variance that comes from training seeds, 0 to 1.
        df_seeds, df_images: degrees of freedom over seeds alone and over photographs alone.
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
    df_images: int = 0

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval leaves zero out."""
        return bool(self.low > 0 or self.high < 0)

    def turned(self) -> Estimate:
        """The same difference seen from the other side."""
        return replace(self, value=-self.value, low=-self.high, high=-self.low)


def estimate(
    value: float, variances: Variances, *, neighbours: Sequence[Variances] = (), n_variants: int = 2
) -> Estimate:
    """Interval and p from the variances.

    Three seeds say little of how much a pair varies from training to training: where its seeds agree by chance, its
    standard error is far too small. The study's other pairs of either variant know more. The seeds' variance is
    therefore the pair's own or the mean over those neighbours, whichever is larger, with the degrees of freedom of that
    mean. The larger one, so that a variant that varies more than the others is not measured by their spread.

    Args:
        value: the mean or difference.
        variances: its own.
        neighbours: of all pairs that share a variant with this one, itself included; none for a mean or a lone pair.
        n_variants: variants behind the neighbours.
    """
    n_seeds, df_seeds, seeds = variances.n_seeds, float(variances.n_seeds - 1), variances.seeds
    known = [v.seeds * v.n_seeds / n_seeds for v in neighbours if v.varies]
    if n_variants > 2 and variances.varies:
        seeds = max(seeds, sum(known) / len(known))
        df_seeds *= pooled_degrees(n_variants)
    both = seeds + variances.images
    share = seeds / both if both > _TINY else math.nan
    df = degrees_of_freedom(share, df_seeds, variances.df_images)
    nan, se = math.nan, math.sqrt(variances.total - variances.seeds + seeds)
    if math.isnan(df) or math.isnan(value):
        low, high, se, p = nan, nan, nan, nan
    elif se < 1e-12:  # rounding of equal numbers, or a shift without any spread
        low, high, se, p = value, value, 0.0, float(abs(value) < 1e-12)
    else:
        half = float(special.stdtrit(df, 0.5 + LEVEL / 2)) * se
        low, high, p = value - half, value + half, 2 * float(special.stdtr(df, -abs(value) / se))
    return Estimate(
        value=value,
        low=low,
        high=high,
        se=se,
        df=df,
        p=p,
        n_seeds=n_seeds,
        seed_share=share,
        df_seeds=df_seeds,
        df_images=variances.df_images,
    )


def pooled_degrees(n_variants: int) -> float:
    """By how much the mean over neighbours multiplies the seeds' degrees of freedom, for variants that vary alike.

    That mean is half the pair's own two variances and, for the other half, the mean of the V - 2 others'; by
    Satterthwaite it is worth 4 / (1/2 + 1 / (V - 2)) variances, and no more than the V - 1 that the study has.
    """
    return min(4 / (0.5 + 1 / (n_variants - 2)), n_variants - 1)


def degrees_of_freedom(seed_share: float, df_seeds: float, df_images: float) -> float:
    """Satterthwaite's degrees of freedom of a variance, `seed_share` of which comes from seeds, the rest from images.

    A part without freedom (one seed, one photograph) is left out; NaN where both are.
    """
    if df_seeds <= 0 and df_images <= 0:
        return math.nan
    if math.isnan(seed_share):
        return math.inf
    parts = [(v, d) for v, d in ((seed_share, df_seeds), (1 - seed_share, df_images)) if d > 0 and v > 0]
    if not parts:
        return math.inf
    return sum(v for v, _ in parts) ** 2 / sum(v**2 / d for v, d in parts)
