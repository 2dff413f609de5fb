"""The released training loop's mixture of tasks: how often each condition is drawn, and how long an epoch is."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from datasets.catalog import catalog
from datasets.sampler import paper_sources
from datasets.tasks import Task


@lru_cache(maxsize=8)
def paper_weights(tasks: frozenset[Task]) -> dict[str, float]:
    """Condition -> samples in an epoch of the released loop, whose lists repeat each set a fixed number of times.

    With blur or low light among the tasks the lists are those of its five-task training, else of its three-task one.
    """
    is_five_task = bool(tasks & {Task.BLUR, Task.LOWLIGHT})
    training = [spec for spec in catalog().values() if spec.split == "train" and spec.task in tasks]
    sources = paper_sources([(s.name, s.task, s.count, s.repeats) for s in training], tasks=5 if is_five_task else 3)
    weights: dict[str, float] = {}
    for source in sources:
        weights[source.condition.name] = weights.get(source.condition.name, 0.0) + source.weight
    return weights


def paper_epoch_samples(tasks: Iterable[Task]) -> int:
    """Samples in an epoch of the released loop: 142,431 for noise, rain and haze, 226,621 for all five tasks."""
    return round(sum(paper_weights(frozenset(tasks)).values()))
