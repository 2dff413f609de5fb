"""Time and memory of a study on this device: one measured training step a model, scaled to the run."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor, nn

from ablations.devices import autocast
from ablations.harness.memory import LiveBytes
from ablations.harness.model_factory import build_model
from ablations.harness.training.acceleration import get_acceleration, set_float32_products
from ablations.harness.training.conditioning import Conditioning
from ablations.harness.training.gradients import training_loss
from ablations.harness.training.sampling import batch_of_step
from ablations.models import is_trained
from ablations.spec import MeasureConfig, Phase, RunSpec
from baselines.base import Restorer, restore
from datasets.tasks import condition_named
from dfpir import RestorationUNet
from dfpir.prompts import load_prompts
from dfpir.recompute import recompute_activations
from reports.schema import METRIC_PREFIX

_BYTES_PER_PARAMETER = 16  # itself, its gradient and Adam's two moments in float32
_STARTUP_S = 5.0  # of a run's process: imports, images, prompts
_REPORT_S = 20.0  # of a study's table, figures and page, and as much again of a study of twenty runs
_RESTORATIONS_PER_MEASURE = 3  # how often a measure that restores test images in unusual ways does
_FORWARD_SHARE = 1 / 3  # of a training step, for a forward pass over as many pixels


@dataclass(frozen=True, kw_only=True)
class RunEstimate:
    """Time and memory of one run."""

    variant: str
    step_s: float  # of a training step of the first phase
    train_s: float  # of all steps
    eval_s: float  # to restore the test images once
    memory_bytes: float  # peak of live tensors in a training step or a batch of evaluation, without libraries
    measures_s: float = 0.0  # of the measures that its study takes, roughly

    @property
    def total_s(self) -> float:
        """Seconds of the run from the start of its process to its last measure."""
        return _STARTUP_S + self.train_s + self.eval_s + self.measures_s


def estimate_run(
    spec: RunSpec,
    device: torch.device,
    test_pixels: int,
    max_batch_pixels: int = 0,
    *,
    measures: Sequence[str] = (),
    sizes: MeasureConfig | None = None,
) -> RunEstimate:
    """Measure a step of each phase's patch size, after one for warming up.

    With the run's precision of products and this process's kernels and checkpointing; never compiled and without
    graphs, which would take longer to make than the estimate is worth. On a CPU one patch is measured and scaled to the
    batch, since time grows with pixels there; on a GPU the whole batch. `test_pixels` are those of all test images and
    conditions together, `max_batch_pixels` what evaluation restores at once.
    """
    if not is_trained(spec.config):
        return RunEstimate(variant=spec.variant, step_s=0.0, train_s=0.0, eval_s=0.0, memory_bytes=0.0)
    prompts = load_prompts(spec.config.prompt_set, spec.text_encoder, spec.conditions)  # type: ignore[arg-type]
    model = build_model(spec.config, spec.seed)
    if isinstance(model, RestorationUNet):
        model.bind_prompts(prompts.codes)
    model.to(device).train()
    recompute_activations(model, on=get_acceleration().checkpointing)
    set_float32_products(spec.precision)
    conditioning = Conditioning(spec.config, prompts)
    parameter_bytes = sum(p.numel() for p in model.parameters()) * _BYTES_PER_PARAMETER
    steps_s, peak_bytes = [], 0.0
    for phase in spec.recipe.phases:
        scale = 1 if device.type == "cuda" else phase.batch
        seconds, activations = _time_step(spec, model, conditioning, phase, device, patches=phase.batch // scale)
        steps_s.append(seconds * scale)
        peak_bytes = max(peak_bytes, parameter_bytes + activations * scale)
    first = spec.recipe.phases[0]
    evaluation_bytes = _bytes_per_pixel(spec, model, conditioning, first.patch, device) * max_batch_pixels
    pixel_s = steps_s[0] / (first.batch * first.patch**2)
    eval_s = pixel_s * _FORWARD_SHARE * test_pixels
    return RunEstimate(
        variant=spec.variant,
        step_s=steps_s[0],
        train_s=sum(s * phase.steps for s, phase in zip(steps_s, spec.recipe.phases, strict=True)),
        eval_s=eval_s,
        measures_s=_measures_s(spec, steps_s[0], eval_s, measures, sizes or MeasureConfig()),
        memory_bytes=max(peak_bytes, parameter_bytes + evaluation_bytes),
    )


def _measures_s(spec: RunSpec, step_s: float, eval_s: float, measures: Sequence[str], sizes: MeasureConfig) -> float:
    """Roughly: gradients at some moments of the training, and test images restored a few times."""
    tasks = len({condition_named(name).task for name in spec.conditions})
    batches = len(sizes.tenths) * sizes.draws * tasks
    gradients = batches * step_s * sizes.batch / spec.recipe.phases[0].batch
    measure_seconds = {"interference": gradients} | {
        name: eval_s for name in measures if name.startswith(METRIC_PREFIX)
    }
    return sum(measure_seconds.get(name, _RESTORATIONS_PER_MEASURE * eval_s) for name in measures)


def _time_step(
    spec: RunSpec, model: nn.Module, conditioning: Conditioning, phase: Phase, device: torch.device, *, patches: int
) -> tuple[float, float]:
    """Seconds of a step, and the most bytes that its tensors take besides the parameters."""
    step_spec = replace(spec, recipe=replace(spec.recipe, phases=(replace(phase, batch=patches),)))
    samples = batch_of_step(step_spec, 0)
    conditions, seeds = samples.conditions, samples.seeds
    image = torch.rand(patches, 3, phase.patch, phase.patch, device=device)
    code = conditioning(conditions, device, training=True, seeds=seeds)

    def step() -> None:
        model.zero_grad(set_to_none=True)
        with autocast(device, spec.precision):
            loss: Tensor = training_loss(spec.config, model, image, image.clone(), code)
        loss.backward()  # type: ignore[no-untyped-call]
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    with LiveBytes() as live:
        step()
    started = time.perf_counter()
    step()
    return time.perf_counter() - started, float(live.peak)


def _bytes_per_pixel(
    spec: RunSpec, model: nn.Module, conditioning: Conditioning, patch: int, device: torch.device
) -> float:
    """What restoring takes for each pixel at its peak, from one patch."""
    conditions = batch_of_step(spec, 0).conditions
    model.eval()
    image = torch.rand(1, 3, patch, patch, device=device)
    code = conditioning(conditions[:1], device, training=False)
    with (
        torch.inference_mode(),
        autocast(device, spec.precision),
        LiveBytes() as live,
    ):
        restore(cast(Restorer, model), image, code)
    peak: int = live.peak
    return peak / patch**2


def summarize_study(estimates: Sequence[RunEstimate], counts: Sequence[int], *, jobs: int) -> tuple[float, float]:
    """Seconds of a study with its report, and GiB of memory, from an estimate and a count of runs for each model."""
    runs = sum(counts)
    run_seconds = [e.total_s for e, n in zip(estimates, counts, strict=True) for _ in range(n)]
    seconds = max([sum(run_seconds) / max(1, min(jobs, runs)), *run_seconds]) + _REPORT_S * (1 + runs / 20)
    run_bytes = sorted((e.memory_bytes for e, n in zip(estimates, counts, strict=True) for _ in range(n)), reverse=True)
    return seconds, sum(run_bytes[:jobs]) / 2**30
