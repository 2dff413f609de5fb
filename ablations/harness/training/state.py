"""All that training changes: built anew or read from the newest checkpoint, and written with the log of its steps."""

from __future__ import annotations

import copy
import json
import math
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ablations.harness.build import build_model
from ablations.harness.training import checkpoint
from ablations.harness.training.accelerate import GraphedStep, chosen, no_graphs_because, prepare_steps
from ablations.harness.training.distributed import Team
from ablations.harness.training.gradients import TrainingLoss, WholeBatchError, forward_backward, why_whole
from ablations.spec import RunSpec
from dfpir import RestorationUNet
from dfpir.prompts import PromptBank
from dfpir.weights import load_own
from reports.files import write_text
from reports.schema import CHECKPOINTS_FOLDER, TRAIN_LOG_FILE


@dataclass(kw_only=True)
class State:
    """All that training changes, and so all that a checkpoint holds."""

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
    oom_splits: int = 0
    log: list[dict[str, Any]] = field(default_factory=list)


def resume(spec: RunSpec, prompts: PromptBank, folder: Path, device: torch.device, team: Team) -> State:
    """The state of the newest checkpoint, or that before the first step."""
    content = team.from_main(lambda: checkpoint.latest_bytes(folder / CHECKPOINTS_FOLDER))
    found = None if content is None else checkpoint.parsed(content)
    model = build_model(spec.config, spec.seed)
    if found is not None:
        load_own(model, _under("model/", found.tensors))
    elif isinstance(model, RestorationUNet):
        model.bind_prompts(prompts.codes)
    model.to(device)
    average = None
    if spec.recipe.ema is not None:
        average = copy.deepcopy(model)
        if found is not None:
            load_own(average, _under("average/", found.tensors))
    trainable = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    optimizer = torch.optim.Adam([p for _, p in trainable], lr=0.0, betas=spec.recipe.betas, fused=True)
    names = [name for name, _ in trainable]
    prepare_steps(model, spec.config)
    state = State(model=model, optimizer=optimizer, names=names, average=average)
    if chosen().cuda_graphs and no_graphs_because(spec.config, device, team.reduces) is None:
        state.graphed = GraphedStep(partial(forward_backward, spec, model), [p for _, p in trainable])
    if found is not None:
        checkpoint.load_adam(optimizer, state.names, found.tensors)
        state.step, state.wall_s = found.step, float(found.facts["wall_s"])
        state.best_step = int(found.facts["best_step"])
        state.best_psnr_db = float(found.facts["best_psnr_db"])
        state.oom_splits = int(found.facts.get("oom_splits", 0))
        state.best = _under("best/", found.tensors)
        if team.is_main:
            state.log = [row for row in read_log(folder) if row["step"] <= state.step]
    if team.size > 1 and (whole := why_whole(spec)):
        raise WholeBatchError(f"{spec.variant} can't be trained by {team.size} processes: its batch is one: {whole}.")
    team.agree()
    with team.committed():
        state.over = team.reduced(TrainingLoss(spec, model))
    if team.is_main:
        write_log(state, folder)
    return state


def save(state: State, folder: Path) -> None:
    """The log first: a checkpoint never knows more steps than the log."""
    write_log(state, folder)
    tensors = {f"model/{name}": tensor for name, tensor in state.model.state_dict().items()}
    if state.average is not None:
        tensors |= {f"average/{name}": tensor for name, tensor in state.average.state_dict().items()}
    tensors |= {f"best/{name}": tensor for name, tensor in state.best.items()}
    tensors |= checkpoint.adam_tensors(state.optimizer, state.names)
    facts: dict[str, Any] = {
        "wall_s": state.wall_s,
        "best_step": state.best_step,
        "best_psnr_db": state.best_psnr_db,
        "oom_splits": state.oom_splits,
    }
    if not math.isfinite(state.best_psnr_db):
        facts["best_psnr_db"] = "-inf"
    checkpoint.save(folder / CHECKPOINTS_FOLDER, checkpoint.Checkpoint(step=state.step, tensors=tensors, facts=facts))


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The rows of a run's train.jsonl; none where there is no file."""
    path = folder / TRAIN_LOG_FILE
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def write_log(state: State, folder: Path) -> None:
    """Write the state's log as the run's train.jsonl."""
    write_text(folder / TRAIN_LOG_FILE, "".join(json.dumps(row) + "\n" for row in state.log))


def _under(prefix: str, tensors: Any) -> dict[str, Tensor]:
    return {name[len(prefix) :]: tensor for name, tensor in tensors.items() if name.startswith(prefix)}
