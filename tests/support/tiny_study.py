"""A study small enough to be run many times: three variants of a model of a few thousand parameters."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from ablations.data import open_data
from ablations.harness.run_one import run_one
from ablations.harness.training import train
from ablations.plan import Plan, make_plan
from ablations.spec import Budget, Evaluation, MeasureConfig, Phase, Recipe, RunSpec

TINY = Budget(
    name="tiny",
    summary="for tests",
    model={"dim": 4, "num_blocks": (1, 1, 1, 1), "num_refinement_blocks": 1, "heads": (1, 2, 4, 8)},
    recipe=Recipe(
        phases=(Phase(steps=7, lr=1e-3, patch=16, batch=2), Phase(steps=3, lr=1e-4, patch=24, batch=1)),
        validations=3,
        log_every=2,
    ),
    evaluation=Evaluation(
        max_side=24, limit=1, val_max_side=16, val_limit=1, probe_patches=2, probe_patch=16, samples=1
    ),
    measuring=MeasureConfig(tenths=(0, 5, 10), draws=2, batch=3, micro_batch=3, information_images=4, pixels=16),
)
VARIANTS = ("dfpir_g50", "dfpir_g100")


def tiny_plan(study: str = "gamma_sweep", only: tuple[str, ...] | None = VARIANTS, **recipe: object) -> Plan:
    """A plan on embedded data; keywords replace settings of the recipe."""
    data, bundle = open_data("embedded")
    return make_plan(
        study,
        budget=replace(TINY, recipe=replace(TINY.recipe, **recipe)),
        data=data,
        conditions=[c.name for c in bundle.conditions],
        protocol="suite-v1",
        text_encoder="minilm",
        only=only,
    )


def run_here(spec: RunSpec, root: Path, **options: bool) -> list[train.Progress]:
    """Run a spec in this process; everything it reported."""
    reported: list[train.Progress] = []
    assert run_one(spec, root, torch.device("cpu"), reported.append, **options), "the run failed"
    return reported
