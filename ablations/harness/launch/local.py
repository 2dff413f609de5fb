"""Runs on this machine: one process each, as many at once as asked, so that a crash or a hang of one harms no other."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnContext
from multiprocessing.process import BaseProcess

from ablations.harness.heartbeat import on_heartbeat
from ablations.harness.launch.job import Job, begin_attempt, end_attempt, execute_job
from ablations.harness.lock import BusyError
from ablations.harness.progress import StudyProgress
from ablations.harness.run_one import is_done
from ablations.harness.training.train import Progress

_BUSY = 75  # exit code of a worker that found its run locked (EX_TEMPFAIL)
_POLL_S = 0.2
BUSY_WAIT_S = 2.0
_BEAT_EVERY_S = 1.0
GRACE_S = 30.0  # for a hung worker to end itself and say where it stood
START_S = 600.0  # for a new process to import PyTorch, from a slow network disk of a busy machine at the worst


@dataclass(kw_only=True)
class _Worker:
    """A process, its job, when it last gave a sign of life, and whether it ever did.

    Each has a pipe of its own: a process killed while it holds the lock of a shared queue would silence all others.
    """

    process: BaseProcess
    job: Job
    words: Connection
    last_beat: float = field(default_factory=time.monotonic)
    began: bool = False
    killed: bool = False


def launch(jobs: Sequence[Job], *, max_parallel: int, progress: StudyProgress) -> list[Job]:
    """Do all jobs, each in a process of its own (see `job.Launcher`)."""
    waiting = deque((job, 0.0) for job in jobs)
    context = multiprocessing.get_context("spawn")
    workers: list[_Worker] = []
    failed: list[Job] = []
    try:
        while waiting or workers:
            while waiting and len(workers) < max_parallel and waiting[0][1] <= time.monotonic():
                job, _ = waiting.popleft()
                workers.append(_start(context, job))
                progress.started(job.spec)
            _listen(workers, progress)
            for worker in [w for w in workers if not w.process.is_alive()]:
                workers.remove(worker)
                job = worker.job
                if worker.process.exitcode == _BUSY:
                    waiting.append((job, time.monotonic() + BUSY_WAIT_S))
                    progress.busy(job.spec)
                else:
                    done = worker.process.exitcode == 0 and is_done(job.folder)
                    failed += end_attempt(job, progress, done=done, how=_how(worker), hung=worker.killed)
                worker.words.close()
            for worker in workers:
                _end_if_hung(worker)
    finally:
        for worker in workers:
            worker.process.terminate()
        for worker in workers:
            worker.process.join(timeout=10)
            if worker.process.is_alive():
                worker.process.kill()
    return failed


def _start(context: SpawnContext, job: Job) -> _Worker:
    begin_attempt(job)
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(job, theirs, os.getpid()))
    process.start()
    theirs.close()
    return _Worker(process=process, job=job, words=ours)


def _listen(workers: list[_Worker], progress: StudyProgress) -> None:
    """Pass on what workers say; returns after a moment, or as soon as one says something or ends."""
    by_pipe = {id(worker.words): worker for worker in workers if not worker.words.closed}
    pipes = [worker.words for worker in by_pipe.values()]
    ready = wait([*pipes, *(worker.process.sentinel for worker in workers)], timeout=_POLL_S)
    for pipe in (each for each in ready if isinstance(each, Connection)):
        worker = by_pipe[id(pipe)]
        try:
            word = pipe.recv()
        except (EOFError, OSError):
            pipe.close()
            continue
        worker.last_beat, worker.began = time.monotonic(), True
        if word is not None:
            progress.update(worker.job.spec.digest, word)


def _end_if_hung(worker: _Worker) -> None:
    """Kill a worker that is silent for longer than its own watchdog allows: stopped, or stuck where none can run.

    Its watchdog runs from its first word on; until then a worker has the time that imports may take, if that is longer.
    """
    limit_s = worker.job.hang_s
    if limit_s is None or worker.killed:
        return
    allowed_s = limit_s if worker.began else max(limit_s, START_S)
    if time.monotonic() - worker.last_beat > allowed_s + GRACE_S:
        worker.killed = True
        worker.process.kill()


def _how(worker: _Worker) -> str:
    code = worker.process.exitcode or 0
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _work(job: Job, words: Connection, parent: int) -> None:
    """A worker process: one run and its measures."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the launcher gets Ctrl-C and ends its workers
    threading.Thread(target=exit_when_orphaned, args=(parent,), daemon=True).start()
    words.send(None)  # imports are over: from here on silence counts
    last = 0.0

    def beats() -> None:
        nonlocal last
        if time.monotonic() - last >= _BEAT_EVERY_S:
            last = time.monotonic()
            words.send(None)

    def report(progress: Progress) -> None:
        words.send(progress)

    try:
        with on_heartbeat(beats):
            done = execute_job(job, report)
    except BusyError:
        os._exit(_BUSY)
    if not done:
        raise SystemExit(1)


def exit_when_orphaned(parent: int) -> None:
    """End this process when the launcher is gone, so that a killed study leaves nobody writing."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
