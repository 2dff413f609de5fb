"""Figures drawn in parallel, by this process and by worker processes where there are cores for them.

Workers are joblib's (loky): started fresh, so that they inherit neither BLAS threads nor the caller's imports, and the
same on every system. LOKY_MAX_CPU_COUNT=1 in the environment draws without them.
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

MAX_WORKERS = 4  # starting more costs more than it saves
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_WORKER_ERRORS = (
    BrokenExecutor,
    pickle.PicklingError,
    RuntimeError,
    OSError,
)  # a worker was killed, or none may start


@dataclass(frozen=True, kw_only=True)
class FigureJob:
    """A function that draws and saves figures, with its arguments; all of it can be pickled.

    Attributes:
        draw: the function.
        args: its arguments.
        is_slow: whether it takes seconds; such jobs start first, so that none remains when all others have finished.
    """

    draw: Callable[..., Picture | Sequence[Picture] | None]
    args: tuple[Any, ...]
    is_slow: bool = False


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Pictures of some jobs, in their order, and errors of those that failed ("ValueError: …")."""

    pictures: tuple[Picture, ...] = ()
    problems: tuple[str, ...] = ()


class FigureJobs:
    """Jobs that are drawn in the background from construction on, until the caller asks for the results.

    Workers take jobs from one end of the list and the caller, in `results`, from the other. A job whose worker died is
    drawn by the caller.

    Args:
        groups: name -> jobs whose figures belong together.
        workers: processes that draw, this one among them; by default one a core that this process may use,
            `MAX_WORKERS` at most.
    """

    def __init__(self, groups: Mapping[str, Sequence[FigureJob]], *, workers: int | None = None) -> None:
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
        """The figures of each group; a job that fails does not affect the others."""
        figures_by_job: dict[int, Figures] = {}
        while (number := self._pop_pending()) is not None:
            figures_by_job[number] = _run_job(self._jobs[number])
        for number, future in self._submitted.items():
            try:
                figures_by_job[number] = future.result()
            except _WORKER_ERRORS:
                figures_by_job[number] = _run_job(self._jobs[number])
        figures = iter(figures_by_job[number] for number in range(len(self._jobs)))
        return {name: _merge_figures([next(figures) for _ in jobs]) for name, jobs in self._groups.items()}

    def _pop_pending(self) -> int | None:
        with self._lock:
            return self._pending.pop() if self._pending else None

    def _submit_next(self, _: object = None) -> None:
        """Submit the next job, and another when it has finished; the caller can take jobs meanwhile."""
        with self._lock:
            if self._executor is None or not self._pending:
                return
            try:
                future = self._executor.submit(_run_job, self._jobs[self._pending[0]], dict(schema.TASK_STYLES))
            except _WORKER_ERRORS:
                return  # the caller draws the pending jobs
            self._submitted[self._pending.popleft()] = future
        future.add_done_callback(self._submit_next)


def start_workers(modules: Sequence[str], *, workers: int | None = None) -> None:
    """Start the workers, and let them import `modules` while the caller still reads and computes."""
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


def _run_job(job: FigureJob, tasks: Mapping[str, schema.TaskStyle] | None = None) -> Figures:
    """The job's figures; `tasks`: as the caller shows them, where this is another process."""
    schema.TASK_STYLES.update(tasks or {})
    try:
        with style.settings():
            result = job.draw(*job.args)
    except Exception as error:  # malformed content of one run must not prevent the rest of the report
        return Figures(problems=(f"{type(error).__name__}: {error}",))
    pictures = result if isinstance(result, Sequence) else () if result is None else (result,)
    return Figures(pictures=tuple(pictures))


def _merge_figures(parts: list[Figures]) -> Figures:
    return Figures(
        pictures=tuple(picture for part in parts for picture in part.pictures),
        problems=tuple(problem for part in parts for problem in part.problems),
    )
