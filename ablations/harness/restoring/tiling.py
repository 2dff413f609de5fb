"""Restoring an image in overlapping tiles whose seams can't be found.

A tile's rim is restored without knowing what lies beyond it, so a margin of each tile is thrown away; inside that, two
neighbours are faded into each other linearly. Where a model sees no further than the margin, the result is the whole
image's, to rounding. A model that looks at the whole tile (attention over all of it, global pooling) gives neighbours
that differ slowly: the fade spreads that difference over many pixels, too thin to be seen or measured as an edge.

Rows are handed on as soon as no later tile can change them: memory depends on the tile and the image's width, not on
its height.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil, lcm

import torch
from jaxtyping import Float
from torch import Tensor

MARGIN, FADE = 32, 32
"""Pixels of a tile's rim that are not used, and pixels over which neighbours fade; both shrink with small tiles."""

GRID = 16
"""Tiles start at multiples of this, so that what a model folds together (pixel shuffling, windows) stays the same."""

MIN_TILE = 64

Read = Callable[[slice, slice], Float[Tensor, "1 3 h w"]]
Restore = Callable[[Float[Tensor, "1 3 h w"]], Float[Tensor, "1 3 h w"]]


@dataclass(frozen=True, kw_only=True)
class TileSpan:
    """One tile along one side of the image, in pixels."""

    start: int  # first pixel that the model sees
    stop: int  # one after the last
    enter: tuple[int, int]  # pixels over which it fades in, (first, one after the last); empty at the image's border
    leave: tuple[int, int]  # the same for fading out: the next tile's `enter`

    @property
    def output_slice(self) -> slice:
        """The pixels that enter the result."""
        return slice(self.enter[0], self.leave[1])

    def weights(self) -> Float[Tensor, " used"]:
        """Of the used pixels, in (0, 1]; those of all tiles sum to one everywhere."""
        rise, fall = (_ramp(last - first) for first, last in (self.enter, self.leave))
        plateau = torch.ones(self.leave[0] - self.enter[1])
        return torch.cat([rise, plateau, 1 - fall])


@dataclass(frozen=True, kw_only=True)
class Tiling:
    """How images are cut.

    Raises:
        ValueError: a tile that is too small.
    """

    tile: int  # side of a tile in pixels, at most
    multiple_of: int = 1  # of the model; tiles start at multiples of it

    def __post_init__(self) -> None:
        if self.tile < self.min_tile:
            raise ValueError(f"--tile {self.tile}: {self.min_tile} pixels or more are needed; leave it out to choose.")

    @property
    def grid(self) -> int:
        """Tiles start at multiples of this."""
        return lcm(GRID, self.multiple_of)

    @property
    def min_tile(self) -> int:
        """The least side of a tile, in pixels."""
        return max(MIN_TILE, 4 * self.grid)

    def spans(self, length: int) -> list[TileSpan]:
        """The tiles along a side of `length` pixels: as few as do, evenly spread."""
        if length <= self.tile:
            return [TileSpan(start=0, stop=length, enter=(0, 0), leave=(length, length))]
        margin, fade = min(MARGIN, self.tile // 8), min(FADE, self.tile // 8)
        # in units of the grid, so that every start lies on it
        step = max((self.tile - 2 * margin - fade) // self.grid, 1)
        last_start = ceil((length - self.tile) / self.grid)
        count = ceil(last_start / step) + 1
        starts = [last_start * index // (count - 1) * self.grid for index in range(count)]
        stops = [*(start + self.tile for start in starts[:-1]), length]
        middles = [(stop + start) // 2 for stop, start in zip(stops[:-1], starts[1:], strict=True)]
        fades = [(0, 0), *((middle - fade // 2, middle - fade // 2 + fade) for middle in middles), (length, length)]
        return [
            TileSpan(start=start, stop=stop, enter=fades[index], leave=fades[index + 1])
            for index, (start, stop) in enumerate(zip(starts, stops, strict=True))
        ]


def restore_rows(
    restore: Restore,
    read: Read,
    size: tuple[int, int],
    tiling: Tiling,
    on_tile: Callable[[int, int], None] | None = None,
) -> Iterator[tuple[int, Float[Tensor, "3 rows width"]]]:
    """The restored image from the top down, in bands of finished rows on the CPU.

    Args:
        restore: the model; takes any size of tile and pads by itself.
        read: (rows, columns) -> that part of the degraded image.
        size: (height, width) of the image.
        tiling: how to cut.
        on_tile: called after each tile with how many are done, and how many there are.

    Yields:
        (first row, rows), float32, not clipped; together they are the image.
    """
    row_spans, column_spans = (tiling.spans(side) for side in size)
    carry = torch.zeros(3, 0, size[1])
    for row_index, span in enumerate(row_spans):
        band = torch.zeros(3, span.output_slice.stop - span.output_slice.start, size[1])
        for column_index, column in enumerate(column_spans):
            tile = restore(read(slice(span.start, span.stop), slice(column.start, column.stop)))[0].float().cpu()
            rows, columns = _used_in_tile(span), _used_in_tile(column)
            band[..., column.output_slice] += tile[:, rows, columns] * column.weights()
            if on_tile:
                on_tile(row_index * len(column_spans) + column_index + 1, len(row_spans) * len(column_spans))
        band *= span.weights()[:, None]
        band[:, : carry.shape[1]] += carry
        finished = span.leave[0] - span.output_slice.start
        carry = band[:, finished:].clone()
        yield span.output_slice.start, band[:, :finished]


def _used_in_tile(span: TileSpan) -> slice:
    """The used pixels, counted from the tile's own first one."""
    return slice(span.output_slice.start - span.start, span.output_slice.stop - span.start)


def _ramp(length: int) -> Float[Tensor, " length"]:
    """Rises from 0 to 1 over pixel centres, without touching either."""
    return (torch.arange(length) + 0.5) / max(length, 1)
