"""What the numbers allow to be said: which planned contrasts differ from zero, on which tasks, what can't be told.

Every sentence is made from the contrasts (reports/contrasts.py); none is fixed. reports/input_gain.py says what
there is to say of the degraded input.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from reports import schema
from reports.contrasts import Contrasts, Tested, estimate_contrasts, planned_contrasts
from reports.divergence import BELOW_DB, Diverged, diverged_runs, without
from reports.formatting import count, named, seeds_told, show, show_size, signed
from reports.headline import headline, trade
from reports.input_gain import against_input
from reports.labels import task_label
from reports.messages import comma, message, ngettext, sentences, series
from reports.pairs import Pair, pairs
from reports.power import POWER, quadratic_mean
from reports.stats import AVERAGE, NEW_PHOTOGRAPHS, Analysis, Scores
from reports.study import Contrast, Study

__all__ = ["Verdict", "show", "signed", "verdict", "verdict_of"]

SHOWN_CONTRASTS = 8
SHOWN_RUNS = 6


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a reader may take from the table.

    Attributes:
        headline: one sentence: how many planned contrasts differ from zero.
        sentences: each contrast first, then what the study could have found, what it rests on and its limits.
        ranks: "all", "some" or "none" of the contrasts differ; "nothing" where there is none.
        contrasts: the planned contrasts.
        without_diverged: the same without the diverged runs; None where there is no such run.
        pairs: every pair, best variants first; a description without verdict.
    """

    headline: str
    sentences: tuple[str, ...]
    ranks: str
    contrasts: Contrasts
    without_diverged: Contrasts | None
    pairs: tuple[Pair, ...]

    @property
    def has_power(self) -> bool:
        """Whether any contrast has the seeds from which a minimum detectable difference is computed."""
        return any(math.isfinite(t.mdd) for t in self.contrasts.of())


def verdict_of(study: Study) -> Verdict:
    """The verdict on a study by PSNR."""
    return verdict(study.analysis(schema.PSNR), planned_contrasts(study), diverged=diverged_runs(study))


def verdict(analysis: Analysis, planned: Sequence[Contrast] = (), *, diverged: Collection[Diverged] = ()) -> Verdict:
    """Decide from the planned contrasts what can be said.

    Args:
        analysis: of one metric's scores (PSNR in reports).
        planned: the contrasts that the study was made for.
        diverged: runs that finished and failed all the same.
    """
    found = estimate_contrasts(analysis, planned)
    kept = estimate_contrasts(Analysis(scores=without(analysis.scores, diverged)), planned) if diverged else None
    described = tuple(pairs(analysis))
    on_average = found.of()
    differ = sum(t.differs for t in on_average)
    said = [_one_contrast(t, found) for t in on_average[:SHOWN_CONTRASTS]]
    said += [*_more(on_average[SHOWN_CONTRASTS:]), *_waiting(found)]
    if not planned:
        said += _best(described, analysis.scores.kind)
    said += _diverged(diverged, found, kept)
    said += [*_what_it_finds(on_average), *against_input(analysis.scores)]
    said += [_basis(analysis.scores)] if analysis.scores.variants else []
    return Verdict(
        headline=headline(analysis.scores, found, described),
        sentences=tuple(said),
        ranks="nothing" if not on_average else "all" if differ == len(on_average) else "some" if differ else "none",
        contrasts=found,
        without_diverged=kept,
        pairs=described,
    )


def _one_contrast(tested: Tested, found: Contrasts) -> str:
    """The average with its simultaneous interval, and what it hides of the tasks."""
    e = tested.simultaneous
    told = {"label": tested.contrast.label, "estimate": show(e)}
    clauses: list[str] = [message("{label}: {estimate}", **told)]
    if e.n_seeds > 1 and not tested.differs:
        clauses = [message("{label}: {estimate}, no difference could be shown", **told)]
    elif e.n_seeds == 1 and any(t.estimate.n_seeds > 1 for t in found.of()):
        clauses = [message("{label}: {estimate}, one seed: not judged", **told)]
    traded = trade(tested, found)
    shown = [t for t in found.by_task(tested.contrast).values() if t.differs]
    if traded:
        clauses.append(message("the average hides a trade: {values}", values=_values(traded)))
    elif shown and not tested.differs:
        clauses.append(message("shown by task: {values}", values=_values(shown)))
    return message("{clauses}.", clauses=series(clauses))


def _values(tasks: Sequence[Tested]) -> str:
    """+3.05 dB on haze, −4.40 dB on noise."""
    return comma(
        message("{change} dB on {condition}", change=signed(t.estimate.value), condition=task_label(t.column))
        for t in tasks
    )


def _more(rest: Sequence[Tested]) -> list[str]:
    if not rest:
        return []
    above = sum(t.differs and t.estimate.value > 0 for t in rest)
    below = sum(t.differs and t.estimate.value < 0 for t in rest)
    neither = len(rest) - above - below
    told = [message("{n} above zero", n=above)] if above else []
    told += [message("{n} below zero", n=below)] if below else []
    told += [message("{n} without a difference shown", n=neither)] if neither else []
    return [message("{n} more planned contrasts: {told} (table “Planned contrasts”).", n=len(rest), told=comma(told))]


def _waiting(found: Contrasts) -> list[str]:
    """Contrasts that can't be estimated yet, and why."""
    said: list[str] = []
    if absent := [(c, needs) for c, needs in found.waiting if needs]:
        needs = list(dict.fromkeys(v for _, every in absent for v in every))
        labels = named([c.label for c, _ in absent])
        said.append(message("Not estimable yet: {labels}; unfinished: {names}.", labels=labels, names=named(needs)))
    if same := [c.label for c, needs in found.waiting if not needs]:
        said.append(message("Nothing to estimate, one model under several names: {labels}.", labels=named(same)))
    return said


def _best(described: Sequence[Pair], metric: schema.Metric) -> list[str]:
    if not described:
        return []
    top = described[0]
    told = {"variant": top.first, "estimate": show(top.estimate, metric), "other": top.second}
    if metric.higher_is_better:
        return [
            message(
                "{variant} has the highest column average, {estimate} against {other} (unadjusted; chosen as the "
                "largest, so not a test).",
                **told,
            )
        ]
    return [
        message(
            "{variant} has the lowest column average, {estimate} against {other} (unadjusted; chosen as the smallest, "
            "so not a test).",
            **told,
        )
    ]


def _diverged(diverged: Collection[Diverged], found: Contrasts, kept: Contrasts | None) -> list[str]:
    """The runs that diverged, and whether any verdict depends on them."""
    if kept is None:
        return []
    lowest = [
        message(
            "{variant} seed {seed} ({change} dB on {condition})",
            variant=d.variant,
            seed=d.seed,
            change=signed(d.gain_db),
            condition=task_label(d.task),
        )
        for d in diverged
    ]
    said: list[str] = [
        message(
            "Diverged, more than {below:g} dB below the degraded input on a task that it was trained on: {runs}. Such "
            "runs stay in every number here.",
            below=BELOW_DB,
            runs=named(lowest, SHOWN_RUNS),
        )
    ]
    again = {(t.contrast.name, t.column): t.differs for t in kept.tested if t.question == NEW_PHOTOGRAPHS}
    other = [
        message(
            "{label} ({column})",
            label=t.contrast.label,
            column=message("column average") if t.column == AVERAGE else task_label(t.column),
        )
        for t in found.tested
        if t.question == NEW_PHOTOGRAPHS and t.differs != again.get((t.contrast.name, t.column), False)
    ]
    if other:
        labels = named(other, SHOWN_RUNS)
        said.append(message("Without them the verdict is another for {labels} (contrasts.csv).", labels=labels))
    return said


def _what_it_finds(on_average: Sequence[Tested]) -> list[str]:
    """The smallest differences that the study could find with the seeds and images at hand."""
    known = [t for t in on_average if t.estimate.n_seeds > 1 and t.estimate.se > 0]
    if not known:
        return []
    sizes, seeds = [t.mdd for t in known], sorted({t.estimate.n_seeds for t in known})
    told = {
        "seeds": seeds_told(seeds),
        "images": count(known[0].n_images, "image"),
        "size": show_size(quadratic_mean(sizes)),
        "power": f"{POWER:.0%}",
        "level": f"5%/{known[0].family}" if known[0].family > 1 else "5%",
    }
    if len(known) == 1:
        return [
            message(
                "With {seeds} and {images} a planned contrast of the column average is found from {size} dB up "
                "({power} power, two-sided test at {level}).",
                **told,
            )
        ]
    return [
        message(
            "With {seeds} and {images} a planned contrast of the column average is found from {size} dB up "
            "({power} power, two-sided test at {level}; quadratic mean of {n} contrasts, {low} to {high} dB).",
            **told,
            n=len(known),
            low=show_size(min(sizes)),
            high=show_size(max(sizes)),
        )
    ]


def _basis(scores: Scores) -> str:
    """What the intervals rest on, with the limits that follow from it."""
    counts = sorted({len(s) for s in scores.seeds.values()})
    n_scenes, n_images = scores.counted(AVERAGE)
    said = [
        message(
            "Intervals rest on {seeds} a variant, {scenes} and {images}, and are for other training runs and other "
            "photographs.",
            seeds=seeds_told(counts),
            scenes=count(n_scenes, "scene"),
            images=count(n_images, "image"),
        )
    ]
    if counts[0] == 1:
        said.append(
            message(
                "A variant with one seed has no measure of seed-to-seed variance: its intervals leave it out and are "
                "too narrow."
            )
        )
    elif counts[0] == 2:
        said.append(message("Two seeds hardly measure seed-to-seed variance: three or more do."))
    if n_scenes < 10:
        said.append(message("So few scenes ({n}) say little about photographs in general.", n=n_scenes))
    if scores.dropped:
        said.append(
            ngettext(
                "{n:,} score was left out because another run lacks the image.",
                "{n:,} scores were left out because another run lacks the image.",
                scores.dropped,
            )
        )
    return sentences(said)
