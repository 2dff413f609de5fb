"""Gradient interference: cosines between the tasks' gradients of the shared parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from reports import schema
from reports.measures import intervals
from reports.measures.conflicts import (
    ConflictShare,
    Cosine,
    conflict_share,
    cosines_over_ceiling,
    mean_cosines,
    pair_cosines,
)
from reports.measures.plateau import Learned, both_learned
from reports.stats import Analysis, Estimate

ALL = "all"
BACKBONE = "backbone"
PLAIN = "plain"
WITHOUT_COLOUR = "without_colour"


@dataclass(frozen=True, kw_only=True)
class Interference:
    """Cosines between the gradients of pairs of tasks.

    A pair of tasks is resolved where the cosine that each of the two has with itself on other images lies above zero
    with its complete interval: elsewhere a negative cosine may be noise of few images, and no conflict.

    Attributes:
        tasks: in the order of tables.
        groups: of layers, in the order of the table on disk.
        pairs: variant -> pair of tasks -> mean cosine at the end of training, group "all".
        alone: variant -> task -> mean cosine with the same task's gradient on other images, likewise. Empty where it
            was not measured, as is `ceilings`.
        ceilings: variant -> group -> the same as a mean over tasks: how large a cosine between two tasks could come
            out.
        cosines: variant -> group -> mean over pairs at the end of training.
        shares: (variant, group) -> share of the resolved pairs with a negative cosine at the end of training; no key
            where no pair is resolved.
        learned: variant -> that share, group "all", of pairs that are also both learned; None where there is no such
            pair. No key for a variant without validation gains in its logs.
        on_plateau: variants whose logs show that no two tasks are learned.
        relative: variant -> pair of tasks -> cosine against its ceiling at the end of training, group "all"; None where
            the pair is not resolved.
        magnitude: 1 - cosine of group "all": 0 where all tasks pull the same way, 1 where they are unrelated.
        log_norms: logarithm of the largest over the smallest gradient norm of the tasks, end of training, group "all".
        progress: variant -> share of training done -> share of conflicts in group "all" among the pairs that are
            resolved by then; where all variants have validation gains, among those that are also both learned.
    """

    tasks: tuple[str, ...]
    groups: tuple[str, ...]
    pairs: Mapping[str, Mapping[tuple[str, str], Cosine]]
    alone: Mapping[str, Mapping[str, Cosine]]
    ceilings: Mapping[str, Mapping[str, Cosine]]
    cosines: Mapping[str, Mapping[str, Cosine]]
    magnitude: Analysis
    log_norms: Analysis
    shares: dict[tuple[str, str], ConflictShare]
    learned: dict[str, ConflictShare | None]
    on_plateau: tuple[str, ...]
    relative: dict[str, dict[tuple[str, str], Cosine | None]]
    progress: dict[str, dict[float, ConflictShare]]

    @property
    def variants(self) -> tuple[str, ...]:
        """Variants in the study's order."""
        return tuple(self.pairs)

    @property
    def is_known(self) -> bool:
        """Whether the logs of every variant show which tasks were learned at a step."""
        return set(self.learned) == set(self.pairs)

    def resolved(self, variant: str) -> dict[tuple[str, str], Cosine]:
        """The variant's resolved pairs."""
        return {pair: c for pair, c in self.pairs[variant].items() if self.relative[variant][pair] is not None}

    def matrix(self, variant: str) -> pd.DataFrame:
        """Tasks x tasks: the mean cosine of each pair both ways round, NaN on the diagonal and where not measured."""
        matrix = pd.DataFrame(np.nan, index=self.tasks, columns=self.tasks)
        for (a, b), cosine in self.pairs[variant].items():
            matrix.loc[a, b] = matrix.loc[b, a] = cosine.value
        return matrix

    def norm_ratio(self, variant: str) -> Estimate:
        """Largest over smallest gradient norm, at least 1: geometric mean over draws and seeds, with its interval."""
        e = self.log_norms.estimate(variant)
        with np.errstate(over="ignore"):  # two seeds may leave the upper end open
            value, low, high = (float(np.exp(np.maximum(v, 0.0))) for v in (e.value, e.low, e.high))
        return replace(e, value=value, low=low, high=high, se=float("nan"))


def summarize(table: pd.DataFrame, loss: str = PLAIN, *, learned: Learned | None = None) -> Interference | None:
    """Summarize the measure "interference"; None where no run measured all shared parameters together.

    Args:
        table: of all runs.
        loss: `PLAIN` or `WITHOUT_COLOUR`.
        learned: tasks that each run had learned at each step (reports/measures/plateau.py).
    """
    table = table[table["loss"] == loss]
    if not ((table["group"] == ALL) & (table["task_a"] != table["task_b"])).any():
        return None
    is_same_task = table["task_a"] == table["task_b"]
    rows = table[~is_same_task].assign(conflict=(table.loc[~is_same_task, "cosine"] < 0).astype(float))
    rows = rows.assign(learned=both_learned(rows, learned or {}), is_resolved=_resolved(rows, table[is_same_task]))
    last_pairs, last_same_task = _last_step(rows), _last_step(table[is_same_task])
    all_layers, all_layers_same_task = (
        last_pairs[last_pairs["group"] == ALL],
        last_same_task[last_same_task["group"] == ALL],
    )
    by_draw = _mean_by_draw(last_pairs)
    all_layers_by_draw, norm_ratios = by_draw[by_draw["group"] == ALL], _log_norm_ratios(all_layers)
    resolved, with_logs = last_pairs[last_pairs["is_resolved"]], all_layers[all_layers["learned"].notna()]
    return Interference(
        tasks=tuple(sorted({*all_layers["task_a"], *all_layers["task_b"]}, key=schema.condition_sort_key)),
        groups=tuple(dict.fromkeys(last_pairs["group"])),
        pairs=pair_cosines(all_layers),
        alone=mean_cosines(all_layers_same_task, all_layers_same_task["task_a"]),
        ceilings=mean_cosines(same_task_by_draw := _mean_by_draw(last_same_task), same_task_by_draw["group"]),
        cosines=mean_cosines(by_draw, by_draw["group"]),
        magnitude=intervals.over_draws(all_layers_by_draw, 1 - all_layers_by_draw["cosine"], ALL),
        log_norms=intervals.over_draws(norm_ratios, norm_ratios["log_ratio"], ALL),
        shares={
            (str(variant), str(group)): share
            for (variant, group), subset in resolved.groupby(["variant", "group"], sort=False)
            if (share := conflict_share(subset)) is not None
        },
        learned={
            str(v): conflict_share(subset[(subset["learned"] == 1) & subset["is_resolved"]])
            for v, subset in with_logs.groupby("variant", sort=False)
        },
        on_plateau=tuple(
            str(v) for v, subset in with_logs.groupby("variant", sort=False) if not (subset["learned"] == 1).any()
        ),
        relative=cosines_over_ceiling(all_layers, all_layers_same_task),
        progress=_progress(rows[rows["group"] == ALL]),
    )


def _resolved(rows: pd.DataFrame, same_task: pd.DataFrame) -> pd.Series:
    """For each row of two tasks whether the pair is resolved in its variant, at its moment and in its group."""

    def locate(frame: pd.DataFrame, task: str) -> pd.Series:
        return frame["fraction"].round(4).astype(str) + " " + frame["group"] + " " + frame[task]

    resolved = {
        (variant, location)
        for variant, cosines in mean_cosines(same_task, locate(same_task, "task_a")).items()
        for location, cosine in cosines.items()
        if cosine.is_above_zero
    }
    sides = [
        pd.Series(list(zip(rows["variant"], locate(rows, f"task_{side}"), strict=True)), index=rows.index, dtype=object)
        for side in "ab"
    ]
    return sides[0].isin(resolved) & sides[1].isin(resolved)


def _progress(rows: pd.DataFrame) -> dict[str, dict[float, ConflictShare]]:
    resolved = rows[rows["is_resolved"]]
    resolved = resolved if rows["learned"].isna().any() else resolved[resolved["learned"] == 1]
    progress: dict[str, dict[float, ConflictShare]] = {str(variant): {} for variant in dict.fromkeys(rows["variant"])}
    for variant, subset in resolved.groupby("variant"):
        for fraction in sorted(subset["fraction"].unique()):
            share = conflict_share(subset[subset["fraction"] == fraction])
            if share is not None:
                progress[str(variant)][float(fraction)] = share
    return progress


def _last_step(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of each run's last measured step."""
    return table[table["step"] == table.groupby(["variant", "seed"])["step"].transform("max")]


def _mean_by_draw(rows: pd.DataFrame) -> pd.DataFrame:
    """Cosines averaged over the tasks, or the pairs, of a draw."""
    return rows.groupby(["variant", "seed", "draw", "group"], sort=False)["cosine"].mean().reset_index()


def _log_norm_ratios(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a variant, seed and draw; a gradient of norm 0 has no ratio and is left out."""
    norms = pd.concat(
        [rows[["variant", "seed", "draw", f"norm_{side}"]].rename(columns={f"norm_{side}": "norm"}) for side in "ab"]
    )
    extremes = norms[norms["norm"] > 0].groupby(["variant", "seed", "draw"], sort=False)["norm"].agg(["min", "max"])
    return extremes.assign(log_ratio=np.log(extremes["max"] / extremes["min"])).reset_index()


def to_frame(by_loss: Mapping[str, Interference]) -> pd.DataFrame:
    """Every number of tables and figures, unrounded."""
    rows = [{"loss": loss, **row} for loss, interference in by_loss.items() for row in _rows_of(interference)]
    return pd.DataFrame(rows).dropna(subset="value")


def _rows_of(interference: Interference) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for variant in interference.variants:
        for group, cosine in interference.cosines[variant].items():
            keys = {"variant": variant, "at": group}
            rows.append({"quantity": "cosine", **keys, **intervals.to_columns(cosine)})
            if (variant, group) in interference.shares:
                conflicts = intervals.to_columns(interference.shares[variant, group])
                rows.append({"quantity": "conflicting_share", **keys, **conflicts})
            ceiling = interference.ceilings.get(variant, {}).get(group)
            if ceiling is not None:
                rows.append({"quantity": "cosine_same_task", **keys, **intervals.to_columns(ceiling)})
        learned = interference.learned.get(variant)
        if learned is not None:
            numbers = intervals.to_columns(learned)
            rows.append({"quantity": "conflicting_share_learned", "variant": variant, "at": ALL, **numbers})
        if variant in interference.log_norms.scores.variants:
            ratio = intervals.to_columns(interference.norm_ratio(variant))
            rows.append({"quantity": "norm_ratio", "variant": variant, "at": ALL, **ratio})
        for fraction, share in interference.progress[variant].items():
            keys = {"variant": variant, "at": f"{fraction:.4f}"}
            rows.append({"quantity": "conflicting_share_at_fraction", **keys, **intervals.to_columns(share)})
        for (a, b), cosine in interference.pairs[variant].items():
            keys = {"variant": variant, "at": f"{a}, {b}"}
            rows.append({"quantity": "cosine_of_pair", **keys, **intervals.to_columns(cosine)})
        for task, cosine in interference.alone.get(variant, {}).items():
            keys = {"variant": variant, "at": task}
            rows.append({"quantity": "cosine_of_task_with_itself", **keys, **intervals.to_columns(cosine)})
        for (a, b), over_ceiling in interference.relative[variant].items():
            if over_ceiling is not None:
                keys = {"variant": variant, "at": f"{a}, {b}"}
                rows.append({"quantity": "cosine_over_ceiling", **keys, **intervals.to_columns(over_ceiling)})
    return rows
