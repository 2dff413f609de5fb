"""What the numbers allow to be said: which variants differ, and whether the ranking means anything.

Every sentence is made from intervals (reports/stats.py); none is fixed.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import stats as sps

from reports import schema
from reports.stats import AVERAGE, LEVEL, Bootstrap, Estimate, Scores, means


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Difference `first - second` of the averages, p corrected for the number of pairs (Holm)."""

    first: str
    second: str
    estimate: Estimate
    p_holm: float
    p_wilcoxon: float

    @property
    def models_differ(self) -> bool:
        """Whether the trained models differ on such photographs at `LEVEL` after the correction."""
        return bool(self.p_holm < 1 - LEVEL)

    @property
    def distinguishable(self) -> bool:
        """Whether the variants differ: as `models_differ`, and more than one seed says that it was not luck."""
        return self.models_differ and self.estimate.n_seeds > 1


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a reader may take from the table.

    Attributes:
        headline: one sentence: whether the ranking means anything.
        sentences: what it rests on and where its limits are.
        ranks: "all", "some" or "none" of the pairs are distinguishable; "nothing" where there is no pair.
        pairs: every pair, best variants first.
    """

    headline: str
    sentences: tuple[str, ...]
    ranks: str
    pairs: tuple[Pair, ...]


def verdict(bootstrap: Bootstrap, *, reference: str | None = None) -> Verdict:
    """Decide from the intervals what can be said.

    Args:
        bootstrap: of one metric's scores (PSNR in reports).
        reference: a variant that the others are compared with in a sentence of their own, or None.
    """
    found = tuple(pairs(bootstrap))
    if not found:
        return _nothing_to_rank(bootstrap)
    apart = sum(pair.distinguishable for pair in found)
    ranks = "all" if apart == len(found) else "some" if apart else "none"
    if all(pair.estimate.n_seeds == 1 for pair in found):
        headline = _one_seed(found)
    elif len(found) == 1:
        which = "The two variants are" if apart else "The two variants are not"
        headline = f"{which} distinguishable at {LEVEL:.0%} by {_what(bootstrap.scores)}."
    else:
        verb = "is" if apart <= 1 else "are"
        count = f"{apart if apart else 'None'} of the {len(found)}"
        headline = (
            f"{count} pairs of variants {verb} distinguishable at {LEVEL:.0%} by {_what(bootstrap.scores)} "
            f"(Holm's correction for {len(found)} comparisons)."
        )
    sentences = [_best_against_second(found), *_against_reference(found, reference)]
    sentences += [*_against_input(bootstrap), _basis(bootstrap)]
    return Verdict(headline=headline, sentences=tuple(s for s in sentences if s), ranks=ranks, pairs=found)


def show(estimate: Estimate, metric: str = schema.PSNR) -> str:
    """Value, unit and interval as a reader sees them: +0.02 dB [-0.11, +0.15], with true minus signs."""
    kind = next(m for m in schema.METRICS if m.name == metric)
    unit = f" {kind.unit}" if kind.unit else ""
    value, low, high = (signed(v, kind.digits) for v in (estimate.value, estimate.low, estimate.high))
    if np.isnan(estimate.low):
        return f"{value}{unit} [no interval]"
    return f"{value}{unit} [{low}, {high}]"


def signed(value: float, digits: int) -> str:
    """A number with its sign; a rounded zero has none."""
    text = f"{value:+.{digits}f}"
    return text[1:] if float(text) == 0 else text.replace("-", "\N{MINUS SIGN}")


def _what(scores: Scores) -> str:
    kind = next(m for m in schema.METRICS if m.name == scores.metric)
    tasks = len({schema.task_of(c) for c in scores.conditions})
    return f"mean {kind.label}" + (f" over the {tasks} tasks" if tasks > 1 else "")


def _nothing_to_rank(bootstrap: Bootstrap) -> Verdict:
    done = means(bootstrap.scores).drop(index="input")[AVERAGE].notna().sum()
    headline = "No run is finished: there is nothing to compare yet."
    if done:
        headline = "Only one variant has finished runs: there is nothing to rank."
    elif bootstrap.scores.variants:
        headline = "No variant has scores for all conditions: there is nothing to rank."
    sentences = [*_against_input(bootstrap), _basis(bootstrap)] if bootstrap.scores.variants else []
    return Verdict(headline=headline, sentences=tuple(sentences), ranks="nothing", pairs=())


def _one_seed(found: tuple[Pair, ...]) -> str:
    """The headline where every variant was trained once: images can be resampled then, training can't."""
    differ = sum(pair.models_differ for pair in found)
    models = f"{differ if differ else 'none'} of the {len(found)} pairs"
    if len(found) == 1:
        models = "the two" if differ else "the two do not"
    verb = "differs" if differ == 1 and len(found) > 1 else "differ"
    return (
        "The ranking means nothing yet: each variant was trained with one seed, so a lead can't be told from the luck "
        f"of training. As trained models, {models} {verb} at {LEVEL:.0%} on such images."
    )


def _best_against_second(found: tuple[Pair, ...]) -> str:
    """The sentence about the first two; pairs start with them."""
    top = found[0]
    lead = f"{top.first} has the highest mean, {show(top.estimate)} against {top.second}"
    same = [p.second for p in found if p.first == top.first and not p.distinguishable]
    if top.distinguishable:
        return f"{lead}: better than the second at {LEVEL:.0%}."
    if top.estimate.n_seeds == 1 and top.estimate.excludes_zero:
        return f"{lead}: true of these two trained models, but with one seed not of the variants."
    if top.estimate.excludes_zero:
        return f"{lead}: no longer a difference after the correction for {len(found)} comparisons."
    rest = f" Not distinguishable from the best: {', '.join(same)}." if len(same) > 1 else ""
    return f"{lead}: this budget can't rank them.{rest}"


def _against_reference(found: tuple[Pair, ...], reference: str | None) -> list[str]:
    mine = [p for p in found if reference in (p.first, p.second)]
    if not mine:
        return []
    better = [f"{p.first} ({show(p.estimate)})" for p in mine if p.second == reference and p.distinguishable]
    worse = [f"{p.second} ({show(_turned(p.estimate))})" for p in mine if p.first == reference and p.distinguishable]
    if not better and not worse:
        return [f"No variant is distinguishable from the reference, {reference}."]
    said = []
    if better:
        said.append(f"Better than the reference, {reference}: {', '.join(better)}.")
    if worse:
        said.append(f"Worse than the reference, {reference}: {', '.join(worse)}.")
    return said


def _turned(e: Estimate) -> Estimate:
    """The same difference seen from the other side."""
    return Estimate(value=-e.value, low=-e.high, high=-e.low, se=e.se, df=e.df, p=e.p, n_seeds=e.n_seeds)


def _against_input(bootstrap: Bootstrap) -> list[str]:
    """Whether the models restore at all: an ablation of models that make images worse says nothing."""
    table = means(bootstrap.scores)
    gains = table.drop(index="input") - table.loc["input"]
    average = gains[AVERAGE].dropna()
    if average.empty:
        return []
    below = [str(v) for v in average.index[average <= 0]]
    if below:
        said = f"Below the degraded input on average: {', '.join(below)}."
    else:
        said = f"Every variant's mean is above the degraded input's, by {average.min():.2f} dB or more."
    harmed = [f"{v} on {c}" for v, row in gains.drop(columns=AVERAGE).iterrows() for c, g in row.items() if g < 0]
    shown = ", ".join(harmed[:6]) + (f" and {len(harmed) - 6} more" if len(harmed) > 6 else "")
    return [said, *([f"Worse than the degraded input: {shown}."] if harmed else [])]


def _basis(bootstrap: Bootstrap) -> str:
    """What the intervals rest on, with the limits that follow from it."""
    scores = bootstrap.scores
    counts = sorted({len(s) for s in scores.seeds.values()})
    seeds = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    said = (
        f"Intervals rest on {seeds} {'seed' if counts[-1] == 1 else 'seeds'} a variant, "
        f"{scores.n_scenes} {'scene' if scores.n_scenes == 1 else 'scenes'} and {scores.n_images} images "
        f"({bootstrap.resamples:,} paired resamples, widened by Student's t for so few units)."
    )
    if counts[0] == 1:
        said += (
            " A variant with one seed has no measure of training luck: its intervals leave it out and are too narrow."
        )
    if scores.n_scenes < 10:
        said += f" {scores.n_scenes} scenes say little about photographs in general."
    if scores.dropped:
        said += f" {scores.dropped:,} scores were left out because another run lacks the image."
    return said


def pairs(bootstrap: Bootstrap) -> list[Pair]:
    """Every pair of variants that have all conditions, the better one first, best variants first."""
    table = means(bootstrap.scores)
    ranked = table.drop(index="input")[AVERAGE].dropna().sort_values(ascending=False, kind="stable").index
    found = [(a, b, bootstrap.difference(a, b)) for a, b in combinations(ranked, 2)]
    corrected = holm([e.p for _, _, e in found])
    return [
        Pair(first=a, second=b, estimate=e, p_holm=p, p_wilcoxon=wilcoxon(bootstrap.scores, a, b))
        for (a, b, e), p in zip(found, corrected, strict=True)
    ]


def holm(p_values: list[float]) -> list[float]:
    """Holm's step-down correction; NaN (no interval) counts as 1."""
    p = np.nan_to_num(np.asarray(p_values, dtype=float), nan=1.0)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p))))
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(stepped, 1.0)
    return [float(v) for v in corrected]


def wilcoxon(scores: Scores, first: str, second: str) -> float:
    """The p value of Wilcoxon's signed-rank test over scenes, a check on the t interval; NaN below six scenes.

    It sees each scene's difference averaged over seeds, images and conditions, so it knows nothing of seeds. Below six
    scenes it can't reach p = 0.05.
    """
    gap = scores.values[first].mean(axis=0) - scores.values[second].mean(axis=0)  # (I, C)
    known = ~np.isnan(gap)
    sums = np.bincount(scores.scene, weights=np.where(known, gap, 0).sum(axis=1))
    counts = np.bincount(scores.scene, weights=known.sum(axis=1))
    by_scene = sums[counts > 0] / counts[counts > 0]
    if len(by_scene) < 6 or not np.any(by_scene):
        return float("nan")
    return float(sps.wilcoxon(by_scene).pvalue)
