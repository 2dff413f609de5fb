"""The share of pairs of tasks that conflict, and cosines relative to the largest attainable ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from reports.measures import intervals
from reports.stats import LEVEL

_NEARLY_ONE = 1 - 1e-12  # Fisher's z of 1 is infinite


@dataclass(frozen=True, kw_only=True)
class ConflictShare:
    """A share of pairs of tasks with its exact binomial interval at the 95 % level.

    Attributes:
        value: the share, 0 to 1; `low` and `high` likewise.
        n_pairs: pairs of tasks, each once for every trained model.
        n_seeds: trained models.
    """

    value: float
    low: float
    high: float
    n_pairs: int
    n_seeds: int


@dataclass(frozen=True, kw_only=True)
class Cosine:
    """A mean cosine, or a cosine divided by its ceiling, with its 95 % interval; NaN bounds where there is none."""

    value: float
    low: float
    high: float
    n_seeds: int

    @property
    def is_above_zero(self) -> bool:
        """Whether the interval lies above zero; False where there is no interval."""
        return min(self.low, self.value) > 0


def conflict_share(rows: pd.DataFrame) -> ConflictShare | None:
    """The share of conflicts of one variant (columns seed, task_a, task_b, conflict); None without rows.

    A pair of one trained model is one trial, whatever its number of draws of images: more draws inform about this model
    and not about others. A trial counts by the share of its draws that conflict.
    """
    if rows.empty:
        return None
    trials = rows.groupby(["seed", "task_a", "task_b"])["conflict"].mean()
    value, n = float(trials.mean()), len(trials)
    low, high = clopper_pearson(value * n, n)
    return ConflictShare(value=value, low=low, high=high, n_pairs=n, n_seeds=rows["seed"].nunique())


def clopper_pearson(successes: float, n: int) -> tuple[float, float]:
    """The exact binomial interval at the 95 % level (Clopper and Pearson, 1934).

    Successes may be fractional (Korn and Graubard, 1998): the quantiles of the beta distribution are defined for them.
    """
    tail = (1 - LEVEL) / 2
    low = 0.0 if successes <= 0 else float(special.betaincinv(successes, n - successes + 1, tail))
    high = 1.0 if successes >= n else float(special.betaincinv(successes + 1, n - successes, 1 - tail))
    return low, high


def cosines_over_ceiling(
    pairs: pd.DataFrame, same_task: pd.DataFrame
) -> dict[str, dict[tuple[str, str], Cosine | None]]:
    """Cosines of pairs against their ceilings.

    The ceiling of two tasks is the geometric mean of the cosines that their gradients have with themselves on other
    images: sampling noise alone keeps the cosine below it. Intervals are made of Fisher's z over seeds and draws; that
    of the quotient adds those of cosine and ceiling in quadrature.

    Args:
        pairs: one moment and group of layers: variant, seed, draw, task_a, task_b, cosine.
        same_task: the same for tasks against themselves.

    Returns:
        Variant -> pair of tasks -> the quotient; None where the ceiling is not resolved from zero (the interval of a
        task's cosine with itself contains zero, or there is none).
    """
    task_cosines = mean_cosines(same_task, same_task["task_a"])
    relative: dict[str, dict[tuple[str, str], Cosine | None]] = {}
    for variant, cosine_of_pair in pair_cosines(pairs).items():
        ceilings = task_cosines.get(variant, {})
        relative[variant] = {
            (a, b): _divide_by_ceiling(cosine, ceilings.get(a), ceilings.get(b))
            for (a, b), cosine in cosine_of_pair.items()
        }
    return relative


def pair_cosines(rows: pd.DataFrame) -> dict[str, dict[tuple[str, str], Cosine]]:
    """Variant -> pair of tasks -> mean cosine (`mean_cosines`), of rows with task_a and task_b."""
    names = sorted({(str(a), str(b)) for a, b in zip(rows["task_a"], rows["task_b"], strict=True)})
    by_name = mean_cosines(rows, rows["task_a"].str.cat(rows["task_b"], sep=" x "))
    return {
        v: {(a, b): cosine_of_name[f"{a} x {b}"] for a, b in names if f"{a} x {b}" in cosine_of_name}
        for v, cosine_of_name in by_name.items()
    }


def pool_shares(shares_by_variant: Iterable[ConflictShare]) -> ConflictShare:
    """The share over all pairs of several variants; models of different variants are separate trials."""
    shares = list(shares_by_variant)
    n = sum(share.n_pairs for share in shares)
    successes = sum(share.value * share.n_pairs for share in shares)
    low, high = clopper_pearson(successes, n)
    return ConflictShare(
        value=successes / n, low=low, high=high, n_pairs=n, n_seeds=sum(share.n_seeds for share in shares)
    )


def mean_cosines(rows: pd.DataFrame, column: pd.Series) -> Mapping[str, dict[str, Cosine]]:
    """Mean cosines over draws, then seeds, with intervals on the scale of Fisher's z, which keeps them within -1 and 1.

    Args:
        rows: variant, seed, draw, cosine.
        column: of each row.

    Returns:
        Variant -> column -> mean.
    """
    if rows.empty:
        return {}
    transformed = intervals.over_draws(rows, np.arctanh(rows["cosine"].clip(-_NEARLY_ONE, _NEARLY_ONE)), column)
    means = rows.assign(at=column).groupby(["variant", "seed", "at"])["cosine"].mean().groupby(["variant", "at"]).mean()
    cosines: dict[str, dict[str, Cosine]] = {}
    for variant in transformed.scores.variants:
        estimates = {name: intervals.estimate(transformed, variant, name) for name in transformed.scores.conditions}
        cosines[variant] = {
            name: Cosine(
                value=float(means[variant, name]),
                low=float(np.tanh(e.low)),
                high=float(np.tanh(e.high)),
                n_seeds=e.n_seeds,
            )
            for name, e in estimates.items()
            if e is not None
        }
    return cosines


def _divide_by_ceiling(cosine: Cosine, first: Cosine | None, second: Cosine | None) -> Cosine | None:
    if first is None or second is None or not (first.is_above_zero and second.is_above_zero):
        return None
    ceiling = float(np.sqrt(first.value * second.value))
    value = cosine.value / ceiling
    spread = (value / 2) ** 2 * sum(((c.high - c.low) / (2 * c.value)) ** 2 for c in (first, second))
    low, high = (float(np.hypot((end - cosine.value) / ceiling, np.sqrt(spread))) for end in (cosine.low, cosine.high))
    return Cosine(value=value, low=value - low, high=value + high, n_seeds=cosine.n_seeds)
