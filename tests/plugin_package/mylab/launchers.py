from functools import partial

from ablations.harness.launch import LauncherEntry, register_launcher
from ablations.harness.launch.job import execute_job


def serial(jobs, *, max_parallel, progress):
    failed = []
    for job in jobs:
        progress.started(job.spec)
        if execute_job(job, partial(progress.update, job.spec.digest)):
            progress.finished(job.spec)
        else:
            progress.failed(job.spec, job.folder)
            failed.append(job)
    return failed


register_launcher(LauncherEntry(name="serial", make=lambda options, device, team: serial))
