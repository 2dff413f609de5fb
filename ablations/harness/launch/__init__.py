"""The launchers by name: they execute runs on this machine, on a cluster, or in processes that torchrun started.

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


def _launcher_help(default: str) -> str:
    return f"{_join_with_or(list(LAUNCHERS))} (default: {default})"


@dataclass(frozen=True, kw_only=True)
class LaunchOptions:
    """By whom; see docs/launchers.md.

    Attributes:
        launcher: who starts the runs:
        ray_address: a Ray cluster, or 'auto' to find one (default: one for this study)
        slurm: Slurm settings: partition, account, time, mem, ...
        gpus: GPUs a run asks a cluster for; a fraction shares one (ray)
    """

    launcher: Annotated[str, single_value("--launcher", "NAME"), option(_launcher_help)] = "local"
    ray_address: Annotated[str | None, single_value("--ray-address", "ADDRESS"), OPTION] = None
    slurm: Annotated[tuple[str, ...], value_list("--slurm", "KEY=VALUE ..."), OPTION] = ()
    gpus: Annotated[float | None, single_value("--gpus", "N", gpu_count), OPTION] = None

    def gpus_on(self, device: torch.device) -> float:
        """GPUs a run: as given, else one where it runs on a GPU."""
        return self.gpus if self.gpus is not None else float(device.type == "cuda")


@dataclass(frozen=True, kw_only=True)
class LauncherEntry:
    """A registered launcher.

    Attributes:
        name: as on the command line.
        make: from how to launch, the device and whom torchrun started to the launcher (`job.Launcher`); raises
            ValueError for settings that can't be used.
        takes: which of the other fields of `LaunchOptions` it reads; the others are refused.
        without_gpus: what says how many GPUs a run has, where it does not read --gpus.
        on_this_device: whether its runs share this machine's device, so that --jobs has a usual number.
        joins: whether it is for processes that torchrun started, all of which share each run.
    """

    name: str
    make: Callable[[LaunchOptions, torch.device, ProcessGroup], Launcher]
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


def make_launcher(options: LaunchOptions, device: torch.device, process_group: ProcessGroup | None = None) -> Launcher:
    """The requested launcher, ready to be called; `process_group` has the processes that torchrun started.

    Raises:
        ValueError: an unknown launcher, one whose library is missing, or settings of another one.
    """
    from ablations.harness.training.distributed import COMMAND, SINGLE_PROCESS, is_multi_process

    entry = LAUNCHERS[options.launcher]
    for name, flag in changed_flags(options, LaunchOptions(launcher=options.launcher)).items():
        if name not in entry.takes:
            launchers = _join_with_or([launcher.name for launcher in LAUNCHERS.values() if name in launcher.takes])
            reason = f"; {entry.without_gpus}" if name == "gpus" and entry.without_gpus else f", not with {entry.name}"
            raise ValueError(f"{flag} goes with --launcher {launchers}{reason}.")
    if not entry.joins and is_multi_process():
        raise ValueError(f"torchrun started several processes, which share runs with --launcher torchrun: {COMMAND}")
    return entry.make(options, device, process_group or SINGLE_PROCESS)


def _join_with_or(names: list[str]) -> str:
    """`local, ray or slurm`."""
    return " or ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def _local(options: LaunchOptions, device: torch.device, process_group: ProcessGroup) -> Launcher:
    from ablations.harness.launch.local import launch

    return launch


def _ray(options: LaunchOptions, device: torch.device, process_group: ProcessGroup) -> Launcher:
    from ablations.harness.launch.ray import RayLauncher

    return RayLauncher(address=options.ray_address, gpus=options.gpus_on(device))


def _slurm(options: LaunchOptions, device: torch.device, process_group: ProcessGroup) -> Launcher:
    from ablations.harness.launch.slurm import SlurmLauncher, parse_settings

    return SlurmLauncher(settings=parse_settings(options.slurm), gpus=options.gpus_on(device))


def _torchrun(options: LaunchOptions, device: torch.device, process_group: ProcessGroup) -> Launcher:
    from ablations.harness.launch.torchrun import TorchrunLauncher

    return TorchrunLauncher(process_group)


_GPUS_OF_LOCAL = "with local, --jobs says how many runs share a GPU"
register_launcher(LauncherEntry(name="local", make=_local, without_gpus=_GPUS_OF_LOCAL, on_this_device=True))
register_launcher(LauncherEntry(name="ray", make=_ray, takes=frozenset({"ray_address", "gpus"})))
register_launcher(LauncherEntry(name="slurm", make=_slurm, takes=frozenset({"slurm", "gpus"})))
_GPUS_OF_TORCHRUN = "torchrun's --nproc-per-node says how many GPUs"
register_launcher(LauncherEntry(name="torchrun", make=_torchrun, without_gpus=_GPUS_OF_TORCHRUN, joins=True))
