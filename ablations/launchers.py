"""The launchers by name: what makes runs true on this machine, on a cluster, or in processes that torchrun started.

No torch is imported here, so that a command line can list what there is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dfpir.registry import Registry

if TYPE_CHECKING:
    import torch

    from ablations.harness.launch_job import Launcher, Options
    from ablations.harness.training.distributed import ProcessGroup

FLAGS = {"ray_address": "--ray-address", "slurm": "--slurm", "gpus": "--gpus"}
"""Fields of `launch_job.Options` that some launchers alone read, and their flags."""


@dataclass(frozen=True, kw_only=True)
class LauncherEntry:
    """A registered launcher.

    Attributes:
        name: as on the command line.
        make: from how to launch, the device and whom torchrun started to the launcher (`launch_job.Launcher`); raises
            ValueError for settings that can't be used.
        takes: which of `FLAGS` it reads; the others are refused.
        without_gpus: what says how many GPUs a run has, where it does not read --gpus.
        on_this_device: whether its runs share this machine's device, so that --jobs has a usual number.
        joins: whether it is for processes that torchrun started, all of which share each run.
    """

    name: str
    make: Callable[[Options, torch.device, ProcessGroup], Launcher]
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


def one_of(names: list[str]) -> str:
    """`local, ray or slurm`."""
    return " or ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def refuse_settings_of_others(options: Options) -> None:
    """Refuse settings that the launcher asked for does not read.

    Raises:
        ValueError: one line that names the launchers that do.
    """
    entry = LAUNCHERS[options.launcher]
    given = {"ray_address": options.ray_address is not None, "slurm": bool(options.slurm)}
    given["gpus"] = options.gpus is not None
    for name, flag in FLAGS.items():
        if given[name] and name not in entry.takes:
            owners = one_of([each.name for each in LAUNCHERS.values() if name in each.takes])
            why = f"; {entry.without_gpus}" if name == "gpus" and entry.without_gpus else f", not with {entry.name}"
            raise ValueError(f"{flag} goes with --launcher {owners}{why}.")


def _local(options: Options, device: torch.device, team: ProcessGroup) -> Launcher:
    from ablations.harness.launch_local import launch

    return launch


def _ray(options: Options, device: torch.device, team: ProcessGroup) -> Launcher:
    from ablations.harness.launch_ray import RayLauncher

    return RayLauncher(address=options.ray_address, gpus=_gpus(options, device))


def _slurm(options: Options, device: torch.device, team: ProcessGroup) -> Launcher:
    from ablations.harness.launch_slurm import SlurmLauncher

    return SlurmLauncher(settings=options.slurm, gpus=_gpus(options, device))


def _torchrun(options: Options, device: torch.device, team: ProcessGroup) -> Launcher:
    from ablations.harness.launch_torchrun import TorchrunLauncher

    return TorchrunLauncher(team)


def _gpus(options: Options, device: torch.device) -> float:
    """GPUs a run: as asked, else one where it runs on a GPU."""
    return options.gpus if options.gpus is not None else float(device.type == "cuda")


for _entry in (
    LauncherEntry(
        name="local",
        make=_local,
        without_gpus="with local, --jobs says how many runs share a GPU",
        on_this_device=True,
    ),
    LauncherEntry(name="ray", make=_ray, takes=frozenset({"ray_address", "gpus"})),
    LauncherEntry(name="slurm", make=_slurm, takes=frozenset({"slurm", "gpus"})),
    LauncherEntry(
        name="torchrun",
        make=_torchrun,
        without_gpus="torchrun's --nproc-per-node says how many GPUs",
        joins=True,
    ),
):
    register_launcher(_entry)
