"""One process at a time in a run's folder: a lock with an owner and a lease.

The lock is the system's (flock): it is released when its process ends, however it ends. The file names the owner and
carries a lease that the owner renews, for readers who can't see the system's lock: another machine on a file system
without network locks, and `ablations.status`.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

LEASE_S = 90.0
"""A lock of another machine that was not renewed for so long is stale and is taken over."""

_RENEW_S = 10.0


class BusyError(RuntimeError):
    """Another process works on this run."""


@dataclass(frozen=True, kw_only=True)
class LockOwner:
    """The process that holds a lock."""

    host: str  # name of the machine
    pid: int  # of the process there


def lock_file(folder: Path) -> Path:
    """The run's lock, beside its folder: `.<run_id>.lock`."""
    return folder.parent / f".{folder.name}.lock"


def trace_file(folder: Path) -> Path:
    """File for the stack trace of a run that hung: `.<run_id>.trace`."""
    return folder.parent / f".{folder.name}.trace"


@contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Hold the run's lock.

    Raises:
        BusyError: another process holds it.
    """
    lock = lock_file(folder)
    owner = LockOwner(host=socket.gethostname(), pid=os.getpid())
    descriptor = _open_locked(lock, folder.name)
    try:
        _respect_foreign_lease(lock, descriptor, owner, folder.name)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(asdict(owner)).encode(), 0)
        stop = threading.Event()
        renewal = threading.Thread(target=_renew_lease, args=(descriptor, stop), daemon=True)
        renewal.start()
        try:
            yield
        finally:
            stop.set()
            renewal.join()
            # only the holder removes the file, while it holds the lock: a process that waits on this inode tries again
            lock.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def lock_owner(folder: Path) -> LockOwner | None:
    """The owner of the run's lock, unless the lease has expired or its process, on this machine, has ended."""
    lock = lock_file(folder)
    try:
        age_s = time.time() - lock.stat().st_mtime
        owner = _read_owner(lock.read_bytes())
    except OSError:
        return None
    if owner is None or abs(age_s) > LEASE_S:
        return None
    return owner if owner.host != socket.gethostname() or _is_alive(owner.pid) else None


def _open_locked(lock: Path, name: str) -> int:
    """A descriptor of the lock file, locked, and of the file that bears the name now."""
    while True:
        descriptor = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise BusyError(f"{name} is being worked on by another process.") from error
        # the holder before may have removed the file between our opening and our locking it
        try:
            if os.path.samestat(os.fstat(descriptor), lock.stat()):
                return descriptor
        except FileNotFoundError:
            pass
        os.close(descriptor)


def _respect_foreign_lease(lock: Path, descriptor: int, this_process: LockOwner, name: str) -> None:
    """Respect the lease of another machine's process, whose flock this file system may not show."""
    owner = _read_owner(os.pread(descriptor, 4096, 0))
    if owner is None or owner.host == this_process.host:
        return  # no owner, or an ended process of this machine: a live one would hold the flock
    if _file_system_time(lock.parent) - os.fstat(descriptor).st_mtime < LEASE_S:
        raise BusyError(f"{name} is being worked on by process {owner.pid} of {owner.host}.")


def _file_system_time(folder: Path) -> float:
    """Now by the clock that stamps files here, which for a network folder is not this machine's, seconds."""
    probe = folder / f".clock-{socket.gethostname()}-{os.getpid()}-{threading.get_ident()}"
    probe.touch()
    try:
        return probe.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)


def _renew_lease(descriptor: int, stop: threading.Event) -> None:
    while not stop.wait(_RENEW_S):
        os.utime(descriptor)


def _read_owner(content: bytes) -> LockOwner | None:
    try:
        record = json.loads(content)
        return LockOwner(host=str(record["host"]), pid=int(record["pid"]))
    except (ValueError, KeyError, TypeError):
        return None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
