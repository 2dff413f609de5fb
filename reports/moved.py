"""Each variant against itself in another report, paired by image and seed."""

from __future__ import annotations

from dataclasses import dataclass

from reports.estimate import LEVEL, Estimate, estimate
from reports.pairs import holm
from reports.stats import AVERAGE, Bootstrap, seed_means


@dataclass(frozen=True, kw_only=True)
class Moved:
    """One variant in one column, before and after.

    Attributes:
        variant: its name.
        condition: a condition, or `AVERAGE`.
        before, after: means over the shared images and seeds, in the metric's unit.
        estimate: `after - before` with its interval, uncorrected.
        p_holm: its p corrected over all variants (averages), or over all variants and conditions.
        n_images: images behind it.
        seeds_paired: whether the same seeds stand on both sides.
        same_runs: whether both are the same runs with the same numbers: then there is nothing to test.
    """

    variant: str
    condition: str
    before: float
    after: float
    estimate: Estimate
    p_holm: float
    n_images: int
    seeds_paired: bool
    same_runs: bool

    @property
    def models_differ(self) -> bool:
        """Whether the trained models differ on such photographs at `LEVEL` after the correction."""
        return not self.same_runs and self.p_holm < 1 - LEVEL

    @property
    def is_real(self) -> bool:
        """Whether it is more than noise: as `models_differ`, and more than one seed says that it was not luck."""
        return self.models_differ and self.estimate.n_seeds > 1

    @property
    def told(self) -> str:
        """Whether it moved, in a word or two."""
        if self.same_runs:
            return "same runs"
        if self.models_differ and not self.is_real:
            return "one seed: can't be told"
        return "yes" if self.is_real else "no"


def moved(bootstrap: Bootstrap, pairs: dict[str, tuple[str, str, bool]]) -> tuple[Moved, ...]:
    """Every variant and column; variants in their order, the average first.

    Args:
        bootstrap: of both studies' rows, variants named "0 <variant>" before and "1 <variant>" after.
        pairs: variant -> trained name before, trained name after, and whether the runs are the same.
    """
    columns = (AVERAGE, *bootstrap.scores.conditions)
    estimates = {(v, c): e for c in columns for v, e in _estimates(bootstrap, list(pairs), c).items()}
    tested = [key for key in estimates if not pairs[key[0]][2]]
    corrected: dict[tuple[str, str], float] = {}
    for family in ([k for k in tested if k[1] == AVERAGE], [k for k in tested if k[1] != AVERAGE]):
        corrected.update(zip(family, holm([estimates[k].p for k in family]), strict=True))
    found = []
    for variant, (_, _, same_runs) in pairs.items():
        names = f"0 {variant}", f"1 {variant}"
        rows_before, rows_after, paired = bootstrap.scores.seed_rows(*names)
        for column in columns:
            before, after = (
                float(seed_means(bootstrap.scores, name, column)[list(rows)].mean())
                for name, rows in zip(names, (rows_before, rows_after), strict=True)
            )
            found.append(
                Moved(
                    variant=variant,
                    condition=column,
                    before=before,
                    after=after,
                    estimate=estimates[variant, column],
                    p_holm=corrected.get((variant, column), 1.0),
                    n_images=int(bootstrap.scores.images_in(column).sum()),
                    seeds_paired=paired,
                    same_runs=same_runs,
                )
            )
    return tuple(found)


def _estimates(bootstrap: Bootstrap, variants: list[str], column: str) -> dict[str, Estimate]:
    """`after - before` of every variant; where few seeds agree by chance, the other variants' spread counts."""
    gaps = {v: bootstrap.gap(f"1 {v}", f"0 {v}", column) for v in variants}
    neighbours = [variances for _, variances in gaps.values() if variances.varies]
    # These pairs share no variant: their mean is worth as many variances as there are pairs, which `estimate` counts
    # (beyond five pairs a little fewer) as it does for pairs of one variant more.
    n_variants = len(neighbours) + 1
    return {
        v: estimate(value, variances, neighbours=neighbours, n_variants=n_variants)
        for v, (value, variances) in gaps.items()
    }
