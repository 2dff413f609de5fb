"""The paper's mixture of training sets as weights, and epochs of a stated number of samples.

The released code repeats each list until the proportions are right (142,431 entries for three tasks). Here the same
proportions are a number for each source; an epoch of any length draws each source in proportion, walks through its
images in shuffled order without repeating one before all had their turn, and shuffles the whole. With the released
code's length it draws exactly what the released code's lists hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from datasets.seeding import stable_seed
from datasets.tasks import CONDITIONS, Condition, Task, noise


@dataclass(frozen=True, kw_only=True)
class Source:
    """A pool of images that serves one condition.

    Attributes:
        name: for messages and seeds; must be unique in a mixture.
        condition: what is done to its images.
        count: images in it.
        repeats: how often the whole pool is drawn for each time a pool of repeats 1 is.
    """

    name: str
    condition: Condition
    count: int
    repeats: float

    @property
    def weight(self) -> float:
        """Its share of an epoch, before normalising."""
        return self.count * self.repeats


@dataclass(frozen=True, kw_only=True)
class Draw:
    """One training sample: which image of which source.

    Attributes:
        source: index of the source in the mixture.
        image: index of the image in the source.
        seed: for this sample's crop, flips and degradation.
    """

    source: int
    image: int
    seed: int


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """Sources drawn in proportion to their weights.

    Attributes:
        sources: the pools.
        seed: of every draw.
        epoch_samples: samples in an epoch, over all ranks and workers.
    """

    sources: tuple[Source, ...]
    seed: int
    epoch_samples: int

    def __post_init__(self) -> None:
        if self.epoch_samples < 1:
            raise ValueError(f"An epoch needs at least one sample, got {self.epoch_samples}.")
        if not self.sources or any(source.count < 1 or source.repeats <= 0 for source in self.sources):
            raise ValueError("A mixture needs at least one source, each with images and repeats above 0.")
        if len({source.name for source in self.sources}) != len(self.sources):
            raise ValueError("Two sources of the mixture have one name.")

    @property
    def shares(self) -> tuple[float, ...]:
        """Each source's share of an epoch; they sum to 1."""
        total = sum(source.weight for source in self.sources)
        return tuple(source.weight / total for source in self.sources)

    def quotas(self, epoch: int) -> tuple[int, ...]:
        """Samples of each source in an epoch: they sum to it, and add up to the shares over epochs."""
        before, after = (_apportion(self.shares, count * self.epoch_samples) for count in (epoch, epoch + 1))
        return tuple(int(count) for count in after - before)

    def epoch(self, epoch: int, shard: int = 0, shards: int = 1) -> Iterator[Draw]:
        """The draws of one shard of an epoch.

        The epoch's draws do not depend on the number of shards; shard k of n gets every n-th of them from the k-th on,
        so shards are disjoint and together are the epoch. A shard is one worker of one rank:
        `rank * workers + worker` of `ranks * workers`.

        Raises:
            ValueError: no such shard, or a negative epoch.
        """
        if epoch < 0 or not 0 <= shard < shards:
            raise ValueError(f"Need epoch >= 0 and 0 <= shard < shards, got epoch {epoch}, shard {shard} of {shards}.")
        table = self._table(epoch)
        for place in range(shard, len(table), shards):
            source, image = (int(value) for value in table[place])
            yield Draw(source=source, image=image, seed=stable_seed("sample", self.seed, epoch, place))

    def _table(self, epoch: int) -> NDArray[np.int64]:
        """(samples, 2): source and image of every draw of the epoch, in order."""
        rows = []
        starts = _apportion(self.shares, epoch * self.epoch_samples)
        for index, (source, start, quota) in enumerate(zip(self.sources, starts, self.quotas(epoch), strict=True)):
            images = self._walk(source, int(start), quota)
            rows.append(np.stack([np.full(quota, index, dtype=np.int64), images], axis=1))
        table = np.concatenate(rows)
        return table[_generator("order", self.seed, epoch).permutation(len(table))]

    def _walk(self, source: Source, start: int, length: int) -> NDArray[np.int64]:
        """Places `start` to `start + length` of the endless walk through shuffled copies of the source."""
        first, last = start // source.count, (start + max(length, 1) - 1) // source.count
        laps = [
            _generator("lap", self.seed, source.name, lap).permutation(source.count) for lap in range(first, last + 1)
        ]
        offset = start - first * source.count
        return np.concatenate(laps)[offset : offset + length].astype(np.int64)


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


def paper_epoch_samples(sources: Sequence[Source]) -> int:
    """Samples of the released code's epoch over these sources: every repeat of every image once."""
    return round(sum(source.weight for source in sources))


def _apportion(shares: Sequence[float], samples: int) -> NDArray[np.int64]:
    """Whole samples of each source among the first `samples` (Webster's method).

    Of the rules that make parts sum to the whole, a divisor method is one that never takes a sample back from a source
    when `samples` grows, so the difference of two epochs' ends is never negative.
    """
    weights = np.asarray(shares, dtype=np.float64)
    counts = np.floor(weights * samples + 0.5).astype(np.int64)
    while counts.sum() < samples:
        counts[int(np.argmax(weights / (counts + 0.5)))] += 1
    while counts.sum() > samples:
        claims = np.where(counts > 0, weights / (counts - 0.5), np.inf)
        # Of equal claims the last gives way, as the first one is served first above.
        counts[len(counts) - 1 - int(np.argmin(claims[::-1]))] -= 1
    return counts


def _generator(*names: object) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(stable_seed("mixture", *names)))
