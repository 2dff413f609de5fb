"""Training: L1 loss, Adam, phases, validation, checkpoints; bit-equal on a CPU however often it is interrupted."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ablations.harness.context import RunContext
from ablations.harness.evaluate import validation_scores
from ablations.harness.heartbeat import notify_heartbeat
from ablations.harness.model_factory import build_model
from ablations.harness.training import snapshots
from ablations.harness.training.async_checkpoint import AsyncCheckpointer
from ablations.harness.training.distributed import ProcessGroup
from ablations.harness.training.gradients import Batch, WholeBatchError, backward, unsplittable_reason
from ablations.harness.training.metric_logger import RowLogger
from ablations.harness.training.prefetch import BatchLoader
from ablations.harness.training.sampling import batch_of_step
from ablations.harness.training.state import TrainState, resume
from ablations.models import is_trained
from ablations.spec import Recipe, RunSpec
from datasets.bundle import EvalItem
from datasets.tasks import Condition, condition_named
from datasets.transfer import to_device_async
from dfpir.weights import load_weights

SECONDS_BETWEEN_CHECKPOINTS = 20.0


class NonFiniteLossError(RuntimeError):
    """The loss became NaN or infinite."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Progress of a run, for its launcher."""

    step: int
    steps: int
    stage: str
    loss: float | None = None
    images_per_s: float | None = None


ProgressCallback = Callable[[Progress], None]


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """The selected model, and facts of its training."""

    model: nn.Module  # in eval mode
    selected_step: int  # of the model's weights
    steps: int  # optimiser steps done
    wall_s: float  # seconds of training
    oom_splits: int = 0  # how often the batch was halved because memory did not hold it


def train(
    run: RunContext, folder: Path, on_progress: ProgressCallback, log: RowLogger = lambda row: None
) -> TrainResult:
    """Train a run, resuming from the newest checkpoint in its folder, and return the model to be tested.

    Batches come from its bundle's `train`, learning curves from `val`. `log` gets each row of train.jsonl as it is
    made; `on_progress` is called then, too, in the first process.

    Raises:
        NonFiniteLossError: the loss is not finite.
        WholeBatchError: out of memory in a model whose batch can't be split.
        torch.OutOfMemoryError: out of memory with a single sample.
    """
    spec = run.spec
    if not is_trained(spec.config):
        model = build_model(spec.config, spec.seed).to(run.device).eval()
        return TrainResult(model=model, selected_step=0, steps=0, wall_s=0.0)
    state = resume(run, folder)
    validation = run.bundle.eval_items(
        "val",
        tuple(run_conditions(spec)),
        max_side=spec.evaluation.val_max_side,
        limit=spec.evaluation.val_limit,
    )
    checkpointer = AsyncCheckpointer(state, folder) if run.process_group.is_main else None
    with checkpointer or nullcontext(), closing(BatchLoader(spec, run.bundle, run.device, run.process_group)) as loader:
        _train_loop(run, state, loader, validation, on_progress, log, checkpointer)
    recipe = spec.recipe
    selected_model = state.ema_model or state.model
    if recipe.checkpoint == "best":
        load_weights(selected_model, state.best_weights)
    _set_training_progress(selected_model, 1.0)
    return TrainResult(
        model=selected_model.eval(),
        selected_step=state.best_step if recipe.checkpoint == "best" else recipe.steps,
        steps=recipe.steps,
        wall_s=state.wall_s,
        oom_splits=state.oom_splits,
    )


def _train_loop(
    run: RunContext,
    state: TrainState,
    loader: BatchLoader,
    validation: list[EvalItem],
    on_progress: ProgressCallback,
    log: RowLogger,
    checkpointer: AsyncCheckpointer | None,
) -> None:
    """Train until the recipe's last step; `checkpointer` is that of the first process."""
    spec, process_group = run.spec, run.process_group
    total_steps, recipe = spec.recipe.steps, spec.recipe
    losses: list[Tensor] = []
    first_step, started = state.step, time.monotonic()
    window_start, window_images = started, 0
    state.model.train()
    while state.step < total_steps:
        is_new_size = state.step == first_step or recipe.phase_at(state.step) != recipe.phase_at(state.step - 1)
        losses.append(_train_step(run, state, loader, is_new_size=is_new_size))
        window_images += recipe.phase_at(state.step).batch
        state.step += 1
        notify_heartbeat()
        if checkpointer is not None:
            checkpointer.raise_write_errors()
            if snapshots.is_due(recipe, state.step):
                checkpointer.save_snapshot(state.ema_model or state.model, state.step)
        validate = recipe.validates_after(state.step)
        if not validate and state.step % recipe.log_every:
            continue
        loss = process_group.all_reduce_sum(float(torch.stack(losses).double().mean()))
        if not math.isfinite(loss):
            raise NonFiniteLossError(f"The loss is {loss} in the {len(losses)} steps before step {state.step}.")
        now = time.monotonic()
        images_per_s = window_images / max(now - window_start, 1e-9)
        state.wall_s += now - started
        started = now
        phase = recipe.phase_at(state.step - 1)
        row = {"step": state.step, "loss": loss, "lr": _learning_rate(spec, state.step - 1), "patch": phase.patch}
        state.log.append(row | {"images_per_s": round(images_per_s, 2), "wall_s": round(state.wall_s, 2)})
        log(state.log[-1])
        if process_group.is_main:
            on_progress(
                Progress(step=state.step, steps=total_steps, stage="train", loss=loss, images_per_s=images_per_s)
            )
        if validate:
            _validate(run, state, validation)
            log(state.log[-1])
        losses, window_start, window_images = [], time.monotonic(), 0
        if checkpointer is not None and (
            state.step == total_steps or checkpointer.is_due(SECONDS_BETWEEN_CHECKPOINTS, validated=validate)
        ):
            checkpointer.save(state)


def run_conditions(spec: RunSpec) -> list[Condition]:
    """The conditions that a run trains on, in the spec's order."""
    return [condition_named(name) for name in spec.conditions]


def _train_step(run: RunContext, state: TrainState, loader: BatchLoader, *, is_new_size: bool) -> Tensor:
    """One optimiser step; this process's share of the loss, still on the device."""
    spec, process_group, device = run.spec, run.process_group, run.device
    recipe, step = spec.recipe, state.step
    batch_plan = batch_of_step(spec, step)
    local_slice, share = process_group.shard(len(batch_plan))
    local_plan = batch_plan[local_slice]
    degraded, clean = loader.batch(step)
    code = run.conditioning(local_plan.conditions, device, training=True, seeds=local_plan.seeds)
    batch = Batch(degraded, clean, code, _loss_weights(recipe, local_plan.weights, device))
    process_group.barrier()
    _set_training_progress(state.model, step / max(recipe.steps - 1, 1))
    for param_group in state.optimizer.param_groups:
        param_group["lr"] = _learning_rate(spec, step)
    if state.ddp_loss is None:
        loss = _backward_until_it_fits(spec, state, batch, process_group)
    else:
        # a reduction can't be retried by all processes together: the batch size that fits is found before
        if is_new_size:
            saved_buffers = [buffer.clone() for buffer in state.model.buffers()]
            _backward_until_it_fits(spec, state, batch, process_group)
            with torch.no_grad():
                for buffer, saved in zip(state.model.buffers(), saved_buffers, strict=True):
                    buffer.copy_(saved)
        with process_group.collective_section():
            state.optimizer.zero_grad(set_to_none=True)
            micro_batch = _micro_batch_size(state, batch)
            loss = backward(
                spec,
                state.model,
                batch,
                micro_batch=micro_batch,
                step=state.step,
                batch_share=share,
                ddp=state.ddp_loss,
            )
    if recipe.grad_clip is not None:
        torch.nn.utils.clip_grad_norm_(state.model.parameters(), recipe.grad_clip)
    state.optimizer.step()
    if state.ema_model is not None and recipe.ema is not None:
        with torch.no_grad():
            averaged: list[Tensor] = list(state.ema_model.parameters())
            current: list[Tensor] = list(state.model.parameters())
            torch._foreach_lerp_(averaged, current, 1 - recipe.ema)
    return loss


def _loss_weights(recipe: Recipe, weights: Sequence[float], device: torch.device) -> Tensor | None:
    """(B,) on the device, or None where no phase of the recipe weighs its tasks."""
    if all(task_share.weight == 1 for phase in recipe.phases for task_share in phase.mixture):
        return None
    return to_device_async(torch.tensor(weights, dtype=torch.float32), device)


def _micro_batch_size(state: TrainState, batch: Batch) -> int:
    return math.ceil(len(batch) / (1 << state.oom_splits))


def _backward_until_it_fits(spec: RunSpec, state: TrainState, batch: Batch, process_group: ProcessGroup) -> Tensor:
    """`backward` in this process alone; where any process's memory does not hold it, all halve their batch for good."""
    loss = None
    while loss is None:
        state.optimizer.zero_grad(set_to_none=True)
        loss = _try_backward(spec, state, batch)
        if process_group.any(loss is None):
            loss = None
            state.oom_splits += 1
            if state.graphed_step is not None:
                state.graphed_step.reset()
            if batch.degraded.device.type == "cuda":
                torch.cuda.empty_cache()
    return loss


def _try_backward(spec: RunSpec, state: TrainState, batch: Batch) -> Tensor | None:
    """`backward`, or None where memory did not hold it."""
    micro_batch = _micro_batch_size(state, batch)
    try:
        if state.graphed_step is not None and not state.oom_splits:
            return state.graphed_step(batch.degraded, batch.clean, batch.code, batch.weights)
        return backward(spec, state.model, batch, micro_batch=micro_batch, step=state.step)
    except torch.OutOfMemoryError as error:
        if reason := unsplittable_reason(spec):
            raise WholeBatchError(
                f"Out of memory with {len(batch)} patches a step, and {spec.variant}'s batch can't be split: "
                f"{reason}. A smaller budget or a device with more memory is needed."
            ) from error
        if micro_batch == 1:
            raise
    # outside the handler, whose traceback keeps the failed pass's tensors alive
    return None


def _set_training_progress(model: nn.Module, fraction: float) -> None:
    """Set the training progress of a model that anneals or trains in stages."""
    if hasattr(model, "set_progress"):
        model.set_progress(fraction)  # type: ignore[operator]


def _learning_rate(spec: RunSpec, step: int) -> float:
    phase = spec.recipe.phase_at(step)
    if spec.recipe.schedule == "constant":
        return phase.lr
    return phase.lr * 0.5 * (1 + math.cos(math.pi * step / spec.recipe.steps))


def _validate(run: RunContext, state: TrainState, items: list[EvalItem]) -> None:
    """Log the gain over the input on validation images; keep the weights where the best ones are to be tested."""
    model = state.ema_model or state.model
    model.eval()
    _set_training_progress(model, 1.0)  # as it will be used: a method in stages restores in its last one
    gains, psnr_db = validation_scores(run, model, items)
    state.model.train()
    state.log.append({"step": state.step, "val_psnr_db": psnr_db, "val_gain_db": gains})
    if run.spec.recipe.checkpoint == "best" and psnr_db >= state.best_psnr_db:  # the later one of equals
        state.best_psnr_db, state.best_step = psnr_db, state.step
        state.best_weights = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
