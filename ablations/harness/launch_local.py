"""Runs on this machine: one process each, as many at once as asked, so that a crash of one harms no other."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from queue import Empty
from typing import Any

import torch

from ablations.harness.progress import StudyProgress
from ablations.harness.provenance import now
from ablations.harness.run_one import BusyError, alone, find_run, is_done, run_one
from ablations.harness.train import Progress
from ablations.measures.take import missing, take_measures
from ablations.spec import Measuring, RunSpec
from reports.files import write_json
from reports.schema import ERROR_FILE, ErrorFile

_BUSY = 75  # exit code of a worker that found its run locked (EX_TEMPFAIL)
_POLL_S = 0.2
_BUSY_WAIT_S = 2.0


@dataclass(frozen=True, kw_only=True)
class _Job:
    """What a worker process is asked to do."""

    spec: RunSpec
    root: Path
    device: str
    force: bool
    measures: tuple[str, ...]
    sizes: Measuring


@dataclass(kw_only=True)
class _Worker:
    process: BaseProcess
    spec: RunSpec


def launch(
    specs: Iterable[RunSpec],
    root: Path,
    device: torch.device,
    *,
    jobs: int,
    force: bool,
    progress: StudyProgress,
    measures: Sequence[str] = (),
    sizes: Measuring | None = None,
) -> list[RunSpec]:
    """Make all runs true, take their measures, and return the runs that failed.

    Args:
        specs: distinct runs.
        root: folder of all runs.
        device: for every run.
        jobs: processes at once.
        force: do finished runs again.
        progress: told what happens.
        measures: to take of each finished run; one that can't be taken says why in a file of its own.
        sizes: how much the measures look at.
    """
    sizes = sizes or Measuring()
    waiting: deque[tuple[RunSpec, float]] = deque()
    for spec in specs:
        folder = find_run(root, spec)
        if not force and is_done(folder) and not missing(spec, folder, measures, sizes):
            progress.reused(spec)
        else:
            waiting.append((spec, 0.0))
    context = multiprocessing.get_context("spawn")
    messages = context.Queue()
    workers: list[_Worker] = []
    failed: list[RunSpec] = []
    try:
        while waiting or workers:
            while waiting and len(workers) < jobs and waiting[0][1] <= time.monotonic():
                spec, _ = waiting.popleft()
                job = _Job(spec=spec, root=root, device=str(device), force=force, measures=tuple(measures), sizes=sizes)
                process = context.Process(target=_work, args=(job, messages, os.getpid()))
                process.start()
                workers.append(_Worker(process=process, spec=spec))
                progress.started(spec)
            _drain(messages, progress)
            for worker in [w for w in workers if not w.process.is_alive()]:
                workers.remove(worker)
                if worker.process.exitcode == _BUSY:
                    waiting.append((worker.spec, time.monotonic() + _BUSY_WAIT_S))
                    progress.busy(worker.spec)
                elif not _ended_well(worker, root):
                    failed.append(worker.spec)
                    progress.failed(worker.spec, find_run(root, worker.spec))
                else:
                    progress.finished(worker.spec)
    finally:
        for worker in workers:
            worker.process.terminate()
        for worker in workers:
            worker.process.join(timeout=10)
            if worker.process.is_alive():
                worker.process.kill()
    return failed


def _drain(messages: Any, progress: StudyProgress) -> None:
    try:
        message = messages.get(timeout=_POLL_S)
        while True:
            progress.update(*message)
            message = messages.get_nowait()
    except Empty:
        pass


def _ended_well(worker: _Worker, root: Path) -> bool:
    """Whether the run is done; a process that died without a word gets its error row here."""
    folder = find_run(root, worker.spec)
    if worker.process.exitcode == 0 and is_done(folder):
        return True
    if not (folder / ERROR_FILE).is_file():
        code = worker.process.exitcode or 0
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        message = f"The run's process ended with {how} before it could say why (out of memory?)."
        write_json(
            folder / ERROR_FILE, ErrorFile(type="ProcessDied", message=message, traceback="", at=now(), step=None)
        )
    return False


def _work(job: _Job, messages: Any, parent: int) -> None:
    """A worker process: one run and its measures."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the launcher gets Ctrl-C and ends its workers
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()

    def report(progress: Progress) -> None:
        messages.put((job.spec.digest, progress))

    try:
        device = torch.device(job.device)
        done = run_one(job.spec, job.root, device, report, force=job.force)
        if done and job.measures:
            folder = find_run(job.root, job.spec)
            steps = job.spec.recipe.steps
            report(Progress(step=steps, steps=steps, stage="measure"))
            with alone(folder):
                take_measures(job.spec, folder, job.measures, device, job.sizes)
    except BusyError:
        os._exit(_BUSY)
    if not done:
        raise SystemExit(1)


def _die_with(parent: int) -> None:
    """End this process when the launcher is gone, so that a killed study leaves nobody writing."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
