"""Weights at each tenth of a run: for measures of training and provisional reports.

Unlike checkpoints, snapshots are stored until the study is finished, and then the tenths in `KEPT_TENTHS` alone. The
initial weights need no file: they follow from the seed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from ablations.harness.training import checkpoint
from ablations.spec import Recipe
from reports.schema import SNAPSHOTS_FOLDER

TENTHS = 10
KEPT_TENTHS = (1, 5)
"""Snapshots of a finished study: early, and half-way; the end is in the run's weights."""


def step_at(recipe: Recipe, tenth: int) -> int:
    """Optimiser steps done at a tenth of the run (0 to 10)."""
    return round(recipe.steps * tenth / TENTHS)


def is_due(recipe: Recipe, step: int) -> bool:
    """Whether a snapshot is taken after this many steps."""
    return any(step == step_at(recipe, tenth) for tenth in range(1, TENTHS + 1))


def save(weights: Mapping[str, Tensor], folder: Path, step: int) -> None:
    """Write the weights after `step` steps, a model's `state_dict`, into the run's folder."""
    snapshot = checkpoint.Checkpoint(step=step, tensors=weights, facts={})
    checkpoint.save(folder / SNAPSHOTS_FOLDER, snapshot, keep=TENTHS)


def load(folder: Path, step: int) -> dict[str, Tensor] | None:
    """The weights after `step` steps, or None without an intact snapshot of them."""
    snapshot = checkpoint.load_step(folder / SNAPSHOTS_FOLDER, step)
    return None if snapshot is None else dict(snapshot.tensors)


def last_tenth(folder: Path, recipe: Recipe) -> int:
    """The last tenth of the run that has a snapshot; 0 where there is none."""
    steps = set(checkpoint.steps(folder / SNAPSHOTS_FOLDER))
    return max((t for t in range(1, TENTHS + 1) if step_at(recipe, t) in steps), default=0)


def prune(folder: Path, recipe: Recipe) -> None:
    """Keep the tenths of `KEPT_TENTHS` alone."""
    kept_steps = {step_at(recipe, tenth) for tenth in KEPT_TENTHS}
    checkpoint.remove_steps(
        folder / SNAPSHOTS_FOLDER, [s for s in checkpoint.steps(folder / SNAPSHOTS_FOLDER) if s not in kept_steps]
    )
