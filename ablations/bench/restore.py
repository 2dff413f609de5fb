"""Restoring photographs from 128 pixels to 4K and 100 megapixels: wall time and memory against the size, tiled and not.

On a CPU the models are small ones, since the full-size DFPIR takes minutes for one 4K image there; what grows with the
image, and how, is the same. The reference is the released code: the whole image at once, float32 NCHW. A slow pass is
not repeated.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from ablations.bench.ceilings import measure_ceilings
from ablations.bench.measurement import Measurement, summarize
from ablations.bench.model_setup import suite_model
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
MODEL_SIZES = {"cpu": {"dim": 12}, "cuda": {}}
_TINY = {"dim": 4, "num_blocks": (1, 1, 1, 1), "num_refinement_blocks": 1}
_MAX_REPEAT_S = 6.0  # limit of the repeats of one size; a large image has none
_MAX_WHOLE_PX = 1024 * 1024

Restore = Callable[[Tensor], Tensor]


def run(device: torch.device, repeats: int) -> list[Measurement]:
    """Ceilings; released code, suite and suite in tiles by image size; then memory up to 100 megapixels."""
    measurements = list(measure_ceilings(device, repeats))
    model, released, code = _models(MODEL_SIZES[device.type], device)
    reference: Restore = partial(released_restore, released, code=code)
    suite: Restore = partial(_restore_suite, model)
    times: dict[tuple[int, int], float] = {}
    untiled_sizes = [size for size in SIZES if size[0] * size[1] <= _MAX_WHOLE_PX]
    for size in untiled_sizes:
        measurements += _measure_restoration("released way, whole", reference, size, repeats, device, tile=None)
        times[size] = measurements[-2].value
    keep_freed_memory()  # the released code runs without it
    for size in SIZES:
        if size in untiled_sizes:
            measurements += _measure_restoration(
                "ours, whole", suite, size, repeats, device, tile=None, reference=times[size]
            )
        tiled = _measure_restoration(
            f"ours, tiles of {TILE}", suite, size, repeats, device, tile=TILE, reference=times.get(size)
        )
        measurements += tiled
    tiny, _, _ = _models(_TINY, device)
    for size in HUGE:
        label = f"smallest model, tiles of {TILE}"
        measurements += _measure_restoration(label, partial(_restore_suite, tiny), size, 0, device, tile=TILE)
    return measurements


def _measure_restoration(
    series: str,
    restore_image: Restore,
    size: tuple[int, int],
    repeats: int,
    device: torch.device,
    *,
    tile: int | None,
    reference: float | None = None,
) -> list[Measurement]:
    """Seconds per image and peak memory of its tensors; the ratio is the speed-up over the reference.

    At most `repeats`, as many as fit in `_MAX_REPEAT_S`. Where none does, the time is that of the pass in which memory
    is counted.
    """
    height, width = size
    # the input is one row, expanded: it takes no memory that grows with its height
    row = torch.rand(3, width, device=device)

    def read_region(rows: slice, columns: slice) -> Tensor:
        return row[:, columns].unsqueeze(1).expand(-1, rows.stop - rows.start, -1).unsqueeze(0).contiguous()

    def restore_once() -> None:
        if tile is None:
            restore_image(read_region(slice(0, height), slice(0, width)))
        else:
            for _ in restore_rows(restore_image, read_region, size, Tiling(tile=tile, multiple_of=8)):
                pass
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    with torch.inference_mode():
        started = time.perf_counter()
        with LiveBytes() as live:
            restore_once()
        counted_s = time.perf_counter() - started
        seconds = []
        for _ in range(min(repeats, int(_MAX_REPEAT_S / counted_s))):
            started = time.perf_counter()
            restore_once()
            seconds.append(time.perf_counter() - started)
    seconds = seconds or [counted_s]
    megapixels = height * width / 1e6
    label = f"restore: {series}, {width} x {height} px, {device.type}"
    wall_time = summarize(f"{label}, wall time", "s", seconds)
    if reference is not None:
        wall_time = replace(wall_time, ratio=reference / wall_time.value)
    peak = summarize(f"{label}, most memory of tensors", "GiB", [live.peak / 2**30])
    return [replace(measurement, series=series, x=megapixels, x_unit="megapixels") for measurement in (wall_time, peak)]


def _models(sizes: Mapping[str, object], device: torch.device) -> tuple[RestorationUNet, nn.Module, Tensor]:
    """The suite's model and the reference with the same weights, and the prompt code of both."""
    model = suite_model(variant_config("dfpir", **sizes))
    released = ReferenceUNet(model.config)
    copy_weights(model, released)
    code = load_prompts("detailed", "minilm").codes[:1]
    return model.to(device).eval(), released.to(device).eval(), code.to(device)


def _restore_suite(model: RestorationUNet, image: Tensor) -> Tensor:
    return restore(model, image, torch.zeros(1, dtype=torch.long, device=image.device))
