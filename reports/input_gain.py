"""Whether the variants restore at all: more than their input, task by task, and more than methods without training."""

from __future__ import annotations

from collections.abc import Mapping

from reports.formatting import named, signed
from reports.labels import task_label
from reports.messages import listed, message, ngettext
from reports.stats import AVERAGE, Scores, input_mean, means, seed_means
from reports.study import Study

RETURNS_DB = 0.05
"""A gain over the input below this, either way, is none: the variant returns its input."""

_SHOWN = 6


def against_input(scores: Scores) -> list[str]:
    """Tasks that nobody restores; then who returns its input, or makes it worse, on the others."""
    gains = task_gains(scores)
    if not gains:
        return []
    tasks = list(dict.fromkeys(task for _, task in gains))
    by_task = {task: [g for (_, t), g in gains.items() if t == task] for task in tasks}
    untouched = [t for t in tasks if all(abs(g) < RETURNS_DB for g in by_task[t])]
    unrestored = [t for t in tasks if t not in untouched and all(g < RETURNS_DB for g in by_task[t])]
    restored = [t for t in tasks if all(g >= RETURNS_DB for g in by_task[t])]
    said: list[str] = []
    if restored:
        said.append(message("Every variant is better than its input on {conditions}.", conditions=_listed(restored)))
    if untouched:
        said.append(
            ngettext(
                "No variant restores {conditions}: it is left as it is (gains within {gain:g} dB).",
                "No variant restores {conditions}: they are left as they are (gains within {gain:g} dB).",
                len(untouched),
                conditions=_listed(untouched),
                gain=RETURNS_DB,
            )
        )
    if unrestored:
        said.append(
            ngettext(
                "No variant restores {conditions}: it is left as it is or made worse.",
                "No variant restores {conditions}: they are left as they are or made worse.",
                len(unrestored),
                conditions=_listed(unrestored),
            )
        )
    idle = {key: g for key, g in gains.items() if abs(g) < RETURNS_DB and key[1] not in untouched}
    harmed = sorted((g, key) for key, g in gains.items() if g <= -RETURNS_DB)
    return [*said, *_idle(list(idle)), *_harmed(harmed)]


def below_references(study: Study) -> dict[str, str]:
    """Trained variant -> the best method without training that is better on the average over the columns, if any.

    A network that a method without training surpasses says little of its architecture: it was trained too little.
    """
    metric = study.metrics[0]
    average = metric.sign * means(study.scores(metric.name))[AVERAGE].drop(index="input")
    untrained = [v for v in average.dropna().index if _is_untrained(study, str(v))]
    if not untrained:
        return {}
    best = max(untrained, key=lambda v: average[v])
    return {str(v): str(best) for v in average.index if v not in untrained and average[v] < average[best]}


def said_of_references(study: Study) -> list[str]:
    """One sentence on trained variants below a method without training; none where there is no such variant."""
    below = below_references(study)
    if not below:
        return []
    best = next(iter(below.values()))
    return [
        message(
            "Below {reference}, which needs no training, on the average over the columns: {names}. They were trained "
            "too little to say much of their architectures.",
            reference=best,
            names=listed(list(below)),
        )
    ]


def _is_untrained(study: Study, variant: str) -> bool:
    models = [run.spec.get("model") for run in study.runs_of(variant)]
    return any(isinstance(model, dict) and model.get("params_trained") == 0 for model in models)


def _idle(where: list[tuple[str, str]]) -> list[str]:
    if not where:
        return []
    told = [message("{variant} on {condition}", variant=v, condition=task_label(task)) for v, task in where]
    runs = named(told, _SHOWN)
    return [message("Returns its input (gain within {gain:g} dB): {runs}.", gain=RETURNS_DB, runs=runs)]


def _harmed(where: list[tuple[float, tuple[str, str]]]) -> list[str]:
    if not where:
        return []
    told = [
        message("{variant} on {condition} ({change} dB)", variant=v, condition=task_label(task), change=signed(g))
        for g, (v, task) in where
    ]
    return [message("Worse than its input: {runs}.", runs=named(told, _SHOWN))]


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


def _listed(tasks: list[str]) -> str:
    return listed([task_label(t) for t in tasks])
