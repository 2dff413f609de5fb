"""Which task, and which seed, each sample of a training batch gets: a pure function of data, seed and step."""

from __future__ import annotations

import numpy as np

from ablations.spec import RunSpec
from datasets.seeding import stable_seed
from datasets.tasks import Condition, Task, condition_named

# samples in an epoch of the released loop: images x repeats, each noise level apart (method.md of the paper's code)
PAPER_WEIGHTS: dict[Task, int] = {
    Task.NOISE: 3 * 5_144,
    Task.RAIN: 80 * 200,
    Task.HAZE: 72_135,
    Task.BLUR: 30 * 2_103,
    Task.LOWLIGHT: 60 * 485,
}


def batch_of_step(spec: RunSpec, step: int) -> tuple[list[Condition], list[int]]:
    """Condition and seed of each sample of the batch of a step (counted from 0).

    The draw depends on the run's seed and conditions, not on the variant: variants of one seed see the same batches.
    """
    batch = spec.recipe.phase_at(step).batch
    rng = np.random.default_rng(stable_seed("batch", spec.data.checksum, spec.seed, step))
    conditions = [condition_named(name) for name in spec.conditions]
    if spec.recipe.sampling == "paper":
        weights = np.array([PAPER_WEIGHTS[c.task] for c in conditions], dtype=float)
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
