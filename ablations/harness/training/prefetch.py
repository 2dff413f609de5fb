"""Training batches prepared ahead by processes, so that a GPU does not wait for them; the same batches, bit for bit.

A batch is a pure function of data, seed and step. Processes rather than threads: much of a row's cost is Python, and
threads would take the interpreter from the loop that launches kernels. Each has a pipe of its own, whose closing ends
it, also when this process is killed. Patches lie on the 8-bit grid and travel as bytes.
"""

from __future__ import annotations

import copy
import multiprocessing
import os
import signal
import traceback
import weakref
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import numpy as np
import torch
from torch import Tensor

from ablations.harness.allocator import keep_freed_memory
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


class PrefetchError(RuntimeError):
    """A process that prepares batches failed; the message ends with its own traceback."""


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
        self._pool: _Pool | None = None
        self._next = -1
        self._waiting: deque[Future[Batch]] = deque()

    def plan(self, step: int) -> BatchPlan:
        """This process's samples of a step's batch."""
        whole = batch_of_step(self._spec, step)
        return whole[self._team.share(len(whole))[0]]

    def batch(self, step: int) -> Batch:
        """Degraded and clean patches of a step, (B, 3, P, P) float32 in [0, 1], on the device.

        Raises:
            PrefetchError: the process that prepared them failed.
        """
        if not self.workers:
            return self._bundle.batch(*self._wanted(step), self._device)
        if self._pool is None:
            self._pool = _Pool(self._bundle, self.workers, self._device)
            weakref.finalize(self, self._pool.close)
        if step != self._next:  # the first, or a jump: what was asked for is of no use
            self._next, self._waiting = step, deque()
        while len(self._waiting) < self.workers * _AHEAD_OF_EACH:
            ahead = step + len(self._waiting)
            if ahead >= self._spec.recipe.steps and self._waiting:
                break
            self._waiting.append(self._pool.ask(ahead, self._wanted(ahead)))
        self._next = step + 1
        degraded, clean = self._waiting.popleft().result()
        return degraded.to(self._device, non_blocking=True), clean.to(self._device, non_blocking=True)

    def close(self) -> None:
        """End the processes; batches can still be asked for."""
        if self._pool is not None:
            self._pool.close()
        self._pool, self._next = None, -1

    def _wanted(self, step: int) -> Wanted:
        plan = self.plan(step)
        return plan.conditions, plan.seeds, self._spec.recipe.phase_at(step).patch


class _Pool:
    """Processes that hold the training images; the batch of step s comes from process s mod n, in order."""

    def __init__(self, bundle: DataBundle, workers: int, device: torch.device) -> None:
        context = multiprocessing.get_context("spawn")
        self._pinned = device.type == "cuda"
        self._lines: list[tuple[BaseProcess, Connection, ThreadPoolExecutor]] = []
        for _ in range(workers):
            ours, theirs = context.Pipe()
            process = context.Process(target=_prepare, args=(_training_alone(bundle), theirs), daemon=True)
            process.start()
            theirs.close()
            self._lines.append((process, ours, ThreadPoolExecutor(1)))

    def ask(self, step: int, wanted: Wanted) -> Future[Batch]:
        _, line, taker = self._lines[step % len(self._lines)]
        with suppress(OSError):  # it ended: the answer says so
            line.send(wanted)
        return taker.submit(self._take, line)

    def _take(self, line: Connection) -> Batch:
        """Receive a batch, in a thread: the training loop finds it in page-locked memory."""
        try:
            shape, content = line.recv(), line.recv_bytes()
        except (EOFError, OSError):
            raise PrefetchError("A process that prepares batches ended (out of memory?).") from None
        if shape is None:
            raise PrefetchError(f"A process that prepares batches failed:\n{content.decode()}")
        levels = torch.from_numpy(np.frombuffer(bytearray(content), dtype=np.uint8)).view(shape)
        degraded, clean = (part.float().div_(255) for part in levels)
        return (degraded.pin_memory(), clean.pin_memory()) if self._pinned else (degraded, clean)

    def close(self) -> None:
        for process, _, taker in self._lines:
            process.terminate()
            taker.shutdown(wait=False, cancel_futures=True)
        for process, line, taker in self._lines:
            process.join()
            taker.shutdown()  # the pipe is at its end: nobody waits
            line.close()
        self._lines = []


def _training_alone(bundle: DataBundle) -> DataBundle:
    """The bundle without what batches are not made of."""
    light = copy.copy(bundle)
    object.__setattr__(light, "val", ())
    object.__setattr__(light, "test", ())
    light.__dict__.pop("_resident", None)
    return light


def _prepare(bundle: DataBundle, line: Connection) -> None:
    """A process: batches as bytes, until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the training process's
    torch.set_num_threads(1)
    keep_freed_memory()
    while True:
        try:
            wanted = line.recv()
        except (EOFError, OSError):
            return
        try:
            parts = bundle.batch(*wanted)
            levels = torch.stack([part.mul_(255).round_().to(torch.uint8) for part in parts])
            head, content = tuple(levels.shape), levels.numpy().tobytes()
        except Exception:
            head, content = None, traceback.format_exc().encode()
        try:
            line.send(head)
            line.send_bytes(content)
        except OSError:
            return
