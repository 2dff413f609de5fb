"""Means, contrasts and their intervals, all from rows of images.parquet.

The interval of a contrast answers one of two questions. "New photographs": would it survive other training runs and
other photographs? "These images": would it survive other training runs, scored on the images at hand? Its variance is
computed in closed form, as in a crossed random-effects analysis of variance (reports/variance_components.py), from
moderated variances over runs (reports/empirical_bayes.py), with Satterthwaite's degrees of freedom
(reports/estimate.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from reports import schema
from reports.estimate import LEVEL, Estimate, VarianceComponent, estimate_from_components
from reports.variance_components import Components, group_units, run_components

__all__ = [
    "AVERAGE",
    "LEVEL",
    "NEW_PHOTOGRAPHS",
    "QUESTIONS",
    "TASK_AVERAGE",
    "THESE_IMAGES",
    "Analysis",
    "Estimate",
    "Scores",
    "collect",
    "input_mean",
    "means",
    "seed_means",
]

AVERAGE = "average"  # over the columns with equal weights, as papers print it
TASK_AVERAGE = "average_tasks"  # over the tasks with equal weights; noise levels averaged first

PSNR_METRIC = schema.METRICS[0]

NEW_PHOTOGRAPHS = "new photographs"
THESE_IMAGES = "these images"
QUESTIONS = (NEW_PHOTOGRAPHS, THESE_IMAGES)


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
        dropped: rows excluded because another run lacks them, so that means are over the same images.
        kind: the metric: its unit, digits and direction.
    """

    metric: str
    conditions: tuple[str, ...]
    values: dict[str, np.ndarray]
    inputs: np.ndarray
    seeds: dict[str, tuple[int, ...]]
    scene: np.ndarray
    stratum: np.ndarray
    dropped: int
    kind: schema.Metric = PSNR_METRIC

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
        """(C,) weights of the conditions in a column: a condition, a task, or one of the two averages."""
        tasks = np.array([schema.task_of(c) for c in self.conditions])
        if condition == AVERAGE:
            return np.full(len(tasks), 1.0 / max(len(tasks), 1))
        if condition == TASK_AVERAGE:
            return np.array([1.0 / (len(self.tasks) * np.sum(tasks == t)) for t in tasks])
        if condition in self.conditions:
            return np.array([float(c == condition) for c in self.conditions])
        if condition in tasks:
            return np.asarray((tasks == condition) / np.sum(tasks == condition))
        names = ", ".join((*self.conditions, AVERAGE, TASK_AVERAGE))
        raise ValueError(f"Unknown column {condition!r}. Known: {names}.")

    @property
    def tasks(self) -> tuple[str, ...]:
        """Tasks in the order of tables."""
        return tuple(dict.fromkeys(schema.task_of(c) for c in self.conditions))

    @property
    def averages(self) -> tuple[str, ...]:
        """The averages that differ: over the columns and, where tasks have unequal numbers of these, over the tasks."""
        equal = np.allclose(self.weights(AVERAGE), self.weights(TASK_AVERAGE))
        return (AVERAGE,) if equal else (AVERAGE, TASK_AVERAGE)

    def drop_runs(self, runs: Mapping[str, set[int]]) -> Scores:
        """The scores without some runs, given as variant -> seeds; a variant without remaining seeds is dropped."""
        rows_by_variant = {
            v: [k for k, seed in enumerate(seeds) if seed not in runs.get(v, ())] for v, seeds in self.seeds.items()
        }
        return replace(
            self,
            values={v: self.values[v][rows] for v, rows in rows_by_variant.items() if rows},
            seeds={v: tuple(self.seeds[v][k] for k in rows) for v, rows in rows_by_variant.items() if rows},
        )

    def count_scenes_and_images(self, condition: str = AVERAGE) -> tuple[int, int]:
        """Photographs and images that count in this column."""
        used = self.images_in(condition)
        return len(np.unique(self.scene[used])), int(used.sum())

    def images_in(self, condition: str = AVERAGE) -> np.ndarray:
        """(I,) whether the image counts in this column."""
        return np.asarray(~np.isnan(self.inputs[:, self.weights(condition) > 0]).all(axis=1))


def collect(images: pd.DataFrame, kind: schema.Metric = PSNR_METRIC) -> Scores:
    """Arrange the rows of one metric (columns of schema.IMAGE_COLUMNS) for statistics.

    Only images that every run of a condition has are kept. A variant that lacks a condition altogether holds NaN
    there, and its average is NaN: it is never averaged over fewer tasks than the others.
    """
    rows = images[images["metric"] == kind.name]
    datasets, image_names, scene_names, variants, columns = (
        rows[name].astype("category").cat.remove_unused_categories().cat
        for name in ("dataset", "image", "scene", "variant", "condition")
    )
    conditions = tuple(sorted(columns.categories, key=schema.condition_sort_key))
    condition_of_row = pd.Index(conditions).get_indexer(columns.categories)[columns.codes]
    image_of_row, names = _number_pairs(datasets, image_names)
    seed_codes, seed_values = pd.factorize(rows["seed"])
    run_of_row, runs = pd.factorize(variants.codes.to_numpy() * np.int64(max(len(seed_values), 1)) + seed_codes)
    variant_of, seed_of = np.divmod(runs, max(len(seed_values), 1))
    cube = np.full((len(runs), len(names), len(conditions)), np.nan)
    inputs = np.full(cube.shape[1:], np.nan)
    cube[run_of_row, image_of_row, condition_of_row] = rows["value"]
    inputs[image_of_row, condition_of_row] = rows["input_value"]
    lacks_all = np.isnan(cube).all(axis=1, keepdims=True)
    common = (~np.isnan(cube) | lacks_all).all(axis=0) & ~np.isnan(inputs)
    dropped = int((~np.isnan(cube[:, ~common])).sum())
    cube[:, ~common] = np.nan
    inputs[~common] = np.nan
    scene_of_row = scene_names.codes.to_numpy()  # a photograph of two data sets is one scene
    scene = np.zeros(len(names), dtype=np.int64)
    scene[image_of_row[::-1]] = scene_of_row[::-1]  # from the image's first row
    scene = np.unique(scene, return_inverse=True)[1]
    of_variant = {str(variants.categories[v]): np.flatnonzero(variant_of == v) for v in dict.fromkeys(variant_of)}
    return Scores(
        metric=kind.name,
        conditions=conditions,
        values={name: cube[indices] for name, indices in of_variant.items()},
        inputs=inputs,
        seeds={name: tuple(int(s) for s in seed_values[seed_of[indices]]) for name, indices in of_variant.items()},
        scene=scene,
        stratum=_number_strata(scene, common),
        dropped=dropped,
        kind=kind,
    )


def _number_pairs(datasets: Any, names: Any) -> tuple[np.ndarray, list[str]]:
    """For each row the number of its (data set, name), in alphabetical order, and these as texts; both categorical."""
    width = max(len(names.categories), 1)
    codes, pairs = pd.factorize(datasets.codes.to_numpy() * np.int64(width) + names.codes.to_numpy())
    texts = [f"{datasets.categories[d]}\n{names.categories[n]}" for d, n in zip(*np.divmod(pairs, width), strict=True)]
    order = sorted(range(len(texts)), key=texts.__getitem__)
    rank = np.zeros(len(texts), dtype=np.int64)
    rank[order] = np.arange(len(texts))
    return rank[codes], [texts[k] for k in order]


def _number_strata(scene: np.ndarray, common: np.ndarray) -> np.ndarray:
    """(I,) a number for the set of conditions in which each image's scene occurs.

    Benchmarks have other photographs for each task: new ones would be drawn within such a set.
    """
    if not len(scene):
        return np.zeros(0, dtype=int)
    occurs = np.stack([common[scene == s].any(axis=0) for s in range(scene.max() + 1)])
    return np.asarray(np.unique(occurs[scene], axis=0, return_inverse=True)[1]).reshape(-1)


def means(scores: Scores) -> pd.DataFrame:
    """Mean of each variant (and of "input", first) for each condition and both averages.

    Returns:
        Index: "input" and the variants. Columns: the conditions, `AVERAGE` and `TASK_AVERAGE`. NaN where a variant has
        no score.
    """
    table = {"input": _mean_over_images(scores.inputs)}
    table.update({v: _mean_over_images(x).mean(axis=0) for v, x in scores.values.items()})
    frame = pd.DataFrame.from_dict(table, orient="index", columns=pd.Index(scores.conditions))
    by_condition = frame.to_numpy()
    for average in (AVERAGE, TASK_AVERAGE):
        frame[average] = by_condition @ scores.weights(average) if scores.conditions else np.nan
    return frame


def seed_means(scores: Scores, variant: str, condition: str = AVERAGE) -> np.ndarray:
    """(S,) mean of each seed's run."""
    return np.asarray(_weighted_mean(_mean_over_images(scores.values[variant]), scores.weights(condition)))


def input_mean(scores: Scores, condition: str = AVERAGE) -> float:
    """Mean of the degraded input in a column."""
    return float(_weighted_mean(_mean_over_images(scores.inputs), scores.weights(condition)))


def _mean_over_images(values: np.ndarray) -> np.ndarray:
    """(..., I, C) -> (..., C), NaN where no image counts."""
    counts = (~np.isnan(values)).sum(axis=-2)
    return np.asarray(np.where(counts > 0, np.nansum(values, axis=-2) / np.maximum(counts, 1), np.nan))


def _weighted_mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(..., C) -> (...); NaN in a condition without weight is ignored; NaN where nothing has weight."""
    used = weights > 0
    if not used.any():
        return np.full(values.shape[:-1], np.nan)  # the mean of nothing is undefined
    return np.asarray(values[..., used] @ weights[used])


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """Estimates with intervals of means and of any contrast between the variants of a study.

    Attributes:
        scores: of one metric.
    """

    scores: Scores
    _columns: dict[str, Components] = field(default_factory=dict, repr=False)

    def contrast(
        self, weights: Mapping[str, float], column: str = AVERAGE, *, question: str = NEW_PHOTOGRAPHS
    ) -> Estimate:
        """The weighted sum of the variants' means in a column.

        Args:
            weights: variant -> weight; a difference has weights 1 and -1.
            column: a condition, a task or one of the averages.
            question: `NEW_PHOTOGRAPHS` (variance over runs and photographs) or `THESE_IMAGES` (over runs alone).
        """
        if question not in QUESTIONS:
            raise ValueError(f"Unknown question {question!r}. Known: {', '.join(QUESTIONS)}.")
        used = {v: w for v, w in weights.items() if w}
        components = self._components(column)
        n_seeds = min(len(self.scores.seeds[v]) for v in weights)
        if not used:
            return estimate_from_components(
                0.0,
                runs=VarianceComponent(variance=0.0, df=np.inf),
                images=VarianceComponent(variance=0.0, df=0.0),
                n_seeds=n_seeds,
            )
        runs = components.run_variance(used)
        if question == THESE_IMAGES:
            images = VarianceComponent(variance=0.0, df=0.0)
            runs = runs if n_seeds > 1 else images
        else:
            images = components.image_variance(used)
        value = float(sum(w * components.runs[v].by_seed.mean() for v, w in used.items()))
        return estimate_from_components(value, runs=runs, images=images, n_seeds=n_seeds)

    def estimate(self, variant: str, column: str = AVERAGE) -> Estimate:
        """The variant's own mean."""
        return self.contrast({variant: 1.0}, column)

    def difference(self, first: str, second: str, column: str = AVERAGE) -> Estimate:
        """Mean of `first` minus mean of `second`; exactly zero for a variant and itself."""
        return self.contrast({first: 1.0, second: -1.0} if first != second else {first: 0.0}, column)

    def _components(self, column: str) -> Components:
        if column not in self._columns:
            s, weights = self.scores, self.scores.weights(column)
            units = group_units(s.scene, s.stratum, s.images_in(column))
            runs = {v: run_components(values, s.inputs, weights, units) for v, values in s.values.items()}
            self._columns[column] = Components(units=units, runs=runs)
        return self._columns[column]
