"""Settings in which a variant's runs differ from the study's budget by design: learning rate, and tiles at test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from reports.study import Study


def own_learning_rates(study: Study) -> dict[str, float]:
    """Variant -> the multiple of the study's learning rate at which all of its finished runs were trained, if not 1."""
    common = _learning_rates(study.budget)
    if study.folder is None or not common:  # runs without a study have no common rate
        return {}
    factors = {}
    for variant in study.variants:
        rates = [_learning_rates(run.spec.get("budget")) for run in study.done_runs_of(variant)]
        if rates and all(len(own) == len(common) for own in rates):
            ratios = np.array(rates) / np.array(common)
            if np.allclose(ratios, ratios[0, 0], rtol=1e-6) and not np.isclose(ratios[0, 0], 1, rtol=1e-6):
                factors[variant] = float(ratios[0, 0])
    return factors


def tiled_variants(study: Study) -> dict[str, tuple[int, bool]]:
    """Variants whose finished runs were all tested in tiles, where that was not asked of the whole study.

    Returns:
        Variant -> side of the tiles in pixels, and whether it is that of the last training patches.
    """
    if "evaluation.tile" in (study.budget.get("overrides") or {}):
        return {}
    tiles = {}
    for variant in study.variants:
        settings = {(_tile(budget), _last_patch(budget)) for budget in _run_budgets(study, variant)}
        tile, patch = settings.pop() if len(settings) == 1 else (None, None)
        if tile:
            tiles[variant] = tile, tile == patch
    return tiles


def _run_budgets(study: Study, variant: str) -> list[object]:
    return [run.spec.get("budget") for run in study.done_runs_of(variant)]


def _last_patch(budget: object) -> int | None:
    patches = [phase.get("patch") for phase in _phases(budget)]
    return patches[-1] if patches else None


def with_common_learning_rate(budget: Mapping[str, Any], factor: float) -> dict[str, Any]:
    """A run's budget as it would be at the study's learning rate."""
    phases = [
        {**phase, "lr": float(f"{phase['lr'] / factor:.6g}")} if "lr" in phase else phase for phase in _phases(budget)
    ]
    return {**budget, **({"phases": phases} if phases else {})}


def _tile(budget: object) -> int | None:
    evaluation = budget.get("evaluation") if isinstance(budget, Mapping) else None
    tile = evaluation.get("tile") if isinstance(evaluation, Mapping) else None
    return tile if isinstance(tile, int) else None


def _learning_rates(budget: object) -> list[float]:
    return [phase["lr"] for phase in _phases(budget) if "lr" in phase]


def _phases(budget: object) -> list[Mapping[str, Any]]:
    phases = budget.get("phases") if isinstance(budget, Mapping) else None
    return [phase for phase in phases or () if isinstance(phase, Mapping)]
