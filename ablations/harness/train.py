"""Training: L1 loss, Adam, phases, validation, checkpoints; bit-equal on a CPU however often it is interrupted."""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ablations.harness import checkpoint, snapshots
from ablations.harness.accelerate import GraphedStep, chosen, no_graphs_because, step_module
from ablations.harness.build import build_model
from ablations.harness.conditioning import Conditioning
from ablations.harness.distributed import ALONE, Team
from ablations.harness.evaluate import mean_psnr_db
from ablations.harness.heartbeat import beat
from ablations.harness.sampling import batch_of_step
from ablations.harness.scalars import Log
from ablations.models import is_trained
from ablations.spec import RunSpec
from datasets.corpus import DataBundle, EvalItem
from datasets.seeding import stable_seed
from dfpir import DFPIRConfig, RestorationUNet
from dfpir.prompts import PromptBank
from dfpir.weights import load_own
from reports.files import write_text
from reports.schema import CHECKPOINTS_FOLDER, TRAIN_LOG_FILE

SECONDS_BETWEEN_CHECKPOINTS = 20.0


class WholeBatchError(RuntimeError):
    """The memory does not hold the batch, and the model's objective forbids splitting it."""


class NonFiniteLossError(RuntimeError):
    """The loss became NaN or infinite."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What a running run tells whoever started it."""

    step: int
    steps: int
    stage: str
    loss: float | None = None
    images_per_s: float | None = None


Report = Callable[[Progress], None]


@dataclass(kw_only=True)
class _State:
    """All that training changes, and so all that a checkpoint holds."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    names: list[str]
    average: nn.Module | None
    called: nn.Module
    graphed: GraphedStep | None = None
    over: DistributedDataParallel | None = None
    step: int = 0
    wall_s: float = 0.0
    best_step: int = -1
    best_psnr_db: float = -math.inf
    best: dict[str, Tensor] = field(default_factory=dict)
    oom_splits: int = 0
    log: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Trained:
    """The chosen model and how it was reached.

    Attributes:
        model: in eval mode.
        best_step: whose weights it has.
        steps: optimiser steps done.
        wall_s: seconds of training.
        oom_splits: how often the batch was halved because memory did not hold it.
    """

    model: nn.Module
    best_step: int
    steps: int
    wall_s: float
    oom_splits: int = 0


def train(
    spec: RunSpec,
    bundle: DataBundle,
    conditioning: Conditioning,
    folder: Path,
    device: torch.device,
    report: Report,
    team: Team = ALONE,
    log: Log = lambda row: None,
) -> Trained:
    """Train a run, going on from its newest checkpoint, and return the model that validated best.

    Args:
        spec: what to train.
        bundle: its data; batches come from `train`, the checkpoint is chosen on `val`.
        conditioning: what the model is told of each sample.
        folder: the run's folder.
        device: where to train.
        report: called at each row of the log.
        team: who shares each batch; the first process alone reads and writes files, and reports.
        log: gets each row of train.jsonl as it is made.

    Raises:
        NonFiniteLossError: the loss is not finite.
        WholeBatchError: out of memory in a model whose batch can't be split.
        torch.OutOfMemoryError: out of memory with a single sample.
    """
    if not is_trained(spec.config):
        return Trained(model=build_model(spec.config, spec.seed).to(device).eval(), best_step=0, steps=0, wall_s=0.0)
    state = _resume(spec, conditioning.prompts, folder, device, team)
    validation = bundle.eval_items(
        "val",
        tuple(bundle_conditions(bundle, spec)),
        max_side=spec.evaluation.val_max_side,
        limit=spec.evaluation.val_limit,
    )
    steps, recipe = spec.recipe.steps, spec.recipe
    losses: list[Tensor] = []
    began, started = state.step, time.monotonic()
    saved = started
    window_start, window_images = started, 0
    state.model.train()
    while state.step < steps:
        new_size = state.step == began or recipe.phase_at(state.step) != recipe.phase_at(state.step - 1)
        losses.append(_step(spec, state, bundle, conditioning, device, team, new_size=new_size))
        window_images += recipe.phase_at(state.step).batch
        state.step += 1
        beat()
        if team.is_main and snapshots.is_due(recipe, state.step):
            snapshots.save(state.average or state.model, folder, state.step)
        validate = state.step % recipe.val_every == 0 or state.step == steps
        if not validate and state.step % recipe.log_every:
            continue
        loss = team.total(float(torch.stack(losses).double().mean()))
        if not math.isfinite(loss):
            raise NonFiniteLossError(f"The loss is {loss} in the {len(losses)} steps before step {state.step}.")
        now = time.monotonic()
        rate = window_images / max(now - window_start, 1e-9)
        state.wall_s += now - started
        started = now
        phase = recipe.phase_at(state.step - 1)
        row = {"step": state.step, "loss": loss, "lr": _lr(spec, state.step - 1), "patch": phase.patch}
        state.log.append(row | {"images_per_s": round(rate, 2), "wall_s": round(state.wall_s, 2)})
        log(state.log[-1])
        if team.is_main:
            report(Progress(step=state.step, steps=steps, stage="train", loss=loss, images_per_s=rate))
        if validate:
            _validate(spec, state, bundle, validation, conditioning, device, team)
            log(state.log[-1])
        losses, window_start, window_images = [], time.monotonic(), 0
        if team.is_main and (validate or time.monotonic() - saved > SECONDS_BETWEEN_CHECKPOINTS):
            _save(state, folder)
            saved = time.monotonic()
    chosen = state.average or state.model
    load_own(chosen, state.best)
    _set_progress(chosen, 1.0)
    return Trained(
        model=chosen.eval(),
        best_step=state.best_step,
        steps=steps,
        wall_s=state.wall_s,
        oom_splits=state.oom_splits,
    )


def bundle_conditions(bundle: DataBundle, spec: RunSpec) -> list[Any]:
    """The spec's conditions as the bundle's own objects, in the spec's order."""
    by_name = {condition.name: condition for condition in bundle.conditions}
    return [by_name[name] for name in spec.conditions]


def _step(
    spec: RunSpec,
    state: _State,
    bundle: DataBundle,
    conditioning: Conditioning,
    device: torch.device,
    team: Team,
    *,
    new_size: bool,
) -> Tensor:
    """One optimiser step; this process's share of the loss, still on the device."""
    recipe, step = spec.recipe, state.step
    conditions, seeds = batch_of_step(spec, step)
    own, weight = team.share(len(seeds))
    conditions, seeds = conditions[own], seeds[own]
    degraded, clean = bundle.batch(conditions, seeds, recipe.phase_at(step).patch, device)
    batch = degraded, clean, conditioning(conditions, device, training=True, seeds=seeds)
    team.agree()
    _set_progress(state.model, step / max(recipe.steps - 1, 1))
    for group in state.optimizer.param_groups:
        group["lr"] = _lr(spec, step)
    if state.over is None:
        loss = _split_until_it_fits(spec, state, batch, team)
    else:
        # processes that are reducing gradients can't begin anew together: what fits is tried before they do
        if new_size:
            buffers = [buffer.clone() for buffer in state.model.buffers()]
            _split_until_it_fits(spec, state, batch, team)
            with torch.no_grad():
                for buffer, before in zip(state.model.buffers(), buffers, strict=True):
                    buffer.copy_(before)
        with team.committed():
            state.optimizer.zero_grad(set_to_none=True)
            size = _micro_batch(state, degraded)
            loss = backward(spec, state.called, *batch, micro_batch=size, step=step, weight=weight, over=state.over)
    if recipe.grad_clip is not None:
        torch.nn.utils.clip_grad_norm_(state.model.parameters(), recipe.grad_clip)
    state.optimizer.step()
    if state.average is not None and recipe.ema is not None:
        with torch.no_grad():
            means: list[Tensor] = list(state.average.parameters())
            now: list[Tensor] = list(state.model.parameters())
            torch._foreach_lerp_(means, now, 1 - recipe.ema)
    return loss


_Batch = tuple[Tensor, Tensor, Tensor | None]
"""Degraded and clean, (B, 3, H, W) in [0, 1], and what the model is told of each."""


def _micro_batch(state: _State, batch: Tensor) -> int:
    return math.ceil(len(batch) / 2**state.oom_splits)


def _split_until_it_fits(spec: RunSpec, state: _State, batch: _Batch, team: Team) -> Tensor:
    """`backward` in this process alone; where any process's memory does not hold it, all halve their batch for good."""
    loss = None
    while loss is None:
        state.optimizer.zero_grad(set_to_none=True)
        loss = _backward_or_not(spec, state, batch)
        if team.any(loss is None):
            loss = None
            state.oom_splits += 1
            if state.graphed is not None:
                state.graphed.forget()
            if batch[0].device.type == "cuda":
                torch.cuda.empty_cache()
    return loss


def _backward_or_not(spec: RunSpec, state: _State, batch: _Batch) -> Tensor | None:
    """`backward`, or None where memory did not hold it."""
    degraded, size = batch[0], _micro_batch(state, batch[0])
    try:
        if state.graphed is not None and not state.oom_splits:
            return state.graphed(*batch)
        return backward(spec, state.called, *batch, micro_batch=size, step=state.step)
    except torch.OutOfMemoryError as error:
        if whole := _whole_batch(spec):
            raise WholeBatchError(
                f"Out of memory with {len(degraded)} patches a step, and {spec.variant}'s batch can't be split: "
                f"{whole}. A smaller budget or a device with more memory is needed."
            ) from error
        if size == 1:
            raise
    # outside the handler, whose traceback keeps the failed pass's tensors alive
    return None


def _whole_batch(spec: RunSpec) -> str:
    """Why the model's batch can't be split; empty where it can."""
    return "" if isinstance(spec.config, DFPIRConfig) else spec.config.row.whole_batch


def backward(
    spec: RunSpec,
    model: nn.Module,
    degraded: Tensor,
    clean: Tensor,
    code: Tensor | None,
    *,
    micro_batch: int,
    step: int,
    weight: float = 1.0,
    over: DistributedDataParallel | None = None,
) -> Tensor:
    """Add the gradient of a batch's training loss to the parameters' own, `micro_batch` samples at a time.

    The objectives are means over samples: the gradient is that of the whole batch up to the rounding of sums, but for
    models whose `whole_batch` says why not.

    Args:
        spec: the run.
        model: to train.
        degraded: (B, 3, H, W) in [0, 1].
        clean: the same, as it should be.
        code: what the model is told of each sample.
        micro_batch: samples at a time.
        step: counted from 0.
        weight: share of this process's samples in the whole batch.
        over: sums the gradients of all processes' shares, once the last sample is through.

    Returns:
        This process's share of the loss of the batch, detached, on the device.
    """
    # what a model draws while training (dropped paths, routing noise) depends on the step, not on what ran before
    torch.manual_seed(stable_seed("step", spec.seed, step))
    total = None
    for start in range(0, len(degraded), micro_batch):
        part = slice(start, start + micro_batch)
        inputs = degraded[part], clean[part], None if code is None else code[part]
        is_last = start + micro_batch >= len(degraded)
        with nullcontext() if over is None or is_last else over.no_sync():
            loss = _pass(spec, model, *inputs, share=weight * (len(inputs[0]) / len(degraded)), over=over)
        total = loss if total is None else total + loss
    assert total is not None
    return total


def _pass(
    spec: RunSpec,
    model: nn.Module,
    degraded: Tensor,
    clean: Tensor,
    code: Tensor | None,
    *,
    share: float = 1.0,
    over: DistributedDataParallel | None = None,
) -> Tensor:
    """Forward and backward pass of samples that are in memory at once; their share of the loss, detached."""
    with torch.autocast(degraded.device.type, torch.bfloat16, enabled=spec.precision == "bf16"):
        loss = training_loss(spec, model, degraded, clean, code) if over is None else over(degraded, clean, code)
    if share != 1:
        loss = loss * share
    loss.backward()  # type: ignore[no-untyped-call]
    return loss.detach()


class _Loss(nn.Module):
    """The training loss as a module: whatever a model's objective calls, its gradients are reduced."""

    def __init__(self, spec: RunSpec, model: nn.Module) -> None:
        super().__init__()
        self.spec, self.model = spec, model

    def forward(self, degraded: Tensor, clean: Tensor, code: Tensor | None) -> Tensor:
        return training_loss(self.spec, self.model, degraded, clean, code)


def training_loss(spec: RunSpec, model: nn.Module, degraded: Tensor, clean: Tensor, code: Tensor | None) -> Tensor:
    """A comparator's own training objective, or the mean absolute error."""
    objective = None if isinstance(spec.config, DFPIRConfig) else spec.config.row.objective
    if objective is not None:
        return objective(model, degraded, clean, code).float()
    return (model(degraded, code).float() - clean).abs().mean()


def _set_progress(model: nn.Module, fraction: float) -> None:
    """Tell a model that anneals or trains in stages how far training is."""
    if hasattr(model, "set_progress"):
        model.set_progress(fraction)  # type: ignore[operator]


def _lr(spec: RunSpec, step: int) -> float:
    phase = spec.recipe.phase_at(step)
    if spec.recipe.schedule == "constant":
        return phase.lr
    return phase.lr * 0.5 * (1 + math.cos(math.pi * step / spec.recipe.steps))


def _validate(
    spec: RunSpec,
    state: _State,
    bundle: DataBundle,
    items: list[EvalItem],
    conditioning: Conditioning,
    device: torch.device,
    team: Team,
) -> None:
    """Score the model on validation images; keep its weights where it is the best so far (the later one of equals)."""
    model = state.average or state.model
    model.eval()
    _set_progress(model, 1.0)  # as it will be used: a method in stages restores in its last one
    psnr_db = mean_psnr_db(spec, model, bundle, items, conditioning, device, team)
    state.model.train()
    state.log.append({"step": state.step, "val_psnr_db": psnr_db})
    if psnr_db >= state.best_psnr_db:
        state.best_psnr_db, state.best_step = psnr_db, state.step
        state.best = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def _resume(spec: RunSpec, prompts: PromptBank, folder: Path, device: torch.device, team: Team) -> _State:
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
    called = step_module(model, spec.config)
    state = _State(model=model, optimizer=optimizer, names=names, average=average, called=called)
    if chosen().cuda_graphs and no_graphs_because(spec.config, device, team.size) is None:
        state.graphed = GraphedStep(partial(_pass, spec, called), [p for _, p in trainable])
    if found is not None:
        checkpoint.load_adam(optimizer, state.names, found.tensors)
        state.step, state.wall_s = found.step, float(found.facts["wall_s"])
        state.best_step = int(found.facts["best_step"])
        state.best_psnr_db = float(found.facts["best_psnr_db"])
        state.oom_splits = int(found.facts.get("oom_splits", 0))
        state.best = _under("best/", found.tensors)
        if team.is_main:
            state.log = [row for row in read_log(folder) if row["step"] <= state.step]
    if team.size > 1 and (whole := _whole_batch(spec)):
        raise WholeBatchError(f"{spec.variant} can't be trained by {team.size} processes: its batch is one: {whole}.")
    team.agree()
    with team.committed():
        state.over = team.reduced(_Loss(spec, called))
    if team.is_main:
        _write_log(state, folder)
    return state


def _save(state: _State, folder: Path) -> None:
    """The log first: a checkpoint never knows more steps than the log."""
    _write_log(state, folder)
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


def _write_log(state: _State, folder: Path) -> None:
    write_text(folder / TRAIN_LOG_FILE, "".join(json.dumps(row) + "\n" for row in state.log))


def _under(prefix: str, tensors: Any) -> dict[str, Tensor]:
    return {name[len(prefix) :]: tensor for name, tensor in tensors.items() if name.startswith(prefix)}
