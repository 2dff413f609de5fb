"""The paper's mixture of training sets as weights.

The released code repeats each list until the proportions are right (142,431 entries for three tasks). Here the same
proportions are a number for each source.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from datasets.tasks import CONDITIONS, Condition, Task, noise


@dataclass(frozen=True, kw_only=True)
class Source:
    """A pool of images that serves one condition."""

    name: str  # for messages
    condition: Condition  # what is done to its images
    count: int  # images in it
    repeats: float  # how often the pool is drawn for each time a pool of repeats 1 is

    @property
    def weight(self) -> float:
        """Its entries in the released code's lists: every repeat of every image once."""
        return self.count * self.repeats


def paper_sources(counts: Sequence[tuple[str, Task, int, tuple[int, int]]], tasks: int = 5) -> tuple[Source, ...]:
    """The released code's mixture of whatever sets are there.

    Noise pools become one source for each of sigma 15, 25 and 50 with a third of the repeats each; pools that the
    setting does not use (blur and low light with three tasks) are left out.

    Args:
        counts: (name, task, images, repeats with three and with five tasks) of each training set
            (`DatasetSpec.repeats`).
        tasks: 3 or 5, which column of repeats.

    Raises:
        ValueError: neither 3 nor 5.
    """
    if tasks not in (3, 5):
        raise ValueError(f"The paper trains on 3 or 5 tasks, not {tasks}.")
    sources = []
    for name, task, count, repeats in counts:
        chosen = repeats[0] if tasks == 3 else repeats[1]
        if chosen <= 0 or count <= 0:
            continue
        if task is Task.NOISE:
            sigmas = [c.sigma_255 for c in CONDITIONS if c.sigma_255 is not None]
            for sigma in sigmas:
                sources.append(
                    Source(name=f"{name}@{sigma}", condition=noise(sigma), count=count, repeats=chosen / len(sigmas))
                )
        else:
            sources.append(Source(name=name, condition=Condition(task=task), count=count, repeats=chosen))
    return tuple(sources)
