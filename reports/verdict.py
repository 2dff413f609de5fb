"""The verdict on a study: which planned contrasts differ from zero, on which tasks, and the study's limits.

Every sentence is computed from the contrasts (reports/contrasts.py); reports/input_gain.py adds those on the degraded
input.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from reports import schema
from reports.contrasts import ContrastResult, Contrasts, estimate_contrasts, planned_contrasts
from reports.divergence import DIVERGENCE_DB, DivergedRun, diverged_runs, drop_diverged
from reports.formatting import (
    format_estimate,
    format_quantity,
    format_seed_range,
    format_signed,
    format_size,
    list_names,
)
from reports.headline import headline, task_tradeoff
from reports.input_gain import input_gain_sentences
from reports.labels import task_label
from reports.messages import join_clauses, join_commas, join_sentences, message, ngettext
from reports.pairs import PairDifference, pair_differences
from reports.power import POWER, quadratic_mean
from reports.stats import AVERAGE, NEW_PHOTOGRAPHS, Analysis, Scores
from reports.study import Contrast, Study

__all__ = ["Verdict", "verdict", "verdict_of"]

MAX_CONTRASTS = 8
MAX_RUNS = 6


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Findings of a study.

    Attributes:
        headline: one sentence: how many planned contrasts differ from zero.
        sentences: each contrast, then minimum detectable differences, sample sizes and limits.
        outcome: "all", "some" or "none" of the contrasts differ; "nothing" where there is none.
        contrasts: the planned contrasts.
        without_diverged: the same without the diverged runs; None where there is no such run.
        pairs: every pair, best variants first; exploratory, without verdict.
    """

    headline: str
    sentences: tuple[str, ...]
    outcome: str
    contrasts: Contrasts
    without_diverged: Contrasts | None
    pairs: tuple[PairDifference, ...]

    @property
    def has_power(self) -> bool:
        """Whether any contrast has the seeds from which a minimum detectable difference is computed."""
        return any(math.isfinite(t.mdd) for t in self.contrasts.in_column())


def verdict_of(study: Study) -> Verdict:
    """The verdict on a study by PSNR."""
    return verdict(study.analysis(schema.PSNR), planned_contrasts(study), diverged=diverged_runs(study))


def verdict(analysis: Analysis, planned: Sequence[Contrast] = (), *, diverged: Collection[DivergedRun] = ()) -> Verdict:
    """Verdict on the planned contrasts.

    Args:
        analysis: of one metric's scores (PSNR in reports).
        planned: the study's planned contrasts.
        diverged: finished runs that diverged.
    """
    contrasts = estimate_contrasts(analysis, planned)
    without_diverged = (
        estimate_contrasts(Analysis(scores=drop_diverged(analysis.scores, diverged)), planned) if diverged else None
    )
    pairs = tuple(pair_differences(analysis))
    results = contrasts.in_column()
    differ = sum(t.differs for t in results)
    lines = [_contrast_sentence(t, contrasts) for t in results[:MAX_CONTRASTS]]
    lines += [*_remaining_contrasts(results[MAX_CONTRASTS:]), *_not_estimable(contrasts)]
    if not planned:
        lines += _best_variant(pairs, analysis.scores.kind)
    lines += _divergence_sentences(diverged, contrasts, without_diverged)
    lines += [*_power_sentences(results), *input_gain_sentences(analysis.scores)]
    lines += [_sample_size_sentences(analysis.scores)] if analysis.scores.variants else []
    return Verdict(
        headline=headline(analysis.scores, contrasts, pairs),
        sentences=tuple(lines),
        outcome="nothing" if not results else "all" if differ == len(results) else "some" if differ else "none",
        contrasts=contrasts,
        without_diverged=without_diverged,
        pairs=pairs,
    )


def _contrast_sentence(tested: ContrastResult, contrasts: Contrasts) -> str:
    """The average with its simultaneous interval, and trade-offs between tasks."""
    e = tested.simultaneous
    values = {"label": tested.contrast.label, "estimate": format_estimate(e)}
    clauses: list[str] = [message("{label}: {estimate}", **values)]
    if e.n_seeds > 1 and not tested.differs:
        clauses = [message("{label}: {estimate}, not significant", **values)]
    elif e.n_seeds == 1 and any(t.estimate.n_seeds > 1 for t in contrasts.in_column()):
        clauses = [message("{label}: {estimate}, one seed: not tested", **values)]
    tradeoff = task_tradeoff(tested, contrasts)
    differing = [t for t in contrasts.by_task(tested.contrast).values() if t.differs]
    if tradeoff:
        clauses.append(message("the average hides a trade-off: {values}", values=_task_values(tradeoff)))
    elif differing and not tested.differs:
        clauses.append(message("significant by task: {values}", values=_task_values(differing)))
    return message("{clauses}.", clauses=join_clauses(clauses))


def _task_values(tasks: Sequence[ContrastResult]) -> str:
    """+3.05 dB on haze, −4.40 dB on noise."""
    return join_commas(
        message("{change} dB on {condition}", change=format_signed(t.estimate.value), condition=task_label(t.column))
        for t in tasks
    )


def _remaining_contrasts(remaining: Sequence[ContrastResult]) -> list[str]:
    if not remaining:
        return []
    n_above = sum(t.differs and t.estimate.value > 0 for t in remaining)
    n_below = sum(t.differs and t.estimate.value < 0 for t in remaining)
    n_neither = len(remaining) - n_above - n_below
    counts = [message("{n} above zero", n=n_above)] if n_above else []
    counts += [message("{n} below zero", n=n_below)] if n_below else []
    counts += [message("{n} not significant", n=n_neither)] if n_neither else []
    return [
        message(
            "{n} more planned contrasts: {counts} (table “Planned contrasts”).",
            n=len(remaining),
            counts=join_commas(counts),
        )
    ]


def _not_estimable(contrasts: Contrasts) -> list[str]:
    """Contrasts that can't be estimated yet, and why."""
    lines: list[str] = []
    if absent := [(c, missing) for c, missing in contrasts.not_estimable if missing]:
        missing = list(dict.fromkeys(v for _, variants in absent for v in variants))
        labels = list_names([c.label for c, _ in absent])
        lines.append(
            message("Not estimable yet: {labels}; unfinished: {names}.", labels=labels, names=list_names(missing))
        )
    if same := [c.label for c, missing in contrasts.not_estimable if not missing]:
        lines.append(message("Nothing to estimate, one model under several names: {labels}.", labels=list_names(same)))
    return lines


def _best_variant(pairs: Sequence[PairDifference], metric: schema.Metric) -> list[str]:
    if not pairs:
        return []
    best = pairs[0]
    values = {"variant": best.first, "estimate": format_estimate(best.estimate, metric), "other": best.second}
    if metric.higher_is_better:
        return [
            message(
                "{variant} has the highest column average, {estimate} against {other} (unadjusted; selected as the "
                "largest, so not a test).",
                **values,
            )
        ]
    return [
        message(
            "{variant} has the lowest column average, {estimate} against {other} (unadjusted; selected as the "
            "smallest, so not a test).",
            **values,
        )
    ]


def _divergence_sentences(
    diverged: Collection[DivergedRun], contrasts: Contrasts, without_diverged: Contrasts | None
) -> list[str]:
    """The runs that diverged, and whether any verdict depends on them."""
    if without_diverged is None:
        return []
    runs = [
        message(
            "{variant} seed {seed} ({change} dB on {condition})",
            variant=d.variant,
            seed=d.seed,
            change=format_signed(d.gain_db),
            condition=task_label(d.task),
        )
        for d in diverged
    ]
    lines: list[str] = [
        message(
            "Diverged, more than {below:g} dB below the degraded input on a task it was trained on: {runs}. All "
            "numbers here include these runs.",
            below=DIVERGENCE_DB,
            runs=list_names(runs, MAX_RUNS),
        )
    ]
    differs_without = {
        (t.contrast.name, t.column): t.differs for t in without_diverged.tested if t.question == NEW_PHOTOGRAPHS
    }
    changed = [
        message(
            "{label} ({column})",
            label=t.contrast.label,
            column=message("column average") if t.column == AVERAGE else task_label(t.column),
        )
        for t in contrasts.tested
        if t.question == NEW_PHOTOGRAPHS and t.differs != differs_without.get((t.contrast.name, t.column), False)
    ]
    if changed:
        labels = list_names(changed, MAX_RUNS)
        lines.append(message("Without them the verdict changes for {labels} (contrasts.csv).", labels=labels))
    return lines


def _power_sentences(results: Sequence[ContrastResult]) -> list[str]:
    """The minimum detectable differences with these seeds and images."""
    estimable = [t for t in results if t.estimate.n_seeds > 1 and t.estimate.se > 0]
    if not estimable:
        return []
    sizes, seeds = [t.mdd for t in estimable], sorted({t.estimate.n_seeds for t in estimable})
    values = {
        "seeds": format_seed_range(seeds),
        "images": format_quantity(estimable[0].n_images, "image"),
        "size": format_size(quadratic_mean(sizes)),
        "power": f"{POWER:.0%}",
        "level": f"5%/{estimable[0].family}" if estimable[0].family > 1 else "5%",
    }
    if len(estimable) == 1:
        return [
            message(
                "Minimum detectable difference of the planned contrast of the column average, with {seeds} and "
                "{images}: {size} dB ({power} power, two-sided test at {level}).",
                **values,
            )
        ]
    return [
        message(
            "Minimum detectable difference of a planned contrast of the column average, with {seeds} and {images}: "
            "{size} dB ({power} power, two-sided test at {level}; quadratic mean of {n} contrasts, {low} to {high} "
            "dB).",
            **values,
            n=len(estimable),
            low=format_size(min(sizes)),
            high=format_size(max(sizes)),
        )
    ]


def _sample_size_sentences(scores: Scores) -> str:
    """Sample sizes behind the intervals, with the limits that follow."""
    counts = sorted({len(s) for s in scores.seeds.values()})
    n_scenes, n_images = scores.count_scenes_and_images(AVERAGE)
    lines = [
        message(
            "Intervals are based on {seeds} per variant, {scenes} and {images}, and are for new training runs and "
            "new photographs.",
            seeds=format_seed_range(counts),
            scenes=format_quantity(n_scenes, "scene"),
            images=format_quantity(n_images, "image"),
        )
    ]
    if counts[0] == 1:
        lines.append(
            message(
                "With one seed, seed-to-seed variance cannot be estimated: intervals of such a variant omit it and "
                "are too narrow."
            )
        )
    elif counts[0] == 2:
        lines.append(message("Two seeds estimate seed-to-seed variance poorly: use three or more."))
    if n_scenes < 10:
        lines.append(message("With so few scenes ({n}), results may not generalise to other photographs.", n=n_scenes))
    if scores.dropped:
        lines.append(
            ngettext(
                "{n:,} score was left out because another run lacks the image.",
                "{n:,} scores were left out because another run lacks the image.",
                scores.dropped,
            )
        )
    return join_sentences(lines)
