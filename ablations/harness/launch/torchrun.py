"""Runs one after another, each by all processes that torchrun started."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from ablations.harness.launch.job import Job, begin_attempt, end_attempt, execute_job
from ablations.harness.lock import BusyError
from ablations.harness.progress import StudyProgress
from ablations.harness.training.distributed import ProcessGroup
from reports.run_state import is_done

_BUSY_RETRY_S = 2.0


class TorchrunLauncher:
    """Executes jobs in this process, rank 0 of its group, while the others are in `run_one.run_nonzero_rank`."""

    def __init__(self, process_group: ProcessGroup) -> None:
        self._process_group = process_group

    def __call__(self, jobs: Sequence[Job], *, max_parallel: int, progress: StudyProgress) -> list[Job]:
        """Execute all jobs, one at a time whatever `max_parallel` says (see `job.Launcher`)."""
        waiting, failed = deque(jobs), []
        while waiting:
            job = replace(waiting.popleft(), device=str(self._process_group.device))
            begin_attempt(job)
            progress.started(job.spec)
            try:
                execute_job(job, partial(progress.update, job.spec.digest), self._process_group)
            except BusyError:
                waiting.append(job)
                progress.busy(job.spec)
                time.sleep(_BUSY_RETRY_S)
                continue
            failed += end_attempt(job, progress, done=is_done(job.folder), exit_description="no error")
        return failed
