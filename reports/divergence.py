"""Runs that finished and failed all the same, by a rule that was fixed before any was looked at.

A finished run has diverged if on any task that it was trained on its mean PSNR lies more than `BELOW_DB` under that of
the degraded input. Such runs stay in every analysis; the contrasts are given a second time without them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from reports import schema
from reports.stats import Scores, input_mean, seed_means
from reports.study import Study

BELOW_DB = 1.0


@dataclass(frozen=True, kw_only=True)
class Diverged:
    """A run, and the task on which it lies furthest below its input (`gain_db`, below zero)."""

    variant: str
    seed: int
    task: str
    gain_db: float


def diverged_runs(study: Study) -> tuple[Diverged, ...]:
    """The study's diverged runs, in the order of its variants."""
    trained: dict[str, set[str]] = {}
    for variant in study.variants:
        identities = [run.spec.get("identity") or {} for run in study.done_runs_of(variant)]
        if all(identity.get("recipe", {}) is None for identity in identities):
            trained[variant] = set()  # a method without training
        elif all("conditions" in identity for identity in identities):
            trained[variant] = {schema.task_of(c) for identity in identities for c in identity["conditions"]}
    return diverged(study.scores(schema.PSNR), trained)


def diverged(scores: Scores, trained: Mapping[str, Collection[str]]) -> tuple[Diverged, ...]:
    """The runs that the rule names.

    Args:
        scores: PSNR in dB.
        trained: variant -> tasks it was trained on; of a variant that is not named, all.
    """
    found = []
    for variant in scores.variants:
        tasks = [t for t in scores.tasks if t in trained.get(variant, scores.tasks)]
        gains = {t: seed_means(scores, variant, t) - input_mean(scores, t) for t in tasks}
        for k, seed in enumerate(scores.seeds[variant]):
            lowest = min(tasks, key=lambda t: float(gains[t][k]), default=None)
            if lowest is not None and gains[lowest][k] < -BELOW_DB:
                found.append(Diverged(variant=variant, seed=seed, task=lowest, gain_db=float(gains[lowest][k])))
    return tuple(found)


def without(scores: Scores, found: Collection[Diverged]) -> Scores:
    """The scores without these runs."""
    runs: dict[str, set[int]] = {}
    for run in found:
        runs.setdefault(run.variant, set()).add(run.seed)
    return scores.without(runs)
