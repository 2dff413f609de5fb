"""The spec of a run: every setting that determines its result, and the id made from them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal

from ablations.models import ModelConfig, is_trained
from ablations.recipe import Budget, Checkpoint, Evaluation, MeasureConfig, Phase, Recipe, Sampling, TaskShare
from datasets.protocols import plugin_protocol_rules
from datasets.tasks import condition_named
from dfpir.plugins import plugins_behind

__all__ = [
    "IDENTITY_VERSION", "Budget", "Checkpoint", "DataRef", "Evaluation", "MeasureConfig", "Phase", "Precision",
    "Recipe", "RunSpec", "Sampling", "TaskShare",
]  # fmt: skip

IDENTITY_VERSION = 2
"""Increased when the harness computes other numbers from an equal spec: older runs are not reused."""

Precision = Literal["fp32", "tf32", "bf16"]
"""Of matrix products: float32; TF32, on GPUs that have it; bf16 autocast, the rest float32."""


@dataclass(frozen=True, kw_only=True)
class DataRef:
    """The data of a run: name, how to load it again, and the checksum that identifies it."""

    name: str  # short, for tables and folder names
    kind: str  # its loader (see `ablations.data`): `embedded`, `folder`, `bsds` or `paper`
    path: str | None  # of the folder
    checksum: str  # over all pixels and their roles
    description: str  # for the report
    exclude_leaks: bool = False  # whether training images that are also in test sets were excluded
    sets: tuple[str, ...] = ()  # names of the test sets, in the order of the study's table
    split: tuple[int, int, int] | None = None  # percentages of a folder, where not the default
    skip_bad: bool = False  # whether files of a folder that can't be used were skipped
    tasks: tuple[str, ...] = ()  # of a folder's pairs, from --tasks; empty where folder names tell, or without pairs


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """One training run and its evaluation; variant and budget are labels, no part of its identity."""

    variant: str
    seed: int  # of first weights and batches
    config: ModelConfig
    recipe: Recipe
    evaluation: Evaluation
    data: DataRef
    conditions: tuple[str, ...]  # names of those trained on, in the order of the prompts
    tested: tuple[str, ...]  # of those tested on
    protocol: str  # label
    also_protocols: tuple[str, ...] = ()  # labels of further ones that score the test images, in separate rows
    text_encoder: str  # of the prompt codes
    codes_checksum: str
    precision: Precision  # of the forward pass
    budget: str

    def identity(self) -> dict[str, Any]:
        """Everything that changes the run's numbers: no labels, device, worker count or folder."""
        prompts = {"encoder": self.text_encoder, "codes": self.codes_checksum} if self.config.uses_prompts else None
        identity = {
            "version": IDENTITY_VERSION,
            "model": self.config.identity(),
            "seed": self.seed,
            "recipe": asdict(self.recipe) if is_trained(self.config) else None,
            "evaluation": self.evaluation.to_json(),
            "data": self.data.checksum,
            "conditions": list(self.conditions),
            "tested": list(self.tested),
            "protocol": self.protocol,
            "also_protocols": list(self.also_protocols),
            "prompts": prompts,
            "precision": self.precision,
        }
        if rules := plugin_protocol_rules((self.protocol, *self.also_protocols)):
            identity["protocol_rules"] = rules
        if code := _task_code((*self.conditions, *self.tested)):
            identity["task_code"] = code
        return dict(json.loads(json.dumps(identity)))

    @cached_property
    def digest(self) -> str:
        """Eight hex digits of the identity's hash: runs with equal digests are the same run."""
        text = json.dumps(self.identity(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    @property
    def run_id(self) -> str:
        """`dfpir_g90-s0-1f3a9c2e`; the variant's name made safe for a folder."""
        label = re.sub(r"[^A-Za-z0-9_.]+", "_", self.variant).strip("._")[:60] or "variant"
        return f"{label}-s{self.seed}-{self.digest}"


def _task_code(conditions: Sequence[str]) -> dict[str, Any]:
    """Task -> the packages that degrade its images, for tasks of plug-ins."""
    tasks = {task.name: task for task in (condition_named(name).task for name in conditions)}
    code = {name: [plugin.to_json() for plugin in plugins_behind(task.degrade)] for name, task in tasks.items()}
    return {name: plugins for name, plugins in code.items() if plugins}
