"""Jobs at which a worker process hangs or dies: as soon as it is given them, before its first word."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from ablations.harness.launch.job import Job


class Hangs(Job):
    """Hangs the process that unpickles it."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        time.sleep(600)


class IsKilled(Job):
    """Ends the process that unpickles it as the system's out-of-memory killer ends it."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        os.kill(os.getpid(), signal.SIGKILL)
