"""Degraded, restored by each variant, clean: one row a condition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from reports import schema
from reports.artifacts import Sample, first_of, load_samples
from reports.document import Picture
from reports.figures.style import INK, PAGE_IN, new_figure, plain, save, wrap_label
from reports.labels import condition_label
from reports.messages import join_commas, join_sentences, message
from reports.study import Study

MOST_VARIANTS = 5
_LABELS_IN, _HEAD_IN, _TEXT_IN = 0.62, 0.42, 0.15
_MOST_HIGH_IN = 8.6  # of a page, with room for a caption


@dataclass(frozen=True, kw_only=True)
class CropTable:
    """The crops of each condition; `seeds` names the run of each variant that they come from."""

    variants: tuple[str, ...]
    left_out: tuple[str, ...]
    seeds: dict[str, int | None]
    rows: dict[str, dict[str, Sample]]


def arrange(study: Study) -> CropTable:
    """For each condition one image that all shown variants have, from each variant's first finished run with crops."""
    firsts = first_of(study, load_samples)
    samples = {v: {(s.condition, s.image): s for s in reversed(crops)} for v, (_, crops) in firsts.items()}
    variants = study.select_variants(samples, MOST_VARIANTS)
    rows = {}
    conditions = sorted({c for v in variants for c, _ in samples[v]}, key=schema.condition_sort_key)
    for condition in conditions:
        images = [i for c, i in reversed(samples[variants[0]]) if c == condition] if variants else []
        in_all = [i for i in images if all((condition, i) in samples[v] for v in variants)]
        if in_all:
            rows[condition] = {v: samples[v][condition, in_all[0]] for v in variants}
    return CropTable(
        variants=tuple(variants),
        left_out=tuple(v for v in samples if v not in variants),
        seeds={v: firsts[v][0].seed for v in variants},
        rows=rows,
    )


def draw(study: Study, folder: Path, *, by_task: bool = False) -> Picture | None:
    """Draw the figure, `crops`; None where no finished run has crops.

    Args:
        study: whose.
        folder: where it goes.
        by_task: the featured variants alone, one row a task, its middle strength, as `crops_by_task`.
    """
    table = arrange(study)
    if not table.rows:
        return None
    if by_task:
        featured = tuple(v for v in table.variants if v in (study.featured or table.variants))
        rows = {c: {v: row[v] for v in featured} for c, row in _middle_strengths(table.rows).items()}
        table = replace(table, rows=rows, variants=featured, left_out=())
    sheet = CropSheet(heads=("degraded", *map(study.label, table.variants), "clean"), n_rows=len(table.rows))
    for r, (condition, samples) in enumerate(table.rows.items()):
        sheet.label(r, row_label(condition))
        _row(sheet, r, list(samples.values()))
    return save(sheet.figure, folder, "crops_by_task" if by_task else "crops", **_texts(table))


def _middle_strengths(rows: dict[str, dict[str, Sample]]) -> dict[str, dict[str, Sample]]:
    """Of each task's conditions, which rise in strength, the middle one."""
    conditions_of_task: dict[str, list[str]] = {}
    for condition in rows:
        conditions_of_task.setdefault(schema.task_of(condition), []).append(condition)
    return {(middle := names[len(names) // 2]): rows[middle] for names in conditions_of_task.values()}


class CropSheet:
    """Rows and columns of square pictures with a text below each; conditions at the left, heads above.

    Hundreds of equal axes are quicker to place than to lay out.

    Args:
        heads: of the columns.
        n_rows: rows of pictures.
        right_in: room at the right, in inches.
    """

    def __init__(self, *, heads: Sequence[str], n_rows: int, right_in: float = 0.0) -> None:
        in_page = (_MOST_HIGH_IN - _HEAD_IN) / n_rows - _TEXT_IN
        self.side = min(1.3, in_page, (PAGE_IN - _LABELS_IN - right_in) / len(heads))
        self.width = _LABELS_IN + self.side * len(heads) + right_in
        self.height = _HEAD_IN + n_rows * (self.side + _TEXT_IN) + 0.02
        self.figure = new_figure(self.width, self.height)
        self.figure.set_layout_engine(None)
        style: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 7, "fontweight": "bold"}
        for c, head in enumerate(heads):
            at = (_LABELS_IN + (c + 0.5) * self.side) / self.width
            name = wrap_label(head, round(16 * self.side))
            self.figure.text(at, 1 - 0.5 * _HEAD_IN / self.height, name, linespacing=1.05, **style)

    def label(self, r: int, text: str) -> None:
        """A text left of a row."""
        at = (self._top(r) - self.side / 2) / self.height
        self.figure.text((_LABELS_IN - 0.06) / self.width, at, text, ha="right", va="center", fontsize=7)

    def cell(self, r: int, c: int, text: str, *, bold: bool = False) -> Any:
        """The axes of one picture, with a text below."""
        left, inside = _LABELS_IN + c * self.side + 0.015, self.side - 0.03
        ax = self.figure.add_axes(
            (left / self.width, (self._top(r) - inside) / self.height, inside / self.width, inside / self.height)
        )
        ax.set_axis_off()
        style: dict[str, Any] = {"ha": "center", "va": "top", "fontsize": 7, "color": INK}
        ax.text(0.5, -0.02, text, transform=ax.transAxes, fontweight="bold" if bold else "normal", **style)
        return ax

    def _top(self, r: int) -> float:
        return self.height - _HEAD_IN - r * (self.side + _TEXT_IN)


def show_pixels(ax: Any, picture: np.ndarray) -> None:
    """A crop as it is: smoothing a small one would hide what a restoration did."""
    ax.imshow(picture, interpolation="nearest" if max(picture.shape[:2]) <= 128 else "antialiased")


def _row(sheet: CropSheet, r: int, samples: Sequence[Sample]) -> None:
    """One condition's pictures from left to right with their PSNR below, the highest in bold."""
    first = samples[0]
    best = f"{max(s.psnr_db for s in samples):.2f}"
    cells = [(first.degraded, f"{first.input_psnr_db:.2f}"), *((s.restored, f"{s.psnr_db:.2f}") for s in samples)]
    for c, (path, text) in enumerate([*cells, (first.clean, "PSNR, dB")]):
        show_pixels(sheet.cell(r, c, text, bold=text == best and 0 < c <= len(samples)), read_pixels(path))


def row_label(condition: str) -> str:
    """A condition on two lines."""
    return plain(condition_label(condition)).replace(" ", "\n", 1)


def read_pixels(path: Path) -> np.ndarray:
    """(H, W, 3) uint8; a grey square in place of a file that is no picture."""
    try:
        with Image.open(path) as picture:
            return np.asarray(picture.convert("RGB"))
    except (OSError, ValueError, Image.DecompressionBombError):
        return np.full((8, 8, 3), 200, dtype=np.uint8)


def _texts(table: CropTable) -> dict[str, str]:
    seeds = set(table.seeds.values())
    seed = message("seed {n}", n=seeds.pop()) if len(seeds) == 1 else message("each variant's first finished seed")
    by_condition = {condition_label(c): next(iter(s.values())).image for c, s in table.rows.items()}
    images = join_commas(message("{label}: {value}", label=c, value=image) for c, image in by_condition.items())
    if len(set(by_condition.values())) == 1:
        images = next(iter(by_condition.values()))
    caption = [
        message(
            "PSNR of the whole test image, in dB, not of the crop alone; the highest of a row is bold. From {seed}. "
            "The first image of each condition whose crops were kept: {images}.",
            seed=seed,
            images=images,
        )
    ]
    if table.left_out:
        caption.append(message("Not shown, to save space: {names}.", names=join_commas(table.left_out)))
    return {
        "title": message("Crops"),
        "alt": message(
            "Degraded input, {variants} and the clean image side by side for {conditions}; the PSNR stands below each.",
            variants=join_commas(table.variants),
            conditions=join_commas(condition_label(c) for c in table.rows),
        ),
        "caption": join_sentences(caption),
    }
