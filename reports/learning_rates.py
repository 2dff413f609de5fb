"""Learning rates of variants that the study's common one can't train."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from reports.study import Study


def own_learning_rates(study: Study) -> str:
    """Variants that are trained at another learning rate than the study's, with the multiple: "FD-GAN (x 0.1)"."""
    common = _learning_rates(study.budget)
    texts = []
    for variant in study.variants:
        own = next((_learning_rates(run.spec.get("budget")) for run in study.done_runs_of(variant)), [])
        if own and len(own) == len(common) and not np.allclose(own, common, rtol=1e-6):
            texts.append(f"{study.label(variant)} (\N{MULTIPLICATION SIGN} {own[0] / common[0]:g})")
    return ", ".join(texts)


def without_learning_rates(budget: Mapping[str, Any]) -> dict[str, Any]:
    """A budget without the learning rates of its phases."""
    phases = [{key: value for key, value in phase.items() if key != "lr"} for phase in _phases(budget)]
    return {**budget, **({"phases": phases} if phases else {})}


def _learning_rates(budget: object) -> list[float]:
    return [phase["lr"] for phase in _phases(budget) if "lr" in phase]


def _phases(budget: object) -> list[Mapping[str, Any]]:
    phases = budget.get("phases") if isinstance(budget, Mapping) else None
    return [phase for phase in phases or () if isinstance(phase, Mapping)]
