"""Training batches prepared ahead by processes, so that a GPU does not wait for them; the same batches, bit for bit.

A batch is a pure function of data, seed and step. Processes rather than threads: much of a row's cost is Python, and
threads would take the interpreter from the loop that launches kernels.
"""

from __future__ import annotations

import copy
import os
import signal
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ablations.harness.malloc import keep_freed_memory
from ablations.harness.training.distributed import ProcessGroup
from ablations.harness.training.sampling import BatchPlan, batch_of_step
from ablations.spec import RunSpec
from datasets.bundle import DataBundle
from datasets.tasks import Condition

WORKERS_OF_A_GPU = 4
_AHEAD_OF_EACH = 2  # batches asked of each process before the first is taken
_MOST_BYTES = 2 << 30  # of training images, a copy for each process
Batch = tuple[Tensor, Tensor]
Wanted = tuple[tuple[Condition, ...], tuple[int, ...], int]
"""What a batch is made of: the samples' conditions and seeds, and the patch's side in pixels."""


def workers_for(bundle: DataBundle, device: torch.device, cores: int) -> int:
    """How many processes prepare batches: none on a CPU, where they would compete with training.

    None either for images that live on the GPU, and for more than 2 GiB of them, since each process has a copy.
    """
    if device.type != "cuda" or getattr(bundle, "_resident", None):
        return 0
    arrays = (array for s in bundle.train for array in (s.clean, s.degraded, s.depth))
    size = sum(array.nbytes for array in arrays if array is not None)
    return 0 if size > _MOST_BYTES else min(WORKERS_OF_A_GPU, max(cores - 1, 0))


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Feed:
    """The batches of a run, one after the other from any step on: the team's share of each, on the device.

    `workers` processes prepare them; 0 prepares each batch when it is asked for, None chooses by `workers_for`.
    """

    def __init__(
        self, spec: RunSpec, bundle: DataBundle, device: torch.device, team: ProcessGroup, workers: int | None = None
    ) -> None:
        self._spec, self._bundle, self._device, self._team = spec, bundle, device, team
        self.workers = workers_for(bundle, device, cores()) if workers is None else workers
        self._batches: Iterator[Batch] | None = None
        self._next = -1

    def plan(self, step: int) -> BatchPlan:
        """This process's samples of a step's batch."""
        whole = batch_of_step(self._spec, step)
        return whole[self._team.share(len(whole))[0]]

    def batch(self, step: int) -> Batch:
        """Degraded and clean patches of a step, (B, 3, P, P) float32 in [0, 1], on the device.

        An error of a process that prepares them is raised here, with its own traceback.
        """
        if not self.workers:
            return self._bundle.batch(*self._wanted(step), self._device)
        if self._batches is None or step != self._next:  # the first, or a jump: what was asked for is of no use
            self._batches = iter(self._loader(step))
        self._next = step + 1
        degraded, clean = next(self._batches)
        return degraded.to(self._device, non_blocking=True), clean.to(self._device, non_blocking=True)

    def close(self) -> None:
        """End the processes; batches can still be asked for."""
        self._batches = None

    def _wanted(self, step: int) -> Wanted:
        plan = self.plan(step)
        return plan.conditions, plan.seeds, self._spec.recipe.phase_at(step).patch

    def _loader(self, step: int) -> DataLoader[Batch]:
        wanted: Any = map(self._wanted, range(step, self._spec.recipe.steps))  # taken one by one, once
        return DataLoader(
            _TrainingBatches(self._bundle),
            batch_size=None,
            sampler=wanted,
            num_workers=self.workers,
            prefetch_factor=_AHEAD_OF_EACH,
            pin_memory=self._device.type == "cuda",
            multiprocessing_context="spawn",
            worker_init_fn=_prepare_process,
            generator=torch.Generator(),  # its own: the process's draws what a model draws
        )


class _TrainingBatches(Dataset[Batch]):
    """Batches of a bundle by what they are made of; it travels without the images that batches are not made of."""

    def __init__(self, bundle: DataBundle) -> None:
        self._bundle = copy.copy(bundle)
        object.__setattr__(self._bundle, "val", ())
        object.__setattr__(self._bundle, "test", ())
        self._bundle.__dict__.pop("_resident", None)

    def __getitem__(self, wanted: Wanted) -> Batch:
        return self._bundle.batch(*wanted)


def _prepare_process(_: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the training process's
    keep_freed_memory()
