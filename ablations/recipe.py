"""Training recipe, evaluation, budget and acceleration of a run; `--recipe.*` and `--evaluation.*` replace fields.

Imports nothing heavy: `--help` prints these fields.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Annotated, Any, Literal

from ablations.flags import OPTION, Switch, single_value

_MAX_TILE = 65_536  # pixels
_MIN_SIDE = 11  # pixels: SSIM's largest window
_MAX_CPU_THREADS = 1024

Sampling = Literal["mixture", "paper"]
Checkpoint = Literal["last", "best"]


@dataclass(frozen=True, kw_only=True)
class TaskShare:
    """The share of one task in a phase.

    Attributes:
        task: its name (`noise`, `rain`, ...).
        share: of the phase's samples, relative to the other tasks' shares.
        weight: factor of the loss of its samples.
    """

    task: str
    share: float = 1.0
    weight: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A stretch of training with one patch size and one mixture of tasks.

    Attributes:
        steps: optimiser steps.
        lr: learning rate of Adam; at the phase's start where the schedule is `cosine`.
        patch: side of the square training patches, in pixels.
        batch: patches a step.
        mixture: shares and loss weights of the tasks; empty: all of the run's tasks alike.
    """

    steps: int
    lr: float
    patch: int
    batch: int
    mixture: tuple[TaskShare, ...] = ()

    def __post_init__(self) -> None:
        for name in ("steps", "batch"):
            _require(name, getattr(self, name), getattr(self, name) >= 1, "a whole number, 1 or more")
        _require("lr", self.lr, 0 < self.lr < math.inf, "a number above 0")
        _require(
            "patch", self.patch, self.patch >= 8 and self.patch % 8 == 0, "a multiple of 8: the network halves thrice"
        )
        names = [share.task for share in self.mixture]
        _require("mixture", ", ".join(names), len(set(names)) == len(names), "each task once")

    def for_tasks(self, tasks: Sequence[str], new_shares: Sequence[TaskShare] = ()) -> Phase:
        """The phase of a run on these tasks: its mixture without other tasks; empty where it has none of them.

        `new_shares` are those of tasks that no budget names, relative to the mixture's mean; they join a mixture of
        several tasks, not a phase of one.
        """
        shares = tuple(share for share in self.mixture if share.task in tasks)
        if shares and len(self.mixture) > 1:
            mean = sum(share.share for share in self.mixture) / len(self.mixture)
            shares += tuple(replace(new_share, share=mean * new_share.share) for new_share in new_shares)
        return replace(self, mixture=shares)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a model is trained: L1 loss, Adam, phases.

    Attributes:
        phases: run one after the other (the paper: 80 epochs at 1e-4 and 128 px, then 5 at 1e-5 and 192 px).
        schedule: `constant` in a phase, as the paper says, or `cosine` down to zero over all steps, as its code does.
        sampling: by the shares of the phases, `mixture`, or in the proportions of the released loop's lists, `paper`.
        betas: of Adam.
        grad_clip: largest gradient norm, or None.
        ema: decay of the exponential moving average of weights that is evaluated, or None for the weights themselves.
        checkpoint: which weights are tested: the `last`, at the same step for every variant, or those that validated
            `best`.
        validations: number of evenly spaced validations of the gain in PSNR over the input; the last one
            after the last step.
        log_every: steps between rows of train.jsonl.
        cpu_threads: threads of a run on a CPU; part of the spec, since the order of a sum depends on it.
    """

    phases: tuple[Phase, ...]
    schedule: Literal["constant", "cosine"] = "constant"
    sampling: Sampling = "mixture"
    betas: tuple[float, float] = (0.9, 0.999)
    grad_clip: float | None = None
    ema: float | None = None
    checkpoint: Checkpoint = "last"
    validations: int = 10
    log_every: int = 50
    cpu_threads: int = 1

    def __post_init__(self) -> None:
        for name in ("validations", "log_every"):
            _require(name, getattr(self, name), getattr(self, name) >= 1, "a whole number, 1 or more")
        is_count = 1 <= self.cpu_threads <= _MAX_CPU_THREADS
        _require("cpu_threads", self.cpu_threads, is_count, f"a whole number from 1 to {_MAX_CPU_THREADS}")
        _require("betas", self.betas, all(0 <= beta < 1 for beta in self.betas), "two numbers from 0 to below 1")
        _require("grad_clip", self.grad_clip, self.grad_clip is None or self.grad_clip > 0, "a number above 0, or None")
        _require("ema", self.ema, self.ema is None or 0 < self.ema < 1, "a number between 0 and 1, or None")

    @property
    def steps(self) -> int:
        """Optimiser steps of all phases."""
        return sum(phase.steps for phase in self.phases)

    def validates_after(self, step: int) -> bool:
        """Whether the model is validated after this many steps."""
        return step * self.validations // self.steps > (step - 1) * self.validations // self.steps

    def for_tasks(self, tasks: Sequence[str], new_shares: Sequence[TaskShare] = ()) -> Recipe:
        """The recipe of a run on these tasks: see `Phase.for_tasks`."""
        return replace(self, phases=tuple(phase.for_tasks(tasks, new_shares) for phase in self.phases))

    def with_lr_factor(self, factor: float) -> Recipe:
        """The recipe with every phase's learning rate times a factor."""
        return replace(self, phases=tuple(replace(phase, lr=phase.lr * factor) for phase in self.phases))

    def phase_at(self, step: int) -> Phase:
        """The phase of a step, counted from 0."""
        for phase in self.phases:
            if step < phase.steps:
                return phase
            step -= phase.steps
        raise ValueError(f"Step {step} lies after the last phase.")


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How many test images are evaluated, and how large.

    Attributes:
        max_side: test images are centre-cropped to at most this many pixels a side; None: full size.
        limit: most images for each condition; None: all.
        val_max_side: as max_side, for validation images.
        val_limit: as limit, for validation images.
        probe_patches: patches for each condition whose features are stored for t-SNE.
        probe_patch: side of these patches, in pixels.
        samples: images for each condition whose crops are stored.
        tile: side in pixels of the overlapping tiles in which images are restored, 0 for whole images; None: whole,
            but in tiles of its training patches' size for a comparator that normalises over the image
            (`Baseline.tiled_test`).
    """

    max_side: int | None = None
    limit: int | None = None
    val_max_side: int | None = 128
    val_limit: int | None = 4
    probe_patches: int = 200
    probe_patch: int = 64
    samples: int = 2
    tile: int | None = None

    def __post_init__(self) -> None:
        for name, least in (("max_side", _MIN_SIDE), ("limit", 1), ("val_max_side", 1), ("val_limit", 1)):
            value = getattr(self, name)
            _require(name, value, value is None or value >= least, f"a whole number, {least} or more, or None for all")
        for name in ("probe_patches", "samples"):
            _require(name, getattr(self, name), getattr(self, name) >= 0, "a whole number, 0 or more")
        _require("probe_patch", self.probe_patch, self.probe_patch >= 8, "a whole number, 8 or more")
        is_tile = self.tile is None or (0 <= self.tile <= _MAX_TILE and self.tile % 8 == 0)
        _require(
            "tile",
            self.tile,
            is_tile,
            f"a multiple of 8 up to {_MAX_TILE}, 0 for whole images, or None",
        )

    def to_json(self) -> dict[str, Any]:
        """The fields; without `tile` where it is None: runs from before there were tiles keep their ids."""
        values = asdict(self)
        return values if self.tile is not None else {name: v for name, v in values.items() if name != "tile"}


@dataclass(frozen=True, kw_only=True)
class MeasureConfig:
    """Sizes of the measures of a finished run; they do not change the run."""

    images: int | None = None  # test images for each condition that measures restore; None: as in the evaluation
    tenths: tuple[int, ...] = (0, 1, 5, 10)  # of the training, at which gradients are measured; 0: first weights
    draws: int = 8  # batches for each task whose gradients are compared
    batch: int = 12  # patches in such a batch, a multiple of the number of noise levels
    micro_batch: int = 4  # patches of such a batch that are in memory at once
    information_images: int = 8  # test images for each condition, for the information loss of blocks
    pixels: int = 256  # sampled in each of these images


@dataclass(frozen=True, kw_only=True)
class Budget:
    """A named size of experiment: model size, recipe and evaluation.

    `epochs` are lengths of the recipe's phases in epochs of the released loop's lists for the run's tasks, which then
    replace their steps. `overrides` are the settings that replace the budget's and its variants': `recipe.steps` ->
    500; see `ablations.overrides`.
    """

    name: str  # as on the command line
    summary: str  # its purpose, in one line
    model: dict[str, Any] = field(default_factory=dict)  # settings that every variant gets (dim, num_blocks, ...)
    recipe: Recipe
    evaluation: Evaluation
    seeds: tuple[int, ...] = (0,)  # run by default
    text_encoder: Literal["auto", "minilm"] = "minilm"  # `auto`: CLIP where its weights are available
    precision: Literal["auto", "fp32"] = "auto"  # `auto`: bf16 autocast on a GPU that has it
    measuring: MeasureConfig = field(default_factory=MeasureConfig)
    epochs: tuple[int, ...] = ()
    short: bool = False  # whether studies run in their short form, if they have one
    overrides: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Acceleration:
    """Speed and memory; no part of a run's id, see docs/performance.md.

    Attributes:
        kernels: torch, or triton on a GPU (default: DFPIR_KERNELS, or torch)
        compile: train each block with torch.compile
        cuda_graphs: run each training step as one CUDA graph
        checkpointing: recompute activations in the backward pass instead of storing them: less memory
    """

    kernels: Annotated[str | None, single_value("--kernels", "NAME"), OPTION] = None
    compile: Switch = False
    cuda_graphs: Switch = False
    checkpointing: Switch = False


def _require(name: str, value: object, condition: bool, allowed: str) -> None:
    if not condition:
        raise ValueError(f"{name}={value!r} is not allowed: {allowed}.")
