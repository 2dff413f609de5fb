"""Runs as a Slurm job array, through submitit: a run that is pre-empted is queued again and goes on."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ablations.harness.launch.job import (
    Job,
    begin_attempt,
    end_attempt,
    execute_when_free,
    import_extra,
    report_progress_from_log,
)
from ablations.harness.progress import StudyProgress
from ablations.harness.run_one import is_done
from dfpir.registry import UnknownNameError, suggestion
from reports.schema import ERROR_FILE

SETTINGS = (
    "partition", "account", "qos", "time", "mem", "cpus_per_task", "constraint", "exclude", "gres", "signal_delay_s",
)  # fmt: skip
"""What `--slurm KEY=VALUE` may set: names of sbatch, `time` in minutes."""

FOLDER = ".slurm"
_NUMBERS = ("time", "cpus_per_task", "signal_delay_s")
_VALUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.,:=+\[\]-]*")
_POLL_S = 5.0
_LAG_S = 60.0  # a network folder may show a file so much later
_BUSY_WAIT_S = 10.0
_REQUEUES = 1000  # after reaching the time limit


def settings_of(texts: Sequence[str]) -> dict[str, str]:
    """Settings from words of the command line.

    Raises:
        ValueError: one that is no KEY=VALUE.
    """
    for text in texts:
        if "=" not in text:
            raise ValueError(f"--slurm {text!r}: KEY=VALUE is needed, as in partition=gpu.")
    return {key: value for key, _, value in (text.partition("=") for text in texts)}


class Task:
    """What a Slurm job does; called again where it is queued again."""

    def __call__(self, job: Job) -> bool:
        """Do the job, once nobody else works on its run. Returns whether the run is done."""
        return execute_when_free(job, _BUSY_WAIT_S)

    def checkpoint(self, job: Job) -> Any:
        """What submitit queues again at pre-emption; the run itself goes on from its last checkpoint."""
        return import_extra("submitit", "slurm").helpers.DelayedSubmission(self, job)


@dataclass(frozen=True, kw_only=True)
class SlurmLauncher:
    """Launches on Slurm (see `job.Launcher`).

    Raises:
        ValueError: an unknown setting, a value that sbatch could misread, part of a GPU, or submitit is missing.
    """

    settings: Mapping[str, str] = field(default_factory=dict)  # of the job array (see `SETTINGS`)
    gpus: float = 0.0  # a run
    cluster: str = "slurm"  # submitit's executor; `local` and `debug` run without Slurm
    poll_s: float = _POLL_S  # seconds between looks
    lag_s: float = _LAG_S  # seconds until files written elsewhere are seen here

    def __post_init__(self) -> None:
        for key, value in self.settings.items():
            if key not in SETTINGS:
                raise UnknownNameError(f"Unknown Slurm setting {key!r}.{suggestion(key, SETTINGS)}")
            if not _VALUE.fullmatch(value):
                raise ValueError(f"--slurm {key}={value!r}: letters, digits and _.,:=+[]- are allowed.")
            if key in _NUMBERS and not value.isdecimal():
                raise ValueError(f"--slurm {key}={value!r}: a whole number is needed.")
        if self.gpus != int(self.gpus):
            raise ValueError(f"--gpus {self.gpus:g}: Slurm gives whole GPUs.")
        import_extra("submitit", "slurm")

    def __call__(self, jobs: Sequence[Job], *, max_parallel: int, progress: StudyProgress) -> list[Job]:
        """See `job.Launcher`. Interrupted, it cancels what it has queued."""
        executor = self._executor(jobs, max_parallel)
        for job in jobs:
            begin_attempt(job, elsewhere=True)
        with executor.batch():
            handles = [executor.submit(Task(), job) for job in jobs]
        waiting = list(zip(handles, jobs, strict=True))
        for job in jobs:
            progress.started(job.spec)
        failed = []
        try:
            while waiting:
                ended = [(handle, job) for handle, job in waiting if handle.done()]
                for handle, job in ended:
                    waiting.remove((handle, job))
                    how = f"Slurm's state {handle.state} (job {handle.job_id})"
                    failed += end_attempt(job, progress, done=self._ended_well(job), how=how)
                for _, job in waiting:
                    report_progress_from_log(job, progress)
                if waiting and not ended:
                    time.sleep(self.poll_s)
        finally:
            for handle, _ in waiting:
                handle.cancel(check=False)
        return failed

    def _executor(self, jobs: Sequence[Job], max_parallel: int) -> Any:
        submitit = import_extra("submitit", "slurm")
        (jobs[0].root / FOLDER).mkdir(parents=True, exist_ok=True)
        try:
            executor = submitit.AutoExecutor(
                folder=jobs[0].root / FOLDER, cluster=self.cluster, slurm_max_num_timeout=_REQUEUES
            )
        except RuntimeError as error:
            raise ValueError(f"--launcher slurm: {error}") from error
        given: dict[str, Any] = {k: int(v) if k in _NUMBERS else v for k, v in self.settings.items()}
        threads = max(job.spec.recipe.cpu_threads for job in jobs)
        executor.update_parameters(
            timeout_min=given.pop("time", 24 * 60),
            cpus_per_task=given.pop("cpus_per_task", threads),
            gpus_per_node=int(self.gpus),
            slurm_job_name="dfpir",
            slurm_array_parallelism=max_parallel,
            **{f"slurm_{key}": value for key, value in given.items()},
        )
        return executor

    def _ended_well(self, job: Job) -> bool:
        """Whether the run is done, as soon as this machine sees what the other wrote."""
        deadline = time.monotonic() + self.lag_s
        while True:
            if is_done(job.folder):
                return True
            if (job.folder / ERROR_FILE).is_file() or time.monotonic() > deadline:
                return False
            time.sleep(min(1.0, self.poll_s))
