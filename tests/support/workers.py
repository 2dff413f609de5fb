"""What a worker process of the local launcher may do instead of its job."""

from __future__ import annotations

import os
import signal
import time
from typing import Any


def sleep(*_: Any) -> None:
    """Hang without a word."""
    time.sleep(600)


def be_killed(*_: Any) -> None:
    """End as the system's out-of-memory killer ends it."""
    os.kill(os.getpid(), signal.SIGKILL)


def hang_or_work(job: Any, words: Any, parent: int) -> None:
    """Hang in the variant without a mask's place; do the others' jobs."""
    from ablations.harness.launch_local import _work

    if job.spec.variant == "dfpir_g50":
        sleep()
    _work(job, words, parent)
