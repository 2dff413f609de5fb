"""Restoring photographs from 128 pixels to 4K and 100 megapixels: wall time and memory against the size, tiled and not.

On a CPU the models are small ones, since the full-size DFPIR takes minutes for one 4K image there; what grows with the
image, and how, is the same. The reference is the released way: the whole image at once, float32 NCHW. A pass that takes
long is not repeated.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from ablations.bench.ceilings import ceilings
from ablations.bench.model_setup import our_model
from ablations.bench.record import Line, line
from ablations.bench.reference import ReferenceUNet, copy_weights, released_restore
from ablations.harness.malloc import keep_freed_memory
from ablations.harness.memory import LiveBytes
from ablations.harness.restoring.tiling import Tiling, restore_rows
from baselines.base import restore
from dfpir import RestorationUNet, variant_config
from dfpir.prompts import load_prompts

SIZES = ((128, 128), (256, 256), (512, 512), (1024, 1024), (2160, 3840))
HUGE = ((2000, 2000), (4000, 4000), (10_000, 10_000))
TILE = 512
MODEL = {"cpu": {"dim": 12}, "cuda": {}}
_TINY = {"dim": 4, "num_blocks": (1, 1, 1, 1), "num_refinement_blocks": 1}
_REPEATS_S = 6.0  # for the repeats of one size: a small image is repeated as often as asked, a large one not at all
_MOST_WHOLE_PX = {"cpu": 1024 * 1024, "cuda": 1024 * 1024}

Restore = Callable[[Tensor], Tensor]


def run(device: torch.device, repeats: int) -> list[Line]:
    """Ceilings; by size the released way, ours whole and ours in tiles; then how far memory grows to 100 megapixels."""
    lines = list(ceilings(device, repeats))
    model, old, code = _models(MODEL[device.type], device)
    reference: Restore = partial(released_restore, old, code=code)
    whole: Restore = partial(_ours, model)
    times: dict[tuple[int, int], float] = {}
    small = [size for size in SIZES if size[0] * size[1] <= _MOST_WHOLE_PX[device.type]]
    for size in small:
        lines += _measured("released way, whole", reference, size, repeats, device, tile=None)
        times[size] = lines[-2].value
    keep_freed_memory()  # from here on: the released way runs without
    for size in SIZES:
        if size in small:
            lines += _measured("ours, whole", whole, size, repeats, device, tile=None, reference=times[size])
        found = _measured(f"ours, tiles of {TILE}", whole, size, repeats, device, tile=TILE, reference=times.get(size))
        lines += found
    tiny, _, _ = _models(_TINY, device)
    for size in HUGE:
        what = f"smallest model, tiles of {TILE}"
        lines += _measured(what, partial(_ours, tiny), size, 0, device, tile=TILE)
    return lines


def _measured(
    series: str,
    restored: Restore,
    size: tuple[int, int],
    repeats: int,
    device: torch.device,
    *,
    tile: int | None,
    reference: float | None = None,
) -> list[Line]:
    """Seconds an image and the most that its tensors took; ratio: times as fast as the reference.

    As many repeats as fit `_REPEATS_S`, and no more than asked. Where none does, the time is that of the one pass in
    which memory is counted.
    """
    height, width = size
    # one row of numbers read at any place: the input itself takes no memory that grows with its size
    row = torch.rand(3, width, device=device)

    def read(rows: slice, columns: slice) -> Tensor:
        return row[:, columns].unsqueeze(1).expand(-1, rows.stop - rows.start, -1).unsqueeze(0).contiguous()

    def once() -> None:
        if tile is None:
            restored(read(slice(0, height), slice(0, width)))
        else:
            for _ in restore_rows(restored, read, size, Tiling(tile=tile, multiple_of=8)):
                pass
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    with torch.inference_mode():
        started = time.perf_counter()
        with LiveBytes() as live:
            once()
        counted_s = time.perf_counter() - started
        seconds = []
        for _ in range(min(repeats, int(_REPEATS_S / counted_s))):
            started = time.perf_counter()
            once()
            seconds.append(time.perf_counter() - started)
    seconds = seconds or [counted_s]
    megapixels = height * width / 1e6
    what = f"restore: {series}, {width} x {height} px, {device.type}"
    taken = line(f"{what}, wall time", "s", seconds)
    if reference is not None:
        taken = replace(taken, ratio=reference / taken.value)
    peak = line(f"{what}, most memory of tensors", "GiB", [live.peak / 2**30])
    return [replace(each, series=series, x=megapixels, x_unit="megapixels") for each in (taken, peak)]


def _models(sizes: Mapping[str, object], device: torch.device) -> tuple[RestorationUNet, nn.Module, Tensor]:
    """Ours and the reference with the same weights, and the prompt code that both are told."""
    model = our_model(variant_config("dfpir", **sizes))
    old = ReferenceUNet(model.config)
    copy_weights(model, old)
    code = load_prompts("detailed", "minilm").codes[:1]
    return model.to(device).eval(), old.to(device).eval(), code.to(device)


def _ours(model: RestorationUNet, image: Tensor) -> Tensor:
    return restore(model, image, torch.zeros(1, dtype=torch.long, device=image.device))
