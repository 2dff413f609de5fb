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

MAX_WORKERS_PER_GPU = 4
_PREFETCH_FACTOR = 2  # batches in preparation for each process
_MAX_BYTES_PER_WORKER = 2 << 30  # of training images, a copy for each process
Batch = tuple[Tensor, Tensor]
BatchRequest = tuple[tuple[Condition, ...], tuple[int, ...], int]
"""What a batch is made of: the samples' conditions and seeds, and the patch's side in pixels."""


def prefetch_worker_count(bundle: DataBundle, device: torch.device, core_count: int) -> int:
    """How many processes prepare batches: none on a CPU, where they would compete with training.

    None either for images that live on the GPU, and for more than 2 GiB of them, since each process has a copy.
    """
    if device.type != "cuda" or getattr(bundle, "_resident", None):
        return 0
    arrays = (array for sample in bundle.train for array in (sample.clean, sample.degraded, sample.depth))
    total_bytes = sum(array.nbytes for array in arrays if array is not None)
    return 0 if total_bytes > _MAX_BYTES_PER_WORKER else min(MAX_WORKERS_PER_GPU, max(core_count - 1, 0))


def available_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class BatchLoader:
    """The batches of a run, one after the other from any step on: this process's shard of each, on the device.

    `workers` processes prepare them; 0 prepares each batch on demand, None means `prefetch_worker_count`.
    """

    def __init__(
        self,
        spec: RunSpec,
        bundle: DataBundle,
        device: torch.device,
        process_group: ProcessGroup,
        workers: int | None = None,
    ) -> None:
        self._spec, self._bundle, self._device, self._process_group = spec, bundle, device, process_group
        self.workers = prefetch_worker_count(bundle, device, available_cores()) if workers is None else workers
        self._batches: Iterator[Batch] | None = None
        self._next = -1

    def plan(self, step: int) -> BatchPlan:
        """This process's samples of a step's batch."""
        batch_plan = batch_of_step(self._spec, step)
        return batch_plan[self._process_group.shard(len(batch_plan))[0]]

    def batch(self, step: int) -> Batch:
        """Degraded and clean patches of a step, (B, 3, P, P) float32 in [0, 1], on the device.

        An error of a process that prepares them is raised here, with its own traceback.
        """
        if not self.workers:
            return self._bundle.batch(*self._request(step), self._device)
        if self._batches is None or step != self._next:  # the first step, or a jump: prefetched batches are useless
            self._batches = iter(self._loader(step))
        self._next = step + 1
        degraded, clean = next(self._batches)
        return degraded.to(self._device, non_blocking=True), clean.to(self._device, non_blocking=True)

    def close(self) -> None:
        """End the worker processes; `batch` starts new ones."""
        self._batches = None

    def _request(self, step: int) -> BatchRequest:
        plan = self.plan(step)
        return plan.conditions, plan.seeds, self._spec.recipe.phase_at(step).patch

    def _loader(self, step: int) -> DataLoader[Batch]:
        requests: Any = map(self._request, range(step, self._spec.recipe.steps))  # taken one by one, once
        return DataLoader(
            _TrainingBatches(self._bundle),
            batch_size=None,
            sampler=requests,
            num_workers=self.workers,
            prefetch_factor=_PREFETCH_FACTOR,
            pin_memory=self._device.type == "cuda",
            multiprocessing_context="spawn",
            worker_init_fn=_init_worker,
            generator=torch.Generator(),  # its own: the process's draws what a model draws
        )


class _TrainingBatches(Dataset[Batch]):
    """Batches of a bundle by what they are made of; it travels without the images that batches are not made of."""

    def __init__(self, bundle: DataBundle) -> None:
        self._bundle = copy.copy(bundle)
        object.__setattr__(self._bundle, "val", ())
        object.__setattr__(self._bundle, "test", ())
        self._bundle.__dict__.pop("_resident", None)

    def __getitem__(self, request: BatchRequest) -> Batch:
        return self._bundle.batch(*request)


def _init_worker(_: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the training process's
    keep_freed_memory()
