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

from ablations.harness.build import build_model
from ablations.harness.context import RunContext
from ablations.harness.evaluate import validation_scores
from ablations.harness.heartbeat import notify_heartbeat
from ablations.harness.training import snapshots
from ablations.harness.training.distributed import ProcessGroup
from ablations.harness.training.gradients import Batch, WholeBatchError, backward, unsplittable_reason
from ablations.harness.training.prefetch import Feed
from ablations.harness.training.sampling import batch_of_step
from ablations.harness.training.saving import Saver
from ablations.harness.training.scalars import Log
from ablations.harness.training.state import State, resume
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
    """What a running run tells whoever started it."""

    step: int
    steps: int
    stage: str
    loss: float | None = None
    images_per_s: float | None = None


Report = Callable[[Progress], None]


@dataclass(frozen=True, kw_only=True)
class Trained:
    """The chosen model and how it was reached."""

    model: nn.Module  # in eval mode
    tested_step: int  # whose weights it has
    steps: int  # optimiser steps done
    wall_s: float  # seconds of training
    oom_splits: int = 0  # how often the batch was halved because memory did not hold it


def train(run: RunContext, folder: Path, report: Report, log: Log = lambda row: None) -> Trained:
    """Train a run, going on from its newest checkpoint in its folder, and return the model that is to be tested.

    Batches come from its bundle's `train`, learning curves from `val`. `log` gets each row of train.jsonl as it is
    made; `report` is called then, too, in the first process.

    Raises:
        NonFiniteLossError: the loss is not finite.
        WholeBatchError: out of memory in a model whose batch can't be split.
        torch.OutOfMemoryError: out of memory with a single sample.
    """
    spec = run.spec
    if not is_trained(spec.config):
        model = build_model(spec.config, spec.seed).to(run.device).eval()
        return Trained(model=model, tested_step=0, steps=0, wall_s=0.0)
    state = resume(run, folder)
    validation = run.bundle.eval_items(
        "val",
        tuple(run_conditions(spec)),
        max_side=spec.evaluation.val_max_side,
        limit=spec.evaluation.val_limit,
    )
    saver = Saver(state, folder) if run.team.is_main else None
    with saver or nullcontext(), closing(Feed(spec, run.bundle, run.device, run.team)) as feed:
        _all_steps(run, state, feed, validation, report, log, saver)
    recipe = spec.recipe
    chosen = state.average or state.model
    if recipe.checkpoint == "best":
        load_weights(chosen, state.best)
    _set_progress(chosen, 1.0)
    return Trained(
        model=chosen.eval(),
        tested_step=state.best_step if recipe.checkpoint == "best" else recipe.steps,
        steps=recipe.steps,
        wall_s=state.wall_s,
        oom_splits=state.oom_splits,
    )


def _all_steps(
    run: RunContext,
    state: State,
    feed: Feed,
    validation: list[EvalItem],
    report: Report,
    log: Log,
    saver: Saver | None,
) -> None:
    """Train until the recipe's last step; `saver` is that of the first process."""
    spec, team = run.spec, run.team
    steps, recipe = spec.recipe.steps, spec.recipe
    losses: list[Tensor] = []
    began, started = state.step, time.monotonic()
    window_start, window_images = started, 0
    state.model.train()
    while state.step < steps:
        new_size = state.step == began or recipe.phase_at(state.step) != recipe.phase_at(state.step - 1)
        losses.append(_step(run, state, feed, new_size=new_size))
        window_images += recipe.phase_at(state.step).batch
        state.step += 1
        notify_heartbeat()
        if saver is not None:
            saver.check()
            if snapshots.is_due(recipe, state.step):
                saver.snapshot(state.average or state.model, state.step)
        validate = recipe.validates_after(state.step)
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
            _validate(run, state, validation)
            log(state.log[-1])
        losses, window_start, window_images = [], time.monotonic(), 0
        if saver is not None and (state.step == steps or saver.is_due(SECONDS_BETWEEN_CHECKPOINTS, validated=validate)):
            saver.save(state)


def run_conditions(spec: RunSpec) -> list[Condition]:
    """The conditions that a run trains on, in the spec's order."""
    return [condition_named(name) for name in spec.conditions]


def _step(run: RunContext, state: State, feed: Feed, *, new_size: bool) -> Tensor:
    """One optimiser step; this process's share of the loss, still on the device."""
    spec, team, device = run.spec, run.team, run.device
    recipe, step = spec.recipe, state.step
    whole = batch_of_step(spec, step)
    own, share = team.share(len(whole))
    drawn = whole[own]
    degraded, clean = feed.batch(step)
    code = run.conditioning(drawn.conditions, device, training=True, seeds=drawn.seeds)
    batch = Batch(degraded, clean, code, _loss_weights(recipe, drawn.weights, device))
    team.barrier()
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
        with team.collective_section():
            state.optimizer.zero_grad(set_to_none=True)
            size = _micro_batch(state, batch)
            loss = backward(spec, state.model, batch, micro_batch=size, step=state.step, share=share, over=state.over)
    if recipe.grad_clip is not None:
        torch.nn.utils.clip_grad_norm_(state.model.parameters(), recipe.grad_clip)
    state.optimizer.step()
    if state.average is not None and recipe.ema is not None:
        with torch.no_grad():
            means: list[Tensor] = list(state.average.parameters())
            now: list[Tensor] = list(state.model.parameters())
            torch._foreach_lerp_(means, now, 1 - recipe.ema)
    return loss


def _loss_weights(recipe: Recipe, weights: Sequence[float], device: torch.device) -> Tensor | None:
    """(B,) on the device, or None where no phase of the recipe weighs its tasks."""
    if all(part.weight == 1 for phase in recipe.phases for part in phase.mixture):
        return None
    return to_device_async(torch.tensor(weights, dtype=torch.float32), device)


def _micro_batch(state: State, batch: Batch) -> int:
    return math.ceil(len(batch) / 2**state.oom_splits)


def _split_until_it_fits(spec: RunSpec, state: State, batch: Batch, team: ProcessGroup) -> Tensor:
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
            if batch.degraded.device.type == "cuda":
                torch.cuda.empty_cache()
    return loss


def _backward_or_not(spec: RunSpec, state: State, batch: Batch) -> Tensor | None:
    """`backward`, or None where memory did not hold it."""
    size = _micro_batch(state, batch)
    try:
        if state.graphed is not None and not state.oom_splits:
            return state.graphed(batch.degraded, batch.clean, batch.code, batch.weights)
        return backward(spec, state.model, batch, micro_batch=size, step=state.step)
    except torch.OutOfMemoryError as error:
        if whole := unsplittable_reason(spec):
            raise WholeBatchError(
                f"Out of memory with {len(batch)} patches a step, and {spec.variant}'s batch can't be split: "
                f"{whole}. A smaller budget or a device with more memory is needed."
            ) from error
        if size == 1:
            raise
    # outside the handler, whose traceback keeps the failed pass's tensors alive
    return None


def _set_progress(model: nn.Module, fraction: float) -> None:
    """Tell a model that anneals or trains in stages how far training is."""
    if hasattr(model, "set_progress"):
        model.set_progress(fraction)  # type: ignore[operator]


def _lr(spec: RunSpec, step: int) -> float:
    phase = spec.recipe.phase_at(step)
    if spec.recipe.schedule == "constant":
        return phase.lr
    return phase.lr * 0.5 * (1 + math.cos(math.pi * step / spec.recipe.steps))


def _validate(run: RunContext, state: State, items: list[EvalItem]) -> None:
    """Log the gain over the input on validation images; keep the weights where the best ones are to be tested."""
    model = state.average or state.model
    model.eval()
    _set_progress(model, 1.0)  # as it will be used: a method in stages restores in its last one
    gains, psnr_db = validation_scores(run, model, items)
    state.model.train()
    state.log.append({"step": state.step, "val_psnr_db": psnr_db, "val_gain_db": gains})
    if run.spec.recipe.checkpoint == "best" and psnr_db >= state.best_psnr_db:  # the later one of equals
        state.best_psnr_db, state.best_step = psnr_db, state.step
        state.best = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
