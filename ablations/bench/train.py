"""Training: patches per second of DFPIR, and whether the losses of 200 steps equal the reference's.

The reference is the released code: NCHW float32, nothing folded, the prompt of each sample encoded by CLIP's text tower
in each step (with random weights, which take the same time), PyTorch's default Adam, the loss read in each step. The
suite ("ours") does what its runs do, with their switches. Both train on the same random images: the data path has its
own benchmark. The suite keeps freed memory in the process; one measurement is without.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice, product

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ablations.bench.ceilings import measure_ceilings
from ablations.bench.measurement import Measurement, measure_host_ms, measure_rate, summarize
from ablations.bench.model_setup import (
    applied_settings,
    catch_out_of_memory,
    format_label,
    free_memory,
    inactive_switches,
    peak_memory,
    suite_model,
    text_tower,
    tf32_note,
    time_first_call,
)
from ablations.bench.options import Settings
from ablations.bench.reference import ReferenceUNet, copy_weights, released_adam
from ablations.harness.malloc import keep_freed_memory
from ablations.harness.memory import LiveBytes
from ablations.harness.training.acceleration import (
    GraphedStep,
    apply_acceleration,
    cuda_graph_blocker,
    get_acceleration,
)
from ablations.spec import Precision
from datasets.seeding import stable_seed
from datasets.sources.embedded import load_embedded
from dfpir import RestorationUNet, variant_config
from dfpir.count import multiply_adds
from dfpir.prompts import load_prompts
from dfpir.sentences import PROMPTS

PATCH = 128
BATCHES = {"cpu": (5,), "cuda": (5, 32)}
FLOAT64_STEPS = 10
FLOAT32_STEPS = 200
_SMALL = {"dim": 8, "num_blocks": (1, 1, 1, 1), "num_refinement_blocks": 1}
_ALLOCATOR_REPEATS = 1  # after the warm-up: a step takes half a minute there
_BACKWARD = 3  # a training step costs about three forward passes
_RATE = "patches/s"

Step = Callable[[Tensor, Tensor, Tensor], Tensor]


def run(device: torch.device, repeats: int, settings: Settings) -> Iterator[Measurement]:
    """Ceilings, the reference and the suite for each batch size, then the comparison of their losses.

    Ratios are of patches per second. Where a batch of the reference does not fit in memory, it is halved until it does.
    """
    bench = TrainingBench(device=device, repeats=repeats, settings=settings)
    if settings.way == "both":  # else a comparison of several commands would repeat them
        yield from measure_ceilings(device, repeats)
        free_memory(device)
    batches = settings.batch or BATCHES[device.type]
    if settings.way != "ours":
        for batch in batches:
            yield from bench.measure_released(batch)
    if settings.way != "released":
        if settings.way == "both" and settings.stem() in ("", "tiny") and device.type == "cpu":
            single_repeat = replace(bench, repeats=_ALLOCATOR_REPEATS)
            yield from single_repeat.measure_suite("fp32", batches[0], memory_kept=False)
        keep_freed_memory()  # the released code runs without it
        for batch, precision in product(batches, settings.precisions_on(device)):
            yield from bench.measure_suite(precision, batch)
    if settings.way == "both":
        yield from _compare_losses(device, settings)


@dataclass(frozen=True, kw_only=True)
class TrainingBench:
    """The released code and the suite on a device.

    Attributes:
        device: of both.
        repeats: measured repeats.
        settings: what is measured.
        rates: batch -> measured patches per second of the released code.
    """

    device: torch.device
    repeats: int
    settings: Settings
    rates: dict[int, float] = field(default_factory=dict)

    @property
    def side(self) -> int:
        """Side of the images in pixels."""
        return self.settings.pixels or PATCH

    def _describe_batch(self, batch: int) -> str:
        tiny = ", tiny model" if self.settings.size == "tiny" else ""
        return f"batch {batch}, {self.side} px, {self.device.type}{tiny}"

    def measure_released(self, batch: int) -> Iterator[Measurement]:
        """Measure the released code at this batch size, halved until it fits; the rate is stored in `rates`."""
        size = batch
        while size and batch not in self.rates:
            if size in self.rates:
                self.rates[batch] = self.rates[size]
                return
            label = f"released way, float32, {self._describe_batch(size)}"
            measurements = self._measure_released_batch(size, label)
            for measurement in catch_out_of_memory(measurements, f"train: {label}", _RATE, self.device):
                if measurement.unit == _RATE and not math.isnan(measurement.value):
                    self.rates[batch] = self.rates[size] = measurement.value
                yield measurement
            size //= 2

    def _measure_released_batch(self, batch: int, label: str) -> Iterator[Measurement]:
        free_memory(self.device)
        image, target, rows = self._random_batch(batch)
        step = released_step(ReferenceUNet(self.settings.config).to(self.device).train())
        encode = text_tower(self.device)
        sentences = [list(PROMPTS["detailed"].values())[row] for row in rows.tolist()]

        def train_step() -> None:
            step(image, target, encode(sentences)).item()

        yield from self.measure_step(train_step, batch, label, note=tf32_note(self.device))

    def measure_suite(self, precision: Precision, batch: int, *, memory_kept: bool = True) -> Iterator[Measurement]:
        """Measure the suite; only its rate where freed memory is not kept."""
        with applied_settings(self.settings, precision):
            label = f"{format_label(self.settings, precision, self.device)}, {self._describe_batch(batch)}"
            label += "" if memory_kept else ", freed memory not kept"
            measurements = self._measure_suite_batch(precision, batch, label)
            if not memory_kept:
                measurements = islice(measurements, 1)
            yield from catch_out_of_memory(measurements, f"train: {label}", _RATE, self.device)

    def _measure_suite_batch(self, precision: Precision, batch: int, label: str) -> Iterator[Measurement]:
        free_memory(self.device)
        image, target, rows = self._random_batch(batch)
        step = suite_step(suite_model(self.settings.config).to(self.device).train(), precision, self.device)
        if get_acceleration().compile:
            first_label = f"train: first step with compiling, {label}"
            yield time_first_call(lambda: step(image, target, rows), first_label, self.device)
        yield from self.measure_step(
            lambda: step(image, target, rows), batch, label, self.rates.get(batch, math.nan),
            queued=True, note=inactive_switches(self.settings, self.device),
        )  # fmt: skip

    def _random_batch(self, batch: int) -> tuple[Tensor, Tensor, Tensor]:
        """Random images (B, 3, side, side), targets of the same shape, and prompt rows (B,)."""
        image = torch.rand(batch, 3, self.side, self.side, device=self.device)
        return image, image.roll(1, dims=-1), torch.arange(batch, device=self.device) % len(PROMPTS["detailed"])

    def measure_step(
        self, step: Callable[[], object], batch: int, label: str, reference: float | None = None,
        *, queued: bool = False, note: str = "",
    ) -> Iterator[Measurement]:  # fmt: skip
        """Patches and multiply-adds (of the published definition) per second, peak memory, launch time."""
        device = self.device

        def work() -> int:
            step()
            return batch

        throughput = summarize(f"train: {label}", _RATE, measure_rate(work, self.repeats, device), reference, note)
        yield throughput
        macs = multiply_adds(self.settings.config, self.side, self.side) * _BACKWARD
        yield summarize(f"train: multiply-adds of the definition, {label}", "GMACs/s", [throughput.value * macs / 1e9])
        yield from peak_memory(f"train: most memory allocated, {label}", device)
        if device.type == "cuda":
            if queued:  # the released loop reads its loss in each step
                times = measure_host_ms(step, self.repeats, device)
                yield summarize(f"train: host time to queue a step, {label}", "ms", times)
        elif not (queued and get_acceleration().compile):  # the tensors of compiled code are not counted
            with LiveBytes() as live:
                step()
            yield summarize(f"train: most memory of a step's tensors, {label}", "GiB", [live.peak / 2**30])


def released_step(model: nn.Module, lr: float = 1e-4) -> Step:
    """A step of the released loop, called with images, targets and prompt codes; returns the loss."""
    adam = released_adam(model, lr)

    def step(image: Tensor, target: Tensor, codes: Tensor) -> Tensor:
        adam.zero_grad()
        loss = F.l1_loss(model(image, codes), target)
        torch.autograd.backward(loss)
        adam.step()
        return loss.detach()

    return step


def suite_step(model: RestorationUNet, precision: Precision, device: torch.device, lr: float = 1e-4) -> Step:
    """A step of a run with the chosen switches, called with images, targets and rows of prompts; returns the loss."""
    apply_acceleration(model, model.config)
    parameters = [p for p in model.parameters() if p.requires_grad]
    adam = torch.optim.Adam(parameters, lr=lr, fused=True)

    def compute(image: Tensor, target: Tensor, rows: Tensor) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            loss: Tensor = (model(image, rows).to(target.dtype) - target).abs().mean()
        torch.autograd.backward(loss)
        return loss.detach()

    graphs = get_acceleration().cuda_graphs and cuda_graph_blocker(model.config, device) is None
    forward_backward: Step = GraphedStep(compute, parameters) if graphs else compute

    def step(image: Tensor, target: Tensor, rows: Tensor) -> Tensor:
        model.set_progress(0.5)
        adam.zero_grad(set_to_none=True)
        loss = forward_backward(image, target, rows)
        adam.step()
        return loss

    return step


def _compare_losses(device: torch.device, settings: Settings) -> Iterator[Measurement]:
    """Compare the losses of the suite, with its switches, and of the reference on the same batches.

    Adam divides by the gradient's size, so that a rounding error grows about tenfold a step: in float64 the first
    losses must agree, in float32 the means of a hundred steps.
    """
    # compiling takes minutes, and no run trains in float64
    with applied_settings(replace(settings, compile=False), "fp32"):
        suite, reference = (_losses(kind, FLOAT64_STEPS, torch.float64, device) for kind in ("ours", "reference"))
    label = f"same answers: largest relative difference of the first {FLOAT64_STEPS} losses, float64"
    yield summarize(label, "1", [float(((suite - reference).abs() / reference).max())])
    with applied_settings(settings, "fp32"):
        suite_mean, reference_mean = (
            _losses(kind, FLOAT32_STEPS, torch.float32, device)[FLOAT32_STEPS // 2 :].mean()
            for kind in ("ours", "reference")
        )
    label = f"same answers: mean loss of steps {FLOAT32_STEPS // 2} to {FLOAT32_STEPS}, relative difference, float32"
    yield summarize(label, "1", [float((suite_mean / reference_mean - 1).abs())])


def _losses(kind: str, steps: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """(steps,) losses of a small model, with the same initial weights and batches for both kinds."""
    suite = suite_model(variant_config("dfpir", **_SMALL))
    codes = load_prompts("detailed", "minilm").codes.to(device, dtype)
    if kind == "reference":
        model = ReferenceUNet(suite.config)
        copy_weights(suite, model)
        step = released_step(model.to(device, dtype).train(), lr=1e-3)
    else:
        step = suite_step(suite.to(device, dtype).train(), "fp32", device, lr=1e-3)
    bundle = load_embedded()
    losses = []
    for number in range(steps):
        rows = torch.arange(4, device=device) + number % 4
        seeds = [stable_seed("bench train", number, row) for row in range(4)]
        conditions = [bundle.conditions[row] for row in rows.tolist()]
        degraded, clean = (part.to(dtype) for part in bundle.batch(conditions, seeds, 32, device))
        losses.append(step(degraded, clean, rows if kind == "ours" else codes[rows]))
    return torch.stack(losses).double().cpu()
