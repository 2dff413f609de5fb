"""What the harness asks of any model, and the one place where images are padded to fit it."""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F
from einops import rearrange
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


TILE_PASS_PIXELS = 2**17
"""Pixels of the tiles that are restored in one pass."""


def restore(model: Restorer, image: Images, code: Tensor | None = None, *, tile: int | None = None) -> Images:
    """Restore images of any size: padded by reflection at the right and bottom to the model's multiple, cropped back.

    A model with a `min_size` above its multiple gets at least that. Sides too short to be reflected once (the padding
    must be smaller than the side) are reflected repeatedly.

    Args:
        model: in eval mode.
        image: (B, 3, H, W), RGB in [0, 1].
        code: (B, ...), as the model needs it.
        tile: even side in pixels of overlapping tiles in which larger images are restored; None: whole.

    Returns:
        (B, 3, H, W), not clipped.
    """
    height, width = image.shape[-2:]
    if tile is not None and max(height, width) > tile:
        return _restore_in_tiles(model, image, code, tile)
    min_size = getattr(model, "min_size", 1)
    down, right = (max(side, min_size) - side for side in (height, width))
    down += -(height + down) % model.multiple_of
    right += -(width + right) % model.multiple_of
    return model(_reflect(image, down, right), code)[..., :height, :width]


def _restore_in_tiles(model: Restorer, image: Images, code: Tensor | None, tile: int) -> Images:
    """The mean of tiles that overlap by half, weighted by the distance from their rim; tiles are a batch."""
    height, width = image.shape[-2:]
    step = tile // 2
    down, right = (max(tile - side, 0) + -max(side - tile, 0) % step for side in (height, width))
    padded = _reflect(image, down, right)
    patches = padded.unfold(2, tile, step).unfold(3, tile, step)
    per_image = patches.shape[2] * patches.shape[3]
    patches = rearrange(patches, "b c y x h w -> (b y x) c h w")
    codes = None if code is None else code.repeat_interleave(per_image, dim=0)
    size = max(1, TILE_PASS_PIXELS // tile**2)
    parts = range(0, len(patches), size)
    restored = [restore(model, patches[i : i + size], None if codes is None else codes[i : i + size]) for i in parts]

    ramp = 1 - (2 * (torch.arange(tile, device=image.device) + 0.5) / tile - 1).abs()
    weight = (ramp[:, None] * ramp).expand(1, 3, tile, tile)

    def overlay(weighted: Images, count: int) -> Images:
        columns = rearrange(weighted, "(b n) c h w -> b (c h w) n", n=count)
        return F.fold(columns, padded.shape[-2:], tile, stride=step)

    total = overlay(weight.repeat(per_image, 1, 1, 1), per_image)
    return (overlay(torch.cat(restored).float() * weight, per_image) / total)[..., :height, :width]


def _reflect(image: Images, down: int, right: int) -> Images:
    while down or right:
        # F.pad reflects at most side - 1 pixels; a side of one pixel has nothing to reflect and is repeated
        height, width = image.shape[-2:]
        now_down, now_right = min(down, max(height - 1, 1)), min(right, max(width - 1, 1))
        mode = "replicate" if min(height, width) == 1 else "reflect"
        image = F.pad(image, (0, now_right, 0, now_down), mode=mode)
        down, right = down - now_down, right - now_right
    return image
