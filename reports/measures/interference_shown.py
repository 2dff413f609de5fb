"""What the page says and shows of gradient interference: sentences, tables, numbers for the CSV file."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np

from reports.convergence import LEARNED_DB
from reports.document import Cell, Column, Table, rows_of, text_column, words
from reports.labels import condition_in_sentence
from reports.measures import intervals
from reports.measures.conflicts import Cosine, Share, pooled
from reports.measures.interference import ALL, BACKBONE, PLAIN, WITHOUT_COLOUR, Interference
from reports.messages import listed, message
from reports.messages import sentences as texts

LOSSES = {PLAIN: message("training loss"), WITHOUT_COLOUR: message("without mean colour")}
NOT_KNOWN = message(
    "It is not known whether these models were trained past the plateau: their logs hold no validation gain by task."
)

ByLoss = Mapping[str, Interference]  # loss -> its gradients; PLAIN is always there


def sentences(found: ByLoss) -> list[str]:
    """Conflicts of learned tasks, then of all resolved pairs, without the mean colour, and against the ceiling."""
    plain = found[PLAIN]
    said = [*_past_plateau(plain), *_every_pair(plain), *([] if plain.learned else [NOT_KNOWN]), *_lowest_pair(plain)]
    said += _without_colour(found) + _scale(plain) + _against_ceiling(plain)
    limit = intervals.limits(plain.magnitude, "draws")
    return [*said, *([limit] if limit else [])]


def _past_plateau(found: Interference) -> list[str]:
    shares = {v: s for v, s in found.learned.items() if s is not None}
    said: list[str] = []
    if shares:
        which = message(
            "the resolved pairs of tasks that are both learned ({learned:g} dB or more over the degraded input on "
            "validation images)",
            learned=LEARNED_DB,
        )
        said.append(_opposed(shares, which))
    if found.on_plateau:
        said.append(
            message(
                "No two tasks are learned at the end of training in {names}: what is measured there is the plateau, "
                "not interference of learned tasks.",
                names=listed(found.on_plateau),
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
    shares = _end_shares(found)
    if not found.alone:
        return [
            message("No task was measured against itself on other images: no conflict can be told from sampling noise.")
        ]
    if not shares:
        return [
            message(
                "No pair of tasks is resolved with {n} draws of images: nothing can be said of conflicts.",
                n=found.magnitude.scores.n_images,
            )
        ]
    if max(s.value for s in shares.values()) > 0:
        return [_opposed(shares, message("the resolved pairs of tasks"))]
    lowest = min(c.value for v in shares for c in found.resolved(v).values())
    return [
        message(
            "No resolved pair of tasks conflicts at the end of training: no cosine is negative, the lowest mean is "
            "{lowest}.",
            lowest=intervals.number(lowest, 2),
        )
    ]


def _opposed(shares: Mapping[str, Share], which: str) -> str:
    """The lowest and the highest share, and whether their intervals part them."""
    most = max(shares, key=lambda v: shares[v].value)
    least = min(reversed(list(shares)), key=lambda v: shares[v].value)  # of equals another than the most
    told = {"which": which, "variant": most, "share": _percent(shares[most])}
    if most == least:
        return message("In {variant} {share} of {which} have opposed gradients at the end of training.", **told)
    told |= {"other": least, "least": _percent(shares[least])}
    if shares[least].high < shares[most].low:
        return message(
            "Of {which}, {share} have opposed gradients at the end of training in {variant}, the most, and {least} in "
            "{other}, the least.",
            **told,
        )
    return message(
        "Of {which}, {least} have opposed gradients at the end of training in {other} and {share} in {variant}: the "
        "intervals overlap, and no variant can be said to have more than another.",
        **told,
    )


def _without_colour(found: ByLoss) -> list[str]:
    """What is left of the conflicts once no gradient is about a global colour."""
    if WITHOUT_COLOUR not in found:
        return []
    plain, bare = (_end_shares(found[loss]) for loss in (PLAIN, WITHOUT_COLOUR))
    both = [v for v in plain if v in bare]
    if not both:
        return []
    without, whole = (_percent(pooled(shares[v] for v in both)) for shares in (bare, plain))
    return [
        message(
            "Without the mean colour error of each image {without} of the resolved pairs of all variants conflict, "
            "with it {plain}.",
            without=without,
            plain=whole,
        )
    ]


def _end_shares(found: Interference) -> dict[str, Share]:
    return {v: found.shares[v, ALL] for v in found.variants if (v, ALL) in found.shares}


def _against_ceiling(found: Interference) -> list[str]:
    resolved = {(v, pair): r for v, pairs in found.relative.items() for pair, r in pairs.items() if r is not None}
    if not resolved:
        return []
    lowest, told = _lowest(resolved)
    said = message(
        "Resolved are {n} of {all} pairs, those of which each task has a cosine with itself on other images that lies "
        "above zero; the lowest cosine against its ceiling is {value} {interval}, between {first} and {second} in "
        "{variant}",
        n=len(resolved),
        all=sum(map(len, found.relative.values())),
        **told,
    )
    return [message("{clauses}.", clauses=intervals.doubted(said, lowest))]


def _lowest(every: Mapping[tuple[str, tuple[str, str]], Cosine]) -> tuple[Cosine, dict[str, str]]:
    """The lowest of some cosines, and how a sentence tells it."""
    variant, (a, b) = min(every, key=lambda key: every[key].value)
    one = every[variant, (a, b)]
    return one, {
        "value": intervals.number(one.value, 2),
        "interval": intervals.bracket(one.low, one.high, 2),
        "first": condition_in_sentence(a),
        "second": condition_in_sentence(b),
        "variant": variant,
    }


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


def _lowest_pair(found: Interference) -> list[str]:
    every = {(v, pair): c for v in found.variants for pair, c in found.resolved(v).items() if c.value < 0}
    if not every:
        return []
    lowest, told = _lowest(every)
    said = message(
        "The lowest mean cosine of a resolved pair is {value} {interval}, between {first} and {second} in {variant}",
        **told,
    )
    return [message("{clauses}.", clauses=intervals.doubted(said, lowest))]


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
        caption=texts([_CAPTION, EXACT, intervals.basis(plain.magnitude, "draws of images")]),
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
    "Each variant's own shared parameters. Share of pairs of tasks with a negative cosine, of the resolved pairs that "
    "are both learned ({learned:g} dB or more over the degraded input) and of all resolved pairs (each of the two "
    "tasks has a cosine with itself on other images that lies above zero); mean cosine over pairs, and of a task with "
    "itself; mean of cosine over ceiling of the resolved pairs; largest over smallest gradient norm of the tasks "
    "(geometric mean).",
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
    every = found.shares.get((variant, ALL))
    unresolved = words(message("not resolved") if variant in found.alone else message("not measured"))
    has_norms = variant in found.log_norms.scores.variants
    return (
        past if learned is None else intervals.percent(learned, 0),
        unresolved if every is None else intervals.percent(every, 0),
        intervals.level(found.cosines[variant][ALL], 3),
        intervals.level(found.ceilings.get(variant, {}).get(ALL), 3),
        Cell(
            text=message("{name} ({told})", name=intervals.number(float(np.mean(known)), 2), told=count),
            value=float(np.mean(known)),
        )
        if known
        else unresolved,
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
            *(
                Column(
                    head=message("{first} x {second}", first=condition_in_sentence(a), second=condition_in_sentence(b))
                )
                for a, b in pairs
            ),
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
        caption=texts([*caption, intervals.basis(found.magnitude, "draws of images")]),
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
