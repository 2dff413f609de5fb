"""Gradient interference: do the tasks' gradients of the shared parameters point the same way?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import cast

import numpy as np
import pandas as pd

from reports import schema
from reports.measures import intervals
from reports.measures.conflicts import Cosine, Share, against_ceiling, cosines, share
from reports.measures.plateau import Learned, both_learned
from reports.stats import Analysis, Estimate

ALL = "all"
BACKBONE = "backbone"
PLAIN = "plain"
WITHOUT_COLOUR = "without_colour"


@dataclass(frozen=True, kw_only=True)
class Interference:
    """Cosines between the gradients of pairs of tasks.

    Attributes:
        tasks: in the order of tables.
        groups: of layers, in the order of the table on disk.
        matrices: variant -> tasks x tasks, mean cosine at the end of training, group "all"; over draws, then seeds.
            The diagonal holds NaN.
        alone: variant -> task -> mean cosine with the same task's gradient on other images, group "all".
        ceilings: variant -> group -> the same as a mean over tasks: how large a cosine between two tasks could come
            out. Empty where it was not measured.
        cosines: variant -> group -> mean over pairs at the end of training.
        conflicts: share of pairs with a negative cosine at the end of training, a column a layer group, for differences
            between variants.
        shares: (variant, group) -> that share with its exact interval.
        learned: variant -> the share at the end of training among pairs of tasks that are both learned, group "all";
            None where there is no such pair. A variant whose logs do not tell what was learned is no key.
        relative: variant -> pair of tasks -> cosine against its ceiling at the end of training, group "all"; None where
            the ceiling is not resolved from zero.
        magnitude: 1 - cosine of group "all": 0 where all tasks pull the same way, 1 where they are unrelated.
        log_norms: logarithm of the largest over the smallest gradient norm of the tasks, end of training, group "all".
        progress: variant -> share of training done -> share of conflicts in group "all"; of pairs that are both learned
            by then where the logs of all variants tell, else of all pairs.
    """

    tasks: tuple[str, ...]
    groups: tuple[str, ...]
    matrices: dict[str, pd.DataFrame]
    alone: dict[str, dict[str, float]]
    ceilings: Mapping[str, Mapping[str, Cosine]]
    cosines: Mapping[str, Mapping[str, Cosine]]
    conflicts: Analysis
    magnitude: Analysis
    log_norms: Analysis
    shares: dict[tuple[str, str], Share]
    learned: dict[str, Share | None]
    relative: dict[str, dict[tuple[str, str], Cosine | None]]
    progress: dict[str, dict[float, Share]]

    @property
    def variants(self) -> tuple[str, ...]:
        """Variants in the study's order."""
        return tuple(self.matrices)

    @property
    def is_known(self) -> bool:
        """Whether it is known of every variant which tasks it had learned when."""
        return set(self.learned) == set(self.matrices)

    def norm_ratio(self, variant: str) -> Estimate:
        """Largest over smallest gradient norm: the geometric mean over draws and seeds, with its interval."""
        e = self.log_norms.estimate(variant)
        with np.errstate(over="ignore"):  # two seeds may leave the upper end open
            value, low, high = (float(np.exp(v)) for v in (e.value, e.low, e.high))
        return replace(e, value=value, low=low, high=high, se=float("nan"))


def interference(table: pd.DataFrame, loss: str = PLAIN, *, learned: Learned | None = None) -> Interference | None:
    """Sum up the measure "interference"; None where no run measured all shared parameters together.

    Args:
        table: of all runs.
        loss: whose gradients.
        learned: what each run had learned when (reports/measures/plateau.py).
    """
    table = table[table["loss"] == loss]
    if not ((table["group"] == ALL) & (table["task_a"] != table["task_b"])).any():
        return None
    same = table["task_a"] == table["task_b"]
    alone = _last(table[same])
    rows = table[~same].assign(conflict=(table.loc[~same, "cosine"] < 0).astype(float))
    rows = rows.assign(learned=both_learned(rows, learned or {}))
    last = _last(rows)
    draws = last.groupby(["variant", "seed", "draw", "group"], sort=False)[["cosine", "conflict"]].mean().reset_index()
    whole = last[last["group"] == ALL]
    of_whole = draws[draws["group"] == ALL]
    spread = _log_norms(whole)
    tasks = sorted({*whole["task_a"], *whole["task_b"]}, key=schema.condition_sort_key)
    known = whole[whole["learned"].notna()]
    return Interference(
        tasks=tuple(tasks),
        groups=tuple(dict.fromkeys(last["group"])),
        matrices={str(v): _matrix(mine, tasks) for v, mine in whole.groupby("variant", sort=False)},
        alone=_by_task(alone[alone["group"] == ALL]),
        ceilings=_ceilings(alone),
        cosines=cosines(draws, draws["group"]),
        conflicts=intervals.over_draws(draws, draws["conflict"], draws["group"]),
        magnitude=intervals.over_draws(of_whole, 1 - of_whole["cosine"], ALL),
        log_norms=intervals.over_draws(spread, spread["log_ratio"], ALL),
        shares={
            (str(variant), str(group)): found
            for (variant, group), mine in last.groupby(["variant", "group"], sort=False)  # type: ignore[misc]
            if (found := share(mine)) is not None
        },
        learned={str(v): share(mine[mine["learned"] == 1]) for v, mine in known.groupby("variant", sort=False)},
        relative=against_ceiling(whole, alone[alone["group"] == ALL]),
        progress=_progress(rows[rows["group"] == ALL]),
    )


def _progress(rows: pd.DataFrame) -> dict[str, dict[float, Share]]:
    counted = rows if rows["learned"].isna().any() else rows[rows["learned"] == 1]
    found: dict[str, dict[float, Share]] = {str(variant): {} for variant in dict.fromkeys(rows["variant"])}
    for variant, mine in counted.groupby("variant"):
        for fraction in sorted(mine["fraction"].unique()):
            at = share(mine[mine["fraction"] == fraction])
            if at is not None:
                found[str(variant)][float(fraction)] = at
    return found


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


def _ceilings(alone: pd.DataFrame) -> Mapping[str, Mapping[str, Cosine]]:
    draws = alone.groupby(["variant", "seed", "draw", "group"], sort=False)["cosine"].mean().reset_index()
    return cosines(draws, draws["group"])


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


def summary(found: Mapping[str, Interference]) -> pd.DataFrame:
    """Every number of tables and figures, unrounded."""
    rows = [{"loss": loss, **row} for loss, one in found.items() for row in _numbers(one)]
    return pd.DataFrame(rows).dropna(subset="value")


def _numbers(found: Interference) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for variant in found.variants:
        for group, cosine in found.cosines[variant].items():
            keys = {"variant": variant, "at": group}
            rows.append({"quantity": "cosine", **keys, **intervals.columns(cosine)})
            if (variant, group) in found.shares:
                conflicts = intervals.columns(found.shares[variant, group])
                rows.append({"quantity": "conflicting_share", **keys, **conflicts})
            ceiling = found.ceilings.get(variant, {}).get(group)
            if ceiling is not None:
                rows.append({"quantity": "cosine_same_task", **keys, **intervals.columns(ceiling)})
        learned = found.learned.get(variant)
        if learned is not None:
            numbers = intervals.columns(learned)
            rows.append({"quantity": "conflicting_share_learned", "variant": variant, "at": ALL, **numbers})
        if variant in found.log_norms.scores.variants:
            ratio = intervals.columns(found.norm_ratio(variant))
            rows.append({"quantity": "norm_ratio", "variant": variant, "at": ALL, **ratio})
        for fraction, counted in found.progress[variant].items():
            keys = {"variant": variant, "at": f"{fraction:.4f}"}
            rows.append({"quantity": "conflicting_share_at_fraction", **keys, **intervals.columns(counted)})
        for a, b in combinations(found.tasks, 2):
            value = found.matrices[variant].at[a, b]
            rows.append({"quantity": "cosine_of_pair", "variant": variant, "at": f"{a}, {b}", "value": value})
        for (a, b), relative in found.relative[variant].items():
            if relative is not None:
                keys = {"variant": variant, "at": f"{a}, {b}"}
                rows.append({"quantity": "cosine_over_ceiling", **keys, **intervals.columns(relative)})
    return rows
