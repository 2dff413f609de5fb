"""Checkpoints and snapshots written beside the training: it waits for a copy in memory, a thread does the rest."""

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
from ablations.harness.training.state import State, contents, write_log
from reports.schema import CHECKPOINTS_FOLDER

COST_FACTOR = 50.0
"""A checkpoint comes no sooner than so many times what the last one cost the training: they take 2 % of it at most."""

_LAST_WORD_S = 30.0  # whoever sends a SIGTERM waits no longer, as a rule


class Saver:
    """Writes a run's checkpoints and snapshots, one at a time, in a thread.

    An error there is raised here, by the next call of `check`. Leaving the `with` block waits until all is written, and
    so does a SIGTERM that comes while something is being written.
    """

    def __init__(self, state: State, folder: Path) -> None:
        self._folder = folder
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="checkpoints")
        self._writes: deque[Future[None]] = deque()
        self._newest: Future[None] | None = None
        self._snapshot: Future[None] | None = None
        # kept until the end: freeing page-locked memory in the thread could meet a capture of a CUDA graph here
        self._copy, self._copy_of_best, self._copy_of_weights = (checkpoint.HostCopy() for _ in range(3))
        self._best = state.best_step, state.best_file
        self._saved_at, self._cost_s = time.monotonic(), 0.0
        self._heeds_sigterm = False

    def __enter__(self) -> Saver:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True)
        self._heed_sigterm(on=False)
        if kind is None:
            self.check()

    def check(self) -> None:
        """Raise what went wrong in a write that has ended."""
        while self._writes and self._writes[0].done():
            self._writes.popleft().result()
        if not self._writes:
            self._heed_sigterm(on=False)

    def is_due(self, seconds: float, *, validated: bool) -> bool:
        """Whether to save a checkpoint now: the last one is written, and long enough ago for what it cost.

        Two are `seconds` apart at least, unless there was a validation just now.
        """
        if self._newest is not None and not self._newest.done():
            return False
        least = COST_FACTOR * self._cost_s
        return time.monotonic() - self._saved_at > (least if validated else max(seconds, least))

    def save(self, state: State) -> None:
        """Copy the state and write it as a checkpoint; waits for an earlier one, whose memory it uses."""
        began = time.monotonic()
        if self._newest is not None:
            wait([self._newest])
        self.check()
        tensors, facts = contents(state)
        copied = self._copy.take(tensors)
        written = self._best[0] == state.best_step and self._best[1]
        best = {} if written or not state.best else self._copy_of_best.take(state.best)
        step, log = state.step, list(state.log)
        self._newest = self._write(lambda: self._checkpoint(step, copied, facts, best, log))
        self._saved_at = time.monotonic()
        self._cost_s = self._saved_at - began

    def snapshot(self, model: nn.Module, step: int) -> None:
        """Copy the weights and write them as the snapshot after `step` steps."""
        if self._snapshot is not None:
            wait([self._snapshot])
        weights = self._copy_of_weights.take(model.state_dict())
        self._snapshot = self._write(lambda: snapshots.save(weights, self._folder, step))

    def _write(self, work: Callable[[], None]) -> Future[None]:
        self._heed_sigterm(on=True)
        self._writes.append(self._pool.submit(work))
        return self._writes[-1]

    def _checkpoint(
        self, step: int, tensors: dict[str, Tensor], facts: dict[str, Any], best: dict[str, Tensor], log: list[Any]
    ) -> None:
        """The log first: a checkpoint never knows more steps than the log; nor does it name a file that isn't there."""
        folder = self._folder / CHECKPOINTS_FOLDER
        write_log(log, self._folder)
        if best:
            self._best = facts["best_step"], checkpoint.save_best(folder, facts["best_step"], best)
        if self._best[1]:
            facts[checkpoint.BEST_FILE] = self._best[1]
        checkpoint.save(folder, checkpoint.Checkpoint(step=step, tensors=tensors, facts=facts))

    def _heed_sigterm(self, *, on: bool) -> None:
        """While on, a SIGTERM ends the process once all is written. A handler of someone else's stays."""
        if on == self._heeds_sigterm or threading.current_thread() is not threading.main_thread():
            return
        if on and signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
            return
        signal.signal(signal.SIGTERM, self._end if on else signal.SIG_DFL)
        self._heeds_sigterm = on

    def _end(self, *_: object) -> None:
        wait(list(self._writes), timeout=_LAST_WORD_S)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)
