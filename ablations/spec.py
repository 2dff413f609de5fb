"""What a run is: every number that decides its result, and the id made from them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Literal

from ablations.models import ModelConfig, is_trained
from ablations.recipe import Checkpoint, Evaluation, Phase, Recipe, Sampling, TaskShare
from datasets.protocols import rules_from_elsewhere
from datasets.tasks import condition_named
from dfpir.plugins import plugins_behind

__all__ = [
    "IDENTITY_VERSION", "Budget", "Checkpoint", "DataRef", "Evaluation", "MeasureConfig", "Phase", "Precision",
    "Recipe", "RunSpec", "Sampling", "TaskShare",
]  # fmt: skip

IDENTITY_VERSION = 2
"""Raised when the harness computes other numbers from an equal spec: runs made before then are not reused."""

Precision = Literal["fp32", "tf32", "bf16"]
"""Of products: float32; float32 with TF32's 10 bits, on GPUs that have it; bf16 autocast, the rest float32."""


@dataclass(frozen=True, kw_only=True)
class MeasureConfig:
    """How much the measures of a finished run look at; it changes no number of the run itself.

    Attributes:
        images: test images a condition that are restored in unusual ways; None takes as many as the evaluation.
        tenths: moments of the training at which gradients are taken, in tenths (0: first weights).
        draws: batches a task whose gradients are compared.
        batch: patches in such a batch, a multiple of the number of noise levels.
        micro_batch: of them, how many are in memory at once.
        information_images: test images a condition for the information that a block loses.
        pixels: places in each of them.
    """

    images: int | None = None
    tenths: tuple[int, ...] = (0, 1, 5, 10)
    draws: int = 8
    batch: int = 12
    micro_batch: int = 4
    information_images: int = 8
    pixels: int = 256


@dataclass(frozen=True, kw_only=True)
class Budget:
    """A named size of experiment: model size, recipe and evaluation.

    Attributes:
        name: as on the command line.
        summary: what it is good for, in one line.
        model: settings of the config that every variant gets (dim, num_blocks, ...).
        recipe: of training.
        evaluation: of testing.
        seeds: seeds that are run when none are asked for.
        text_encoder: `minilm`, or `auto`: CLIP where its weights can be had.
        precision: `fp32`, or `auto`: bf16 autocast on a GPU that has it.
        measuring: of the measures that a study asks for.
        epochs: lengths of the recipe's phases in epochs of the released loop's lists for the run's tasks, which then
            replace their steps; empty: the steps stand.
        short: whether studies that name a short form run that.
        overrides: what was replaced of the named budget and of its variants: `recipe.steps` -> 500; see
            `ablations.overrides`.
    """

    name: str
    summary: str
    model: dict[str, Any] = field(default_factory=dict)
    recipe: Recipe
    evaluation: Evaluation
    seeds: tuple[int, ...] = (0,)
    text_encoder: Literal["auto", "minilm"] = "minilm"
    precision: Literal["auto", "fp32"] = "auto"
    measuring: MeasureConfig = field(default_factory=MeasureConfig)
    epochs: tuple[int, ...] = ()
    short: bool = False
    overrides: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class DataRef:
    """The data of a run: what it is called, how to load it again, and the checksum that identifies it.

    Attributes:
        name: short, for tables and folder names.
        kind: which loader makes it (see `ablations.data`): `embedded`, `folder`, `bsds` or `paper`.
        path: of the folder, or None.
        exclude_leaks: whether training images that stand in test sets were left out.
        sets: names of the test sets, those that a study's table shows first.
        split: percentages of a folder to train on, validate and test, where others than usual were asked for.
        skip_bad: whether files of a folder that can't be used were left out.
        tasks: of a folder's pairs, as told; empty where their folders' names say it, or without pairs.
        checksum: over all pixels and their roles.
        description: for the report.
    """

    name: str
    kind: str
    path: str | None
    checksum: str
    description: str
    exclude_leaks: bool = False
    sets: tuple[str, ...] = ()
    split: tuple[int, int, int] | None = None
    skip_bad: bool = False
    tasks: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """One training run and its evaluation.

    Attributes:
        variant: name of the model variant: a label, not part of the identity.
        seed: of first weights and batches.
        config: of the model.
        recipe: of training.
        evaluation: of testing.
        data: training, validation and test images.
        conditions: names of the conditions trained on, in the order of the prompts.
        tested: names of those tested on.
        protocol: label of the evaluation protocol.
        also_protocols: labels of further protocols under which the test images are scored, each in rows of its own.
        text_encoder: which encoder made the prompt codes.
        codes_checksum: of the codes.
        precision: of the forward pass.
        budget: name of the budget: a label.
    """

    variant: str
    seed: int
    config: ModelConfig
    recipe: Recipe
    evaluation: Evaluation
    data: DataRef
    conditions: tuple[str, ...]
    tested: tuple[str, ...]
    protocol: str
    also_protocols: tuple[str, ...] = ()
    text_encoder: str
    codes_checksum: str
    precision: Precision
    budget: str

    def identity(self) -> dict[str, Any]:
        """What changes the run's numbers, and nothing else: no label, device, worker count or folder."""
        prompts = {"encoder": self.text_encoder, "codes": self.codes_checksum} if self.config.uses_prompts else None
        identity = {
            "version": IDENTITY_VERSION,
            "model": self.config.identity(),
            "seed": self.seed,
            "recipe": asdict(self.recipe) if is_trained(self.config) else None,
            "evaluation": asdict(self.evaluation),
            "data": self.data.checksum,
            "conditions": list(self.conditions),
            "tested": list(self.tested),
            "protocol": self.protocol,
            "also_protocols": list(self.also_protocols),
            "prompts": prompts,
            "precision": self.precision,
        }
        if rules := rules_from_elsewhere((self.protocol, *self.also_protocols)):
            identity["protocol_rules"] = rules
        if code := _task_code((*self.conditions, *self.tested)):
            identity["task_code"] = code
        return dict(json.loads(json.dumps(identity)))

    @cached_property
    def digest(self) -> str:
        """Eight hex digits of the identity's hash: equal digests are one run."""
        text = json.dumps(self.identity(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    @property
    def run_id(self) -> str:
        """`dfpir_g90-s0-1f3a9c2e`; the variant's name made safe for a folder."""
        label = re.sub(r"[^A-Za-z0-9_.]+", "_", self.variant).strip("._")[:60] or "variant"
        return f"{label}-s{self.seed}-{self.digest}"


def _task_code(conditions: Sequence[str]) -> dict[str, Any]:
    """Task -> the packages that make its images, of the tasks that are none of the suite's."""
    tasks = {task.name: task for task in (condition_named(name).task for name in conditions)}
    code = {name: [plugin.to_json() for plugin in plugins_behind(task.degrade)] for name, task in tasks.items()}
    return {name: plugins for name, plugins in code.items() if plugins}
