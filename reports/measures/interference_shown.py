"""What the page says and shows of gradient interference: sentences, tables, numbers for the CSV file."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np

from reports.document import Cell, Column, Table, rows_of, text_column, words
from reports.labels import condition_label, in_sentence
from reports.learning import LEARNED_DB
from reports.measures import intervals
from reports.measures.conflicts import Share
from reports.measures.interference import ALL, BACKBONE, PLAIN, WITHOUT_COLOUR, Interference
from reports.messages import listed, message
from reports.messages import sentences as texts

LOSSES = {PLAIN: message("training loss"), WITHOUT_COLOUR: message("without mean colour")}
NOT_KNOWN = message(
    "It is not known whether these models were trained past the plateau: their logs hold no validation gain by task."
)

ByLoss = Mapping[str, Interference]  # loss -> its gradients; PLAIN is always there


def sentences(found: ByLoss) -> list[str]:
    """Conflicts of learned tasks first, then of all pairs, without the mean colour, and against the ceiling."""
    plain = found[PLAIN]
    said = [*_past_plateau(plain), *_every_pair(plain), *([] if plain.learned else [NOT_KNOWN]), *_worst_pair(plain)]
    said += _without_colour(found) + _scale(plain) + _against_ceiling(plain)
    limit = intervals.limits(plain.conflicts, "draws")
    return [*said, *([limit] if limit else [])]


def _past_plateau(found: Interference) -> list[str]:
    shares = {v: s for v, s in found.learned.items() if s is not None}
    said: list[str] = []
    if shares:
        most, least = _ends(shares)
        told = {"variant": most, "share": _percent(shares[most]), "learned": LEARNED_DB}
        said.append(
            message(
                "In {variant} {share} of the pairs of tasks that are both learned have opposed gradients at the end of "
                "training, the most, and in {other} {least}, the least (learned: {learned:g} dB or more over the "
                "degraded input on validation images).",
                **told,
                other=least,
                least=_percent(shares[least]),
            )
            if most != least
            else message(
                "In {variant} {share} of the pairs of tasks that are both learned have opposed gradients at the end of "
                "training (learned: {learned:g} dB or more over the degraded input on validation images).",
                **told,
            )
        )
    none = [v for v, s in found.learned.items() if s is None]
    if none:
        said.append(
            message(
                "No two tasks are learned at the end of training in {names}: what is measured there is the plateau, "
                "not interference of learned tasks.",
                names=listed(none),
            )
        )
    unknown = [v for v in found.variants if v not in found.learned]
    if unknown and found.learned:
        said.append(
            message(
                "It is not known whether {names} left the plateau: no validation gain by task was logged.",
                names=listed(unknown),
            )
        )
    return said


def _every_pair(found: Interference) -> list[str]:
    shares = {v: found.shares[v, ALL] for v in found.variants}
    if max(s.value for s in shares.values()) == 0:
        lowest = min(float(np.nanmin(m.to_numpy())) for m in found.matrices.values())
        return [
            message(
                "No pair of tasks conflicts at the end of training: no cosine is negative, the lowest mean is "
                "{lowest}.",
                lowest=intervals.number(lowest, 2),
            )
        ]
    most, least = _ends(shares)
    told = {"variant": most, "share": _percent(shares[most])}
    if most == least:
        return [
            message("In {variant} {share} of the pairs of tasks have opposed gradients at the end of training.", **told)
        ]
    said = message(
        "In {variant} {share} of the pairs of tasks have opposed gradients at the end of training, the most, and in "
        "{other} {least}, the least.",
        **told,
        other=least,
        least=_percent(shares[least]),
    )
    return [said, *_extremes(found, most, least)]


def _ends(shares: dict[str, Share]) -> tuple[str, str]:
    most = max(shares, key=lambda v: shares[v].value)
    least = min(reversed(shares), key=lambda v: shares[v].value)  # of equals another than the most
    return most, least


def _without_colour(found: ByLoss) -> list[str]:
    """What is left of the conflicts once no gradient is about a global colour."""
    if WITHOUT_COLOUR not in found:
        return []
    plain, bare = (_end_shares(found[loss]) for loss in (PLAIN, WITHOUT_COLOUR))
    both = [v for v in plain if v in bare]
    if not both:
        return []
    means = [f"{np.mean([shares[v] for v in both]):.0%}" for shares in (bare, plain)]
    return [
        message(
            "Without the mean colour error of each image {without} of the pairs conflict on average over the variants, "
            "with it {plain}.",
            without=means[0],
            plain=means[1],
        )
    ]


def _end_shares(found: Interference) -> dict[str, float]:
    return {variant: s.value for (variant, group), s in found.shares.items() if group == ALL}


def _against_ceiling(found: Interference) -> list[str]:
    every = [(v, pair, r) for v, pairs in found.relative.items() for pair, r in pairs.items()]
    resolved = [(v, pair, r) for v, pair, r in every if r is not None]
    if not found.alone:
        return []
    if not resolved:
        return [message("No pair's ceiling is resolved from zero: how near its cosine comes to it can't be said.")]
    variant, (a, b), lowest = min(resolved, key=lambda one: one[2].value)
    said = message(
        "The ceiling of {n} of {all} cosines of pairs is resolved from zero; the lowest of them is {value} {interval} "
        "of its ceiling, between {first} and {second} in {variant}",
        n=len(resolved),
        all=len(every),
        value=intervals.number(lowest.value, 2),
        interval=intervals.bracket(lowest.low, lowest.high, 2),
        first=_said(a),
        second=_said(b),
        variant=variant,
    )
    if lowest.low <= 0 <= lowest.high:
        said = message("{said}, which can't be told from zero", said=said)
    return [message("{clauses}.", clauses=said)]


def _scale(found: Interference) -> list[str]:
    """How large a cosine could come out: a gradient of few images is mostly noise."""
    known = [groups[ALL].value for groups in found.ceilings.values() if ALL in groups]
    if not known:
        return []
    ends = [intervals.number(v, 2) for v in (min(known), max(known))]
    size = ends[0] if ends[0] == ends[1] else message("{low} to {high}", low=ends[0], high=ends[1])
    return [
        message(
            "For scale: a task's gradient against its own on other images has a mean cosine of {size}, and two tasks "
            "can hardly come out higher.",
            size=size,
        )
    ]


def _percent(share: Share) -> str:
    return f"{share.value:.0%} [{share.low:.0%}, {share.high:.0%}]"


def _extremes(found: Interference, most: str, least: str) -> list[str]:
    gap = found.conflicts.difference(most, least, ALL)
    if np.isnan(gap.low):
        return []
    told = {"points": 100 * gap.value, "interval": intervals.bracket(100 * gap.low, 100 * gap.high, 0)}
    if gap.excludes_zero:
        return [
            message(
                "The two differ in it (by {points:.0f} points {interval}; chosen as the extremes, not corrected for "
                "that).",
                **told,
            )
        ]
    return [
        message(
            "The two can't be told apart in it (by {points:.0f} points {interval}; chosen as the extremes, not "
            "corrected for that).",
            **told,
        )
    ]


def _worst_pair(found: Interference) -> list[str]:
    lows = {v: np.nanmin(m.to_numpy()) for v, m in found.matrices.items()}
    variant = min(lows, key=lows.__getitem__)
    if not any(s.value > 0 for (_, group), s in found.shares.items() if group == ALL):
        return []  # said already
    at = np.unravel_index(np.nanargmin(found.matrices[variant].to_numpy()), found.matrices[variant].shape)
    a, b = (_said(found.tasks[int(i)]) for i in at)
    return [
        message(
            "The lowest mean cosine is {value}, between {first} and {second} in {variant}.",
            value=intervals.number(float(lows[variant]), 2),
            first=a,
            second=b,
            variant=variant,
        )
    ]


def _said(task: str) -> str:
    return in_sentence(condition_label(task))


def grid(found: ByLoss) -> Table:
    """Conflicts, cosine and norm ratio of each variant, under each loss."""
    rows = []
    for variant in found[PLAIN].variants:
        for loss, one in found.items():
            if variant in one.variants:
                start = (words(variant), words(LOSSES[loss])) if len(found) > 1 else (words(variant),)
                rows.append((*start, *_cells(one, variant)))
    plain = found[PLAIN]
    return Table(
        title=message("All shared parameters at the end of training"),
        caption=texts([_CAPTION, EXACT, intervals.basis(plain.conflicts, "draws of images")]),
        columns=(
            text_column(message("Variant")),
            *([text_column(message("Loss"))] if len(found) > 1 else []),
            Column(head=message("Conflicting, both learned")),
            Column(head=message("Conflicting pairs")),
            Column(head=message("Mean cosine")),
            Column(head=message("Same task, other images")),
            Column(head=message("Cosine over ceiling")),
            Column(head=message("Norm ratio")),
        ),
        rows=rows_of(rows),
    )


_CAPTION = message(
    "Each variant's own shared parameters. Share of pairs of tasks with a negative cosine, of those both learned "
    "({learned:g} dB or more over the degraded input) and of all; mean cosine over pairs, and of a task with itself on "
    "other images; mean of cosine over ceiling where the ceiling is resolved from zero; largest over smallest gradient "
    "norm of the tasks (geometric mean).",
    learned=LEARNED_DB,
)
EXACT = message(
    "Shares: exact binomial intervals (Clopper-Pearson), a pair of one trained model counted once; pairs that share a "
    "task are taken for independent."
)


def _cells(found: Interference, variant: str) -> tuple[Cell, ...]:
    learned = found.learned.get(variant)
    past = words(message("not known") if variant not in found.learned else message("no such pair"))
    known = [r.value for r in found.relative[variant].values() if r is not None]
    count = message("{n} of {all}", n=len(known), all=len(found.relative[variant]))
    has_norms = variant in found.log_norms.scores.variants
    return (
        past if learned is None else intervals.percent(learned, 0),
        intervals.percent(found.shares[variant, ALL], 0),
        intervals.level(found.cosines[variant][ALL], 3),
        intervals.level(found.ceilings.get(variant, {}).get(ALL), 3),
        Cell(
            text=message("{name} ({told})", name=intervals.number(float(np.mean(known)), 2), told=count),
            value=float(np.mean(known)),
        )
        if known
        else words(message("not resolved") if variant in found.alone else message("not measured")),
        intervals.level(found.norm_ratio(variant) if has_norms else None, 2),
    )


def grid_by_pair(found: ByLoss) -> Table:
    """Cosine of each pair against its ceiling."""
    pairs = list(combinations(found[PLAIN].tasks, 2))
    rows = []
    for variant in found[PLAIN].variants:
        for loss, one in found.items():
            relative = one.relative.get(variant)
            if relative is not None:
                start = (words(variant), words(LOSSES[loss])) if len(found) > 1 else (words(variant),)
                rows.append((*start, *(_relative(relative, a, b) for a, b in pairs)))
    return Table(
        title=message("Cosine against its ceiling by pair of tasks, at the end of training"),
        caption=message(
            "Mean cosine of two tasks' gradients over the geometric mean of the cosines that each has with itself "
            "on other images; not resolved: one of these can't be told from zero. Fisher's z over seeds and draws "
            "gives the 95\N{NO-BREAK SPACE}% intervals, those of cosine and ceiling added in quadrature."
        ),
        columns=(
            text_column(message("Variant")),
            *([text_column(message("Loss"))] if len(found) > 1 else []),
            *(Column(head=message("{first} x {second}", first=_said(a), second=_said(b))) for a, b in pairs),
        ),
        rows=rows_of(rows),
        is_folded=True,
    )


def _relative(relative: Mapping[tuple[str, str], intervals.Interval | None], a: str, b: str) -> Cell:
    pair = (a, b) if (a, b) in relative else (b, a)
    if pair not in relative:
        return words(message("not measured"))
    found = relative[pair]
    return words(message("not resolved")) if found is None else intervals.level(found, 2)


def grid_by_group(found: Interference) -> Table:
    """Mean cosine by group of layers."""
    groups = [g for g in found.groups if g != ALL]
    caption: list[str] = [message("Mean over pairs of tasks.")]
    if BACKBONE in groups:
        caption.append(message("backbone: what variants with and without perturbation blocks have in common."))
    rows = [(words(v), *(intervals.level(found.cosines[v].get(g), 3) for g in groups)) for v in found.variants]
    return Table(
        title=message("Mean cosine by group of layers, at the end of training"),
        caption=texts([*caption, intervals.basis(found.conflicts, "draws of images")]),
        columns=(text_column(message("Variant")), *(Column(head=_group(g)) for g in groups)),
        rows=rows_of(rows),
        is_folded=True,
    )


def _group(name: str) -> str:
    """A group of layers as a reader sees it; its own name where it is none of the usual."""
    told: dict[str, str] = {
        "encoder": message("encoder"),
        "decoder": message("decoder"),
        "latent": message("latent"),
        "refinement": message("refinement"),
        "perturbation": message("perturbation"),
    }
    return told.get(name, name)
