"""Runs that finished but diverged, by a rule that was fixed before any result was inspected.

A finished run has diverged if on any task it was trained on its mean PSNR is more than `DIVERGENCE_DB` below that of
the degraded input. Diverged runs stay in every analysis; the contrasts are also reported without them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from reports import schema
from reports.stats import Scores, input_mean, seed_means
from reports.study import Study

DIVERGENCE_DB = 1.0


@dataclass(frozen=True, kw_only=True)
class DivergedRun:
    """A run, and the task on which it is furthest below its input (`gain_db`, below zero)."""

    variant: str
    seed: int
    task: str
    gain_db: float


def diverged_runs(study: Study) -> tuple[DivergedRun, ...]:
    """The study's diverged runs, in the order of its variants."""
    trained_tasks: dict[str, set[str]] = {}
    for variant in study.variants:
        identities = [run.spec.get("identity") or {} for run in study.done_runs_of(variant)]
        if all(identity.get("recipe", {}) is None for identity in identities):
            trained_tasks[variant] = set()  # a method without training
        elif all("conditions" in identity for identity in identities):
            trained_tasks[variant] = {schema.task_of(c) for identity in identities for c in identity["conditions"]}
    return find_diverged(study.scores(schema.PSNR), trained_tasks)


def find_diverged(scores: Scores, trained_tasks: Mapping[str, Collection[str]]) -> tuple[DivergedRun, ...]:
    """The runs that the rule names.

    Args:
        scores: PSNR in dB.
        trained_tasks: variant -> tasks it was trained on; of a variant that is not named, all.
    """
    runs = []
    for variant in scores.variants:
        tasks = [t for t in scores.tasks if t in trained_tasks.get(variant, scores.tasks)]
        gains = {t: seed_means(scores, variant, t) - input_mean(scores, t) for t in tasks}
        for k, seed in enumerate(scores.seeds[variant]):
            worst_task = min(tasks, key=lambda t: float(gains[t][k]), default=None)
            if worst_task is not None and gains[worst_task][k] < -DIVERGENCE_DB:
                runs.append(
                    DivergedRun(variant=variant, seed=seed, task=worst_task, gain_db=float(gains[worst_task][k]))
                )
    return tuple(runs)


def drop_diverged(scores: Scores, diverged: Collection[DivergedRun]) -> Scores:
    """The scores without these runs."""
    runs: dict[str, set[int]] = {}
    for run in diverged:
        runs.setdefault(run.variant, set()).add(run.seed)
    return scores.drop_runs(runs)
