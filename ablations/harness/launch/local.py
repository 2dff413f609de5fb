"""Runs on this machine: one process each, so that a crash or hang of one does not affect the others."""

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
from ablations.harness.training.train import Progress
from reports.run_state import is_done

_EXIT_BUSY = 75  # exit code of a worker that found its run locked (EX_TEMPFAIL)
_POLL_S = 0.2
BUSY_RETRY_S = 2.0
_HEARTBEAT_INTERVAL_S = 1.0
GRACE_S = 30.0  # for a hung worker to end itself and write its stack trace
STARTUP_TIMEOUT_S = (
    600.0  # for a new process to import PyTorch, from a slow network disk of a busy machine at the worst
)


@dataclass(kw_only=True)
class _Worker:
    """A process, its job, its last heartbeat, and whether it has sent any.

    Each has a pipe of its own: a process killed while it holds the lock of a shared queue would block all others.
    """

    process: BaseProcess
    job: Job
    pipe: Connection
    last_heartbeat: float = field(default_factory=time.monotonic)
    is_ready: bool = False
    was_killed: bool = False


def launch(jobs: Sequence[Job], *, max_parallel: int, progress: StudyProgress) -> list[Job]:
    """Execute all jobs, each in a process of its own (see `job.Launcher`)."""
    waiting = deque((job, 0.0) for job in jobs)
    context = multiprocessing.get_context("spawn")
    workers: list[_Worker] = []
    failed: list[Job] = []
    try:
        while waiting or workers:
            while waiting and len(workers) < max_parallel and waiting[0][1] <= time.monotonic():
                job, _ = waiting.popleft()
                workers.append(_start_worker(context, job))
                progress.started(job.spec)
            _receive_updates(workers, progress)
            for worker in [w for w in workers if not w.process.is_alive()]:
                workers.remove(worker)
                job = worker.job
                if worker.process.exitcode == _EXIT_BUSY:
                    waiting.append((job, time.monotonic() + BUSY_RETRY_S))
                    progress.busy(job.spec)
                else:
                    done = worker.process.exitcode == 0 and is_done(job.folder)
                    failed += end_attempt(
                        job, progress, done=done, exit_description=_exit_description(worker), hung=worker.was_killed
                    )
                worker.pipe.close()
            for worker in workers:
                _kill_if_hung(worker)
    finally:
        for worker in workers:
            worker.process.terminate()
        for worker in workers:
            worker.process.join(timeout=10)
            if worker.process.is_alive():
                worker.process.kill()
    return failed


def _start_worker(context: SpawnContext, job: Job) -> _Worker:
    begin_attempt(job)
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_worker_main, args=(job, sender, os.getpid()))
    process.start()
    sender.close()
    return _Worker(process=process, job=job, pipe=receiver)


def _receive_updates(workers: list[_Worker], progress: StudyProgress) -> None:
    """Forward the workers' progress; returns after a moment, or as soon as one sends something or ends."""
    worker_of_pipe = {id(worker.pipe): worker for worker in workers if not worker.pipe.closed}
    open_pipes = [worker.pipe for worker in worker_of_pipe.values()]
    ready = wait([*open_pipes, *(worker.process.sentinel for worker in workers)], timeout=_POLL_S)
    for pipe in (item for item in ready if isinstance(item, Connection)):
        worker = worker_of_pipe[id(pipe)]
        try:
            update = pipe.recv()
        except (EOFError, OSError):
            pipe.close()
            continue
        worker.last_heartbeat, worker.is_ready = time.monotonic(), True
        if update is not None:
            progress.update(worker.job.spec.digest, update)


def _kill_if_hung(worker: _Worker) -> None:
    """Kill a worker without a heartbeat for longer than its own watchdog allows: it is stopped or stuck.

    Its watchdog runs from its first heartbeat on; until then `STARTUP_TIMEOUT_S` applies, if that is longer.
    """
    limit_s = worker.job.hang_s
    if limit_s is None or worker.was_killed:
        return
    timeout_s = limit_s if worker.is_ready else max(limit_s, STARTUP_TIMEOUT_S)
    if time.monotonic() - worker.last_heartbeat > timeout_s + GRACE_S:
        worker.was_killed = True
        worker.process.kill()


def _exit_description(worker: _Worker) -> str:
    code = worker.process.exitcode or 0
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _worker_main(job: Job, pipe: Connection, parent: int) -> None:
    """A worker process: one run and its measures."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the launcher gets Ctrl-C and ends its workers
    threading.Thread(target=exit_when_orphaned, args=(parent,), daemon=True).start()
    pipe.send(None)  # imports are over: from here on silence counts
    last_sent = 0.0

    def send_heartbeat() -> None:
        nonlocal last_sent
        if time.monotonic() - last_sent >= _HEARTBEAT_INTERVAL_S:
            last_sent = time.monotonic()
            pipe.send(None)

    def on_progress(progress: Progress) -> None:
        pipe.send(progress)

    try:
        with on_heartbeat(send_heartbeat):
            done = execute_job(job, on_progress)
    except BusyError:
        os._exit(_EXIT_BUSY)
    if not done:
        raise SystemExit(1)


def exit_when_orphaned(parent: int) -> None:
    """End this process when the launcher is gone, so that no worker of a killed study goes on writing."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
