"""Which task, seed and loss weight each sample of a training batch gets: a pure function of data, seed and step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ablations.mixture import paper_weights
from ablations.spec import Phase, RunSpec, TaskShare
from datasets.seeding import stable_seed
from datasets.tasks import Condition, condition_named


@dataclass(frozen=True, kw_only=True)
class BatchPlan:
    """What the samples of a batch are made from, a place each."""

    conditions: tuple[Condition, ...]  # of the samples
    seeds: tuple[int, ...]  # that choose image, crop, flips and degradation
    weights: tuple[float, ...]  # factors of the samples' losses

    def __getitem__(self, index: slice) -> BatchPlan:
        return BatchPlan(conditions=self.conditions[index], seeds=self.seeds[index], weights=self.weights[index])

    def __len__(self) -> int:
        return len(self.conditions)


def batch_of_step(spec: RunSpec, step: int) -> BatchPlan:
    """The batch of a step (counted from 0).

    The draw depends on the run's seed and conditions, not on the variant: variants of one seed see the same batches.
    """
    phase = spec.recipe.phase_at(step)
    rng = np.random.default_rng(stable_seed("batch", spec.data.checksum, spec.seed, step))
    conditions = [condition_named(name) for name in spec.conditions]
    weights = [1.0] * phase.batch
    if spec.recipe.sampling == "paper":
        condition_weights = paper_weights(frozenset(c.task for c in conditions))
        probabilities = np.array([condition_weights[c.name] for c in conditions])
        sampled = [
            conditions[i] for i in rng.choice(len(conditions), size=phase.batch, p=probabilities / probabilities.sum())
        ]
    else:
        samples = _sample_from_mixture(phase, conditions, rng)
        sampled, weights = [condition for condition, _ in samples], [weight for _, weight in samples]
    seeds = (stable_seed("sample", spec.data.checksum, spec.seed, step, row) for row in range(phase.batch))
    return BatchPlan(conditions=tuple(sampled), seeds=tuple(seeds), weights=tuple(weights))


def _sample_from_mixture(
    phase: Phase, conditions: Sequence[Condition], rng: np.random.Generator
) -> list[tuple[Condition, float]]:
    """Condition and loss weight of each sample.

    Tasks come by systematic sampling, so that each batch is as near to the shares as whole samples can be; a task's
    levels (noise) at random.
    """
    tasks = dict.fromkeys(condition.task.name for condition in conditions)
    mixture = phase.for_tasks(list(tasks)).mixture or tuple(TaskShare(task=task) for task in tasks)
    cumulative = np.cumsum([share.share for share in mixture])
    positions = (np.arange(phase.batch) + rng.random()) / phase.batch * cumulative[-1]
    samples = []
    for index in np.minimum(np.searchsorted(cumulative, positions, side="right"), len(mixture) - 1):
        share = mixture[int(index)]
        levels = [condition for condition in conditions if condition.task.name == share.task]
        samples.append((levels[int(rng.integers(len(levels)))], share.weight))
    return samples
