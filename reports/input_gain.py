"""Gain of the variants over the degraded input by task, and over methods without training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reports.convergence import LEARNED_DB, NOT_LEARNED, STILL_IMPROVING, TaskConvergence
from reports.formatting import format_signed, list_names
from reports.labels import task_label
from reports.messages import join_and, join_sentences, message, ngettext
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
    restored = [t for t in tasks if all(g >= LEARNED_DB for g in by_task[t])]
    lines: list[str] = []
    if restored:
        lines.append(
            message(
                "Every variant is better than its input by {metric}, by at least {learned:g} dB, on {conditions}.",
                metric=scores.kind.label,
                learned=LEARNED_DB,
                conditions=_list_tasks(restored),
            )
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
    small = sorted((g, key) for key, g in gains.items() if IDENTITY_GAIN_DB <= g < LEARNED_DB)
    harmed = sorted((g, key) for key, g in gains.items() if g <= -IDENTITY_GAIN_DB)
    return [*lines, *_small_gain_sentences(small), *_identity_sentences(list(identity)), *_harmed_sentences(harmed)]


@dataclass(frozen=True, kw_only=True)
class Surpassed:
    """A trained variant whose mean is below that of a method without training.

    Attributes:
        reference: the best method without training, by the average over the columns.
        is_significant: whether the unadjusted interval of the pair excludes zero, with more than one seed of both.
    """

    reference: str
    is_significant: bool


def variants_below_classical(study: Study) -> dict[str, Surpassed]:
    """Trained variants whose average over the columns is below that of the best method without training, if any."""
    metric = study.metrics[0]
    average = metric.sign * means(study.scores(metric.name))[AVERAGE].drop(index="input").dropna()
    untrained = [str(v) for v in average.index if _is_classical(study, str(v))]
    if not untrained:
        return {}
    best = max(untrained, key=lambda v: average[v])
    surpassed = {}
    for variant in map(str, average.index):
        if variant not in untrained and average[variant] < average[best]:
            gap = study.analysis(metric.name).difference(variant, best)
            surpassed[variant] = Surpassed(reference=best, is_significant=gap.n_seeds > 1 and gap.excludes_zero)
    return surpassed


def below_classical_sentences(study: Study, learning: Sequence[TaskConvergence] = ()) -> list[str]:
    """Sentences on trained variants below a method without training; none where there is no such variant.

    Args:
        study: whose variants.
        learning: whether each variant was trained past the plateau on each task.
    """
    below = variants_below_classical(study)
    if not below:
        return []
    reference = next(iter(below.values())).reference
    significant = [v for v, surpassed in below.items() if surpassed.is_significant]
    in_the_mean = [v for v in below if v not in significant]
    lines: list[str] = []
    if significant:
        lines.append(
            message(
                "Significantly below {reference}, in the average over the columns (unadjusted interval of the pair): "
                "{names}.",
                reference=_describe_reference(study, reference),
                names=join_and(significant),
            )
        )
        lines += _plateau_sentences(significant, learning)
    if in_the_mean and significant:
        lines.append(message("Below it in the mean, not significantly: {names}.", names=join_and(in_the_mean)))
    elif in_the_mean:
        lines.append(
            message(
                "Below {reference}, in the mean of the columns, not significantly: {names}.",
                reference=_describe_reference(study, reference),
                names=join_and(in_the_mean),
            )
        )
    return [join_sentences(lines)]


def _describe_reference(study: Study, reference: str) -> str:
    if reference in (study.conditioned or ()):
        return message("{reference}, a method without training that is told the degradation", reference=reference)
    return message("{reference}, a method without training", reference=reference)


def _plateau_sentences(variants: Sequence[str], learning: Sequence[TaskConvergence]) -> list[str]:
    """What the plateau test says of these variants; nothing of those without curves."""
    tests = {v: [task for task in learning if task.variant == v] for v in variants}
    past = [v for v, tasks in tests.items() if tasks and all(task.is_past_plateau for task in tasks)]
    failing = [v for v, tasks in tests.items() if any(t.status in (NOT_LEARNED, STILL_IMPROVING) for t in tasks)]
    lines: list[str] = []
    if past:
        lines.append(message("Past the plateau on every task: {names}.", names=join_and(past)))
    if failing:
        lines.append(message("Not past the plateau on every task: {names}.", names=join_and(failing)))
    return lines


def _is_classical(study: Study, variant: str) -> bool:
    models = [run.spec.get("model") for run in study.runs_of(variant)]
    return any(isinstance(model, dict) and model.get("params_trained") == 0 for model in models)


def _identity_sentences(cells: list[tuple[str, str]]) -> list[str]:
    if not cells:
        return []
    names = [message("{variant} on {condition}", variant=v, condition=task_label(task)) for v, task in cells]
    runs = list_names(names, _MAX_LISTED)
    return [message("Output equals the input (gain within {gain:g} dB): {runs}.", gain=IDENTITY_GAIN_DB, runs=runs)]


def _small_gain_sentences(cells: list[tuple[float, tuple[str, str]]]) -> list[str]:
    if not cells:
        return []
    runs = list_names(_with_changes(cells), _MAX_LISTED)
    return [message("Better than its input by less than {learned:g} dB: {runs}.", learned=LEARNED_DB, runs=runs)]


def _harmed_sentences(cells: list[tuple[float, tuple[str, str]]]) -> list[str]:
    if not cells:
        return []
    return [message("Worse than its input: {runs}.", runs=list_names(_with_changes(cells), _MAX_LISTED))]


def _with_changes(cells: list[tuple[float, tuple[str, str]]]) -> list[str]:
    """Each (gain in dB, (variant, task)): "NAFNet on haze (+0.13 dB)"."""
    return [
        message(
            "{variant} on {condition} ({change} dB)", variant=v, condition=task_label(task), change=format_signed(g)
        )
        for g, (v, task) in cells
    ]


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
