"""Means, paired differences and their intervals, all from rows of images.parquet.

The interval of a difference answers: would it survive other training seeds and other photographs? Seeds, scenes and
the images of a scene are therefore resampled together, for both variants alike (a hierarchical paired bootstrap).

With few units a bootstrap interval is too narrow for three reasons, and all are mended: n - 1 of n units are drawn (Rao
and Wu, 1988), which makes the bootstrap variance of a mean unbiased; the standard error is multiplied by Student's t
with Satterthwaite's degrees of freedom rather than by 1.96; and a pair whose few seeds agree by chance is held to the
seeds' spread in the study's other pairs of its variants (reports/estimate.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from reports import schema
from reports.estimate import LEVEL, Estimate, Variances, estimate

__all__ = ["AVERAGE", "LEVEL", "Bootstrap", "Estimate", "Scores", "collect", "means", "seed_means"]

RESAMPLES = 2000
AVERAGE = "average"


@dataclass(frozen=True, kw_only=True)
class Scores:
    """All scores of one metric as arrays; S seeds, I images, C conditions.

    Attributes:
        metric: name in the `metric` column.
        conditions: the C columns, in the order of tables.
        values: variant -> (S, I, C), NaN where the image is not of the condition's set.
        inputs: (I, C) scores of the degraded input.
        seeds: variant -> its S seeds, in the order of `values`.
        scene: (I,) number of the image's scene.
        stratum: (I,) number of the set of conditions in which the image's scene occurs.
        dropped: rows left out because some run lacks them, so that means compare like with like.
    """

    metric: str
    conditions: tuple[str, ...]
    values: dict[str, np.ndarray]
    inputs: np.ndarray
    seeds: dict[str, tuple[int, ...]]
    scene: np.ndarray
    stratum: np.ndarray
    dropped: int

    @property
    def variants(self) -> tuple[str, ...]:
        """Variants with at least one finished run, in the order of the rows."""
        return tuple(self.values)

    @property
    def n_scenes(self) -> int:
        """Number of photographs."""
        return len(np.unique(self.scene))

    @property
    def n_images(self) -> int:
        """Number of evaluated images."""
        return len(self.scene)

    def weights(self, condition: str = AVERAGE) -> np.ndarray:
        """(C,) weights of the conditions: one condition, a task, or the average over tasks (noise levels first)."""
        tasks = np.array([schema.task_of(c) for c in self.conditions])
        if condition in self.conditions:
            return np.array([float(c == condition) for c in self.conditions])
        if condition in tasks:
            return np.asarray((tasks == condition) / np.sum(tasks == condition))
        if condition != AVERAGE:
            raise ValueError(f"Unknown column {condition!r}. Known: {', '.join(self.conditions)}, {AVERAGE}.")
        return np.array([1.0 / (len(set(tasks)) * np.sum(tasks == t)) for t in tasks])

    def seed_rows(self, first: str, second: str) -> tuple[tuple[int, ...], tuple[int, ...], bool]:
        """Rows of the seeds that both variants have, pair by pair, and True; all rows of each and False if none."""
        a, b = self.seeds[first], self.seeds[second]
        shared = sorted(set(a) & set(b))
        if shared:
            return tuple(map(a.index, shared)), tuple(map(b.index, shared)), True
        return tuple(range(len(a))), tuple(range(len(b))), False

    def images_in(self, condition: str = AVERAGE) -> np.ndarray:
        """(I,) whether the image counts in this column."""
        return np.asarray(~np.isnan(self.inputs[:, self.weights(condition) > 0]).all(axis=1))


def collect(images: pd.DataFrame, metric: str = schema.PSNR) -> Scores:
    """Arrange the rows of one metric (columns of schema.IMAGE_COLUMNS) for statistics.

    Only images that every run of a condition has are kept. A variant that lacks a condition altogether holds NaN
    there, and its average is NaN: it is never averaged over fewer tasks than the others.
    """
    rows = images[images["metric"] == metric]
    datasets, image_names, scene_names, variants, columns = (
        rows[name].astype("category").cat.remove_unused_categories().cat
        for name in ("dataset", "image", "scene", "variant", "condition")
    )
    conditions = tuple(sorted(columns.categories, key=schema.condition_sort_key))
    condition_at = pd.Index(conditions).get_indexer(columns.categories)[columns.codes]
    image_at, names = _numbered(datasets, image_names)
    seed_codes, seed_values = pd.factorize(rows["seed"])
    numbers, found = pd.factorize(variants.codes.to_numpy() * np.int64(max(len(seed_values), 1)) + seed_codes)
    variant_of, seed_of = np.divmod(found, max(len(seed_values), 1))
    cube = np.full((len(found), len(names), len(conditions)), np.nan)
    inputs = np.full(cube.shape[1:], np.nan)
    cube[numbers, image_at, condition_at] = rows["value"]
    inputs[image_at, condition_at] = rows["input_value"]
    lacks_all = np.isnan(cube).all(axis=1, keepdims=True)
    common = (~np.isnan(cube) | lacks_all).all(axis=0) & ~np.isnan(inputs)
    dropped = int((~np.isnan(cube[:, ~common])).sum())
    cube[:, ~common] = np.nan
    inputs[~common] = np.nan
    scene_at, _ = _numbered(datasets, scene_names)
    scene = np.zeros(len(names), dtype=np.int64)
    scene[image_at[::-1]] = scene_at[::-1]  # of the image's first row
    scene = np.unique(scene, return_inverse=True)[1]
    of_variant = {str(variants.categories[v]): np.flatnonzero(variant_of == v) for v in dict.fromkeys(variant_of)}
    return Scores(
        metric=metric,
        conditions=conditions,
        values={name: cube[places] for name, places in of_variant.items()},
        inputs=inputs,
        seeds={name: tuple(int(s) for s in seed_values[seed_of[places]]) for name, places in of_variant.items()},
        scene=scene,
        stratum=_strata(scene, common),
        dropped=dropped,
    )


def _numbered(datasets: Any, names: Any) -> tuple[np.ndarray, list[str]]:
    """For each row the number of its (data set, name), in alphabetical order, and these as texts; both categorical."""
    width = max(len(names.categories), 1)
    codes, found = pd.factorize(datasets.codes.to_numpy() * np.int64(width) + names.codes.to_numpy())
    texts = [f"{datasets.categories[d]}\n{names.categories[n]}" for d, n in zip(*np.divmod(found, width), strict=True)]
    order = sorted(range(len(texts)), key=texts.__getitem__)
    place = np.zeros(len(texts), dtype=np.int64)
    place[order] = np.arange(len(texts))
    return place[codes], [texts[k] for k in order]


def _strata(scene: np.ndarray, common: np.ndarray) -> np.ndarray:
    """(I,) a number for the set of conditions in which each image's scene occurs.

    Benchmarks have other photographs for each task. Drawing scenes within such a set keeps every condition populated.
    """
    if not len(scene):
        return np.zeros(0, dtype=int)
    occurs = np.stack([common[scene == s].any(axis=0) for s in range(scene.max() + 1)])
    return np.asarray(np.unique(occurs[scene], axis=0, return_inverse=True)[1]).reshape(-1)


def means(scores: Scores) -> pd.DataFrame:
    """Mean of each variant (and of "input", first) for each condition and the average over tasks.

    Returns:
        Index: "input" and the variants. Columns: the conditions and `AVERAGE`. NaN where a variant has no score.
    """
    table = {"input": _mean_over_images(scores.inputs)}
    table.update({v: _mean_over_images(x).mean(axis=0) for v, x in scores.values.items()})
    frame = pd.DataFrame.from_dict(table, orient="index", columns=pd.Index(scores.conditions))
    frame[AVERAGE] = frame.to_numpy() @ scores.weights()
    return frame


def seed_means(scores: Scores, variant: str, condition: str = AVERAGE) -> np.ndarray:
    """(S,) mean of each seed's run."""
    return np.asarray(_weighted(_mean_over_images(scores.values[variant]), scores.weights(condition)))


def _mean_over_images(values: np.ndarray) -> np.ndarray:
    """(..., I, C) -> (..., C), NaN where no image counts."""
    counts = (~np.isnan(values)).sum(axis=-2)
    return np.asarray(np.where(counts > 0, np.nansum(values, axis=-2) / np.maximum(counts, 1), np.nan))


def _weighted(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(..., C) -> (...); a NaN in a condition without weight does no harm."""
    used = weights > 0
    return np.asarray(values[..., used] @ weights[used])


@dataclass(frozen=True, kw_only=True)
class Bootstrap:
    """Resampled means of every variant under the same draws, ready for any difference.

    Attributes:
        scores: what is resampled.
        resamples: R, the number of draws.
        seed: of the generator.
    """

    scores: Scores
    resamples: int = RESAMPLES
    seed: int = 0
    _seed_draws: dict[int, np.ndarray] = field(default_factory=dict, repr=False)
    _drawn: dict[tuple[str, tuple[int, ...], int], tuple[np.ndarray, np.ndarray]] = field(
        default_factory=dict, repr=False
    )
    _gaps: dict[tuple[str, str, str], tuple[float, Variances]] = field(default_factory=dict, repr=False)

    @cached_property
    def image_weights(self) -> np.ndarray:
        """(R, I) how often each image is drawn: scenes within strata, then images within each drawn scene."""
        rng = np.random.default_rng([self.seed, 1])
        weights = np.zeros((self.resamples, self.scores.n_images))
        for stratum in np.unique(self.scores.stratum):
            scenes = np.unique(self.scores.scene[self.scores.stratum == stratum])
            for scene, times in zip(scenes, _draw(rng, self.resamples, len(scenes)).T, strict=True):
                members = np.flatnonzero(self.scores.scene == scene)
                even = np.full(len(members), 1 / len(members))
                weights[:, members] = rng.multinomial(times * len(members), even)
        return weights

    @cached_property
    def _drawn_images(self) -> np.ndarray:
        """(R, C) images drawn of each condition."""
        return np.asarray(self.image_weights @ (~np.isnan(self.scores.inputs)).astype(float))

    def _sums(self, variant: str, rows: tuple[int, ...], stream: int) -> tuple[np.ndarray, np.ndarray]:
        """(R, C) means over the drawn images of these seeds: as the seeds are drawn, and all alike.

        Differences and averages over tasks are sums of these, so that the means of each seed need not be kept: of
        hundreds of seeds they would fill the memory.
        """
        key = (variant, rows, stream)
        if key not in self._drawn:
            values, share = self.scores.values[variant][list(rows)], self._seed_shares(len(rows), stream=stream)
            both = np.full(self._drawn_images.shape, np.nan)
            even = both.copy()
            for c in range(len(self.scores.conditions)):
                used = ~np.isnan(self.scores.inputs[:, c])
                known = values[:, used, c]  # (S, I), all or none of a seed's
                count = np.maximum(self._drawn_images[:, c], 1e-300)[:, None]
                means = np.where(count > 1e-300, self.image_weights[:, used] @ known.T / count, np.nan)  # (R, S)
                both[:, c] = (share * means).sum(axis=1)
                even[:, c] = means.mean(axis=1)
            self._drawn[key] = both, even
        return self._drawn[key]

    def estimate(self, variant: str, condition: str = AVERAGE) -> Estimate:
        """The variant's own mean, with an interval over seeds and images."""
        every = tuple(range(len(self.scores.seeds[variant])))
        return estimate(*self._variances([(variant, every, 1.0)], condition))

    def difference(self, first: str, second: str, condition: str = AVERAGE) -> Estimate:
        """Mean of `first` minus mean of `second` over the seeds that both have (all seeds, where they share none)."""
        value, variances = self.gap(first, second, condition)
        others = [v for v in self.scores.variants if v not in (first, second)]
        pairs = [(first, second), *((one, other) for one in (first, second) for other in others)]
        neighbours = [self.gap(a, b, condition)[1] for a, b in pairs]
        n_variants = len({v for (a, b), n in zip(pairs, neighbours, strict=True) if n.varies for v in (a, b)})
        return estimate(value, variances, neighbours=neighbours, n_variants=n_variants)

    def gap(self, first: str, second: str, condition: str) -> tuple[float, Variances]:
        """Value and variances of `first - second` alone, without the study's other pairs; worked out once a pair."""
        if (second, first, condition) in self._gaps:
            value, variances = self._gaps[second, first, condition]
            return -value, variances
        if (first, second, condition) not in self._gaps:
            rows_a, rows_b, paired = self.scores.seed_rows(first, second)
            parts = [(first, rows_a, 1.0), (second, rows_b, -1.0)]
            self._gaps[first, second, condition] = self._variances(parts, condition, paired=paired)
        return self._gaps[first, second, condition]

    def _variances(
        self, parts: list[tuple[str, tuple[int, ...], float]], condition: str, *, paired: bool = True
    ) -> tuple[float, Variances]:
        """Value and variances of the signed sum of `parts` (variant, rows of its seeds, sign)."""
        weights = self.scores.weights(condition)
        point = 0.0
        both, seeds_only, images_only = np.zeros((3, self.resamples))
        for number, (variant, rows, sign) in enumerate(parts):
            observed = _weighted(_mean_over_images(self.scores.values[variant][list(rows)]), weights)  # (S,)
            stream = 0 if paired else number
            drawn, even = self._sums(variant, rows, stream)
            point = point + sign * observed.mean()
            both = both + sign * _weighted(drawn, weights)
            seeds_only = seeds_only + sign * self._seed_shares(len(rows), stream=stream) @ observed
            images_only = images_only + sign * _weighted(even, weights)
        return float(point), Variances(
            total=float(np.var(both)),
            seeds=float(np.var(seeds_only)),
            images=float(np.var(images_only)),
            n_seeds=min(len(rows) for _, rows, _ in parts),
            df_images=self._image_degrees(weights),
        )

    def _seed_shares(self, n: int, *, stream: int) -> np.ndarray:
        """(R, n) share of each seed in each resample."""
        key = 1000 * stream + n
        if key not in self._seed_draws:
            draws = _draw(np.random.default_rng([self.seed, 2, stream, n]), self.resamples, n)
            self._seed_draws[key] = draws / draws.sum(axis=1, keepdims=True)
        return self._seed_draws[key]

    def _image_degrees(self, weights: np.ndarray) -> int:
        """Degrees of freedom over scenes; over images where each stratum is one photograph."""
        s = self.scores
        used = ~np.isnan(s.inputs[:, weights > 0]).all(axis=1)
        strata = len(np.unique(s.stratum[used]))
        scenes = len(np.unique(s.scene[used]))
        return scenes - strata if scenes > strata else int(used.sum()) - scenes


def _draw(rng: np.random.Generator, resamples: int, n: int) -> np.ndarray:
    """(R, n) how often each of n units occurs among n - 1 draws (one draw of a single unit)."""
    return rng.multinomial(max(n - 1, 1), np.full(n, 1 / n), size=resamples)
