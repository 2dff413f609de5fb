"""The section on gradient interference: sentences and tables."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np

from reports.convergence import LEARNED_DB
from reports.document import Cell, Column, Table, rows_of, text_cell, text_column
from reports.labels import condition_in_sentence
from reports.measures import intervals
from reports.measures.conflicts import ConflictShare, Cosine, pool_shares
from reports.measures.interference import ALL, BACKBONE, PLAIN, WITHOUT_COLOUR, Interference
from reports.messages import join_and, join_sentences, message

LOSSES = {PLAIN: message("training loss"), WITHOUT_COLOUR: message("without mean colour")}
PLATEAU_UNKNOWN = message(
    "It is not known whether these models were trained past the plateau: their logs hold no validation gain by task."
)

ByLoss = Mapping[str, Interference]  # loss -> its gradients; PLAIN is always there


def sentences(by_loss: ByLoss) -> list[str]:
    """Conflicts of learned tasks, then of all resolved pairs, without the mean colour, and against the ceiling."""
    plain = by_loss[PLAIN]
    return [
        *_learned_pairs_sentences(plain),
        *_all_pairs_sentences(plain),
        *([] if plain.learned else [PLATEAU_UNKNOWN]),
        *_lowest_pair_sentences(plain),
        *_without_colour_sentences(by_loss),
        *_scale_sentences(plain),
        *_ceiling_sentences(plain),
        *intervals.caveats(plain.magnitude, "draws"),
    ]


def _learned_pairs_sentences(interference: Interference) -> list[str]:
    shares = {variant: share for variant, share in interference.learned.items() if share is not None}
    lines: list[str] = []
    if shares:
        pairs = message(
            "the resolved pairs of tasks that are both learned ({learned:g} dB or more over the degraded input on "
            "validation images)",
            learned=LEARNED_DB,
        )
        lines.append(_conflict_sentence(shares, pairs))
    on_plateau = interference.on_plateau
    if len(on_plateau) > 1 and len(on_plateau) == len(interference.variants):
        lines.append(
            message(
                "No two tasks are learned at the end of training in any of the {n} variants: what is measured is the "
                "plateau, not interference of learned tasks.",
                n=len(on_plateau),
            )
        )
    elif on_plateau:
        lines.append(
            message(
                "No two tasks are learned at the end of training in {names}: what is measured there is the plateau, "
                "not interference of learned tasks.",
                names=join_and(on_plateau),
            )
        )
    unlogged = [variant for variant in interference.variants if variant not in interference.learned]
    if unlogged and interference.learned:
        lines.append(
            message(
                "It is not known whether {names} left the plateau: no validation gain by task was logged.",
                names=join_and(unlogged),
            )
        )
    return lines


def _all_pairs_sentences(interference: Interference) -> list[str]:
    shares = _final_shares(interference)
    if not interference.alone:
        return [
            message(
                "No task was measured against itself on other images: conflicts can't be separated from sampling noise."
            )
        ]
    if not shares:
        return [
            message(
                "No pair of tasks is resolved with {n} draws of images: no conclusion on conflicts.",
                n=interference.magnitude.scores.n_images,
            )
        ]
    if max(s.value for s in shares.values()) > 0:
        return [_conflict_sentence(shares, message("the resolved pairs of tasks"))]
    lowest = min(c.value for v in shares for c in interference.resolved(v).values())
    return [
        message(
            "No resolved pair of tasks conflicts at the end of training: no cosine is negative, the lowest mean is "
            "{lowest}.",
            lowest=intervals.number(lowest, 2),
        )
    ]


def _conflict_sentence(shares: Mapping[str, ConflictShare], pairs: str) -> str:
    """The lowest and the highest share, and whether their intervals overlap."""
    highest = max(shares, key=lambda v: shares[v].value)
    lowest = min(reversed(list(shares)), key=lambda v: shares[v].value)  # among equals another variant than the highest
    values = {"which": pairs, "variant": highest, "share": _format_share(shares[highest])}
    if highest == lowest:
        return message("In {variant} {share} of {which} have opposed gradients at the end of training.", **values)
    values |= {"other": lowest, "least": _format_share(shares[lowest])}
    if shares[lowest].high < shares[highest].low:
        return message(
            "Of {which}, {share} have opposed gradients at the end of training in {variant}, the most, and {least} in "
            "{other}, the least.",
            **values,
        )
    return message(
        "Of {which}, {least} have opposed gradients at the end of training in {other} and {share} in {variant}: the "
        "intervals overlap, and no variant can be said to have more than another.",
        **values,
    )


def _without_colour_sentences(by_loss: ByLoss) -> list[str]:
    """Conflicts that remain with the loss without each image's mean colour."""
    if WITHOUT_COLOUR not in by_loss:
        return []
    plain, colourless = (_final_shares(by_loss[loss]) for loss in (PLAIN, WITHOUT_COLOUR))
    variants = [v for v in plain if v in colourless]
    if not variants:
        return []
    share_without, share_with = (
        _format_share(pool_shares(shares[v] for v in variants)) for shares in (colourless, plain)
    )
    return [
        message(
            "Without the mean colour error of each image {without} of the resolved pairs of all variants conflict, "
            "with it {plain}.",
            without=share_without,
            plain=share_with,
        )
    ]


def _final_shares(interference: Interference) -> dict[str, ConflictShare]:
    return {v: interference.shares[v, ALL] for v in interference.variants if (v, ALL) in interference.shares}


def _ceiling_sentences(interference: Interference) -> list[str]:
    resolved = {
        (v, pair): r for v, pairs in interference.relative.items() for pair, r in pairs.items() if r is not None
    }
    if not resolved:
        return []
    cosine, values = _lowest_cosine(resolved)
    clause = message(
        "Resolved are {n} of {all} pairs, those of which each task has a cosine with itself on other images that lies "
        "above zero; the lowest cosine against its ceiling is {value} {interval}, between {first} and {second} in "
        "{variant}",
        n=len(resolved),
        all=sum(map(len, interference.relative.values())),
        **values,
    )
    return [message("{clauses}.", clauses=intervals.flag_unresolved(clause, cosine))]


def _lowest_cosine(cosines: Mapping[tuple[str, tuple[str, str]], Cosine]) -> tuple[Cosine, dict[str, str]]:
    """The lowest cosine, and its values for a sentence."""
    variant, (a, b) = min(cosines, key=lambda key: cosines[key].value)
    cosine = cosines[variant, (a, b)]
    return cosine, {
        "value": intervals.number(cosine.value, 2),
        "interval": intervals.format_interval(cosine.low, cosine.high, 2),
        "first": condition_in_sentence(a),
        "second": condition_in_sentence(b),
        "variant": variant,
    }


def _scale_sentences(interference: Interference) -> list[str]:
    """The largest attainable cosine: a gradient of few images is mostly noise."""
    ceilings = [groups[ALL].value for groups in interference.ceilings.values() if ALL in groups]
    if not ceilings:
        return []
    limits = [intervals.number(v, 2) for v in (min(ceilings), max(ceilings))]
    size = limits[0] if limits[0] == limits[1] else message("{low} to {high}", low=limits[0], high=limits[1])
    return [
        message(
            "For scale: a task's gradient against its own on other images has a mean cosine of {size}, and two tasks "
            "can hardly come out higher.",
            size=size,
        )
    ]


def _format_share(share: ConflictShare) -> str:
    return f"{share.value:.0%} [{share.low:.0%}, {share.high:.0%}]"


def _lowest_pair_sentences(interference: Interference) -> list[str]:
    negative = {
        (v, pair): c for v in interference.variants for pair, c in interference.resolved(v).items() if c.value < 0
    }
    if not negative:
        return []
    cosine, values = _lowest_cosine(negative)
    clause = message(
        "The lowest mean cosine of a resolved pair is {value} {interval}, between {first} and {second} in {variant}",
        **values,
    )
    return [message("{clauses}.", clauses=intervals.flag_unresolved(clause, cosine))]


def make_table(by_loss: ByLoss) -> Table:
    """Conflicts, cosine and norm ratio of each variant, under each loss."""
    rows = []
    for variant in by_loss[PLAIN].variants:
        for loss, interference in by_loss.items():
            if variant in interference.variants:
                heads = (text_cell(variant), text_cell(LOSSES[loss])) if len(by_loss) > 1 else (text_cell(variant),)
                rows.append((*heads, *_make_cells(interference, variant)))
    plain = by_loss[PLAIN]
    return Table(
        title=message("All shared parameters at the end of training"),
        caption=join_sentences(
            [_CAPTION, EXACT_INTERVALS, intervals.describe_sample(plain.magnitude, "draws of images")]
        ),
        columns=(
            text_column(message("Variant")),
            *([text_column(message("Loss"))] if len(by_loss) > 1 else []),
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
EXACT_INTERVALS = message(
    "Shares: exact binomial intervals (Clopper-Pearson), a pair of one trained model counted once; pairs that share a "
    "task are taken for independent."
)


def _make_cells(interference: Interference, variant: str) -> tuple[Cell, ...]:
    learned = interference.learned.get(variant)
    no_share = text_cell(message("not known") if variant not in interference.learned else message("no such pair"))
    resolved = [r.value for r in interference.relative[variant].values() if r is not None]
    count = message("{n} of {all}", n=len(resolved), all=len(interference.relative[variant]))
    share = interference.shares.get((variant, ALL))
    unresolved = text_cell(message("not resolved") if variant in interference.alone else message("not measured"))
    has_norms = variant in interference.log_norms.scores.variants
    return (
        no_share if learned is None else intervals.percent_cell(learned, 0),
        unresolved if share is None else intervals.percent_cell(share, 0),
        intervals.value_cell(interference.cosines[variant][ALL], 3),
        intervals.value_cell(interference.ceilings.get(variant, {}).get(ALL), 3),
        Cell(
            text=message("{name} ({details})", name=intervals.number(float(np.mean(resolved)), 2), details=count),
            value=float(np.mean(resolved)),
        )
        if resolved
        else unresolved,
        intervals.value_cell(interference.norm_ratio(variant) if has_norms else None, 2),
    )


def make_pair_table(by_loss: ByLoss) -> Table:
    """Cosine of each pair against its ceiling."""
    pairs = list(combinations(by_loss[PLAIN].tasks, 2))
    rows = []
    for variant in by_loss[PLAIN].variants:
        for loss, interference in by_loss.items():
            relative = interference.relative.get(variant)
            if relative is not None:
                heads = (text_cell(variant), text_cell(LOSSES[loss])) if len(by_loss) > 1 else (text_cell(variant),)
                rows.append((*heads, *(_over_ceiling_cell(relative, a, b) for a, b in pairs)))
    return Table(
        title=message("Cosine against its ceiling by pair of tasks, at the end of training"),
        caption=message(
            "Mean cosine of two tasks' gradients over the geometric mean of the cosines that each has with "
            "itself on other images; not resolved: one of these does not differ from zero. Fisher's z over seeds "
            "and draws gives the 95% intervals, those of cosine and ceiling added in quadrature."
        ),
        columns=(
            text_column(message("Variant")),
            *([text_column(message("Loss"))] if len(by_loss) > 1 else []),
            *(
                Column(
                    head=message("{first} x {second}", first=condition_in_sentence(a), second=condition_in_sentence(b))
                )
                for a, b in pairs
            ),
        ),
        rows=rows_of(rows),
        is_collapsed=True,
    )


def _over_ceiling_cell(relative: Mapping[tuple[str, str], intervals.Interval | None], a: str, b: str) -> Cell:
    pair = (a, b) if (a, b) in relative else (b, a)
    if pair not in relative:
        return text_cell(message("not measured"))
    cosine = relative[pair]
    return text_cell(message("not resolved")) if cosine is None else intervals.value_cell(cosine, 2)


def make_group_table(interference: Interference) -> Table:
    """Mean cosine by group of layers."""
    groups = [g for g in interference.groups if g != ALL]
    caption: list[str] = [message("Mean over pairs of tasks.")]
    if BACKBONE in groups:
        caption.append(message("backbone: what variants with and without perturbation blocks have in common."))
    rows = [
        (text_cell(v), *(intervals.value_cell(interference.cosines[v].get(g), 3) for g in groups))
        for v in interference.variants
    ]
    return Table(
        title=message("Mean cosine by group of layers, at the end of training"),
        caption=join_sentences([*caption, intervals.describe_sample(interference.magnitude, "draws of images")]),
        columns=(text_column(message("Variant")), *(Column(head=_group_label(g)) for g in groups)),
        rows=rows_of(rows),
        is_collapsed=True,
    )


def _group_label(name: str) -> str:
    """Label of a group of layers; its name where it has no label."""
    labels: dict[str, str] = {
        "encoder": message("encoder"),
        "decoder": message("decoder"),
        "latent": message("latent"),
        "refinement": message("refinement"),
        "perturbation": message("perturbation"),
    }
    return labels.get(name, name)
