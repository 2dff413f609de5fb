"""One sentence on a study: how many of its planned contrasts differ from zero, and which."""

from __future__ import annotations

from collections.abc import Sequence

from reports import schema
from reports.contrasts import ContrastResult, Contrasts
from reports.formatting import format_estimate
from reports.messages import join_clauses, join_sentences, message, ngettext
from reports.pairs import PairDifference
from reports.stats import AVERAGE, LEVEL, Scores, means

MAX_LISTED_CONTRASTS = 3


def headline(scores: Scores, contrasts: Contrasts, pairs: Sequence[PairDifference]) -> str:
    """How many planned contrasts differ from zero, and the largest of them."""
    on_average = contrasts.in_column()
    if not pairs:
        return _no_comparison_headline(scores)
    if all(len(seeds) == 1 for seeds in scores.seeds.values()) or (
        on_average and all(t.estimate.n_seeds == 1 for t in on_average)
    ):
        return _single_seed_headline(on_average, scores.kind)
    if not contrasts.planned:
        return message("No contrast was planned: the differences below are exploratory and not tested.")
    if not on_average:
        return message("No planned contrast can be estimated yet: their variants have not finished.")
    kind = scores.kind
    where = message("{metric} averaged over the columns", metric=kind.label)
    clauses = [_count_differing(on_average, where if len(scores.conditions) > 1 else kind.label)]
    trades = sum(bool(task_tradeoff(t, contrasts)) for t in on_average)
    if trades and len(on_average) > 1:
        clauses.append(message("in {n} of them the average hides a trade-off between tasks", n=trades))
    elif trades:
        clauses.append(message("the average hides a trade-off between tasks"))
    if contrasts.not_estimable:
        n = len(contrasts.not_estimable)
        clauses.append(ngettext("{n} more waits for its runs", "{n} more wait for their runs", n))
    differing = _list_contrasts([t for t in on_average if t.differs], kind) if len(on_average) > 1 else ""
    listed = message("Significant: {contrasts}.", contrasts=differing) if differing else ""
    return join_sentences([message("{clauses}.", clauses=join_clauses(clauses)), listed])


def _list_contrasts(results: Sequence[ContrastResult], kind: schema.Metric) -> str:
    """Contrasts with their estimates, the largest first; "" for none."""
    if not results:
        return ""
    differ = sorted(results, key=lambda t: -abs(t.estimate.value))
    texts: list[str] = [contrast_text(t, kind) for t in differ[:MAX_LISTED_CONTRASTS]]
    texts += [message("{n} more", n=len(differ) - MAX_LISTED_CONTRASTS)] if len(differ) > MAX_LISTED_CONTRASTS else []
    return join_clauses(texts)


def contrast_text(tested: ContrastResult, kind: schema.Metric) -> str:
    """A contrast with its estimate, and in what else its sides differ."""
    values = {"label": tested.contrast.label, "estimate": format_estimate(tested.simultaneous, kind)}
    if tested.contrast.note:
        return message("{label}: {estimate} ({note})", **values, note=tested.contrast.note)
    return message("{label}: {estimate}", **values)


def _count_differing(on_average: Sequence[ContrastResult], where: str) -> str:
    differ, m = sum(t.differs for t in on_average), len(on_average)
    values = {"where": where, "level": f"{LEVEL:.0%}"}
    if m == 1 and differ:
        return message("The planned contrast differs from zero at {level}, by {where}", **values)
    if m == 1:
        return message("The planned contrast does not differ significantly from zero at {level}, by {where}", **values)
    if not differ:
        return message(
            "No significant difference in any of the {m} planned contrasts at {level}, by {where}", m=m, **values
        )
    return ngettext(
        "{n} of {m} planned contrasts differs from zero at {level}, by {where}",
        "{n} of {m} planned contrasts differ from zero at {level}, by {where}",
        differ,
        m=m,
        **values,
    )


def _no_comparison_headline(scores: Scores) -> str:
    if not scores.variants:
        return message("No run is finished: there is nothing to compare yet.")
    if means(scores).drop(index="input")[AVERAGE].notna().any():
        return message("Only one variant has finished runs: there is nothing to compare.")
    return message("No variant has scores for all conditions: there is nothing to compare.")


def _single_seed_headline(on_average: Sequence[ContrastResult], kind: schema.Metric) -> str:
    """The headline where each contrast has a variant with one training run."""
    ranking = message(
        "Not a ranking: every comparison has one seed, so no difference can be separated from seed-to-seed variance."
    )
    if not on_average:
        return ranking
    differing = [t for t in on_average if t.models_differ]
    as_models = ngettext(
        "As trained models, {n} of {m} planned contrasts differs from zero at {level} on such photographs.",
        "As trained models, {n} of {m} planned contrasts differ from zero at {level} on such photographs.",
        len(differing),
        m=len(on_average),
        level=f"{LEVEL:.0%}",
    )
    listed = message("Namely: {contrasts}.", contrasts=_list_contrasts(differing, kind)) if differing else ""
    return join_sentences([ranking, as_models, listed])


def task_tradeoff(tested: ContrastResult, contrasts: Contrasts) -> list[ContrastResult]:
    """The tasks on which the contrast differs from zero, where these and the average are not all of one sign."""
    differing = [t for t in contrasts.by_task(tested.contrast).values() if t.differs]
    signs = {t.estimate.value > 0 for t in [*differing, *([tested] if tested.differs else [])]}
    return sorted(differing, key=lambda t: -t.estimate.value) if len(signs) > 1 else []
