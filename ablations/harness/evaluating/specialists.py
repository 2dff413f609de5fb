"""Models of one task with published numbers, as the suite calls models: references that nothing is trained with."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from jaxtyping import Float
from torch import Tensor, nn

from baselines.ffdnet import FFDNet
from baselines.prenet import PReNet
from datasets.tasks import Task

Images = Float[Tensor, "b 3 h w"]


class _NoiseLevel(nn.Module):
    """FFDNet as the suite calls models: its code is the noise level, (B,) on the 0..255 scale, one for all images."""

    multiple_of, min_size = 1, 1

    def __init__(self) -> None:
        super().__init__()
        self.network = FFDNet()

    def forward(self, image: Images, code: Tensor | None = None) -> Images:
        assert code is not None
        return cast(Tensor, self.network(image, float(code[0])))


class _Blind(nn.Module):
    """PReNet as the suite calls models."""

    multiple_of, min_size = 1, 1

    def __init__(self) -> None:
        super().__init__()
        self.network = PReNet()

    def forward(self, image: Images, code: Tensor | None = None) -> Images:
        return cast(Tensor, self.network(image))


SPECIALISTS: dict[str, tuple[Callable[[], nn.Module], Task]] = {
    "ffdnet": (_NoiseLevel, Task.NOISE),
    "prenet": (_Blind, Task.RAIN),
}
"""Models of one task with published numbers: references for the protocols and for all-in-one models."""
