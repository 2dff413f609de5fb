"""Heartbeats of a run at each step and image, and a watchdog that ends a process without any."""

from __future__ import annotations

import faulthandler
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_REARM_S = 1.0
_listeners: list[Callable[[], None]] = []


def notify_heartbeat() -> None:
    """Signal that this process's run is alive: called at each training step and each restored batch of images."""
    for listener in _listeners:
        listener()


@contextmanager
def on_heartbeat(listener: Callable[[], None]) -> Iterator[None]:
    """Call `listener` at each beat of this process."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


@contextmanager
def watchdog(timeout_s: float | None, trace: Path) -> Iterator[None]:
    """End this process, exit code 1, when no beat comes for `timeout_s` seconds (None: never).

    The timer is a thread of C that needs no interpreter, so that a library that never returns is ended too. The stack
    of every thread is written to `trace`, which is removed where it was not needed.
    """
    if timeout_s is None:
        yield
        return
    trace.parent.mkdir(parents=True, exist_ok=True)
    with trace.open("w", encoding="utf-8") as stream:
        armed_at = 0.0

        def rearm() -> None:
            nonlocal armed_at
            now = time.monotonic()
            # each arming starts a thread: not at every step of a fast model
            if now - armed_at >= min(_REARM_S, timeout_s / 4):
                armed_at = now
                faulthandler.dump_traceback_later(timeout_s, exit=True, file=stream)

        rearm()
        try:
            with on_heartbeat(rearm):
                yield
        finally:
            faulthandler.cancel_dump_traceback_later()
    trace.unlink(missing_ok=True)
