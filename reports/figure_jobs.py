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

MAX_WORKERS = 4  # beyond, starting them costs more than they save
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_WORKER_ERRORS = (
    BrokenExecutor,
    pickle.PicklingError,
    RuntimeError,
    OSError,
)  # a process ended by the system, or none allowed


@dataclass(frozen=True, kw_only=True)
class Job:
    """A function that draws and saves figures, and what it is given; all of it can be pickled.

    Attributes:
        draw: the function.
        args: its arguments.
        is_slow: whether it takes seconds; such jobs are begun first, so that none is left when all others are done.
    """

    draw: Callable[..., Picture | Sequence[Picture] | None]
    args: tuple[Any, ...]
    is_slow: bool = False


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What some jobs drew, in their order, and why others could not ("ValueError: …")."""

    pictures: tuple[Picture, ...] = ()
    problems: tuple[str, ...] = ()


class FigureJobs:
    """Figures under way, from the moment it is made; the caller can do other work until it asks for them.

    Other processes take jobs from one end of the list and the caller, once it asks, from the other. A job whose
    process died is drawn by the caller, which needs less of everything.

    Args:
        groups: name -> jobs whose figures belong together.
        workers: processes that draw, this one among them; by default one a core that this process may use,
            `MAX_WORKERS` at most.
    """

    def __init__(self, groups: Mapping[str, Sequence[Job]], *, workers: int | None = None) -> None:
        self._groups = {name: list(jobs) for name, jobs in groups.items()}
        self._jobs = [job for jobs in self._groups.values() for job in jobs]
        self._pending = deque(sorted(range(len(self._jobs)), key=lambda n: not self._jobs[n].is_slow))
        self._submitted: dict[int, Future[Figures]] = {}
        self._lock = threading.Lock()
        n_processes = min(_n_worker_processes(workers), len(self._jobs) - 1)
        self._executor = _worker_pool(n_processes) if n_processes > 0 else None
        for _ in range(n_processes):
            self._submit_next()

    def results(self) -> dict[str, Figures]:
        """The figures of each group; a job that fails leaves the others standing."""
        drawn: dict[int, Figures] = {}
        while (number := self._pop_pending()) is not None:
            drawn[number] = _run_job(self._jobs[number])
        for number, future in self._submitted.items():
            try:
                drawn[number] = future.result()
            except _WORKER_ERRORS:
                drawn[number] = _run_job(self._jobs[number])
        figures = iter(drawn[number] for number in range(len(self._jobs)))
        return {name: _merge_figures([next(figures) for _ in jobs]) for name, jobs in self._groups.items()}

    def _pop_pending(self) -> int | None:
        with self._lock:
            return self._pending.pop() if self._pending else None

    def _submit_next(self, _: object = None) -> None:
        """Give a process its next job, and go on when that is done; one by one, so that the caller finds what waits."""
        with self._lock:
            if self._executor is None or not self._pending:
                return
            try:
                future = self._executor.submit(_run_job, self._jobs[self._pending[0]], dict(schema.TASK_STYLES))
            except _WORKER_ERRORS:
                return  # the caller draws what waits
            self._submitted[self._pending.popleft()] = future
        future.add_done_callback(self._submit_next)


def start_workers(modules: Sequence[str], *, workers: int | None = None) -> None:
    """Start the processes that will draw, and let them import `modules`, while the caller still reads and computes."""
    n_processes = _n_worker_processes(workers)
    if n_processes > 0:
        executor = _worker_pool(n_processes)
        for _ in range(n_processes):
            executor.submit(_import_modules, tuple(modules))


def _import_modules(modules: tuple[str, ...]) -> None:
    for name in modules:
        importlib.import_module(name)


def _n_worker_processes(workers: int | None) -> int:
    return (min(MAX_WORKERS, joblib.cpu_count()) if workers is None else workers) - 1


def _worker_pool(processes: int) -> Any:
    return get_reusable_executor(max_workers=processes, env=_ONE_THREAD)


def _run_job(job: Job, tasks: Mapping[str, schema.TaskStyle] | None = None) -> Figures:
    """The job's figures; `tasks`: as the caller shows them, where this is another process."""
    schema.TASK_STYLES.update(tasks or {})
    try:
        with style.settings():
            drawn = job.draw(*job.args)
    except Exception as error:  # a run's odd content must not cost the reader the rest of the report
        return Figures(problems=(f"{type(error).__name__}: {error}",))
    pictures = drawn if isinstance(drawn, Sequence) else () if drawn is None else (drawn,)
    return Figures(pictures=tuple(pictures))


def _merge_figures(parts: list[Figures]) -> Figures:
    return Figures(
        pictures=tuple(picture for part in parts for picture in part.pictures),
        problems=tuple(problem for part in parts for problem in part.problems),
    )
