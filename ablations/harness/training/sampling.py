"""Which task, and which seed, each sample of a training batch gets: a pure function of data, seed and step."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ablations.spec import RunSpec
from datasets.catalog import catalog
from datasets.sampler import paper_sources
from datasets.seeding import stable_seed
from datasets.tasks import Condition, Task, condition_named


@lru_cache(maxsize=4)
def paper_weights(tasks: frozenset[Task]) -> dict[str, float]:
    """Condition -> samples in an epoch of the released loop, whose lists repeat each set a stated number of times.

    With blur or low light among the tasks the lists are those of its five-task training, else of its three-task one.
    """
    five = bool(tasks & {Task.BLUR, Task.LOWLIGHT})
    training = [spec for spec in catalog().values() if spec.split == "train" and spec.task in tasks]
    sources = paper_sources([(s.name, s.task, s.count, s.repeats) for s in training], tasks=5 if five else 3)
    weights: dict[str, float] = {}
    for source in sources:
        weights[source.condition.name] = weights.get(source.condition.name, 0.0) + source.weight
    return weights


def batch_of_step(spec: RunSpec, step: int) -> tuple[list[Condition], list[int]]:
    """Condition and seed of each sample of the batch of a step (counted from 0).

    The draw depends on the run's seed and conditions, not on the variant: variants of one seed see the same batches.
    """
    batch = spec.recipe.phase_at(step).batch
    rng = np.random.default_rng(stable_seed("batch", spec.data.checksum, spec.seed, step))
    conditions = [condition_named(name) for name in spec.conditions]
    if spec.recipe.sampling == "paper":
        known = paper_weights(frozenset(c.task for c in conditions))
        weights = np.array([known[c.name] for c in conditions])
        chosen = [conditions[i] for i in rng.choice(len(conditions), size=batch, p=weights / weights.sum())]
    else:
        chosen = _balanced(conditions, batch, step, rng)
    return chosen, [stable_seed("sample", spec.data.checksum, spec.seed, step, row) for row in range(batch)]


def _balanced(conditions: list[Condition], batch: int, step: int, rng: np.random.Generator) -> list[Condition]:
    """Tasks in turn, so that each is seen as often; a task's levels (noise) at random."""
    tasks = list(dict.fromkeys(c.task for c in conditions))
    chosen = []
    for row in range(batch):
        task = tasks[(step * batch + row) % len(tasks)]
        levels = [c for c in conditions if c.task is task]
        chosen.append(levels[int(rng.integers(len(levels)))])
    return chosen
