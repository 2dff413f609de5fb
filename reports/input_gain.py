"""Gain of the variants over the degraded input by task, and over methods without training."""

from __future__ import annotations

from collections.abc import Mapping

from reports.formatting import format_signed, list_names
from reports.labels import task_label
from reports.messages import join_and, message, ngettext
from reports.stats import AVERAGE, Scores, input_mean, means, seed_means
from reports.study import Study

IDENTITY_GAIN_DB = 0.05
"""A gain over the input within this, in either direction, counts as none: the output equals the input."""

_MAX_LISTED = 6


def input_gain_sentences(scores: Scores) -> list[str]:
    """Sentences on tasks that no variant improves, then on variants that fail on single tasks."""
    gains = task_gains(scores)
    if not gains:
        return []
    tasks = list(dict.fromkeys(task for _, task in gains))
    by_task = {task: [g for (_, t), g in gains.items() if t == task] for task in tasks}
    untouched = [t for t in tasks if all(abs(g) < IDENTITY_GAIN_DB for g in by_task[t])]
    unrestored = [t for t in tasks if t not in untouched and all(g < IDENTITY_GAIN_DB for g in by_task[t])]
    restored = [t for t in tasks if all(g >= IDENTITY_GAIN_DB for g in by_task[t])]
    lines: list[str] = []
    if restored:
        lines.append(
            message("Every variant is better than its input on {conditions}.", conditions=_list_tasks(restored))
        )
    if untouched:
        lines.append(
            ngettext(
                "No variant improves {conditions} (gain within {gain:g} dB).",
                "No variant improves {conditions} (gains within {gain:g} dB).",
                len(untouched),
                conditions=_list_tasks(untouched),
                gain=IDENTITY_GAIN_DB,
            )
        )
    if unrestored:
        lines.append(
            ngettext(
                "No variant improves {conditions}: it is unchanged or worse.",
                "No variant improves {conditions}: they are unchanged or worse.",
                len(unrestored),
                conditions=_list_tasks(unrestored),
            )
        )
    identity = {key: g for key, g in gains.items() if abs(g) < IDENTITY_GAIN_DB and key[1] not in untouched}
    harmed = sorted((g, key) for key, g in gains.items() if g <= -IDENTITY_GAIN_DB)
    return [*lines, *_identity_sentences(list(identity)), *_harmed_sentences(harmed)]


def variants_below_classical(study: Study) -> dict[str, str]:
    """Trained variant -> the best method without training that is better on the average over the columns, if any.

    A network below a method without training is undertrained and shows little about its architecture.
    """
    metric = study.metrics[0]
    average = metric.sign * means(study.scores(metric.name))[AVERAGE].drop(index="input")
    untrained = [v for v in average.dropna().index if _is_classical(study, str(v))]
    if not untrained:
        return {}
    best = max(untrained, key=lambda v: average[v])
    return {str(v): str(best) for v in average.index if v not in untrained and average[v] < average[best]}


def below_classical_sentences(study: Study) -> list[str]:
    """One sentence on trained variants below a method without training; none where there is no such variant."""
    below = variants_below_classical(study)
    if not below:
        return []
    best = next(iter(below.values()))
    return [
        message(
            "Below {reference}, a method without training, in the average over the columns: {names}. They are "
            "undertrained, so little can be concluded about their architectures.",
            reference=best,
            names=join_and(list(below)),
        )
    ]


def _is_classical(study: Study, variant: str) -> bool:
    models = [run.spec.get("model") for run in study.runs_of(variant)]
    return any(isinstance(model, dict) and model.get("params_trained") == 0 for model in models)


def _identity_sentences(cells: list[tuple[str, str]]) -> list[str]:
    if not cells:
        return []
    names = [message("{variant} on {condition}", variant=v, condition=task_label(task)) for v, task in cells]
    runs = list_names(names, _MAX_LISTED)
    return [message("Output equals the input (gain within {gain:g} dB): {runs}.", gain=IDENTITY_GAIN_DB, runs=runs)]


def _harmed_sentences(cells: list[tuple[float, tuple[str, str]]]) -> list[str]:
    if not cells:
        return []
    names = [
        message(
            "{variant} on {condition} ({change} dB)", variant=v, condition=task_label(task), change=format_signed(g)
        )
        for g, (v, task) in cells
    ]
    return [message("Worse than its input: {runs}.", runs=list_names(names, _MAX_LISTED))]


def task_gains(scores: Scores) -> Mapping[tuple[str, str], float]:
    """(variant, task) -> mean gain over the degraded input, in the metric's unit, where the variant has scores.

    A gain is positive where the variant is better, also by a metric of which less is better.
    """
    sign = scores.kind.sign
    gains = {
        (variant, task): sign * (float(seed_means(scores, variant, task).mean()) - input_mean(scores, task))
        for task in scores.tasks
        for variant in scores.variants
    }
    return {key: g for key, g in gains.items() if g == g}  # not NaN


def _list_tasks(tasks: list[str]) -> str:
    return join_and([task_label(t) for t in tasks])
