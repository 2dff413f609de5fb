"""What the processes of a team do in tests: a file store and the loop-back interface, no port to the outside."""

from __future__ import annotations

import json
import os
import sys
import traceback
from dataclasses import replace
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch
from torch.distributed import FileStore  # type: ignore[attr-defined]

import ablations.harness.training.gradients as gradients
import ablations.harness.training.train as training
from ablations.data import load_data
from ablations.harness.run_one import run_nonzero_rank, run_one
from ablations.harness.training import checkpoint
from ablations.harness.training.distributed import TorchProcessGroup
from ablations.spec import Phase, RunSpec
from tests.support.tiny_study import tiny_plan

CPU = torch.device("cpu")
LIMIT_S = 240


def odd_spec(**recipe: object) -> RunSpec:
    """Batches that two processes can't halve: five samples, then one for both."""
    phases = (Phase(steps=3, lr=1e-3, patch=16, batch=5), Phase(steps=3, lr=1e-3, patch=24, batch=1))
    (spec,) = tiny_plan(only=("dfpir_g50",), phases=phases, **recipe).specs
    # several batches of images, so that both processes have some
    return replace(spec, evaluation=replace(spec.evaluation, limit=3))


def together(task: str, folder: Path, size: int = 2) -> list[int]:
    """Do `task` of this module in `size` processes; their exit codes."""
    context = get_context("spawn")
    processes = [context.Process(target=_work, args=(task, folder, rank, size)) for rank in range(size)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=LIMIT_S)
        if process.is_alive():
            process.kill()
            process.join()
    return [process.exitcode or 0 for process in processes]


def _work(task: str, folder: Path, rank: int, size: int) -> None:
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.set_num_threads(1)
    with (folder / f"said-{rank}").open("w") as output:
        sys.stderr = output
        try:
            store = FileStore(str(folder / "store"), size)
            store.set_timeout(timedelta(seconds=60))
            globals()[task](TorchProcessGroup(store, rank=rank, size=size, device=CPU), folder)
        except BaseException:
            traceback.print_exc(file=output)
            raise


def _make(team: TorchProcessGroup, root: Path, spec: RunSpec) -> bool:
    """Make a run true together; in the first process, whether it is done."""
    try:
        if not team.is_main:
            run_nonzero_rank([spec], CPU, team)
            return True
        return run_one(spec, root, CPU, lambda progress: None, process_group=team)
    finally:
        team.shutdown()


def whole_run(team: TorchProcessGroup, folder: Path) -> None:
    """The run, its first gradients kept."""
    stored: dict[str, torch.Tensor] = {}
    original = torch.optim.Adam.step

    def step(self: torch.optim.Adam, *arguments: object, **named: object) -> None:
        if not stored:
            stored.update({str(n): p.grad.clone() for n, p in enumerate(self.param_groups[0]["params"])})
        original(self, *arguments, **named)

    pytest.MonkeyPatch().setattr(torch.optim.Adam, "step", step)
    assert _make(team, folder / "together", odd_spec())
    torch.save(stored, folder / f"gradients-{team.rank}")


def memory_for_one(team: TorchProcessGroup, folder: Path) -> None:
    """The second process's memory holds one sample at a time."""
    original, tried = gradients.training_loss, []

    def limited(config: object, model: torch.nn.Module, degraded: torch.Tensor, *arguments: object) -> torch.Tensor:
        tried.append(len(degraded))
        if not team.is_main and len(degraded) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return original(config, model, degraded, *arguments)

    pytest.MonkeyPatch().setattr(gradients, "training_loss", limited)
    assert _make(team, folder / "split", odd_spec())
    (folder / f"tried-{team.rank}").write_text(json.dumps(tried))


def lost_image(team: TorchProcessGroup, folder: Path) -> None:
    """An image that the second process can't read, in the third step; then the same run again, whole."""
    spec = odd_spec()
    kind = type(load_data(spec))
    original, calls = kind.batch, []

    def batch(self: object, *arguments: object) -> object:
        calls.append(1)
        if not team.is_main and len(calls) == 3:
            raise OSError("image file is truncated")
        return original(self, *arguments)

    pytest.MonkeyPatch().setattr(kind, "batch", batch)
    if not team.is_main:
        run_nonzero_rank([spec], CPU, team)
    else:
        assert not run_one(spec, folder, CPU, lambda progress: None, process_group=team)
        error = (folder / spec.run_id / "ERROR.json").read_text()
        assert run_one(spec, folder, CPU, lambda progress: None, process_group=team)
        (folder / "error").write_text(error)
    team.shutdown()


def lost_in_reduction(team: TorchProcessGroup, folder: Path) -> None:
    """The second process fails where the first waits for its gradients."""
    original, calls = gradients.training_loss, []

    def failing(*arguments: object) -> torch.Tensor:
        calls.append(1)
        if not team.is_main and len(calls) == 3:
            raise RuntimeError("CUDA error: device-side assert triggered")
        return original(*arguments)

    pytest.MonkeyPatch().setattr(gradients, "training_loss", failing)
    _make(team, folder, odd_spec())


def full_disk(team: TorchProcessGroup, folder: Path) -> None:
    """The first process can't write its checkpoint."""
    training.SECONDS_BETWEEN_CHECKPOINTS = 0.0

    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    if team.is_main:
        pytest.MonkeyPatch().setattr(checkpoint, "save", refuse)
    assert _make(team, folder, odd_spec()) is not team.is_main
