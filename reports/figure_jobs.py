"""Figures drawn side by side: by this process and, where there are cores for it, by others.

The others are joblib's (loky): fresh ones, so that neither the threads of a BLAS nor what the caller imported goes
along, and the same on every system. LOKY_MAX_CPU_COUNT=1 in the environment draws without them.
"""

from __future__ import annotations

import importlib
import pickle
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Future
from dataclasses import dataclass
from typing import Any

import joblib  # type: ignore[import-untyped]
from joblib.externals.loky import get_reusable_executor  # type: ignore[import-untyped]

from reports import schema
from reports.document import Picture
from reports.figures import style

MOST_WORKERS = 4  # beyond, starting them costs more than they save
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_LOST = (BrokenExecutor, pickle.PicklingError, RuntimeError, OSError)  # a process ended by the system, or none allowed


@dataclass(frozen=True, kw_only=True)
class Job:
    """A function that draws and saves figures, and what it is given; all of it can be pickled.

    Attributes:
        draw: the function.
        given: its arguments.
        long: whether it takes seconds; such jobs are begun first, so that none is left when all others are done.
    """

    draw: Callable[..., Picture | Sequence[Picture] | None]
    given: tuple[Any, ...]
    long: bool = False


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What some jobs drew, in their order, and why others could not ("ValueError: …")."""

    pictures: tuple[Picture, ...] = ()
    problems: tuple[str, ...] = ()


class Drawing:
    """Figures under way, from the moment it is made; the caller can do other work until it asks for them.

    Other processes take jobs from one end of the list and the caller, once it asks, from the other. A job whose
    process died is drawn by the caller, which needs less of everything.

    Args:
        groups: name -> jobs whose figures belong together.
        workers: processes that draw, this one among them; by default one a core that this process may use,
            `MOST_WORKERS` at most.
    """

    def __init__(self, groups: Mapping[str, Sequence[Job]], *, workers: int | None = None) -> None:
        self._groups = {name: list(jobs) for name, jobs in groups.items()}
        self._jobs = [job for jobs in self._groups.values() for job in jobs]
        self._waiting = deque(sorted(range(len(self._jobs)), key=lambda n: not self._jobs[n].long))
        self._sent: dict[int, Future[Figures]] = {}
        self._lock = threading.Lock()
        others = min(_other_processes(workers), len(self._jobs) - 1)
        self._executor = _executor(others) if others > 0 else None
        for _ in range(others):
            self._send_next()

    def finished(self) -> dict[str, Figures]:
        """The figures of each group; a job that fails leaves the others standing."""
        drawn: dict[int, Figures] = {}
        while (number := self._last_waiting()) is not None:
            drawn[number] = _attempt(self._jobs[number])
        for number, future in self._sent.items():
            try:
                drawn[number] = future.result()
            except _LOST:
                drawn[number] = _attempt(self._jobs[number])
        figures = iter(drawn[number] for number in range(len(self._jobs)))
        return {name: _together([next(figures) for _ in jobs]) for name, jobs in self._groups.items()}

    def _last_waiting(self) -> int | None:
        with self._lock:
            return self._waiting.pop() if self._waiting else None

    def _send_next(self, _: object = None) -> None:
        """Give a process its next job, and go on when that is done; one by one, so that the caller finds what waits."""
        with self._lock:
            if self._executor is None or not self._waiting:
                return
            try:
                future = self._executor.submit(_attempt, self._jobs[self._waiting[0]], dict(schema.TASK_STYLES))
            except _LOST:
                return  # the caller draws what waits
            self._sent[self._waiting.popleft()] = future
        future.add_done_callback(self._send_next)


def get_ready(modules: Sequence[str], *, workers: int | None = None) -> None:
    """Start the processes that will draw, and let them import `modules`, while the caller still reads and computes."""
    others = _other_processes(workers)
    if others > 0:
        executor = _executor(others)
        for _ in range(others):
            executor.submit(_import, tuple(modules))


def _import(modules: tuple[str, ...]) -> None:
    for name in modules:
        importlib.import_module(name)


def _other_processes(workers: int | None) -> int:
    return (min(MOST_WORKERS, joblib.cpu_count()) if workers is None else workers) - 1


def _executor(processes: int) -> Any:
    return get_reusable_executor(max_workers=processes, env=_ONE_THREAD)


def _attempt(job: Job, tasks: Mapping[str, schema.TaskStyle] | None = None) -> Figures:
    """The job's figures; `tasks`: as the caller shows them, where this is another process."""
    schema.TASK_STYLES.update(tasks or {})
    try:
        with style.settings():
            made = job.draw(*job.given)
    except Exception as error:  # a run's odd content must not cost the reader the rest of the report
        return Figures(problems=(f"{type(error).__name__}: {error}",))
    pictures = made if isinstance(made, Sequence) else () if made is None else (made,)
    return Figures(pictures=tuple(pictures))


def _together(parts: list[Figures]) -> Figures:
    return Figures(
        pictures=tuple(picture for part in parts for picture in part.pictures),
        problems=tuple(problem for part in parts for problem in part.problems),
    )
