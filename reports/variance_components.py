"""Variance components of one column: contributions of each variant's runs and photographs to a contrast's variance.

A mean over images is the sum of what photographs contribute to it (linearised, so that photographs of several crops
count as one unit each). Runs are crossed with photographs, as in a two-way random-effects analysis of variance: the
variance over runs of a variant's mean holds the interaction of runs and photographs already, so it must be
subtracted from the photographs' component.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from reports.empirical_bayes import ModeratedVariances, moderate_variances
from reports.estimate import NEGLIGIBLE_VARIANCE, VarianceComponent

_MIN_SHARE_OF_LARGEST = 1e-8
"""Of the largest variance over runs in a column; a smaller one is rounding, not training."""


@dataclass(frozen=True, kw_only=True)
class Units:
    """The units that count as photographs in a column: scenes; images, where a scene is alone in its stratum.

    Attributes:
        unit_of_image: (I,) number of the image's unit; -1 where the image is not of the column.
        stratum: (K, H) 1.0 where the unit is of the stratum.
    """

    unit_of_image: np.ndarray
    stratum: np.ndarray

    @cached_property
    def sizes(self) -> np.ndarray:
        """(H,) units of each stratum."""
        return np.asarray(self.stratum.sum(axis=0))

    @property
    def df(self) -> np.ndarray:
        """(H,) degrees of freedom over the units of each stratum."""
        return np.asarray(self.sizes - 1)

    def sum_by_unit(self, by_image: np.ndarray) -> np.ndarray:
        """(S, I) -> (S, K), sums over the images of each unit."""
        used = self.unit_of_image >= 0
        places = self.unit_of_image[used]
        return np.stack([np.bincount(places, row, minlength=len(self.stratum)) for row in by_image[:, used]])

    def subtract_stratum_means(self, contributions: np.ndarray) -> np.ndarray:
        """(..., K) less the mean of each unit's stratum."""
        return np.asarray(contributions - (contributions @ self.stratum / self.sizes) @ self.stratum.T)

    def variances(self, contributions: np.ndarray) -> np.ndarray:
        """(K,) -> (H,): the variance of the sum of contributions, if its units were resampled within each stratum."""
        squares = self.subtract_stratum_means(contributions) ** 2 @ self.stratum
        return np.asarray(squares * self.sizes / np.maximum(self.df, 1))


def group_units(scene: np.ndarray, stratum: np.ndarray, used: np.ndarray) -> Units:
    """The units of a column.

    Args:
        scene: (I,) number of the image's scene.
        stratum: (I,) number of its scene's stratum.
        used: (I,) whether the image is of the column.
    """
    unit, strata = scene[used].astype(np.int64), stratum[used]
    for value in np.unique(strata):
        in_stratum = strata == value
        if len(np.unique(unit[in_stratum])) == 1:
            unit[in_stratum] = scene.max(initial=0) + 1 + np.flatnonzero(in_stratum)
    _, first, unit_indices = np.unique(unit, return_index=True, return_inverse=True)
    unit_of_image = np.full(len(scene), -1)
    unit_of_image[used] = unit_indices
    return Units(unit_of_image=unit_of_image, stratum=(strata[first][:, None] == np.unique(strata)).astype(float))


@dataclass(frozen=True, kw_only=True)
class RunComponents:
    """One variant in one column.

    Attributes:
        by_seed: (S,) mean of each run; NaN where the variant lacks a condition.
        contributions: (K,) of the photographs to the mean over runs, less what the mean image contributes.
        interaction: (H,) how much of the variance of `contributions` comes from runs: variance of the interaction of
            runs and photographs, over S; zero with one run, from which it can't be estimated.
        df_interaction: (H,) its degrees of freedom.
    """

    by_seed: np.ndarray
    contributions: np.ndarray
    interaction: np.ndarray
    df_interaction: np.ndarray

    @property
    def df(self) -> int:
        """Degrees of freedom over runs."""
        return len(self.by_seed) - 1

    @cached_property
    def variance(self) -> float:
        """Variance of the mean over runs, with these images; NaN with one run."""
        return float(np.var(self.by_seed, ddof=1)) if self.df else np.nan


def run_components(values: np.ndarray, inputs: np.ndarray, weights: np.ndarray, units: Units) -> RunComponents:
    """One variant's components.

    Args:
        values: (S, I, C) scores.
        inputs: (I, C) NaN where the image does not count in the condition.
        weights: (C,) of the conditions in the column.
        units: of the column.
    """
    used = weights > 0
    is_scored = ~np.isnan(inputs[:, used])
    counts = is_scored.sum(axis=0)
    y = np.where(is_scored, values[..., used], 0.0)
    means = y.sum(axis=1) / np.maximum(counts, 1)  # (S, conditions)
    by_image = (y - means[:, None, :] * is_scored) @ (weights[used] / np.maximum(counts, 1))
    means[:, counts == 0] = np.nan
    by_unit = units.sum_by_unit(by_image)  # (S, K)
    mean, n_seeds = by_unit.mean(axis=0), len(values)
    residuals = units.subtract_stratum_means(by_unit - mean)
    df = (n_seeds - 1) * units.df
    squares = (residuals**2).sum(axis=0) @ units.stratum
    interaction = units.sizes * squares / np.maximum(df, 1) / n_seeds
    return RunComponents(by_seed=means @ weights[used], contributions=mean, interaction=interaction, df_interaction=df)


@dataclass(frozen=True, kw_only=True)
class Components:
    """All variants of a column; variances of trained variants are moderated together."""

    units: Units
    runs: dict[str, RunComponents]

    @cached_property
    def varying(self) -> tuple[str, ...]:
        """Variants whose variance from run to run is known and more than rounding.

        Methods without training do not vary but for rounding, which differs between processors; in the prior of
        trained variants that would stand for a variance of almost zero.
        """
        variances = {name: r.variance for name, r in self.runs.items() if r.variance > NEGLIGIBLE_VARIANCE}
        least = _MIN_SHARE_OF_LARGEST * max(variances.values(), default=0.0)
        return tuple(name for name, variance in variances.items() if variance > least)

    @cached_property
    def moderated(self) -> ModeratedVariances:
        """Variances over runs of the variants that vary, in their order."""
        runs = [self.runs[name] for name in self.varying]
        return moderate_variances(np.array([r.variance for r in runs]), np.array([float(r.df) for r in runs]))

    @cached_property
    def _moderated_index(self) -> dict[str, int]:
        return {name: k for k, name in enumerate(self.varying)}

    def run_variance(self, weights: dict[str, float]) -> VarianceComponent:
        """Variance over training runs of the contrast, these images held; runs of different variants independent."""
        terms = [(w, v, self._moderated_index[v]) for v, w in weights.items() if v in self._moderated_index]
        if not terms:  # no training, or one run each
            return VarianceComponent(variance=0.0, df=np.inf if all(self.runs[v].df for v in weights) else 0.0)
        shares = np.array([w**2 / len(self.runs[v].by_seed) for w, v, _ in terms])
        indices = [k for *_, k in terms]
        variances = shares * self.moderated.variances[indices]
        df = variances.sum() ** 2 / (variances**2 / self.moderated.df[indices]).sum()
        return VarianceComponent(variance=float(variances.sum()), df=float(min(df, self.moderated.df_pooled)))

    def image_variance(self, weights: dict[str, float]) -> VarianceComponent:
        """Variance over photographs of the contrast, without the interaction that the runs' component includes."""
        contributions = sum(w * self.runs[v].contributions for v, w in weights.items())
        by_stratum = self.units.variances(np.asarray(contributions))  # (H,)
        from_runs = np.array([w**2 * self.runs[v].interaction for v, w in weights.items()])  # (V, H)
        df_runs = np.array([self.runs[v].df_interaction for v in weights])
        df = self.units.df
        if not (df > 0).any():
            return VarianceComponent(variance=0.0, df=0.0)
        spread = (by_stratum[df > 0] ** 2 / df[df > 0]).sum() + (from_runs**2 / np.maximum(df_runs, 1)).sum()
        variance = max(float(by_stratum.sum() - from_runs.sum()), 0.0)
        return VarianceComponent(
            variance=variance, df=float(variance**2 / spread) if variance > NEGLIGIBLE_VARIANCE else float(df.sum())
        )
