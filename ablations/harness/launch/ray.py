"""Runs as tasks of Ray Core, on a cluster that is there or on one started for the study."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from ablations.harness.launch.job import (
    Job,
    begin_attempt,
    end_attempt,
    execute_when_free,
    import_extra,
    report_progress_from_log,
    write_crash_record,
)
from ablations.harness.lock import run_lock, trace_file
from ablations.harness.progress import StudyProgress
from reports.files import write_bytes
from reports.run_state import is_done
from reports.schema import CHECKPOINTS_FOLDER, DONE_FILE, SNAPSHOTS_FOLDER

_RETRIES = 5  # of a run whose node or worker process is lost
_POLL_S = 1.0
_BUSY_RETRY_S = 5.0

PackedFiles = dict[str, bytes]
"""A run folder by relative path, as it travels through Ray's object store."""


@dataclass(frozen=True, kw_only=True)
class RayLauncher:
    """Launches on Ray (see `job.Launcher`).

    Results lie in the folder of runs where all machines share it; where a worker doesn't see that folder, it works in
    one of its own and sends the finished run through Ray's object store: then a run that loses its node begins anew.

    Raises:
        ValueError: ray is missing.
    """

    address: str | None = None  # of a running cluster; `auto` finds it; None starts one on this machine for the study
    gpus: float = 0.0  # a run; a fraction shares one

    def __post_init__(self) -> None:
        import_extra("ray", "ray")

    def __call__(self, jobs: Sequence[Job], *, max_parallel: int, progress: StudyProgress) -> list[Job]:
        """See `job.Launcher`."""
        with _cluster(self.address) as ray, _shared_folder_token(jobs[0].root) as token:
            _require_gpus(ray, self.gpus)
            waiting, failed = list(reversed(jobs)), []
            running: dict[Any, Job] = {}
            while waiting or running:
                while waiting and len(running) < max_parallel:
                    job = waiting.pop()
                    begin_attempt(job, is_remote=True)
                    running[self._submit(ray, job, token)] = job
                    progress.started(job.spec)
                finished, _ = ray.wait(list(running), timeout=_POLL_S)
                for reference in finished:
                    job = running.pop(reference)
                    failure_reason = _fetch_files(ray, reference, job)
                    done = not failure_reason and is_done(job.folder)
                    failed += end_attempt(
                        job, progress, done=done, exit_description=failure_reason or "no error and no result"
                    )
                for job in running.values():
                    report_progress_from_log(job, progress)
        return failed

    def _submit(self, ray: Any, job: Job, token: str) -> Any:
        # max_calls: a fresh process a run
        task = ray.remote(max_calls=1)(_run_task).options(
            num_cpus=job.spec.recipe.cpu_threads if not self.gpus else 1,
            num_gpus=self.gpus,
            max_retries=_RETRIES,
            name=job.spec.run_id,
        )
        return task.remote(job, token)


def _run_task(job: Job, token: str) -> PackedFiles | None:
    """A task: the job, in the shared folder or, where there is none, in one of its own whose files are returned."""
    if (job.root / token).is_file():
        _execute_once(job)
        return None
    with tempfile.TemporaryDirectory(prefix="dfpir-") as folder:
        local_job = replace(job, root=Path(folder))
        _execute_once(local_job)
        return pack(local_job.folder)


def _execute_once(job: Job) -> None:
    trace = trace_file(job.folder)
    if trace.is_file() and trace.stat().st_size:  # Ray tries a process that ended again: one that hung would hang again
        write_crash_record(job, "a hang")
        return
    execute_when_free(job, _BUSY_RETRY_S)


def _fetch_files(ray: Any, reference: Any, job: Job) -> str:
    """The run's files are here then, wherever it was done; why Ray has none, or ""."""
    try:
        files = ray.get(reference)
    except ray.exceptions.RayError as error:
        return f"{type(error).__name__} after {_RETRIES} retries"
    if files is not None:
        job.root.mkdir(parents=True, exist_ok=True)
        with run_lock(job.folder):
            unpack(files, job.folder)
    return ""


def pack(folder: Path) -> PackedFiles:
    """The files of a run folder, without those that only a later start would need."""
    transient = (CHECKPOINTS_FOLDER, SNAPSHOTS_FOLDER)
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    path_by_name = {p.relative_to(folder).as_posix(): p for p in files}
    return {
        name: path.read_bytes() for name, path in path_by_name.items() if PurePosixPath(name).parts[0] not in transient
    }


def unpack(files: PackedFiles, folder: Path) -> None:
    """Write a packed run into `folder`, DONE last.

    Raises:
        ValueError: a name leads out of the folder; nothing is written.
    """
    for name in files:
        path = PurePosixPath(name)
        if path.is_absolute() or not path.parts or ".." in path.parts or "\\" in name or "\0" in name:
            raise ValueError(f"{name!r}: no name of a run's file.")
    (folder / DONE_FILE).unlink(missing_ok=True)
    for name in sorted(files, key=lambda name: name == DONE_FILE):
        write_bytes(folder / name, files[name])


def _require_gpus(ray: Any, gpus: float) -> None:
    """Refuse what would wait forever."""
    available = ray.cluster_resources().get("GPU", 0.0)
    if gpus > available:
        raise ValueError(
            f"A run asks for {gpus:g} GPUs and the Ray cluster has {available:g}: see --gpus and --device."
        )


@contextmanager
def _shared_folder_token(root: Path) -> Iterator[str]:
    """A file in the folder of runs by which a worker knows that it sees the same folder."""
    path = root / f".shared-{secrets.token_hex(8)}"
    root.mkdir(parents=True, exist_ok=True)
    path.touch()
    try:
        yield path.name
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def _cluster(address: str | None) -> Iterator[Any]:
    """Ray, connected; a cluster that is started here listens on this machine alone and ends with the study."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no telemetry
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    ray = import_extra("ray", "ray")
    if ray.is_initialized():
        yield ray
        return
    local_options: dict[str, Any] = {}
    temporary = None
    if address is None:
        temporary = tempfile.mkdtemp(prefix="ray-")
        local_options = {"include_dashboard": False, "_node_ip_address": "127.0.0.1", "_temp_dir": temporary}
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR", **local_options)
    except (ConnectionError, RuntimeError) as error:
        raise ValueError(f"--ray-address {address}: {error}") from error
    try:
        yield ray
    finally:
        ray.shutdown()
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
