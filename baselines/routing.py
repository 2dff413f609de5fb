"""What routers of mixtures of experts have in common: how a harness finds them and what they tell of an input."""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor, nn

Chosen = Int[Tensor, "*tokens k"]
Weights = Float[Tensor, "*tokens k"]


class ExpertRouter(nn.Module):
    """A router: called, it gives the chosen experts' indices and their weights, both (..., k), the first axis images.

    Attributes:
        count: experts to choose from.
        layer: where it stands in its model, for tables (`encoder-1`); its owner sets it.
    """

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count
        self.layer = ""


def routers(model: nn.Module) -> list[ExpertRouter]:
    """A model's routers, in the order of its modules; none where it routes nothing."""
    return [module for module in model.modules() if isinstance(module, ExpertRouter)]
