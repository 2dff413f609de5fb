"""Runs as a Slurm job array, through submitit: a run that is pre-empted is queued again and resumes."""

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
from dfpir.registry import UnknownNameError, suggestion
from reports.run_state import is_done
from reports.schema import ERROR_FILE

SETTINGS = (
    "partition", "account", "qos", "time", "mem", "cpus_per_task", "constraint", "exclude", "gres", "signal_delay_s",
)  # fmt: skip
"""What `--slurm KEY=VALUE` may set: names of sbatch, `time` in minutes."""

LOG_FOLDER = ".slurm"
_INTEGER_SETTINGS = ("time", "cpus_per_task", "signal_delay_s")
_VALUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.,:=+\[\]-]*")
_POLL_S = 5.0
_FILE_DELAY_S = 60.0  # a network folder may show a file so much later
_BUSY_RETRY_S = 10.0
_REQUEUES = 1000  # after reaching the time limit


def parse_settings(arguments: Sequence[str]) -> dict[str, str]:
    """Settings from words of the command line.

    Raises:
        ValueError: one that is no KEY=VALUE.
    """
    for argument in arguments:
        if "=" not in argument:
            raise ValueError(f"--slurm {argument!r}: KEY=VALUE is needed, as in partition=gpu.")
    return {key: value for key, _, value in (argument.partition("=") for argument in arguments)}


class Task:
    """What a Slurm job does; called again where it is queued again."""

    def __call__(self, job: Job) -> bool:
        """Execute the job, once no other process works on its run. Returns whether the run is done."""
        return execute_when_free(job, _BUSY_RETRY_S)

    def checkpoint(self, job: Job) -> Any:
        """What submitit queues again at pre-emption; the run itself resumes from its last checkpoint."""
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
    poll_s: float = _POLL_S  # seconds between polls
    file_delay_s: float = _FILE_DELAY_S  # seconds until files of other machines are visible

    def __post_init__(self) -> None:
        for key, value in self.settings.items():
            if key not in SETTINGS:
                raise UnknownNameError(f"Unknown Slurm setting {key!r}.{suggestion(key, SETTINGS)}")
            if not _VALUE.fullmatch(value):
                raise ValueError(f"--slurm {key}={value!r}: letters, digits and _.,:=+[]- are allowed.")
            if key in _INTEGER_SETTINGS and not value.isdecimal():
                raise ValueError(f"--slurm {key}={value!r}: a whole number is needed.")
        if self.gpus != int(self.gpus):
            raise ValueError(f"--gpus {self.gpus:g}: Slurm gives whole GPUs.")
        import_extra("submitit", "slurm")

    def __call__(self, jobs: Sequence[Job], *, max_parallel: int, progress: StudyProgress) -> list[Job]:
        """See `job.Launcher`. Interrupted, it cancels what it has queued."""
        executor = self._executor(jobs, max_parallel)
        for job in jobs:
            begin_attempt(job, is_remote=True)
        with executor.batch():
            handles = [executor.submit(Task(), job) for job in jobs]
        waiting = list(zip(handles, jobs, strict=True))
        for job in jobs:
            progress.started(job.spec)
        failed = []
        try:
            while waiting:
                finished = [(handle, job) for handle, job in waiting if handle.done()]
                for handle, job in finished:
                    waiting.remove((handle, job))
                    exit_description = f"Slurm's state {handle.state} (job {handle.job_id})"
                    failed += end_attempt(
                        job, progress, done=self._is_done_after_delay(job), exit_description=exit_description
                    )
                for _, job in waiting:
                    report_progress_from_log(job, progress)
                if waiting and not finished:
                    time.sleep(self.poll_s)
        finally:
            for handle, _ in waiting:
                handle.cancel(check=False)
        return failed

    def _executor(self, jobs: Sequence[Job], max_parallel: int) -> Any:
        submitit = import_extra("submitit", "slurm")
        (jobs[0].root / LOG_FOLDER).mkdir(parents=True, exist_ok=True)
        try:
            executor = submitit.AutoExecutor(
                folder=jobs[0].root / LOG_FOLDER, cluster=self.cluster, slurm_max_num_timeout=_REQUEUES
            )
        except RuntimeError as error:
            raise ValueError(f"--launcher slurm: {error}") from error
        settings: dict[str, Any] = {k: int(v) if k in _INTEGER_SETTINGS else v for k, v in self.settings.items()}
        threads = max(job.spec.recipe.cpu_threads for job in jobs)
        executor.update_parameters(
            timeout_min=settings.pop("time", 24 * 60),
            cpus_per_task=settings.pop("cpus_per_task", threads),
            gpus_per_node=int(self.gpus),
            slurm_job_name="dfpir",
            slurm_array_parallelism=max_parallel,
            **{f"slurm_{key}": value for key, value in settings.items()},
        )
        return executor

    def _is_done_after_delay(self, job: Job) -> bool:
        """Whether the run is done, as soon as this machine sees what the other wrote."""
        deadline = time.monotonic() + self.file_delay_s
        while True:
            if is_done(job.folder):
                return True
            if (job.folder / ERROR_FILE).is_file() or time.monotonic() > deadline:
                return False
            time.sleep(min(1.0, self.poll_s))
