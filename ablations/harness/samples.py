"""Crops of restored test images for the report, and the complete images that they are cut from."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import overload

import numpy as np
from PIL import Image
from torch import Tensor, nn

from ablations.harness.context import RunContext
from ablations.harness.evaluate import as_tensor, restore_items
from ablations.spec import RunSpec
from datasets.bundle import EvalItem
from datasets.protocols import get_protocol, score
from reports import schema
from reports.files import write_bytes, write_json

CROP_SIDES = (96, 64, 48)
"""Sides of crops in pixels: the first of which two fit into an image without overlap."""
DISPLAY_SIDE = 512
"""Longer side at most of a complete image as it is kept for display, in pixels."""
_WEBP_QUALITY = 90

Box = tuple[int, int, int, int]
"""(top, left, height, width) in pixels."""


def write_samples(run: RunContext, model: nn.Module, items: Sequence[EvalItem], folder: Path) -> None:
    """Write crops and the complete image of the first image of each scene, at most `samples` a condition.

    Args:
        run: whose images they are.
        model: in eval mode, on the run's device.
        items: the test images.
        folder: of the run.
    """
    spec = run.spec
    chosen: list[EvalItem] = []
    for name in spec.tested:
        first_of_scene: dict[str, EvalItem] = {}
        for item in items:
            if item.condition.name == name:
                first_of_scene.setdefault(item.scene, item)
        chosen += list(first_of_scene.values())[: spec.evaluation.samples]
    records = [
        _write_sample(spec, item, restored, folder / schema.SAMPLES_FOLDER, f"{number:03d}-{item.condition.name}")
        for number, (item, restored) in enumerate(restore_items(run, model, chosen))
    ]
    write_json(folder / schema.SAMPLES_FILE, records)


def _write_sample(spec: RunSpec, item: EvalItem, restored: Tensor, folder: Path, stem: str) -> schema.SampleRecord:
    images = {
        "degraded": to_pixels(as_tensor(item.degraded)),
        "restored": to_pixels(restored),
        "clean": item.clean,
    }
    boxes = crop_boxes(item.clean)
    endings = ("", "-second")[: len(boxes)]
    crops = [_write_crops(images, box, folder, stem + end) for box, end in zip(boxes, endings, strict=True)]
    display = {kind: _write_display(images[kind], folder, f"{stem}-{kind}") for kind in ("degraded", "clean")}
    protocol, clean, task = get_protocol(spec.protocol), as_tensor(item.clean), item.condition.task
    record = schema.SampleRecord(
        condition=item.condition.name,
        image=item.name,
        box=crops[0]["box"],
        degraded=crops[0]["degraded"],
        restored=crops[0]["restored"],
        clean=crops[0]["clean"],
        psnr_db=_finite(float(score(restored.cpu(), clean, protocol, task)[schema.PSNR])),
        input_psnr_db=_finite(float(score(as_tensor(item.degraded), clean, protocol, task)[schema.PSNR])),
        image_size=[*item.clean.shape[:2]],
        display=display,
    )
    if len(crops) > 1:
        record["second"] = crops[1]
    return record


def _write_crops(images: dict[str, np.ndarray], box: Box, folder: Path, stem: str) -> schema.CropRecord:
    files = {kind: f"{stem}-{kind}.png" for kind in images}
    for kind, image in images.items():
        write_png(cut(image, box), folder / files[kind])
    return schema.CropRecord(
        box=list(box), degraded=files["degraded"], restored=files["restored"], clean=files["clean"]
    )


def _write_display(image: np.ndarray, folder: Path, stem: str) -> str:
    """Write a complete image, compressed and not larger than a page shows it; the file's name."""
    picture = Image.fromarray(image)
    picture.thumbnail((DISPLAY_SIDE, DISPLAY_SIDE), Image.Resampling.LANCZOS)
    content = io.BytesIO()
    picture.save(content, format="WEBP", quality=_WEBP_QUALITY)
    return write_bytes(folder / f"{stem}.webp", content.getvalue()).name


def write_png(pixels: np.ndarray, path: Path) -> Path:
    """Write (H, W, 3) uint8 without loss; returns the path."""
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, format="PNG", optimize=True)
    return write_bytes(path, content.getvalue())


def to_pixels(image: Tensor) -> np.ndarray:
    """(1, 3, H, W) in units of 1 -> (H, W, 3) uint8, clipped to 0 to 1 and rounded."""
    return np.asarray((image[0].cpu().clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy())


def cut(image: np.ndarray, box: Box) -> np.ndarray:
    """The box of an image (H, W, ...)."""
    top, left, height, width = box
    return image[top : top + height, left : left + width]


def _finite(value: float) -> float | None:
    """The number, or None for a perfect image's infinite PSNR, which JSON has no word for."""
    return value if math.isfinite(value) else None


def crop_boxes(image: np.ndarray) -> tuple[Box, ...]:
    """The two squares with the strongest gradients that don't overlap; one where the image is too small for two.

    Args:
        image: (H, W, 3), any range.
    """
    energy = gradient_energy(image)
    for side in CROP_SIDES:
        first = densest_box(energy, side)
        second = densest_box(energy, side, excluded_box=first)
        if second is not None:
            return first, second
        if pair := _densest_pair(energy, side):  # the densest square is in the middle of a small image
            return pair
    return (densest_box(energy, CROP_SIDES[0]),)


def _densest_pair(energy: np.ndarray, side: int) -> tuple[Box, Box] | None:
    pairs = [(a, b) for a, b in combinations(_boxes(energy.shape, side), 2) if not overlap(a, b)]
    return max(pairs, key=lambda pair: sum(cut(energy, box).sum() for box in pair), default=None)


def gradient_energy(image: np.ndarray) -> np.ndarray:
    """(H, W, 3) -> (H, W): absolute differences of the grey image to the right and lower neighbours, summed."""
    grey = image.astype(np.float64).mean(axis=2)
    down, right = np.diff(grey, axis=0, append=grey[-1:]), np.diff(grey, axis=1, append=grey[:, -1:])
    return np.asarray(np.abs(down) + np.abs(right))


@overload
def densest_box(energy: np.ndarray, side: int) -> Box: ...
@overload
def densest_box(energy: np.ndarray, side: int, *, excluded_box: Box) -> Box | None: ...
def densest_box(energy: np.ndarray, side: int, *, excluded_box: Box | None = None) -> Box | None:
    """The square with the largest sum, on a grid of a quarter of its side; cut where the image is smaller.

    Args:
        energy: (H, W).
        side: of the square, in pixels.
        excluded_box: a box that it must not overlap; None where there is no such square.
    """
    boxes = [box for box in _boxes(energy.shape, side) if excluded_box is None or not overlap(box, excluded_box)]
    return max(boxes, key=lambda box: cut(energy, box).sum(), default=None)


def _boxes(shape: tuple[int, ...], side: int) -> list[Box]:
    """Every square on the grid; at least one."""
    height, width, stride = min(side, shape[0]), min(side, shape[1]), max(side // 4, 1)
    return [
        (top, left, height, width)
        for top in range(0, shape[0] - height + 1, stride)
        for left in range(0, shape[1] - width + 1, stride)
    ]


def overlap(a: Box, b: Box) -> bool:
    """Whether two boxes share a pixel."""
    return all(a[i] < b[i] + b[i + 2] and b[i] < a[i] + a[i + 2] for i in (0, 1))
