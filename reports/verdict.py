"""What the numbers allow to be said: which variants differ, whether ranks mean anything, what can't be told.

Every sentence is made from the pairs (reports/pairs.py); none is fixed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from reports import schema
from reports.labels import condition_label, in_sentence
from reports.paired import MIN_SCENES
from reports.pairs import Pair, pairs
from reports.power import MOST_SEEDS, POWER, quadratic_mean
from reports.stats import AVERAGE, LEVEL, Bootstrap, Scores, means
from reports.wording import SHOWN_NAMES, count, listed, named, show, show_size, signed

__all__ = ["Verdict", "show", "signed", "verdict"]

SHOWN_VARIANTS = 6


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a reader may take from the table.

    Attributes:
        headline: one sentence: whether the ranking means anything.
        sentences: each variant against the reference first, then what the budget can't tell, what it rests on and
            where its limits are.
        ranks: "all", "some" or "none" of the pairs are distinguishable; "nothing" where there is no pair.
        pairs: every pair, best variants first.
        against_reference: the pairs with the reference as `variant - reference`, largest difference first.
    """

    headline: str
    sentences: tuple[str, ...]
    ranks: str
    pairs: tuple[Pair, ...]
    against_reference: tuple[Pair, ...] = ()

    @property
    def has_wilcoxon(self) -> bool:
        """Whether any pair has enough scenes for Wilcoxon's test."""
        return any(math.isfinite(pair.p_wilcoxon_holm) for pair in self.pairs)

    @property
    def has_power(self) -> bool:
        """Whether any pair has the seeds from which a minimum detectable difference is computed."""
        return any(math.isfinite(pair.mdd) for pair in self.pairs)

    @property
    def wilcoxon_remark(self) -> str:
        """Where Wilcoxon's test could not be passed whatever the differences, a sentence that says so; else ""."""
        n_scenes = max((pair.n_scenes for pair in self.pairs), default=0)
        if n_scenes < MIN_SCENES:
            return f"Wilcoxon's test needs {MIN_SCENES} scenes; here {'is' if n_scenes == 1 else 'are'} {n_scenes}."
        least = min(1.0, len(self.pairs) * 2.0 ** (1 - n_scenes))  # all differences of one sign
        if least < 1 - LEVEL:
            return ""
        many = f"{n_scenes} scenes and {len(self.pairs)} comparisons"
        return f"With {many} Wilcoxon's corrected p can't fall below {least:.3f}."


def verdict(bootstrap: Bootstrap, *, reference: str | None = None) -> Verdict:
    """Decide from the pairs what can be said.

    Args:
        bootstrap: of one metric's scores (PSNR in reports).
        reference: the variant that the others are compared with in sentences of their own, or None.
    """
    found = tuple(pairs(bootstrap))
    if not found:
        return _nothing_to_rank(bootstrap)
    anchored = [p.against(reference) for p in found if reference is not None and reference in (p.first, p.second)]
    anchored.sort(key=lambda p: -p.estimate.value)
    apart = sum(pair.distinguishable for pair in found)
    sentences = _against_reference(found, anchored, reference)
    if reference not in (found[0].first, found[0].second):
        sentences.append(_best_against_second(found, listing=not anchored))
    sentences += [*_what_it_finds(found), *_what_it_cannot_tell(found, anchored)]
    sentences += [*_against_input(bootstrap), _basis(bootstrap)]
    return Verdict(
        headline=_headline(bootstrap.scores, found, apart),
        sentences=tuple(sentences),
        ranks="all" if apart == len(found) else "some" if apart else "none",
        pairs=found,
        against_reference=tuple(anchored),
    )


def _headline(scores: Scores, found: tuple[Pair, ...], apart: int) -> str:
    if all(pair.estimate.n_seeds == 1 for pair in found):
        return _one_seed(found)
    kind = next(m for m in schema.METRICS if m.name == scores.metric)
    tasks = len({schema.task_of(c) for c in scores.conditions})
    what = f"mean {kind.label}" + (f" over the {tasks} tasks" if tasks > 1 else "")
    if len(found) == 1:
        which = "The two variants are" if apart else "The two variants are not"
        return f"{which} distinguishable at {LEVEL:.0%} by {what}."
    count = f"{apart if apart else 'None'} of the {len(found)}"
    return (
        f"{count} pairs of variants {'is' if apart <= 1 else 'are'} distinguishable at {LEVEL:.0%} by {what} "
        f"({_correction(found)})."
    )


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


def _against_reference(found: tuple[Pair, ...], anchored: list[Pair], reference: str | None) -> list[str]:
    """One sentence a variant, best first, and a count of those that there is no room for."""
    if reference is None:
        return []
    if not anchored:
        return [f"The reference, {reference}, lacks a finished run or a condition: nothing is compared with it."]
    room = len(anchored) if len(anchored) <= SHOWN_VARIANTS + 1 else SHOWN_VARIANTS
    said = [_one_against_reference(pair, found) for pair in anchored[:room]]
    rest = anchored[room:]
    if rest:
        apart = [p for p in rest if p.distinguishable]
        better = sum(p.estimate.value > 0 for p in apart)
        counts = {"better": better, "worse": len(apart) - better, "not distinguishable": len(rest) - len(apart)}
        told = ", ".join(f"{n} {word}" for word, n in counts.items() if n)
        said.append(f"{len(rest)} more variants against {reference}: {told} (table “Against the reference”).")
    return said


def _one_against_reference(pair: Pair, found: tuple[Pair, ...]) -> str:
    e = pair.estimate
    said = (
        f"{pair.first} \N{MINUS SIGN} {pair.second}: {show(e)} over {count(e.n_seeds, 'seed')}, "
        f"{count(pair.n_images, 'image')}"
    )
    mine = [p for p in found if pair.first in (p.first, p.second)]
    nothing_apart = not any(p.distinguishable for p in found)
    if e.n_seeds == 1 or len(found) == 1 or nothing_apart:
        return f"{said}."  # the headline says the rest for all variants at once
    # nearest first: the controls that come closest are what a claim must stand up to
    alike = sorted((p for p in mine if not p.distinguishable), key=lambda p: abs(p.estimate.value))
    if not alike:
        tail = "distinguishable from every other variant"
    elif len(alike) == len(mine):
        tail = "not distinguishable from any other variant"
    else:
        tail = f"not distinguishable from {named([p.other(pair.first) for p in alike])}"
    return f"{said}; {tail}."


def _best_against_second(found: tuple[Pair, ...], *, listing: bool) -> str:
    """The sentence about the first two, with which pairs start; `listing` adds all that equal the best."""
    top = found[0]
    lead = f"{top.first} has the highest mean, {show(top.estimate)} against {top.second}"
    if top.distinguishable:
        return f"{lead}: better than the second at {LEVEL:.0%}."
    if top.estimate.n_seeds == 1 and top.estimate.excludes_zero:
        return f"{lead}: true of these two trained models, but with one seed not of the variants."
    if top.estimate.excludes_zero:
        return f"{lead}: no longer a difference after the correction for {len(found)} comparisons."
    same = [p.second for p in found if p.first == top.first and not p.distinguishable]
    rest = f" Not distinguishable from the best: {named(same)}." if listing and len(same) > 1 else ""
    return f"{lead}: this budget can't rank them.{rest}"


def _what_it_finds(found: tuple[Pair, ...]) -> list[str]:
    """The smallest differences that the study could find with the seeds and images at hand."""
    known = [p for p in found if p.estimate.n_seeds > 1 and p.estimate.se > 0]
    if not known:
        return []
    sizes, corrected = [p.mdd for p in known], [p.mdd_holm for p in known]
    seeds, images = sorted({p.estimate.n_seeds for p in known}), known[0].n_images
    many = f"{seeds[0]} to {seeds[-1]} seeds" if len(seeds) > 1 else count(seeds[0], "seed")
    typical = show_size(quadratic_mean(sizes))
    said = (
        f"With {many} and {count(images, 'image')} this study finds differences from {typical} dB up "
        f"({POWER:.0%} power, two-sided test at {1 - LEVEL:.0%}"
    )
    if len(known) > 1:
        said += f"; quadratic mean of {len(known)} pairs, {show_size(min(sizes))} to {show_size(max(sizes))} dB"
    said += ")"
    if len(found) > 1:
        said += f", once corrected for {len(found)} comparisons from {show_size(quadratic_mean(corrected))} dB up"
    return [f"{said}."]


def _what_it_cannot_tell(found: tuple[Pair, ...], anchored: list[Pair]) -> list[str]:
    """Which variants the budget can't tell from the reference (without one: the best), and what would settle it."""
    about = anchored or [p.against(found[0].first) for p in found if p.first == found[0].first]
    anchor = about[0].second
    open_ = [p for p in about if not p.distinguishable and p.estimate.n_seeds > 1]
    equal = [p.first for p in open_ if p.estimate.se == 0]
    open_ = [p for p in open_ if p.estimate.se > 0]
    lost = [p.first for p in open_ if p.estimate.excludes_zero]
    unseen = [p.first for p in open_ if not p.estimate.excludes_zero]
    said = []
    if equal:
        said.append(f"{named(equal)} {'scores' if len(equal) == 1 else 'score'} exactly as {anchor} does.")
    if unseen:
        smaller = "the observed difference is" if len(unseen) == 1 else "the observed differences are"
        who = "any variant" if len(unseen) == len(about) > 1 else named(unseen)
        said.append(f"This budget can't tell {who} from {anchor}: {smaller} smaller than what it can find.")
    if lost:
        differ = "differs" if len(lost) == 1 else "differ"
        said.append(f"{named(lost)} {differ} from {anchor} only before the correction for {len(found)} comparisons.")
    if open_:
        corrected = f", corrected for {len(found)} comparisons," if len(found) > 1 else ""
        said.append(f"To find differences as large as the observed ones{corrected} would take {_seeds(open_)}.")
    return said


def _seeds(open_: list[Pair]) -> str:
    """About 14 seeds (a), 23 (b) and more than 50 (c and d)."""
    by_number: dict[int, list[str]] = {}
    for pair in sorted(open_, key=lambda p: p.seeds_needed or MOST_SEEDS + 1):
        by_number.setdefault(pair.seeds_needed or MOST_SEEDS + 1, []).append(pair.first)
    beyond = by_number.pop(MOST_SEEDS + 1, None)
    shown = list(by_number)
    told = [(str(n), by_number[n]) for n in shown[:SHOWN_NAMES]]
    if shown[SHOWN_NAMES:]:
        told.append((f"up to {shown[-1]}", [name for n in shown[SHOWN_NAMES:] for name in by_number[n]]))
    if told:
        told[0] = (f"about {told[0][0]}", told[0][1])
    if beyond:
        told.append((f"more than {MOST_SEEDS}", beyond))
    if len(told) == 1:
        return f"{told[0][0]} seeds" + (f" for {named(told[0][1])}" if len(open_) > 1 else "")
    return listed([f"{n}{'' if k else ' seeds'} ({named(names)})" for k, (n, names) in enumerate(told)])


def _against_input(bootstrap: Bootstrap) -> list[str]:
    """Whether the models restore at all: an ablation of models that make images worse says nothing."""
    table = means(bootstrap.scores)
    gains = table.drop(index="input") - table.loc["input"]
    average = gains[AVERAGE].dropna()
    if average.empty:
        return []
    below = [str(v) for v in average.index[average <= 0]]
    if len(below) == len(average):
        return ["Every variant's mean is below the degraded input's: these models do not restore."]
    said = f"Below the degraded input on average: {named(below, SHOWN_VARIANTS)}." if below else ""
    said = said or f"Every variant's mean is above the degraded input's, by {average.min():.2f} dB or more."
    by_condition = gains.drop(columns=AVERAGE).iterrows()
    harmed = [
        f"{v} on {in_sentence(condition_label(str(c)))}" for v, row in by_condition for c, g in row.items() if g < 0
    ]
    return [said, *([f"Worse than the degraded input: {named(harmed, SHOWN_VARIANTS)}."] if harmed else [])]


def _basis(bootstrap: Bootstrap) -> str:
    """What the intervals rest on, with the limits that follow from it."""
    scores = bootstrap.scores
    counts = sorted({len(s) for s in scores.seeds.values()})
    seeds = count(counts[0], "seed") if len(counts) == 1 else f"{counts[0]} to {counts[-1]} seeds"
    used = scores.images_in(AVERAGE)
    n_scenes = len(set(scores.scene[used]))
    said = (
        f"Intervals rest on {seeds} a variant, {count(n_scenes, 'scene')} and {count(int(used.sum()), 'image')} "
        f"({bootstrap.resamples:,} paired resamples, widened by Student's t for so few units)."
    )
    if counts[0] == 1:
        said += (
            " A variant with one seed has no measure of training luck: its intervals leave it out and are too narrow."
        )
    elif counts[0] == 2:
        said += " Two seeds hardly measure training luck: three or more do."
    if n_scenes < 10:
        said += f" So few scenes ({n_scenes}) say little about photographs in general."
    if scores.dropped:
        left = "score was" if scores.dropped == 1 else "scores were"
        said += f" {scores.dropped:,} {left} left out because another run lacks the image."
    return said


def _correction(found: Sequence[Pair]) -> str:
    return f"Holm's correction for {len(found)} comparisons"
