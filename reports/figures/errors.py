"""Error maps: what is left between each restored crop and the clean one, on one scale."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from reports.artifacts import Sample
from reports.document import Picture
from reports.figures.crops import CropSheet, CropTable, arrange, read_pixels, row_label
from reports.figures.style import save
from reports.labels import condition_label
from reports.messages import join_clauses, join_commas, message
from reports.study import Study

_TOP_SHARE = 99.0  # percentile of the restored crops' errors at which the scale ends
_ROUND_TO = 5


def draw(study: Study, folder: Path) -> Picture | None:
    """Draw the figure for the crops of `reports.figures.crops`; None where no finished run has crops."""
    table = arrange(study)
    maps = {c: _row(samples) for c, samples in table.rows.items()}
    maps = {c: row for c, row in maps.items() if row}
    if not maps:
        return None
    top = scale_end([error for row in maps.values() for error in row[1:]])
    sheet = CropSheet(heads=("degraded", *map(study.label, table.variants)), n_rows=len(maps), right_in=0.6)
    image = None
    for r, (condition, row) in enumerate(maps.items()):
        sheet.label(r, row_label(condition))
        means = [f"{error.mean():.1f}" for error in row]
        best = min(means[1:], key=float)
        for c, (error, text) in enumerate(zip(row, means, strict=True)):
            ax = sheet.cell(r, c, text, bold=c > 0 and text == best)
            image = ax.imshow(error, cmap="magma", vmin=0, vmax=top, interpolation="nearest")
    assert image is not None
    at = (sheet.width - 0.52) / sheet.width
    bar_height = min(2.4, sheet.height - 0.6) / sheet.height
    bar = sheet.figure.colorbar(
        image, cax=sheet.figure.add_axes((at, 0.5 - bar_height / 2, 0.1 / sheet.width, bar_height)), extend="max"
    )
    bar.set_label("absolute error (grey levels of 255)")
    return save(sheet.figure, folder, "error_maps", **_texts(table, maps, top))


def error_of(restored: np.ndarray, clean: np.ndarray) -> np.ndarray:
    """(H, W) mean over the colours of |restored - clean|, both (H, W, 3) uint8, in grey levels of 255."""
    return np.asarray(np.abs(restored.astype(np.float64) - clean.astype(np.float64)).mean(axis=2))


def scale_end(errors: Iterable[np.ndarray]) -> float:
    """Where the scale of errors ends: a high percentile of all pixels, rounded up, in their unit."""
    every = np.concatenate([error.ravel() for error in errors])
    return float(_ROUND_TO * max(1.0, np.ceil(np.percentile(every, _TOP_SHARE) / _ROUND_TO)))


def _row(samples: dict[str, Sample]) -> list[np.ndarray]:
    """The errors of the degraded crop and of each variant's; none where a file is no picture of the right size."""
    first = next(iter(samples.values()))
    clean = read_pixels(first.clean)
    crops = [read_pixels(first.degraded), *(read_pixels(s.restored) for s in samples.values())]
    if any(crop.shape != clean.shape for crop in crops):
        return []
    return [error_of(crop, clean) for crop in crops]


def _texts(table: CropTable, maps: dict[str, list[np.ndarray]], top: float) -> dict[str, str]:
    names = (message("degraded"), *table.variants)
    means = join_clauses(
        message(
            "{label}: {value}",
            label=condition_label(c),
            value=join_commas(
                message("{name} {error:.1f}", name=v, error=e.mean()) for v, e in zip(names, row, strict=True)
            ),
        )
        for c, row in maps.items()
    )
    return {
        "title": message("Error maps of the crops"),
        "alt": message("Absolute error of each crop against the clean one, mean over the crop. {means}.", means=means),
        "caption": message(
            "Absolute difference from the clean crop, mean over the colours, in grey levels of 255; the same crops as "
            "above. One scale for all, which ends at {top:.0f}: {share:.0f} % of the restored pixels lie below. Below "
            "each map: its mean over the crop, the lowest of the variants bold.",
            top=top,
            share=_TOP_SHARE,
        ),
    }
