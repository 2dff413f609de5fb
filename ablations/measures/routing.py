"""Which experts of a model serve which degradation: the choices of its routers on test images of each condition."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from ablations.harness.evaluate import restore_items
from ablations.measures.loaded_run import LoadedRun
from ablations.measures.responses import items_of
from baselines.routing import ExpertRouter, routers
from datasets.tasks import condition_named

Shares = dict[ExpertRouter, list[tuple[Tensor, Tensor]]]


def expert_shares(run: LoadedRun) -> pd.DataFrame:
    """Each expert's share of the selections and of the gate weight, by router and condition.

    An image counts once, whatever its size: a router of pixels has its shares taken within the image first. Padding
    that the model needs counts with the image.

    Returns:
        The columns of `reports.schema.MEASURE_COLUMNS["routing"]`; no rows for a model without routers.
    """
    expert_routers = routers(run.model)
    rows: list[dict[str, object]] = []
    for name in run.spec.tested if expert_routers else ():
        items = items_of(run, condition_named(name))
        with _recorded_choices(run.model, expert_routers) as shares:
            for _ in restore_items(run, run.model, items):
                pass
        rows += [row for router in expert_routers for row in _share_rows(router, name, shares[router])]
    return pd.DataFrame(rows)


@contextmanager
def _recorded_choices(model: nn.Module, expert_routers: list[ExpertRouter]) -> Iterator[Shares]:
    """Record the routers' choices: for each forward pass the shares (B, experts) of selections and of gate weight."""
    shares: Shares = {router: [] for router in expert_routers}
    current: dict[ExpertRouter, tuple[Tensor, Tensor]] = {}  # of the current pass, which may still run out of memory

    def record_choice(router: nn.Module, _: Any, output: tuple[Tensor, Tensor]) -> None:
        assert isinstance(router, ExpertRouter)
        current[router] = _shares(router.count, *output)

    def store(*_: Any) -> None:
        for router in expert_routers:
            shares[router].append(current[router])

    hooks = [
        *(router.register_forward_hook(record_choice) for router in expert_routers),
        model.register_forward_hook(store),
    ]
    try:
        yield shares
    finally:
        for hook in hooks:
            hook.remove()


def _shares(count: int, chosen: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """(B, experts) each, summing to one, of chosen experts and weights (B, ..., k)."""
    chosen, weights = chosen.flatten(1).cpu(), weights.flatten(1).double().cpu()
    empty = torch.zeros(len(chosen), count, dtype=torch.float64)
    selected, weight = (empty.scatter_add(1, chosen, values) for values in (torch.ones_like(weights), weights))
    return selected / selected.sum(1, keepdim=True), weight / weight.sum(1, keepdim=True)


def _share_rows(router: ExpertRouter, condition: str, shares: list[tuple[Tensor, Tensor]]) -> list[dict[str, object]]:
    if not shares:
        return []
    selected, weight = (torch.cat([pair[index] for pair in shares]) for index in (0, 1))
    return [
        {
            "layer": router.layer,
            "condition": condition,
            "expert": number + 1,
            "selected": float(selected[:, number].mean()),
            "weight": float(weight[:, number].mean()),
            "n_images": len(selected),
        }
        for number in range(router.count)
    ]
