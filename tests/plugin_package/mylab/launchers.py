from functools import partial

from ablations.harness.launch_job import perform
from ablations.launchers import LauncherEntry, register_launcher


def serial(jobs, *, at_once, progress):
    failed = []
    for job in jobs:
        progress.started(job.spec)
        if perform(job, partial(progress.update, job.spec.digest)):
            progress.finished(job.spec)
        else:
            progress.failed(job.spec, job.folder)
            failed.append(job)
    return failed


register_launcher(LauncherEntry(name="serial", make=lambda options, device, team: serial))
