"""What routers of mixtures of experts have in common: how a harness finds them and what they tell of an input."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

Chosen = Int[Tensor, "*tokens k"]
Weights = Float[Tensor, "*tokens k"]


class ExpertRouter(nn.Module):
    """A router: called, it gives the chosen experts' indices and their weights, both (..., k), the first axis images.

    Attributes:
        count: experts to choose from.
        layer: where it stands in its model, for tables (`encoder-1`); its owner sets it.
        balance: how unevenly the last training batch used the experts; None after a call in evaluation mode.
    """

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count
        self.layer = ""
        self.balance: Tensor | None = None


def routers(model: nn.Module) -> list[ExpertRouter]:
    """A model's routers, in the order of its modules; none where it routes nothing."""
    return [module for module in model.modules() if isinstance(module, ExpertRouter)]


def balance_losses(model: nn.Module) -> Tensor:
    """The `balance` of each router of a model.

    Raises:
        RuntimeError: the last call was in evaluation mode, which keeps none.
    """
    losses = [router.balance for router in routers(model)]
    available = [loss for loss in losses if loss is not None]
    if len(available) != len(losses):
        raise RuntimeError("No balance loss: call the model in training mode first.")
    return torch.stack(available)


def balanced_l1(model: Any, degraded: Tensor, clean: Tensor, code: Tensor | None, *, weight: float) -> Tensor:
    """Mean absolute error; in training plus `weight` times the model's `balance_loss`."""
    error = (model(degraded, code) - clean).abs().mean()
    out: Tensor = error + weight * model.balance_loss() if model.training else error
    return out
