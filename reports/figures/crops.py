"""Degraded, restored by each variant, clean: one row a condition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from reports import schema
from reports.artifacts import Sample, load_samples
from reports.figures.style import INK, Picture, new_figure, plain, save, short
from reports.labels import condition_label
from reports.study import Study

MOST_VARIANTS = 9
_CELL_IN = 1.3


@dataclass(frozen=True, kw_only=True)
class CropTable:
    """The crops of each condition; `seeds` names the run of each variant that they come from."""

    variants: tuple[str, ...]
    left_out: tuple[str, ...]
    seeds: dict[str, int | None]
    rows: dict[str, dict[str, Sample]]


def arrange(study: Study) -> CropTable:
    """For each condition one image that all shown variants have, from each variant's first finished run with crops."""
    found: dict[str, dict[tuple[str, str], Sample]] = {}
    seeds: dict[str, int | None] = {}
    for variant in study.variants:
        for run in study.done_runs_of(variant):
            samples = load_samples(run)
            if samples:
                found[variant] = {(s.condition, s.image): s for s in reversed(samples)}
                seeds[variant] = run.seed
                break
    variants = _chosen(study, list(found))
    rows = {}
    conditions = sorted({c for v in variants for c, _ in found[v]}, key=schema.condition_sort_key)
    for condition in conditions:
        images = [i for c, i in reversed(found[variants[0]]) if c == condition] if variants else []
        shared = [i for i in images if all((condition, i) in found[v] for v in variants)]
        if shared:
            rows[condition] = {v: found[v][condition, shared[0]] for v in variants}
    return CropTable(
        variants=tuple(variants),
        left_out=tuple(v for v in found if v not in variants),
        seeds={v: seeds[v] for v in variants},
        rows=rows,
    )


def draw(study: Study, folder: Path) -> Picture | None:
    """Draw the figure; None where no finished run has crops."""
    table = arrange(study)
    if not table.rows:
        return None
    heads = ["degraded", *table.variants, "clean"]
    height = 0.35 + len(table.rows) * (_CELL_IN + 0.2)
    figure = new_figure(_CELL_IN * len(heads) + 0.9, height)
    # Hundreds of equal axes are quicker to place than to lay out.
    figure.set_layout_engine("none")
    width_in = float(figure.get_size_inches()[0])
    for r, (condition, samples) in enumerate(table.rows.items()):
        top = height - 0.32 - r * (_CELL_IN + 0.2)
        figure.text(
            0.82 / width_in, (top - _CELL_IN / 2) / height, _row_label(condition), ha="right", va="center", fontsize=9
        )
        _row(figure, list(samples.values()), top=top, size=(width_in, height))
    for c, head in enumerate(heads):
        at = 0.9 + (c + 0.5) * _CELL_IN
        figure.text(
            at / width_in, 1 - 0.22 / height, plain(short(head, 15)), ha="center", fontsize=8.5, fontweight="bold"
        )
    return save(figure, folder, "crops", **_texts(table))


def _row(figure: Any, samples: Sequence[Sample], *, top: float, size: tuple[float, float]) -> None:
    """One condition's pictures from left to right with their PSNR below, the highest in bold."""
    first = samples[0]
    best = f"{max(s.psnr_db for s in samples):.2f}"
    cells = [(first.degraded, f"{first.input_psnr_db:.2f}"), *((s.restored, f"{s.psnr_db:.2f}") for s in samples)]
    for c, (path, text) in enumerate([*cells, (first.clean, "PSNR, dB")]):
        left = 0.9 + c * _CELL_IN + 0.03
        inside = _CELL_IN - 0.06
        ax = figure.add_axes((left / size[0], (top - inside) / size[1], inside / size[0], inside / size[1]))
        picture = _read(path)
        # Small crops are shown pixel by pixel: smoothing would hide what a restoration did.
        ax.imshow(picture, interpolation="nearest" if max(picture.shape[:2]) <= 128 else "antialiased")
        ax.set_axis_off()
        weight = "bold" if text == best and 0 < c <= len(samples) else "normal"
        ax.text(
            0.5, -0.02, text, transform=ax.transAxes, ha="center", va="top", fontsize=8, fontweight=weight, color=INK
        )


def _row_label(condition: str) -> str:
    return plain(condition_label(condition)).replace(" ", "\n", 1)


def _read(path: Path) -> np.ndarray:
    """(H, W, 3) uint8; a grey square in place of a file that is no picture."""
    try:
        with Image.open(path) as picture:
            return np.asarray(picture.convert("RGB"))
    except (OSError, ValueError, Image.DecompressionBombError):
        return np.full((8, 8, 3), 200, dtype=np.uint8)


def _chosen(study: Study, available: list[str]) -> list[str]:
    """At most `MOST_VARIANTS`, in the study's order; the reference always among them."""
    if len(available) <= MOST_VARIANTS:
        return available
    kept = available[:MOST_VARIANTS]
    if study.reference in available and study.reference not in kept:
        kept[-1] = str(study.reference)
    return kept


def _texts(table: CropTable) -> dict[str, str]:
    one = set(table.seeds.values())
    seed = f"seed {one.pop()}" if len(one) == 1 else "each variant's first finished seed"
    by_condition = {condition_label(c): next(iter(s.values())).image for c, s in table.rows.items()}
    images = ", ".join(f"{c}: {image}" for c, image in by_condition.items())
    if len(set(by_condition.values())) == 1:
        images = next(iter(by_condition.values()))
    hidden = f" Not shown for want of room: {', '.join(table.left_out)}." if table.left_out else ""
    return {
        "title": "Crops",
        "alt": f"Degraded input, {', '.join(table.variants)} and the clean image side by side for "
        f"{', '.join(condition_label(c) for c in table.rows)}; the PSNR stands below each.",
        "caption": "PSNR of the whole test image, in dB, not of the crop alone; the highest of a row is bold. "
        f"From {seed}. The first image of each condition whose crops were kept: {images}.{hidden}",
    }
