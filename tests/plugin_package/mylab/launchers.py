from functools import partial

from ablations.harness.launch_job import execute_job
from ablations.launchers import LauncherEntry, register_launcher


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
