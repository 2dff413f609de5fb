"""Gradient interference: do the tasks' gradients of the shared parameters point the same way?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from typing import cast

import numpy as np
import pandas as pd

from reports import schema
from reports.labels import condition_label, in_sentence
from reports.measures import intervals
from reports.measures.section import Grid, Head, head, words
from reports.stats import Analysis, Estimate

ALL = "all"
BACKBONE = "backbone"


@dataclass(frozen=True, kw_only=True)
class Interference:
    """Cosines between the gradients of pairs of tasks.

    Attributes:
        tasks: in the order of tables.
        groups: of layers, in the order of the table on disk.
        matrices: variant -> tasks x tasks, mean cosine at the end of training, group "all"; over draws, then seeds.
            The diagonal holds NaN.
        alone: variant -> task -> mean cosine with the same task's gradient on other images, group "all".
        ceiling: the same as a mean over tasks, a column a layer group: how large a cosine between two tasks
            could come out. None where it was not measured.
        cosine: mean over pairs at the end of training, a column a layer group.
        conflicts: the same for the share of pairs with a negative cosine.
        magnitude: 1 - cosine of group "all": 0 where all tasks pull the same way, 1 where they are unrelated.
        log_norms: logarithm of the largest over the smallest gradient norm of the tasks, end of training, group "all".
        progress: share of conflicts in group "all", a column a share of training.
        fractions: column of `progress` -> share of training done.
    """

    tasks: tuple[str, ...]
    groups: tuple[str, ...]
    matrices: dict[str, pd.DataFrame]
    alone: dict[str, dict[str, float]]
    ceiling: Analysis | None
    cosine: Analysis
    conflicts: Analysis
    magnitude: Analysis
    log_norms: Analysis
    progress: Analysis
    fractions: dict[str, float]

    @property
    def variants(self) -> tuple[str, ...]:
        """Variants in the study's order."""
        return tuple(self.matrices)

    def norm_ratio(self, variant: str) -> Estimate:
        """Largest over smallest gradient norm: the geometric mean over draws and seeds, with its interval."""
        e = self.log_norms.estimate(variant)
        value, low, high = (float(np.exp(v)) for v in (e.value, e.low, e.high))
        return replace(e, value=value, low=low, high=high, se=float("nan"))


def interference(table: pd.DataFrame) -> Interference | None:
    """Sum up the measure "interference"; None where no run measured all shared parameters together."""
    if not ((table["group"] == ALL) & (table["task_a"] != table["task_b"])).any():
        return None
    same = table["task_a"] == table["task_b"]
    alone = _last(table[same])
    rows = table[~same].assign(conflict=(table.loc[~same, "cosine"] < 0).astype(float))
    last = _last(rows)
    draws = last.groupby(["variant", "seed", "draw", "group"], sort=False)[["cosine", "conflict"]].mean().reset_index()
    whole = last[last["group"] == ALL]
    of_whole = draws[draws["group"] == ALL]
    spread = _log_norms(whole)
    over_time = rows[rows["group"] == ALL].assign(at=lambda r: r["fraction"].map(lambda f: f"{f:.4f}"))
    shares = over_time.groupby(["variant", "seed", "draw", "at"], sort=False)["conflict"].mean().reset_index()
    tasks = sorted({*whole["task_a"], *whole["task_b"]}, key=schema.condition_sort_key)
    return Interference(
        tasks=tuple(tasks),
        groups=tuple(dict.fromkeys(last["group"])),
        matrices={str(v): _matrix(mine, tasks) for v, mine in whole.groupby("variant", sort=False)},
        alone=_by_task(alone[alone["group"] == ALL]),
        ceiling=_ceiling(alone),
        cosine=intervals.over_draws(draws, draws["cosine"], draws["group"]),
        conflicts=intervals.over_draws(draws, draws["conflict"], draws["group"]),
        magnitude=intervals.over_draws(of_whole, 1 - of_whole["cosine"], ALL),
        log_norms=intervals.over_draws(spread, spread["log_ratio"], ALL),
        progress=intervals.over_draws(shares, shares["conflict"], shares["at"]),
        fractions={at: float(at) for at in sorted(shares["at"].unique(), key=float)},
    )


def _last(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of each run's last measured step."""
    return table[table["step"] == table.groupby(["variant", "seed"])["step"].transform("max")]


def _by_task(alone: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Mean over draws, then seeds."""
    by_seed = alone.groupby(["variant", "seed", "task_a"], sort=False)["cosine"].mean().reset_index()
    return {
        str(v): {str(task): float(x) for task, x in mine.groupby("task_a")["cosine"].mean().items()}
        for v, mine in by_seed.groupby("variant", sort=False)
    }


def _ceiling(alone: pd.DataFrame) -> Analysis | None:
    if alone.empty:
        return None
    draws = alone.groupby(["variant", "seed", "draw", "group"], sort=False)["cosine"].mean().reset_index()
    return intervals.over_draws(draws, draws["cosine"], draws["group"])


def _matrix(rows: pd.DataFrame, tasks: list[str]) -> pd.DataFrame:
    """Mean cosine of each pair both ways round, NaN for pairs that were not measured."""
    means = rows.groupby(["seed", "task_a", "task_b"])["cosine"].mean().groupby(level=["task_a", "task_b"]).mean()
    matrix = pd.DataFrame(np.nan, index=tasks, columns=tasks)
    for pair, value in means.items():
        a, b = map(str, cast(tuple[str, str], pair))
        matrix.loc[a, b] = matrix.loc[b, a] = value
    return matrix


def _log_norms(whole: pd.DataFrame) -> pd.DataFrame:
    """One row a variant, seed and draw; a gradient of norm 0 has no ratio and is left out."""
    norms = pd.concat(
        [whole[["variant", "seed", "draw", f"norm_{side}"]].rename(columns={f"norm_{side}": "norm"}) for side in "ab"]
    )
    ends = norms[norms["norm"] > 0].groupby(["variant", "seed", "draw"], sort=False)["norm"].agg(["min", "max"])
    return ends.assign(log_ratio=np.log(ends["max"] / ends["min"])).reset_index()


def sentences(found: Interference) -> list[str]:
    """How many pairs conflict in which variant, and the pair that conflicts most."""
    shares = {v: found.conflicts.estimate(v, ALL) for v in found.variants}
    if max(e.value for e in shares.values()) == 0:
        lowest = min(float(np.nanmin(m.to_numpy())) for m in found.matrices.values())
        said = [
            f"No pair of tasks conflicts at the end of training: no cosine is negative, the lowest mean is "
            f"{intervals.number(lowest, 2)}."
        ]
    else:
        most = max(shares, key=lambda v: shares[v].value)
        said = [f"{_share(most, shares[most])} of the pairs of tasks have opposed gradients at the end of training"]
        least = min(shares, key=lambda v: shares[v].value)
        said[0] += f", the most, and in {least} {_percent(shares[least])}, the least." if len(shares) > 1 else "."
        said += _extremes(found, most, least) if most != least else []
        variant, pair, value = _worst(found)
        said.append(f"The lowest mean cosine is {intervals.number(value, 2)}, between {pair} in {variant}.")
    said += _scale(found)
    limit = intervals.limits(found.conflicts, "draws")
    return [*said, *([limit] if limit else [])]


def _scale(found: Interference) -> list[str]:
    """How large a cosine could come out: a gradient of few images is mostly noise."""
    every = [intervals.estimate(found.ceiling, v, ALL) for v in found.variants]
    known = [e.value for e in every if e is not None]
    if not known:
        return []
    ends = [intervals.number(v, 2) for v in (min(known), max(known))]
    size = ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"
    return [
        f"For scale: a task's gradient against its own on other images has a mean cosine of {size}, and two tasks can "
        "hardly come out higher."
    ]


def _share(variant: str, e: Estimate) -> str:
    return f"In {variant} {_percent(e)}"


def _percent(e: Estimate) -> str:
    if np.isnan(e.low):
        return f"{e.value:.0%}"
    low, high = max(e.low, 0.0), min(e.high, 1.0)
    return f"{e.value:.0%} [{low:.0%}, {high:.0%}]"


def _extremes(found: Interference, most: str, least: str) -> list[str]:
    gap = found.conflicts.difference(most, least, ALL)
    if np.isnan(gap.low):
        return []
    can = "The two differ" if gap.excludes_zero else "The two can't be told apart"
    return [
        f"{can} in it (by {100 * gap.value:.0f} points [{intervals.number(100 * gap.low, 0)}, "
        f"{intervals.number(100 * gap.high, 0)}]; chosen as the extremes, not corrected for that)."
    ]


def _worst(found: Interference) -> tuple[str, str, float]:
    lows = {v: np.nanmin(m.to_numpy()) for v, m in found.matrices.items()}
    variant = min(lows, key=lows.__getitem__)
    at = np.unravel_index(np.nanargmin(found.matrices[variant].to_numpy()), found.matrices[variant].shape)
    a, b = (found.tasks[int(i)] for i in at)
    return variant, f"{_said(a)} and {_said(b)}", float(lows[variant])


def _said(task: str) -> str:
    return in_sentence(condition_label(task))


def grid(found: Interference) -> Grid:
    """Conflicts, cosine and norm ratio of each variant."""
    rows = []
    for variant in found.variants:
        has_norms = variant in found.log_norms.scores.variants
        rows.append(
            (
                words(variant),
                intervals.percent(found.conflicts.estimate(variant, ALL), 0),
                intervals.level(found.cosine.estimate(variant, ALL), 3),
                intervals.level(intervals.estimate(found.ceiling, variant, ALL), 3),
                intervals.level(found.norm_ratio(variant) if has_norms else None, 2),
            )
        )
    return Grid(
        title="All shared parameters at the end of training",
        caption="Each variant's own shared parameters. Share of pairs of tasks with a negative cosine; mean "
        "cosine over pairs, and of a task with itself on other images; largest over smallest "
        f"gradient norm of the tasks (geometric mean). {intervals.basis(found.cosine, 'draws of images')}",
        heads=(
            head("Variant"),
            Head(text="Conflicting pairs"),
            Head(text="Mean cosine"),
            Head(text="Same task, other images"),
            Head(text="Norm ratio"),
        ),
        rows=tuple(rows),
    )


def grid_by_group(found: Interference) -> Grid:
    """Mean cosine by group of layers."""
    groups = [g for g in found.groups if g != ALL]
    common = "backbone: what variants with and without perturbation blocks have in common. " * (BACKBONE in groups)
    rows = [(words(v), *(intervals.level(found.cosine.estimate(v, g), 3) for g in groups)) for v in found.variants]
    return Grid(
        title="Mean cosine by group of layers, at the end of training",
        caption=f"Mean over pairs of tasks. {common}{intervals.basis(found.cosine, 'draws of images')}",
        heads=(head("Variant"), *(Head(text=g) for g in groups)),
        rows=tuple(rows),
        is_folded=True,
    )


def summary(found: Interference) -> pd.DataFrame:
    """Every number of tables and figures, unrounded."""
    rows: list[dict[str, object]] = []
    for variant in found.variants:
        for group in found.cosine.scores.conditions:
            keys = {"variant": variant, "at": group}
            rows.append({"quantity": "cosine", **keys, **intervals.columns(found.cosine.estimate(variant, group))})
            conflicts = intervals.columns(found.conflicts.estimate(variant, group))
            rows.append({"quantity": "conflicting_share", **keys, **conflicts})
            ceiling = intervals.estimate(found.ceiling, variant, group)
            if ceiling is not None:
                rows.append({"quantity": "cosine_same_task", **keys, **intervals.columns(ceiling)})
        if variant in found.log_norms.scores.variants:
            ratio = intervals.columns(found.norm_ratio(variant))
            rows.append({"quantity": "norm_ratio", "variant": variant, "at": ALL, **ratio})
        for at in found.fractions:
            share = intervals.columns(found.progress.estimate(variant, at))
            rows.append({"quantity": "conflicting_share_at_fraction", "variant": variant, "at": at, **share})
        for a, b in combinations(found.tasks, 2):
            value = found.matrices[variant].at[a, b]
            rows.append({"quantity": "cosine_of_pair", "variant": variant, "at": f"{a}, {b}", "value": value})
    return pd.DataFrame(rows).dropna(subset="value")
