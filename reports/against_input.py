"""Whether the variants restore at all, task by task: an ablation of models that return their input says nothing."""

from __future__ import annotations

from collections.abc import Mapping

from reports.labels import task_label
from reports.stats import Scores, input_mean, seed_means
from reports.wording import listed, named, signed

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
    said = [f"Every variant is better than its input on {_listed(restored)}."] if restored else []
    if untouched:
        are = "it is left as it is" if len(untouched) == 1 else "they are left as they are"
        said.append(f"No variant restores {_listed(untouched)}: {are} (gains within {RETURNS_DB:g} dB).")
    if unrestored:
        are = "it is left as it is" if len(unrestored) == 1 else "they are left as they are"
        said.append(f"No variant restores {_listed(unrestored)}: {are} or made worse.")
    idle = {key: g for key, g in gains.items() if abs(g) < RETURNS_DB and key[1] not in untouched}
    if idle:
        told = [f"{v} on {task_label(task)}" for v, task in idle]
        said.append(f"Returns its input (gain within {RETURNS_DB:g} dB): {named(told, _SHOWN)}.")
    harmed = sorted((g, key) for key, g in gains.items() if g <= -RETURNS_DB)
    if harmed:
        told = [f"{v} on {task_label(task)} ({signed(g)} dB)" for g, (v, task) in harmed]
        said.append(f"Worse than its input: {named(told, _SHOWN)}.")
    return said


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
