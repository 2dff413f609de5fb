"""What the harness asks of any model, and the one place where images are padded to fit it."""

from __future__ import annotations

from typing import Protocol

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

Images = Float[Tensor, "b 3 h w"]


class Restorer(Protocol):
    """A module that restores images: RGB, float, [0, 1], sides a multiple of `multiple_of`; `code` as it needs it."""

    multiple_of: int

    def __call__(self, image: Images, code: Tensor | None = None) -> Images:
        """(B, 3, H, W) to (B, 3, H, W), not clipped."""
        ...


def require_code(code: Tensor | None, batch: int, length: int, needed_by: str) -> Tensor:
    """The code, where it has the shape (batch, length).

    Raises:
        ValueError: it has not; `needed_by` says who needs it and what it is.
    """
    if code is None or code.shape != (batch, length):
        shape = None if code is None else tuple(code.shape)
        raise ValueError(f"code of shape {shape}: {needed_by} needs ({batch}, {length}), one row an image.")
    return code


def restore(model: Restorer, image: Images, code: Tensor | None = None) -> Images:
    """Restore images of any size: padded by reflection at the right and bottom to the model's multiple, cropped back.

    A model with a `min_size` above its multiple gets at least that. Sides too short to be reflected once (the padding
    must be smaller than the side) are reflected repeatedly.
    """
    height, width = image.shape[-2:]
    min_size = getattr(model, "min_size", 1)
    down, right = (max(side, min_size) - side for side in (height, width))
    down += -(height + down) % model.multiple_of
    right += -(width + right) % model.multiple_of
    return model(_reflect(image, down, right), code)[..., :height, :width]


def _reflect(image: Images, down: int, right: int) -> Images:
    while down or right:
        # F.pad reflects at most side - 1 pixels; a side of one pixel has nothing to reflect and is repeated
        height, width = image.shape[-2:]
        now_down, now_right = min(down, max(height - 1, 1)), min(right, max(width - 1, 1))
        mode = "replicate" if min(height, width) == 1 else "reflect"
        image = F.pad(image, (0, now_right, 0, now_down), mode=mode)
        down, right = down - now_down, right - now_right
    return image
