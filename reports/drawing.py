"""Figures drawn side by side: in processes of their own where there are cores for it, else here, one by one.

The processes are joblib's: fresh ones, so that neither the threads of a BLAS nor what the caller imported goes along,
and the same on every system. LOKY_MAX_CPU_COUNT=1 in the environment draws without them.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass
from typing import Any

import joblib  # type: ignore[import-untyped]

from reports.figures import style
from reports.figures.style import Picture

MOST_WORKERS = 4  # beyond, starting them costs more than they save


@dataclass(frozen=True, kw_only=True)
class Job:
    """A function that draws and saves figures, and what it is given; all of it can be pickled."""

    draw: Callable[..., Picture | Sequence[Picture] | None]
    given: tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What some jobs drew, in their order, and why others could not ("ValueError: …")."""

    pictures: tuple[Picture, ...] = ()
    problems: tuple[str, ...] = ()


class Drawing:
    """Figures under way, from the moment it is made; the caller can do other work until it asks for them.

    Args:
        groups: name -> jobs whose figures belong together. Jobs that take long are best named first.
        workers: processes; by default one a core that this process may use, `MOST_WORKERS` at most.
    """

    def __init__(self, groups: Mapping[str, Sequence[Job]], *, workers: int | None = None) -> None:
        self._groups = {name: list(jobs) for name, jobs in groups.items()}
        self._jobs = [job for jobs in self._groups.values() for job in jobs]
        workers = min(MOST_WORKERS, joblib.cpu_count()) if workers is None else workers
        alone = workers < 2 or len(self._jobs) < 2
        self._under_way = None if alone else _side_by_side(self._jobs, workers)

    def finished(self) -> dict[str, Figures]:
        """The figures of each group; a job that fails leaves the others standing."""
        drawn = iter(self._drawn())
        return {name: _together([next(drawn) for _ in jobs]) for name, jobs in self._groups.items()}

    def _drawn(self) -> list[Figures]:
        if self._under_way is not None:
            try:
                return list(self._under_way)
            except (BrokenExecutor, pickle.PicklingError, OSError):
                pass  # the system ended a process, or allows none: draw here, which needs less of everything
        return [_attempt(job) for job in self._jobs]


def _side_by_side(jobs: list[Job], workers: int) -> Iterator[Figures]:
    """Begin at once; the results in the order of the jobs."""
    parallel = joblib.Parallel(n_jobs=workers, return_as="generator", batch_size=1, max_nbytes=None)
    started: Iterator[Figures] = parallel(joblib.delayed(_attempt)(job) for job in jobs)
    return started


def _attempt(job: Job) -> Figures:
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
