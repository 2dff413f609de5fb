"""What the page says and shows of gradient interference: sentences, tables, numbers for the CSV file."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd

from reports.labels import condition_label, in_sentence
from reports.learning import LEARNED_DB
from reports.measures import intervals
from reports.measures.conflicts import Share
from reports.measures.interference import ALL, BACKBONE, PLAIN, WITHOUT_COLOUR, Interference
from reports.measures.section import Grid, Head, Value, head, words

LOSSES = {PLAIN: "training loss", WITHOUT_COLOUR: "without mean colour"}
NOT_KNOWN = (
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
    said = []
    if shares:
        most, least = _ends(shares)
        rule = f"(learned: {LEARNED_DB:g} dB or more over the degraded input on validation images)"
        rest = (
            f", the most, and in {least} {_percent(shares[least])}, the least {rule}." if most != least else f" {rule}."
        )
        said.append(
            f"In {most} {_percent(shares[most])} of the pairs of tasks that are both learned have opposed gradients at "
            f"the end of training{rest}"
        )
    none = [v for v, s in found.learned.items() if s is None]
    if none:
        said.append(
            f"No two tasks are learned at the end of training in {_names(none)}: what is measured there is the "
            "plateau, not interference of learned tasks."
        )
    unknown = [v for v in found.variants if v not in found.learned]
    if unknown and found.learned:
        said.append(
            f"It is not known whether {_names(unknown)} left the plateau: no validation gain by task was logged."
        )
    return said


def _every_pair(found: Interference) -> list[str]:
    shares = {v: found.shares[v, ALL] for v in found.variants}
    if max(s.value for s in shares.values()) == 0:
        lowest = min(float(np.nanmin(m.to_numpy())) for m in found.matrices.values())
        return [
            f"No pair of tasks conflicts at the end of training: no cosine is negative, the lowest mean is "
            f"{intervals.number(lowest, 2)}."
        ]
    most, least = _ends(shares)
    said = [f"In {most} {_percent(shares[most])} of the pairs of tasks have opposed gradients at the end of training"]
    said[0] += f", the most, and in {least} {_percent(shares[least])}, the least." if most != least else "."
    return [*said, *(_extremes(found, most, least) if most != least else [])]


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
        f"Without the mean colour error of each image {means[0]} of the pairs conflict on average over the variants, "
        f"with it {means[1]}."
    ]


def _end_shares(found: Interference) -> dict[str, float]:
    return {variant: s.value for (variant, group), s in found.shares.items() if group == ALL}


def _against_ceiling(found: Interference) -> list[str]:
    every = [(v, pair, r) for v, pairs in found.relative.items() for pair, r in pairs.items()]
    resolved = [(v, pair, r) for v, pair, r in every if r is not None]
    if not found.alone:
        return []
    if not resolved:
        return ["No pair's ceiling is resolved from zero: how near its cosine comes to it can't be said."]
    variant, (a, b), lowest = min(resolved, key=lambda one: one[2].value)
    doubt = ", which can't be told from zero" if lowest.low <= 0 <= lowest.high else ""
    return [
        f"The ceiling of {len(resolved)} of {len(every)} cosines of pairs is resolved from zero; the lowest of them is "
        f"{intervals.number(lowest.value, 2)} {intervals.bracket(lowest.low, lowest.high, 2)} of its ceiling, between "
        f"{_said(a)} and {_said(b)} in {variant}{doubt}."
    ]


def _names(names: list[str]) -> str:
    return ", ".join(names[:-1]) + (" and " if len(names) > 1 else "") + names[-1]


def _scale(found: Interference) -> list[str]:
    """How large a cosine could come out: a gradient of few images is mostly noise."""
    known = [groups[ALL].value for groups in found.ceilings.values() if ALL in groups]
    if not known:
        return []
    ends = [intervals.number(v, 2) for v in (min(known), max(known))]
    size = ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"
    return [
        f"For scale: a task's gradient against its own on other images has a mean cosine of {size}, and two tasks can "
        "hardly come out higher."
    ]


def _percent(share: Share) -> str:
    return f"{share.value:.0%} [{share.low:.0%}, {share.high:.0%}]"


def _extremes(found: Interference, most: str, least: str) -> list[str]:
    gap = found.conflicts.difference(most, least, ALL)
    if np.isnan(gap.low):
        return []
    can = "The two differ" if gap.excludes_zero else "The two can't be told apart"
    return [
        f"{can} in it (by {100 * gap.value:.0f} points [{intervals.number(100 * gap.low, 0)}, "
        f"{intervals.number(100 * gap.high, 0)}]; chosen as the extremes, not corrected for that)."
    ]


def _worst_pair(found: Interference) -> list[str]:
    lows = {v: np.nanmin(m.to_numpy()) for v, m in found.matrices.items()}
    variant = min(lows, key=lows.__getitem__)
    if not any(s.value > 0 for (_, group), s in found.shares.items() if group == ALL):
        return []  # said already
    at = np.unravel_index(np.nanargmin(found.matrices[variant].to_numpy()), found.matrices[variant].shape)
    a, b = (_said(found.tasks[int(i)]) for i in at)
    return [f"The lowest mean cosine is {intervals.number(float(lows[variant]), 2)}, between {a} and {b} in {variant}."]


def _said(task: str) -> str:
    return in_sentence(condition_label(task))


def grid(found: ByLoss) -> Grid:
    """Conflicts, cosine and norm ratio of each variant, under each loss."""
    rows = []
    for variant in found[PLAIN].variants:
        for loss, one in found.items():
            if variant in one.variants:
                start = (words(variant), words(LOSSES[loss])) if len(found) > 1 else (words(variant),)
                rows.append((*start, *_cells(one, variant)))
    plain = found[PLAIN]
    return Grid(
        title="All shared parameters at the end of training",
        caption="Each variant's own shared parameters. Share of pairs of tasks with a negative cosine, of those both "
        f"learned ({LEARNED_DB:g} dB or more over the degraded input) and of all; mean cosine over pairs, and of a "
        "task with itself on other images; mean of cosine over ceiling where the ceiling is resolved from zero; "
        "largest over smallest gradient norm of the tasks (geometric mean). "
        f"{EXACT} {intervals.basis(plain.conflicts, 'draws of images')}",
        heads=(
            head("Variant"),
            *([head("Loss")] if len(found) > 1 else []),
            Head(text="Conflicting, both learned"),
            Head(text="Conflicting pairs"),
            Head(text="Mean cosine"),
            Head(text="Same task, other images"),
            Head(text="Cosine over ceiling"),
            Head(text="Norm ratio"),
        ),
        rows=tuple(rows),
    )


EXACT = (
    "Shares: exact binomial intervals (Clopper-Pearson), a pair of one trained model counted once; pairs that share a "
    "task are taken for independent."
)


def _cells(found: Interference, variant: str) -> tuple[Value, ...]:
    learned = found.learned.get(variant)
    past = words("not known") if variant not in found.learned else words("no such pair")
    known = [r.value for r in found.relative[variant].values() if r is not None]
    count = f"{len(known)} of {len(found.relative[variant])}"
    has_norms = variant in found.log_norms.scores.variants
    return (
        past if learned is None else intervals.percent(learned, 0),
        intervals.percent(found.shares[variant, ALL], 0),
        intervals.level(found.cosines[variant][ALL], 3),
        intervals.level(found.ceilings.get(variant, {}).get(ALL), 3),
        Value(text=f"{intervals.number(float(np.mean(known)), 2)} ({count})", sort=float(np.mean(known)))
        if known
        else words("not resolved" if variant in found.alone else "not measured"),
        intervals.level(found.norm_ratio(variant) if has_norms else None, 2),
    )


def grid_by_pair(found: ByLoss) -> Grid:
    """Cosine of each pair against its ceiling."""
    pairs = list(combinations(found[PLAIN].tasks, 2))
    rows = []
    for variant in found[PLAIN].variants:
        for loss, one in found.items():
            relative = one.relative.get(variant)
            if relative is not None:
                start = (words(variant), words(LOSSES[loss])) if len(found) > 1 else (words(variant),)
                rows.append((*start, *(_relative(relative, a, b) for a, b in pairs)))
    return Grid(
        title="Cosine against its ceiling by pair of tasks, at the end of training",
        caption="Mean cosine of two tasks' gradients over the geometric mean of the cosines that each has with itself "
        "on other images; not resolved: one of these can't be told from zero. Fisher's z over seeds and draws gives "
        "the 95\N{NO-BREAK SPACE}% intervals, those of cosine and ceiling added in quadrature.",
        heads=(
            head("Variant"),
            *([head("Loss")] if len(found) > 1 else []),
            *(Head(text=f"{_said(a)} x {_said(b)}") for a, b in pairs),
        ),
        rows=tuple(rows),
        is_folded=True,
    )


def _relative(relative: Mapping[tuple[str, str], intervals.Interval | None], a: str, b: str) -> Value:
    pair = (a, b) if (a, b) in relative else (b, a)
    if pair not in relative:
        return words("not measured")
    found = relative[pair]
    return words("not resolved") if found is None else intervals.level(found, 2)


def grid_by_group(found: Interference) -> Grid:
    """Mean cosine by group of layers."""
    groups = [g for g in found.groups if g != ALL]
    common = "backbone: what variants with and without perturbation blocks have in common. " * (BACKBONE in groups)
    rows = [(words(v), *(intervals.level(found.cosines[v].get(g), 3) for g in groups)) for v in found.variants]
    return Grid(
        title="Mean cosine by group of layers, at the end of training",
        caption=f"Mean over pairs of tasks. {common}{intervals.basis(found.conflicts, 'draws of images')}",
        heads=(head("Variant"), *(Head(text=g) for g in groups)),
        rows=tuple(rows),
        is_folded=True,
    )


def summary(found: ByLoss) -> pd.DataFrame:
    """Every number of tables and figures, unrounded."""
    rows = [{"loss": loss, **row} for loss, one in found.items() for row in _numbers(one)]
    return pd.DataFrame(rows).dropna(subset="value")


def _numbers(found: Interference) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for variant in found.variants:
        for group, cosine in found.cosines[variant].items():
            keys = {"variant": variant, "at": group}
            rows.append({"quantity": "cosine", **keys, **intervals.columns(cosine)})
            if (variant, group) in found.shares:
                conflicts = intervals.columns(found.shares[variant, group])
                rows.append({"quantity": "conflicting_share", **keys, **conflicts})
            ceiling = found.ceilings.get(variant, {}).get(group)
            if ceiling is not None:
                rows.append({"quantity": "cosine_same_task", **keys, **intervals.columns(ceiling)})
        learned = found.learned.get(variant)
        if learned is not None:
            numbers = intervals.columns(learned)
            rows.append({"quantity": "conflicting_share_learned", "variant": variant, "at": ALL, **numbers})
        if variant in found.log_norms.scores.variants:
            ratio = intervals.columns(found.norm_ratio(variant))
            rows.append({"quantity": "norm_ratio", "variant": variant, "at": ALL, **ratio})
        for fraction, share in found.progress[variant].items():
            keys = {"variant": variant, "at": f"{fraction:.4f}"}
            rows.append({"quantity": "conflicting_share_at_fraction", **keys, **intervals.columns(share)})
        for a, b in combinations(found.tasks, 2):
            value = found.matrices[variant].at[a, b]
            rows.append({"quantity": "cosine_of_pair", "variant": variant, "at": f"{a}, {b}", "value": value})
        for (a, b), relative in found.relative[variant].items():
            if relative is not None:
                keys = {"variant": variant, "at": f"{a}, {b}"}
                rows.append({"quantity": "cosine_over_ceiling", **keys, **intervals.columns(relative)})
    return rows
