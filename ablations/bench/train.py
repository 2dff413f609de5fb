"""Training: patches a second of DFPIR, and whether the losses of 200 steps are the reference's.

The reference is the released way: NCHW float32, nothing folded, the prompt of every sample encoded by CLIP's text tower
in every step (with random weights: their values cost nothing), Adam as PyTorch has it by default, the loss read each
step. Ours is what runs do, with their switches. Both learn from the same random images, so that the data path, which
has its own benchmark, is left out. Ours keeps freed memory in the process, as its runs do; one line says what it costs
not to.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice, product

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ablations.bench.ceilings import ceilings
from ablations.bench.model_setup import (
    allocated_gib,
    applied_settings,
    free,
    inactive_switches,
    label,
    our_model,
    text_tower,
    tf32_note,
    unless_too_large,
)
from ablations.bench.options import Settings
from ablations.bench.record import Line, host_ms, line, rate, wait
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
from datasets.embedded import load_embedded
from datasets.seeding import stable_seed
from dfpir import RestorationUNet, variant_config
from dfpir.count import multiply_adds
from dfpir.prompts import load_prompts
from dfpir.sentences import PROMPTS

PATCH = 128
BATCHES = {"cpu": (5,), "cuda": (5, 32)}
EXACT_STEPS = 10
SAME_STEPS = 200
_SMALL = {"dim": 8, "num_blocks": (1, 1, 1, 1), "num_refinement_blocks": 1}
_ALLOCATOR_REPEATS = 1  # after the warm-up: a step takes half a minute there
_BACKWARD = 3  # a training step costs about three forward passes
_RATE = "patches/s"

Step = Callable[[Tensor, Tensor, Tensor], Tensor]


def run(device: torch.device, repeats: int, settings: Settings | None = None) -> Iterator[Line]:
    """Ceilings, the reference and ours for each batch size, then whether both learn the same.

    Ratios are of patches a second. Where the reference's memory does not hold a batch, it is halved until it does.
    """
    bench = TrainingBench(device=device, repeats=repeats, settings=settings or Settings())
    settings = bench.settings
    if settings.way == "both":  # one way alone is a part of a comparison that has them once
        yield from ceilings(device, repeats)
        free(device)
    batches = settings.batch or BATCHES[device.type]
    if settings.way != "ours":
        for batch in batches:
            yield from bench.released_that_fits(batch)
    if settings.way != "released":
        if settings.way == "both" and settings.stem() in ("", "tiny") and device.type == "cpu":
            once = replace(bench, repeats=_ALLOCATOR_REPEATS)
            yield from once.ours("fp32", batches[0], memory_kept=False)
        keep_freed_memory()  # from here on: the released way runs without
        for batch, precision in product(batches, settings.precisions_on(device)):
            yield from bench.ours(precision, batch)
    if settings.way == "both":
        yield from _same_answers(device, settings)


@dataclass(frozen=True, kw_only=True)
class TrainingBench:
    """Both ways on a device.

    Attributes:
        device: where.
        repeats: measured ones.
        settings: what is measured.
        rates: batch -> patches a second of the released way, as soon as they are measured.
    """

    device: torch.device
    repeats: int
    settings: Settings
    rates: dict[int, float] = field(default_factory=dict)

    @property
    def side(self) -> int:
        """Of the images, in pixels."""
        return self.settings.pixels or PATCH

    def _name(self, batch: int) -> str:
        tiny = ", tiny model" if self.settings.size == "tiny" else ""
        return f"batch {batch}, {self.side} px, {self.device.type}{tiny}"

    def released_that_fits(self, batch: int) -> Iterator[Line]:
        """The released way at this batch, or at the largest half of halves that fits; kept in `rates`."""
        size = batch
        while size and batch not in self.rates:
            if size in self.rates:
                self.rates[batch] = self.rates[size]
                return
            what = f"released way, float32, {self._name(size)}"
            for each in unless_too_large(self._released(size, what), f"train: {what}", _RATE, self.device):
                if each.unit == _RATE and not math.isnan(each.value):
                    self.rates[batch] = self.rates[size] = each.value
                yield each
            size //= 2

    def _released(self, batch: int, what: str) -> Iterator[Line]:
        free(self.device)
        image, target, rows = self._batch(batch)
        step = released_step(ReferenceUNet(self.settings.config).to(self.device).train())
        encode = text_tower(self.device)
        sentences = [list(PROMPTS["detailed"].values())[row] for row in rows.tolist()]

        def once() -> None:
            step(image, target, encode(sentences)).item()

        yield from self.measured(once, batch, what, note=tf32_note(self.device))

    def ours(self, precision: Precision, batch: int, *, memory_kept: bool = True) -> Iterator[Line]:
        """Ours; where freed memory is not kept its rate alone."""
        with applied_settings(self.settings, precision):
            what = f"{label(self.settings, precision, self.device)}, {self._name(batch)}"
            what += "" if memory_kept else ", freed memory not kept"
            lines = self._ours(precision, batch, what)
            if not memory_kept:
                lines = islice(lines, 1)
            yield from unless_too_large(lines, f"train: {what}", _RATE, self.device)

    def _ours(self, precision: Precision, batch: int, what: str) -> Iterator[Line]:
        free(self.device)
        image, target, rows = self._batch(batch)
        step = our_step(our_model(self.settings.config).to(self.device).train(), precision, self.device)
        if get_acceleration().compile:
            started = time.perf_counter()
            step(image, target, rows)
            wait(self.device)
            yield line(f"train: first step with compiling, {what}", "s", [time.perf_counter() - started])
        yield from self.measured(
            lambda: step(image, target, rows), batch, what, self.rates.get(batch, math.nan),
            queued=True, note=inactive_switches(self.settings, self.device),
        )  # fmt: skip

    def _batch(self, batch: int) -> tuple[Tensor, Tensor, Tensor]:
        """Random images, what they should be, and the rows of their prompts."""
        image = torch.rand(batch, 3, self.side, self.side, device=self.device)
        return image, image.roll(1, dims=-1), torch.arange(batch, device=self.device) % len(PROMPTS["detailed"])

    def measured(
        self, step: Callable[[], object], batch: int, what: str, reference: float | None = None,
        *, queued: bool = False, note: str = "",
    ) -> Iterator[Line]:  # fmt: skip
        """Patches a second; multiply-adds a second of the method's published definition; most memory; launching."""
        device = self.device

        def work() -> int:
            step()
            return batch

        rated = line(f"train: {what}", _RATE, rate(work, self.repeats, device), reference, note)
        yield rated
        macs = multiply_adds(self.settings.config, self.side, self.side) * _BACKWARD
        yield line(f"train: multiply-adds of the definition, {what}", "GMACs/s", [rated.value * macs / 1e9])
        if device.type == "cuda":
            yield line(f"train: most memory allocated, {what}", "GiB", [allocated_gib(device)])
            if queued:  # the released loop waits for its loss in each step
                times = host_ms(step, self.repeats, device)
                yield line(f"train: host time to queue a step, {what}", "ms", times)
        elif not (queued and get_acceleration().compile):  # compiled code makes its tensors where nobody counts them
            with LiveBytes() as live:
                step()
            yield line(f"train: most memory of a step's tensors, {what}", "GiB", [live.peak / 2**30])


def released_step(model: nn.Module, lr: float = 1e-4) -> Step:
    """A step of the released loop, called with images, targets and prompt codes; returns the loss."""
    adam = released_adam(model, lr)

    def step(image: Tensor, target: Tensor, codes: Tensor) -> Tensor:
        adam.zero_grad()
        loss = F.l1_loss(model(image, codes), target)
        loss.backward()  # type: ignore[no-untyped-call]
        adam.step()
        return loss.detach()

    return step


def our_step(model: RestorationUNet, precision: Precision, device: torch.device, lr: float = 1e-4) -> Step:
    """A step of a run with the switches chosen, called with images, targets and rows of prompts; returns the loss."""
    apply_acceleration(model, model.config)
    parameters = [p for p in model.parameters() if p.requires_grad]
    adam = torch.optim.Adam(parameters, lr=lr, fused=True)

    def compute(image: Tensor, target: Tensor, rows: Tensor) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            loss = (model(image, rows).to(target.dtype) - target).abs().mean()
        loss.backward()
        return loss.detach()

    graphs = get_acceleration().cuda_graphs and cuda_graph_blocker(model.config, device) is None
    passes: Step = GraphedStep(compute, parameters) if graphs else compute

    def step(image: Tensor, target: Tensor, rows: Tensor) -> Tensor:
        model.set_progress(0.5)
        adam.zero_grad(set_to_none=True)
        loss = passes(image, target, rows)
        adam.step()
        return loss

    return step


def _same_answers(device: torch.device, settings: Settings) -> Iterator[Line]:
    """Whether ours, with its switches, and the reference learn the same from the same batches.

    Adam divides by the gradient's own size, so that a rounding error grows about tenfold a step: in float64 the first
    losses must agree, in float32 the means of a hundred steps.
    """
    # compiled code takes minutes to make, and no run trains in float64
    with applied_settings(replace(settings, compile=False), "fp32"):
        ours, reference = (_losses(kind, EXACT_STEPS, torch.float64, device) for kind in ("ours", "reference"))
    what = f"same answers: largest relative difference of the first {EXACT_STEPS} losses, float64"
    yield line(what, "1", [float(((ours - reference).abs() / reference).max())])
    with applied_settings(settings, "fp32"):
        first, second = (
            _losses(kind, SAME_STEPS, torch.float32, device)[SAME_STEPS // 2 :].mean() for kind in ("ours", "reference")
        )
    what = f"same answers: mean loss of steps {SAME_STEPS // 2} to {SAME_STEPS}, relative difference, float32"
    yield line(what, "1", [float((first / second - 1).abs())])


def _losses(kind: str, steps: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """(steps,) losses of a small model, from the same first weights and batches for both kinds."""
    ours = our_model(variant_config("dfpir", **_SMALL))
    codes = load_prompts("detailed", "minilm").codes.to(device, dtype)
    if kind == "reference":
        model = ReferenceUNet(ours.config)
        copy_weights(ours, model)
        step = released_step(model.to(device, dtype).train(), lr=1e-3)
    else:
        step = our_step(ours.to(device, dtype).train(), "fp32", device, lr=1e-3)
    bundle = load_embedded()
    losses = []
    for number in range(steps):
        rows = torch.arange(4, device=device) + number % 4
        seeds = [stable_seed("bench train", number, row) for row in range(4)]
        conditions = [bundle.conditions[row] for row in rows.tolist()]
        degraded, clean = (part.to(dtype) for part in bundle.batch(conditions, seeds, 32, device))
        losses.append(step(degraded, clean, rows if kind == "ours" else codes[rows]))
    return torch.stack(losses).double().cpu()
