"""Asynchronous checkpoints and snapshots: training waits for a copy in host memory, a thread writes it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from types import TracebackType
from typing import Any

from torch import Tensor, nn

from ablations.harness.training import checkpoint, snapshots
from ablations.harness.training.state import TrainState, checkpoint_contents, write_log
from reports.schema import CHECKPOINTS_FOLDER

MIN_INTERVAL_COST_RATIO = 50.0
"""Least time between checkpoints, over the time that the last one took from training: 2 % of it at most."""

_SIGTERM_GRACE_S = 30.0  # after a SIGTERM, schedulers rarely wait longer


class AsyncCheckpointer:
    """Writes a run's checkpoints and snapshots, one at a time, in a thread.

    An error there is raised by the next call of `raise_write_errors`. Leaving the `with` block waits until all is
    written, and so does a SIGTERM that comes during a write.
    """

    def __init__(self, state: TrainState, folder: Path) -> None:
        self._folder = folder
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="checkpoints")
        self._writes: deque[Future[None]] = deque()
        self._pending_checkpoint: Future[None] | None = None
        self._pending_snapshot: Future[None] | None = None
        # kept until the end: freeing page-locked memory in the thread could meet a capture of a CUDA graph here
        self._state_buffer, self._best_buffer, self._weights_buffer = (checkpoint.HostBuffer() for _ in range(3))
        self._best = state.best_step, state.best_file
        self._saved_at, self._last_cost_s = time.monotonic(), 0.0
        self._handles_sigterm = False

    def __enter__(self) -> AsyncCheckpointer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True)
        self._set_sigterm_handler(enabled=False)
        if kind is None:
            self.raise_write_errors()

    def raise_write_errors(self) -> None:
        """Raise the error of a finished write, if any."""
        while self._writes and self._writes[0].done():
            self._writes.popleft().result()
        if not self._writes:
            self._set_sigterm_handler(enabled=False)

    def is_due(self, interval_s: float, *, validated: bool) -> bool:
        """Whether to save a checkpoint now: the last one is written, and old enough for its cost.

        Two are `interval_s` apart at least, unless there was a validation just now.
        """
        if self._pending_checkpoint is not None and not self._pending_checkpoint.done():
            return False
        min_interval_s = MIN_INTERVAL_COST_RATIO * self._last_cost_s
        return time.monotonic() - self._saved_at > (min_interval_s if validated else max(interval_s, min_interval_s))

    def save(self, state: TrainState) -> None:
        """Copy the state and write it as a checkpoint; waits for the previous write, whose buffer it reuses."""
        started = time.monotonic()
        if self._pending_checkpoint is not None:
            wait([self._pending_checkpoint])
        self.raise_write_errors()
        tensors, facts = checkpoint_contents(state)
        state_copy = self._state_buffer.copy(tensors)
        best_is_written = self._best[0] == state.best_step and self._best[1]
        best = {} if best_is_written or not state.best_weights else self._best_buffer.copy(state.best_weights)
        step, log = state.step, list(state.log)
        self._pending_checkpoint = self._submit(lambda: self._write_checkpoint(step, state_copy, facts, best, log))
        self._saved_at = time.monotonic()
        self._last_cost_s = self._saved_at - started

    def save_snapshot(self, model: nn.Module, step: int) -> None:
        """Copy the weights and write them as the snapshot after `step` steps."""
        if self._pending_snapshot is not None:
            wait([self._pending_snapshot])
        weights = self._weights_buffer.copy(model.state_dict())
        self._pending_snapshot = self._submit(lambda: snapshots.save(weights, self._folder, step))

    def _submit(self, work: Callable[[], None]) -> Future[None]:
        self._set_sigterm_handler(enabled=True)
        self._writes.append(self._pool.submit(work))
        return self._writes[-1]

    def _write_checkpoint(
        self, step: int, tensors: dict[str, Tensor], facts: dict[str, Any], best: dict[str, Tensor], log: list[Any]
    ) -> None:
        """The log first: a checkpoint never has more steps than the log, and never names a missing file."""
        folder = self._folder / CHECKPOINTS_FOLDER
        write_log(log, self._folder)
        if best:
            self._best = facts["best_step"], checkpoint.save_best(folder, facts["best_step"], best)
        if self._best[1]:
            facts[checkpoint.BEST_FILE] = self._best[1]
        checkpoint.save(folder, checkpoint.Checkpoint(step=step, tensors=tensors, facts=facts))

    def _set_sigterm_handler(self, *, enabled: bool) -> None:
        """While on, a SIGTERM ends the process once all is written. Another handler is left in place."""
        if enabled == self._handles_sigterm or threading.current_thread() is not threading.main_thread():
            return
        if enabled and signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
            return
        signal.signal(signal.SIGTERM, self._on_sigterm if enabled else signal.SIG_DFL)
        self._handles_sigterm = enabled

    def _on_sigterm(self, *_: object) -> None:
        wait(list(self._writes), timeout=_SIGTERM_GRACE_S)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)
