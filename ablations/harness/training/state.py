"""All that training changes: built anew or read from the newest checkpoint, and written with the log of its steps."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ablations.harness.build import build_model
from ablations.harness.context import RunContext
from ablations.harness.training import checkpoint
from ablations.harness.training.accelerate import GraphedStep, chosen, cuda_graph_blocker, prepare_steps
from ablations.harness.training.distributed import ProcessGroup
from ablations.harness.training.gradients import (
    Batch,
    TrainingLoss,
    WholeBatchError,
    forward_backward,
    unsplittable_reason,
)
from dfpir import RestorationUNet
from dfpir.weights import load_weights
from reports.files import write_text
from reports.schema import CHECKPOINTS_FOLDER, TRAIN_LOG_FILE

_FORM = 2  # of checkpoints: 2 has the best weights in a file of their own


@dataclass(kw_only=True)
class State:
    """All that training changes, and so all that a checkpoint holds; `best_file` is where `best` was read from."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    names: list[str]
    average: nn.Module | None
    graphed: GraphedStep | None = None
    over: DistributedDataParallel | None = None
    step: int = 0
    wall_s: float = 0.0
    best_step: int = -1
    best_psnr_db: float = -math.inf
    best: dict[str, Tensor] = field(default_factory=dict)
    best_file: str = ""
    oom_splits: int = 0
    log: list[dict[str, Any]] = field(default_factory=list)


def resume(run: RunContext, folder: Path) -> State:
    """The state of the newest checkpoint, or that before the first step."""
    spec, device, team = run.spec, run.device, run.team
    found = _newest(folder / CHECKPOINTS_FOLDER, team)
    model = build_model(spec.config, spec.seed)
    if found is not None:
        load_weights(model, _under("model/", found.tensors))
    elif isinstance(model, RestorationUNet):
        model.bind_prompts(run.conditioning.prompts.codes)
    model.to(device)
    average = None
    if spec.recipe.ema is not None:
        average = copy.deepcopy(model)
        if found is not None:
            load_weights(average, _under("average/", found.tensors))
    trainable = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    optimizer = torch.optim.Adam([p for _, p in trainable], lr=0.0, betas=spec.recipe.betas, fused=True)
    names = [name for name, _ in trainable]
    prepare_steps(model, spec.config)
    state = State(model=model, optimizer=optimizer, names=names, average=average)
    if chosen().cuda_graphs and cuda_graph_blocker(spec.config, device, team.reduces) is None:
        parameters = [p for _, p in trainable]
        state.graphed = GraphedStep(lambda *batch: forward_backward(spec, model, Batch(*batch)), parameters)
    if found is not None:
        checkpoint.load_adam(optimizer, state.names, found.tensors)
        state.step, state.wall_s = found.step, float(found.facts["wall_s"])
        state.best_step = int(found.facts["best_step"])
        state.best_psnr_db = float(found.facts["best_psnr_db"])
        state.oom_splits = int(found.facts.get("oom_splits", 0))
        state.best = _under("best/", found.tensors)
        state.best_file = found.facts.get(checkpoint.BEST_FILE, "")
        if team.is_main:
            state.log = [row for row in read_log(folder) if row["step"] <= state.step]
    if team.size > 1 and (whole := unsplittable_reason(spec)):
        raise WholeBatchError(f"{spec.variant} can't be trained by {team.size} processes: its batch is one: {whole}.")
    team.barrier()
    with team.collective_section():
        state.over = team.reduced(TrainingLoss(spec.config, model))
    if team.is_main:
        write_log(state.log, folder)
    return state


def _newest(folder: Path, team: ProcessGroup) -> checkpoint.Checkpoint | None:
    content = team.broadcast_bytes(lambda: checkpoint.latest_bytes(folder))
    if content is None:
        return None
    found = checkpoint.parsed(content, team.broadcast_bytes(lambda: checkpoint.best_bytes(folder, content)))
    # form 1 held the best weights in the same file; it named no form
    if (form := int(found.facts.get("form", 1))) > _FORM:
        raise ValueError(
            f"{folder} holds a checkpoint of form {form}, and this version knows forms up to {_FORM}: go on with the "
            "version that wrote it, or begin anew with --force."
        )
    return found


def contents(state: State) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and facts of a checkpoint of this state, without the best weights; the tensors are those in use."""
    tensors = {f"model/{name}": tensor for name, tensor in state.model.state_dict().items()}
    if state.average is not None:
        tensors |= {f"average/{name}": tensor for name, tensor in state.average.state_dict().items()}
    tensors |= checkpoint.adam_tensors(state.optimizer, state.names)
    facts: dict[str, Any] = {
        "form": _FORM,
        "wall_s": state.wall_s,
        "best_step": state.best_step,
        "best_psnr_db": state.best_psnr_db,
        "oom_splits": state.oom_splits,
    }
    if not math.isfinite(state.best_psnr_db):
        facts["best_psnr_db"] = "-inf"
    return tensors, facts


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The rows of a run's train.jsonl; none where there is no file."""
    path = folder / TRAIN_LOG_FILE
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def write_log(rows: Sequence[dict[str, Any]], folder: Path) -> None:
    """Write the rows of a state's log as the run's train.jsonl."""
    write_text(folder / TRAIN_LOG_FILE, "".join(json.dumps(row) + "\n" for row in rows))


def _under(prefix: str, tensors: Any) -> dict[str, Tensor]:
    return {name[len(prefix) :]: tensor for name, tensor in tensors.items() if name.startswith(prefix)}
