"""A study on a Ray cluster of several nodes on this machine, one of which is killed while its run is under way.

`python -m tests.support.ray_study SCENARIO ROOT` in a process of its own, so that nothing of Ray outlives it; prints JSON.
"""

from __future__ import annotations

import io
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO="0")

from rich.console import Console

from ablations.harness.launch import ray as launch_ray
from ablations.harness.launch.job import Job, JobOptions, pending_jobs
from ablations.harness.launch.ray import RayLauncher
from ablations.harness.progress import StudyProgress
from ablations.harness.run_status import last_step
from ablations.plan import Plan
from ablations.spec import Phase
from tests.support.tiny_study import tiny_plan

_STORE_BYTES = 80 * 2**20
_RUNS_S = 400


def plan() -> Plan:
    """Two runs, long enough to be met in the middle."""
    return tiny_plan(phases=(Phase(steps=60, lr=1e-3, patch=16, batch=2),), validations=2, log_every=5)


def study(root: Path, launcher: RayLauncher, *, kill: Any = None) -> dict[str, Any]:
    """Launch the plan's runs; `kill` is called once all have trained a little."""
    output = io.StringIO()
    specs = plan().specs
    killed: list[list[int]] = []
    with StudyProgress(specs, Console(file=output, width=300)) as progress:
        jobs = pending_jobs(specs, JobOptions(root=root, device="cpu", hang_s=None), progress)
        thread = threading.Thread(target=_kill_in_the_middle, args=(jobs, kill, killed), daemon=True)
        if kill is not None:
            thread.start()
        failed = launcher(jobs, max_parallel=2, progress=progress)
    return {"failed": [job.spec.run_id for job in failed], "said": output.getvalue(), "steps_at_kill": killed}


def _kill_in_the_middle(jobs: list[Job], kill: Any, killed: list[list[int]]) -> None:
    deadline = time.monotonic() + _RUNS_S
    while time.monotonic() < deadline:
        steps = [result.step if result else 0 for result in (last_step(job.folder) for job in jobs)]
        if all(steps):
            killed.append(steps)
            kill()
            return
        time.sleep(0.01)


def on_a_cluster(root: Path) -> dict[str, Any]:
    """Two nodes for work beside the head, in one folder; one node dies."""
    import ray
    from ray._private import services
    from ray.cluster_utils import Cluster

    services.resolve_ip_for_localhost = lambda host: host  # Ray would leave 127.0.0.1 for this machine's own address
    small = {"object_store_memory": _STORE_BYTES, "node_ip_address": "127.0.0.1"}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **small})
    try:
        nodes = [cluster.add_node(num_cpus=1, **small) for _ in range(2)]
        cluster.wait_for_nodes()
        launcher = RayLauncher(address=cluster.address)
        result = study(root, launcher, kill=lambda: cluster.remove_node(nodes[0], allow_graceful=False))
        result["worker_nodes_left"] = len(cluster.worker_nodes)
        return result
    finally:
        ray.shutdown()
        cluster.shutdown()


@contextmanager
def _nowhere(root: Path) -> Iterator[str]:
    yield ".shared-with-nobody"


def without_a_shared_folder(root: Path) -> dict[str, Any]:
    """A cluster that the launcher starts, whose workers believe that they don't see the folder of runs."""
    launch_ray._shared_folder_token = _nowhere
    return study(root, RayLauncher())


if __name__ == "__main__":
    scenario = {"cluster": on_a_cluster, "unshared": without_a_shared_folder}[sys.argv[1]]
    print(json.dumps(scenario(Path(sys.argv[2]))))
