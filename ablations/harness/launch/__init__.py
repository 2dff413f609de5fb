"""The launchers by name: what makes runs true on this machine, on a cluster, or in processes that torchrun started.

No torch is imported here, so that a command line can list what there is. `job` holds what all of them do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from ablations.flags import OPTION, changed_flags, gpu_count, option, single_value, value_list
from dfpir.registry import Registry

if TYPE_CHECKING:
    import torch

    from ablations.harness.launch.job import Launcher
    from ablations.harness.training.distributed import ProcessGroup


def _known(default: str) -> str:
    return f"{_one_of(list(LAUNCHERS))} (default: {default})"


@dataclass(frozen=True, kw_only=True)
class Launching:
    """By whom; see docs/launchers.md.

    Attributes:
        launcher: who starts the runs:
        ray_address: a Ray cluster, or 'auto' to find one (default: one for this study)
        slurm: Slurm settings: partition, account, time, mem, ...
        gpus: GPUs a run asks a cluster for; a fraction shares one (ray)
    """

    launcher: Annotated[str, single_value("--launcher", "NAME"), option(_known)] = "local"
    ray_address: Annotated[str | None, single_value("--ray-address", "ADDRESS"), OPTION] = None
    slurm: Annotated[tuple[str, ...], value_list("--slurm", "KEY=VALUE ..."), OPTION] = ()
    gpus: Annotated[float | None, single_value("--gpus", "N", gpu_count), OPTION] = None

    def gpus_on(self, device: torch.device) -> float:
        """GPUs a run: as asked, else one where it runs on a GPU."""
        return self.gpus if self.gpus is not None else float(device.type == "cuda")


@dataclass(frozen=True, kw_only=True)
class LauncherEntry:
    """A registered launcher.

    Attributes:
        name: as on the command line.
        make: from how to launch, the device and whom torchrun started to the launcher (`job.Launcher`); raises
            ValueError for settings that can't be used.
        takes: which of the other fields of `Launching` it reads; the others are refused.
        without_gpus: what says how many GPUs a run has, where it does not read --gpus.
        on_this_device: whether its runs share this machine's device, so that --jobs has a usual number.
        joins: whether it is for processes that torchrun started, all of which share each run.
    """

    name: str
    make: Callable[[Launching, torch.device, ProcessGroup], Launcher]
    takes: frozenset[str] = frozenset()
    without_gpus: str = ""
    on_this_device: bool = False
    joins: bool = False


LAUNCHERS: Registry[LauncherEntry] = Registry("launcher", entry_point_group="dfpir.launchers")


def register_launcher(entry: LauncherEntry) -> LauncherEntry:
    """Add a launcher under its name.

    Raises:
        ValueError: another has it.
    """
    return LAUNCHERS.register(entry.name)(entry)


def make_launcher(asked: Launching, device: torch.device, team: ProcessGroup | None = None) -> Launcher:
    """The launcher that was asked for, ready to be called; `team` is whom torchrun started.

    Raises:
        ValueError: an unknown launcher, one whose library is missing, or settings of another one.
    """
    from ablations.harness.training.distributed import COMMAND, SINGLE_PROCESS, is_one_of_many

    entry = LAUNCHERS[asked.launcher]
    for name, flag in changed_flags(asked, Launching(launcher=asked.launcher)).items():
        if name not in entry.takes:
            owners = _one_of([each.name for each in LAUNCHERS.values() if name in each.takes])
            why = f"; {entry.without_gpus}" if name == "gpus" and entry.without_gpus else f", not with {entry.name}"
            raise ValueError(f"{flag} goes with --launcher {owners}{why}.")
    if not entry.joins and is_one_of_many():
        raise ValueError(f"torchrun started several processes, which share runs with --launcher torchrun: {COMMAND}")
    return entry.make(asked, device, team or SINGLE_PROCESS)


def _one_of(names: list[str]) -> str:
    """`local, ray or slurm`."""
    return " or ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def _local(asked: Launching, device: torch.device, team: ProcessGroup) -> Launcher:
    from ablations.harness.launch.local import launch

    return launch


def _ray(asked: Launching, device: torch.device, team: ProcessGroup) -> Launcher:
    from ablations.harness.launch.ray import RayLauncher

    return RayLauncher(address=asked.ray_address, gpus=asked.gpus_on(device))


def _slurm(asked: Launching, device: torch.device, team: ProcessGroup) -> Launcher:
    from ablations.harness.launch.slurm import SlurmLauncher, settings_of

    return SlurmLauncher(settings=settings_of(asked.slurm), gpus=asked.gpus_on(device))


def _torchrun(asked: Launching, device: torch.device, team: ProcessGroup) -> Launcher:
    from ablations.harness.launch.torchrun import TorchrunLauncher

    return TorchrunLauncher(team)


_JOBS = "with local, --jobs says how many runs share a GPU"
register_launcher(LauncherEntry(name="local", make=_local, without_gpus=_JOBS, on_this_device=True))
register_launcher(LauncherEntry(name="ray", make=_ray, takes=frozenset({"ray_address", "gpus"})))
register_launcher(LauncherEntry(name="slurm", make=_slurm, takes=frozenset({"slurm", "gpus"})))
_PROCESSES = "torchrun's --nproc-per-node says how many GPUs"
register_launcher(LauncherEntry(name="torchrun", make=_torchrun, without_gpus=_PROCESSES, joins=True))
