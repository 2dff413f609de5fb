"""The budgets: from seconds on a laptop to the paper's recipe."""

from __future__ import annotations

from typing import Any

from ablations.spec import Budget, Evaluation, Measuring, Phase, Recipe
from dfpir.registry import UnknownNameError, suggestion

_TINY: dict[str, Any] = {"num_blocks": (1, 1, 1, 1), "num_refinement_blocks": 1, "heads": (1, 2, 4, 8)}

# the paper: 80 epochs at batch 5, then 5 at batch 3; an epoch of its five-task lists is 226,621 samples
_EPOCH = 226_621

_ALL = (
    Budget(
        name="smoke",
        summary="seconds a run: does everything work? The numbers mean nothing",
        model={"dim": 8, **_TINY},
        recipe=Recipe(
            phases=(Phase(steps=8, lr=1e-3, patch=32, batch=2), Phase(steps=4, lr=1e-4, patch=40, batch=2)),
            val_every=6,
            log_every=2,
        ),
        evaluation=Evaluation(max_side=64, limit=2, val_max_side=40, val_limit=1, probe_patches=4, probe_patch=32),
        measuring=Measuring(tenths=(0, 10), draws=2, batch=3, micro_batch=3, information_images=4, pixels=64),
    ),
    Budget(
        name="demo",
        summary="about a minute a run on a CPU: the whole path with a tiny model; rankings rarely mean anything",
        model={"dim": 8, **_TINY},
        recipe=Recipe(
            phases=(Phase(steps=440, lr=2e-3, patch=48, batch=5), Phase(steps=60, lr=2e-4, patch=64, batch=3)),
            val_every=100,
            log_every=20,
        ),
        evaluation=Evaluation(max_side=128, limit=6, val_max_side=96, val_limit=2, probe_patches=24, probe_patch=48),
        measuring=Measuring(tenths=(0, 10), draws=4, batch=3, micro_batch=3, information_images=4, pixels=128),
    ),
    Budget(
        name="small",
        summary="minutes a run on a CPU, three seeds: enough to tell large differences from luck",
        model={"dim": 12, **_TINY},
        recipe=Recipe(
            phases=(Phase(steps=1_000, lr=2e-3, patch=48, batch=5),),
            schedule="cosine",
            val_every=250,
            log_every=50,
        ),
        evaluation=Evaluation(max_side=128, val_max_side=96, val_limit=6, probe_patches=48, probe_patch=48),
        measuring=Measuring(images=16, draws=6, batch=6, micro_batch=6),
        seeds=(0, 1, 2),
    ),
    Budget(
        name="quick",
        summary="one modern GPU, about ten minutes a study, or two CPU cores overnight",
        model={"dim": 24, "num_blocks": (1, 2, 2, 2), "num_refinement_blocks": 1},
        recipe=Recipe(
            phases=(Phase(steps=9_000, lr=1e-3, patch=64, batch=10), Phase(steps=1_000, lr=1e-4, patch=96, batch=5)),
            schedule="cosine",
            val_every=1_000,
            log_every=50,
            cpu_threads=2,
        ),
        evaluation=Evaluation(max_side=256, val_limit=4),
        seeds=(0, 1, 2),
        text_encoder="auto",
    ),
    Budget(
        name="paper",
        summary="the paper's model and recipe: weeks on one GPU for all tasks",
        recipe=Recipe(
            phases=(
                Phase(steps=80 * _EPOCH // 5, lr=1e-4, patch=128, batch=5),
                Phase(steps=5 * _EPOCH // 3, lr=1e-5, patch=192, batch=3),
            ),
            sampling="paper",
            val_every=20_000,
            log_every=500,
            cpu_threads=2,
        ),
        evaluation=Evaluation(val_limit=8),
        precision="fp32",
        text_encoder="auto",
    ),
)

BUDGETS: dict[str, Budget] = {budget.name: budget for budget in _ALL}


def budget_named(name: str) -> Budget:
    """The budget of this name.

    Raises:
        UnknownNameError: there is none.
    """
    if name not in BUDGETS:
        raise UnknownNameError(f"Unknown budget {name!r}.{suggestion(name, BUDGETS)}")
    return BUDGETS[name]
