"""Training state: new or loaded from the newest checkpoint, and saved with the log of its steps."""

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

from ablations.harness.context import RunContext
from ablations.harness.model_factory import build_model
from ablations.harness.training import checkpoint
from ablations.harness.training.acceleration import (
    GraphedStep,
    apply_acceleration,
    cuda_graph_blocker,
    get_acceleration,
)
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

_FORMAT_VERSION = 2  # of checkpoints: 2 has the best weights in a file of their own


@dataclass(kw_only=True)
class TrainState:
    """All that training changes, and so all that a checkpoint holds; `best_file` names the file of `best_weights`."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    parameter_names: list[str]
    ema_model: nn.Module | None
    graphed_step: GraphedStep | None = None
    ddp_loss: DistributedDataParallel | None = None
    step: int = 0
    wall_s: float = 0.0
    best_step: int = -1
    best_psnr_db: float = -math.inf
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    best_file: str = ""
    oom_splits: int = 0
    log: list[dict[str, Any]] = field(default_factory=list)


def resume(run: RunContext, folder: Path) -> TrainState:
    """The state of the newest checkpoint, or that before the first step."""
    spec, device, process_group = run.spec, run.device, run.process_group
    saved = _load_newest_checkpoint(folder / CHECKPOINTS_FOLDER, process_group)
    model = build_model(spec.config, spec.seed)
    if saved is not None:
        load_weights(model, _tensors_with_prefix("model/", saved.tensors))
    elif isinstance(model, RestorationUNet):
        model.bind_prompts(run.conditioning.prompts.codes)
    model.to(device)
    ema_model = None
    if spec.recipe.ema is not None:
        ema_model = copy.deepcopy(model)
        if saved is not None:
            load_weights(ema_model, _tensors_with_prefix("average/", saved.tensors))
    trainable = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    optimizer = torch.optim.Adam([p for _, p in trainable], lr=0.0, betas=spec.recipe.betas, fused=True)
    parameter_names = [name for name, _ in trainable]
    apply_acceleration(model, spec.config)
    state = TrainState(model=model, optimizer=optimizer, parameter_names=parameter_names, ema_model=ema_model)
    if get_acceleration().cuda_graphs and cuda_graph_blocker(spec.config, device, process_group.uses_ddp) is None:
        parameters = [p for _, p in trainable]
        state.graphed_step = GraphedStep(lambda *batch: forward_backward(spec, model, Batch(*batch)), parameters)
    if saved is not None:
        checkpoint.load_adam(optimizer, state.parameter_names, saved.tensors)
        state.step, state.wall_s = saved.step, float(saved.facts["wall_s"])
        state.best_step = int(saved.facts["best_step"])
        state.best_psnr_db = float(saved.facts["best_psnr_db"])
        state.oom_splits = int(saved.facts.get("oom_splits", 0))
        state.best_weights = _tensors_with_prefix("best/", saved.tensors)
        state.best_file = saved.facts.get(checkpoint.BEST_FILE, "")
        if process_group.is_main:
            state.log = [row for row in read_log(folder) if row["step"] <= state.step]
    if process_group.size > 1 and (reason := unsplittable_reason(spec)):
        raise WholeBatchError(
            f"{spec.variant} can't be trained by {process_group.size} processes: its batch is one: {reason}."
        )
    process_group.barrier()
    with process_group.collective_section():
        state.ddp_loss = process_group.wrap_ddp(TrainingLoss(spec.config, model))
    if process_group.is_main:
        write_log(state.log, folder)
    return state


def _load_newest_checkpoint(folder: Path, process_group: ProcessGroup) -> checkpoint.Checkpoint | None:
    content = process_group.broadcast_bytes(lambda: checkpoint.latest_checkpoint_bytes(folder))
    if content is None:
        return None
    best = process_group.broadcast_bytes(lambda: checkpoint.best_weights_bytes(folder, content))
    saved = checkpoint.parse(content, best)
    # version 1 had the best weights in the same file and no version number
    if (version := int(saved.facts.get("form", 1))) > _FORMAT_VERSION:
        raise ValueError(
            f"{folder} holds a checkpoint of form {version}, and this version knows forms up to {_FORMAT_VERSION}: "
            "go on with the version that wrote it, or begin anew with --force."
        )
    return saved


def checkpoint_contents(state: TrainState) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and facts of a checkpoint of this state, without the best weights; the tensors are those in use."""
    tensors = {f"model/{name}": tensor for name, tensor in state.model.state_dict().items()}
    if state.ema_model is not None:
        tensors |= {f"average/{name}": tensor for name, tensor in state.ema_model.state_dict().items()}
    tensors |= checkpoint.adam_tensors(state.optimizer, state.parameter_names)
    facts: dict[str, Any] = {
        "form": _FORMAT_VERSION,
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


def _tensors_with_prefix(prefix: str, tensors: Any) -> dict[str, Tensor]:
    return {name[len(prefix) :]: tensor for name, tensor in tensors.items() if name.startswith(prefix)}
