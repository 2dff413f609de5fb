"""Each variant against itself in another report: paired by image and, where both have the same seeds, by seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from reports.estimate import LEVEL, Estimate
from reports.messages import message
from reports.stats import AVERAGE, Analysis, Scores, seed_means


@dataclass(frozen=True, kw_only=True)
class ModelPair:
    """One model in two studies: its trained name in each, and whether its runs there are the same."""

    before: str
    after: str
    same_runs: bool


@dataclass(frozen=True, kw_only=True)
class VariantChange:
    """One variant in one column, before and after.

    Attributes:
        variant: its name.
        condition: a condition, or `AVERAGE`.
        before, after: means over the shared images and seeds, in the metric's unit.
        estimate: `after - before`; its interval is simultaneous over the variants (averages), or over variants and
            conditions.
        p_adjusted: Bonferroni's p over the same family.
        n_images: images behind it.
        seeds_paired: whether both studies have the same seeds.
        same_runs: whether both are the same runs with the same numbers: then there is nothing to test.
    """

    variant: str
    condition: str
    before: float
    after: float
    estimate: Estimate
    p_adjusted: float
    n_images: int
    seeds_paired: bool
    same_runs: bool

    @property
    def models_differ(self) -> bool:
        """Whether the simultaneous interval leaves zero out."""
        return not self.same_runs and self.estimate.excludes_zero

    @property
    def is_significant(self) -> bool:
        """Whether the variants differ: as `models_differ`, with more than one seed."""
        return self.models_differ and self.estimate.n_seeds > 1

    @property
    def significance(self) -> str:
        """Whether the change is significant, in a word or two."""
        if self.same_runs:
            return message("same runs")
        if self.models_differ and not self.is_significant:
            return message("one seed: not tested")
        return message("yes") if self.is_significant else message("no")


def variant_changes(scores: Scores, pairs: Mapping[str, ModelPair]) -> tuple[VariantChange, ...]:
    """Every variant and column; variants in their order, the average first.

    Args:
        scores: of both studies' rows, variants named "0 <variant>" before and "1 <variant>" after.
        pairs: variant -> its models.
    """
    columns = (AVERAGE, *scores.conditions)
    shared = {v: sorted(set(scores.seeds[f"0 {v}"]) & set(scores.seeds[f"1 {v}"])) for v in pairs}
    paired, unpaired = Analysis(scores=_paired_differences(scores, shared)), Analysis(scores=scores)
    tested = [v for v, pair in pairs.items() if not pair.same_runs]
    changes = []
    for variant, pair in pairs.items():
        for column in columns:
            family = max(len(tested) * (1 if column == AVERAGE else len(scores.conditions)), 1)
            if shared[variant]:
                change = paired.estimate(variant, column)
            else:
                change = unpaired.difference(f"1 {variant}", f"0 {variant}", column)
            before, after = (
                float(seed_means(scores, name, column)[_seed_indices(scores, name, shared[variant])].mean())
                for name in (f"0 {variant}", f"1 {variant}")
            )
            changes.append(
                VariantChange(
                    variant=variant,
                    condition=column,
                    before=before,
                    after=after,
                    estimate=change.at_level(1 - (1 - LEVEL) / family),
                    p_adjusted=1.0 if pair.same_runs else min(1.0, family * change.p),
                    n_images=scores.count_scenes_and_images(column)[1],
                    seeds_paired=bool(shared[variant]),
                    same_runs=pair.same_runs,
                )
            )
    return tuple(changes)


def _paired_differences(scores: Scores, shared: Mapping[str, list[int]]) -> Scores:
    """For each variant with shared seeds the change of each score from seed to same seed, as a variant of its own.

    The same seed sees the same batches on both sides: its runs may agree far better than two seeds do.
    """
    values = {
        v: scores.values[f"1 {v}"][_seed_indices(scores, f"1 {v}", seeds)]
        - scores.values[f"0 {v}"][_seed_indices(scores, f"0 {v}", seeds)]
        for v, seeds in shared.items()
        if seeds
    }
    return replace(scores, values=values, seeds={v: tuple(shared[v]) for v in values})


def _seed_indices(scores: Scores, variant: str, seeds: list[int]) -> list[int]:
    """Rows of these seeds; all where there are none."""
    return [scores.seeds[variant].index(s) for s in seeds] or list(range(len(scores.seeds[variant])))
