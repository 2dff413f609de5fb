"""What the numbers allow to be said: which planned contrasts differ from zero, on which tasks, what can't be told.

Every sentence is made from the contrasts (reports/contrasts.py); none is fixed. reports/against_input.py says what
there is to say of the degraded input.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from reports import schema
from reports.against_input import against_input
from reports.contrasts import Contrasts, Tested, estimate_contrasts, planned_contrasts
from reports.diverged import BELOW_DB, Diverged, diverged_runs, without
from reports.labels import task_label
from reports.pairs import Pair, pairs
from reports.power import POWER, quadratic_mean
from reports.stats import AVERAGE, LEVEL, NEW_PHOTOGRAPHS, Analysis, Scores, means
from reports.study import Contrast, Study
from reports.wording import count, named, show, show_size, signed

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
    sentences = [_one_contrast(t, found) for t in on_average[:SHOWN_CONTRASTS]]
    sentences += [*_more(on_average[SHOWN_CONTRASTS:]), *_waiting(found)]
    if not planned:
        sentences += _best(described, analysis.scores.kind)
    sentences += _diverged(diverged, found, kept)
    sentences += [*_what_it_finds(on_average), *against_input(analysis.scores)]
    sentences += [_basis(analysis.scores)] if analysis.scores.variants else []
    return Verdict(
        headline=_headline(analysis.scores, found, described),
        sentences=tuple(sentences),
        ranks="nothing" if not on_average else "all" if differ == len(on_average) else "some" if differ else "none",
        contrasts=found,
        without_diverged=kept,
        pairs=described,
    )


def _headline(scores: Scores, found: Contrasts, described: Sequence[Pair]) -> str:
    on_average = found.of()
    if not described:
        return _nothing_to_compare(scores)
    if all(len(seeds) == 1 for seeds in scores.seeds.values()) or (
        on_average and all(t.estimate.n_seeds == 1 for t in on_average)
    ):
        return _one_seed(on_average)
    if not found.planned:
        return "No contrast was planned: the differences below are a description, and none is tested."
    if not on_average:
        return "No planned contrast can be estimated yet: the variants that they need have not finished."
    kind = scores.kind
    where = f"{kind.label} averaged over the columns" if len(scores.conditions) > 1 else kind.label
    differ, m = sum(t.differs for t in on_average), len(on_average)
    trades = sum(bool(_trade(t, found)) for t in on_average)
    hides = f"; {f'in {trades} of them ' if m > 1 else ''}the average hides a trade between tasks" if trades else ""
    later = f"; {len(found.waiting)} more can't be estimated yet" if found.waiting else ""
    how = f"at {LEVEL:.0%}, by {where}{hides}{later}"
    if m == 1:
        return f"The planned contrast {'differs' if differ else 'could not be shown to differ'} from zero {how}."
    if not differ:
        return f"No difference could be shown in any of the {m} planned contrasts {how}."
    return f"{differ} of {m} planned contrasts {'differs' if differ == 1 else 'differ'} from zero {how}."


def _nothing_to_compare(scores: Scores) -> str:
    if not scores.variants:
        return "No run is finished: there is nothing to compare yet."
    if means(scores).drop(index="input")[AVERAGE].notna().any():
        return "Only one variant has finished runs: there is nothing to compare."
    return "No variant has scores for all conditions: there is nothing to compare."


def _one_seed(on_average: Sequence[Tested]) -> str:
    """The headline where each contrast has a variant that was trained once: many photographs, one training."""
    said = (
        "The ranking means nothing yet: every comparison rests on one seed, so no difference can be told from "
        "seed-to-seed variance."
    )
    if not on_average:
        return said
    differ, m = sum(t.models_differ for t in on_average), len(on_average)
    return (
        f"{said} As trained models, {differ} of {m} planned contrasts {'differs' if differ == 1 else 'differ'} from "
        f"zero at {LEVEL:.0%} on such photographs."
    )


def _one_contrast(tested: Tested, found: Contrasts) -> str:
    """The average with its simultaneous interval, and what it hides of the tasks."""
    e = tested.simultaneous
    said = f"{tested.contrast.label}: {show(e)}"
    if e.n_seeds > 1 and not tested.differs:
        said += ", no difference could be shown"
    elif e.n_seeds == 1 and any(t.estimate.n_seeds > 1 for t in found.of()):
        said += ", one seed: not judged"
    trade = _trade(tested, found)
    if trade:
        return f"{said}; the average hides a trade: {_values(trade)}."
    shown = [t for t in found.by_task(tested.contrast).values() if t.differs]
    if shown and not tested.differs:
        return f"{said}; shown by task: {_values(shown)}."
    return f"{said}."


def _trade(tested: Tested, found: Contrasts) -> list[Tested]:
    """The tasks on which the contrast differs from zero, where these and the average are not all of one sign."""
    shown = [t for t in found.by_task(tested.contrast).values() if t.differs]
    signs = {t.estimate.value > 0 for t in [*shown, *([tested] if tested.differs else [])]}
    return sorted(shown, key=lambda t: -t.estimate.value) if len(signs) > 1 else []


def _values(tasks: Sequence[Tested]) -> str:
    """+3.05 dB on haze, −4.40 dB on noise."""
    return ", ".join(f"{signed(t.estimate.value)} dB on {task_label(t.column)}" for t in tasks)


def _more(rest: Sequence[Tested]) -> list[str]:
    if not rest:
        return []
    above = sum(t.differs and t.estimate.value > 0 for t in rest)
    below = sum(t.differs and t.estimate.value < 0 for t in rest)
    counts = {"above zero": above, "below zero": below, "without a difference shown": len(rest) - above - below}
    told = ", ".join(f"{n} {words}" for words, n in counts.items() if n)
    return [f"{len(rest)} more planned contrasts: {told} (table “Planned contrasts”)."]


def _waiting(found: Contrasts) -> list[str]:
    """Contrasts that can't be estimated yet, and why."""
    said = []
    if absent := [(c, needs) for c, needs in found.waiting if needs]:
        needs = list(dict.fromkeys(v for _, every in absent for v in every))
        said.append(f"Not estimable yet: {named([c.label for c, _ in absent])}; unfinished: {named(needs)}.")
    if same := [c.label for c, needs in found.waiting if not needs]:
        said.append(f"Nothing to estimate, one model under several names: {named(same)}.")
    return said


def _best(described: Sequence[Pair], metric: schema.Metric) -> list[str]:
    if not described:
        return []
    top = described[0]
    words = ("highest", "largest") if metric.higher_is_better else ("lowest", "smallest")
    return [
        f"{top.first} has the {words[0]} column average, {show(top.estimate, metric)} against {top.second} "
        f"(unadjusted; chosen as the {words[1]}, so not a test)."
    ]


def _diverged(diverged: Collection[Diverged], found: Contrasts, kept: Contrasts | None) -> list[str]:
    """The runs that diverged, and whether any verdict depends on them."""
    if kept is None:
        return []
    lowest = [f"{d.variant} seed {d.seed} ({signed(d.gain_db)} dB on {task_label(d.task)})" for d in diverged]
    said = [
        f"Diverged, more than {BELOW_DB:g} dB below the degraded input on a task that it was trained on: "
        f"{named(lowest, SHOWN_RUNS)}. Such runs stay in every number here."
    ]
    again = {(t.contrast.name, t.column): t.differs for t in kept.tested if t.question == NEW_PHOTOGRAPHS}
    other = [
        f"{t.contrast.label} ({'column average' if t.column == AVERAGE else task_label(t.column)})"
        for t in found.tested
        if t.question == NEW_PHOTOGRAPHS and t.differs != again.get((t.contrast.name, t.column), False)
    ]
    if other:
        said.append(f"Without them the verdict is another for {named(other, SHOWN_RUNS)} (contrasts.csv).")
    return said


def _what_it_finds(on_average: Sequence[Tested]) -> list[str]:
    """The smallest differences that the study could find with the seeds and images at hand."""
    known = [t for t in on_average if t.estimate.n_seeds > 1 and t.estimate.se > 0]
    if not known:
        return []
    sizes, seeds = [t.mdd for t in known], sorted({t.estimate.n_seeds for t in known})
    many = f"{seeds[0]} to {seeds[-1]} seeds" if len(seeds) > 1 else count(seeds[0], "seed")
    level = f"5%/{known[0].family}" if known[0].family > 1 else "5%"
    said = (
        f"With {many} and {count(known[0].n_images, 'image')} a planned contrast of the column average is found from "
        f"{show_size(quadratic_mean(sizes))} dB up ({POWER:.0%} power, two-sided test at {level}"
    )
    if len(known) > 1:
        said += f"; quadratic mean of {len(known)} contrasts, {show_size(min(sizes))} to {show_size(max(sizes))} dB"
    return [f"{said})."]


def _basis(scores: Scores) -> str:
    """What the intervals rest on, with the limits that follow from it."""
    counts = sorted({len(s) for s in scores.seeds.values()})
    seeds = count(counts[0], "seed") if len(counts) == 1 else f"{counts[0]} to {counts[-1]} seeds"
    n_scenes, n_images = scores.counted(AVERAGE)
    said = (
        f"Intervals rest on {seeds} a variant, {count(n_scenes, 'scene')} and {count(n_images, 'image')}, and are for "
        "other training runs and other photographs."
    )
    if counts[0] == 1:
        said += (
            " A variant with one seed has no measure of seed-to-seed variance: its intervals leave it out and are too "
            "narrow."
        )
    elif counts[0] == 2:
        said += " Two seeds hardly measure seed-to-seed variance: three or more do."
    if n_scenes < 10:
        said += f" So few scenes ({n_scenes}) say little about photographs in general."
    if scores.dropped:
        left = "score was" if scores.dropped == 1 else "scores were"
        said += f" {scores.dropped:,} {left} left out because another run lacks the image."
    return said
