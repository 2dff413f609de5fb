"""Per-image differences of a variant from the reference, sorted, with the best and the worst image shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reports import schema
from reports.artifacts import Sample, load_samples
from reports.document import Picture
from reports.extremes import (
    FILES,
    HIGHEST,
    LEAST_DB,
    LOWEST,
    Extreme,
    differences,
    extremes_among,
    extremes_of,
    stored_extreme,
    variants_with_figure,
)
from reports.figures.crops import read_pixels, show_pixels
from reports.figures.style import (
    COLUMN_IN,
    INK,
    PAGE_IN,
    condition_colour,
    condition_marker,
    new_figure,
    plain,
    save,
    wrap_label,
)
from reports.formatting import format_quantity, format_signed
from reports.labels import condition_label
from reports.messages import join_clauses, join_sentences, message
from reports.stats import Analysis
from reports.study import Study

_LARGEST_MARKER = 14.0


@dataclass(frozen=True, kw_only=True)
class Crops:
    """An extreme with the four crops that the figure shows: degraded, by the reference, by the variant, clean.

    `input_db` is the PSNR of the complete degraded image in dB; `seed` that of the runs that made the crops.
    """

    extreme: Extreme
    files: tuple[Path, ...]
    input_db: float
    seed: int | None


def draw(study: Study, analysis: Analysis, folder: Path) -> list[Picture]:
    """A figure for each of `variants_with_figure`.

    None without a reference, or where no other variant is finished.
    """
    pictures = []
    for number, variant in enumerate(variants_with_figure(study, analysis), start=1):
        gaps = differences(study, variant, str(study.reference))
        if len(gaps) > 1:
            pictures.append(_draw(study, variant, gaps, folder, number))
    return pictures


def crops_of_extremes(study: Study, extremes: Sequence[Extreme]) -> list[Crops]:
    """Those extremes whose crops lie in the study's folder."""
    pairs = [(extreme, stored_extreme(study, extreme)) for extreme in extremes]
    return [
        Crops(
            extreme=extreme,
            files=tuple(stored.files[name] for name in FILES),
            input_db=stored.record["input_psnr_db"],
            seed=stored.record["seed"],
        )
        for extreme, stored in pairs
        if stored is not None
    ]


def crops_of_samples(study: Study, variant: str, reference: str, gaps: pd.DataFrame) -> list[Crops]:
    """The largest and the smallest difference among the images whose crops both models kept, of one seed's runs."""
    reference_runs = {run.seed: run for run in study.done_runs_of(reference)}
    for run in study.done_runs_of(variant):
        if run.seed not in reference_runs:
            continue
        variant_samples = {(s.condition, s.image): s for s in load_samples(run)}
        reference_samples = {(s.condition, s.image): s for s in load_samples(reference_runs[run.seed])}
        in_both = [
            (condition, image) in variant_samples.keys() & reference_samples.keys()
            for _, condition, image in gaps.index
        ]
        if extremes := extremes_among(gaps, in_both, variant, reference):
            return [_of_samples(extreme, variant_samples, reference_samples, run.seed) for extreme in extremes]
    return []


def _of_samples(
    extreme: Extreme,
    variant_samples: Mapping[tuple[str, str], Sample],
    reference_samples: Mapping[tuple[str, str], Sample],
    seed: int | None,
) -> Crops:
    key = extreme.condition, extreme.image
    sample = variant_samples[key]
    files = sample.degraded, reference_samples[key].restored, sample.restored, sample.clean
    return Crops(extreme=extreme, files=files, input_db=sample.input_psnr_db, seed=seed)


def _draw(study: Study, variant: str, gaps: pd.DataFrame, folder: Path, number: int) -> Picture:
    reference = str(study.reference)
    crops = crops_of_extremes(study, extremes_of(gaps, variant, reference))
    are_extremes = bool(crops)
    crops = crops or crops_of_samples(study, variant, reference, gaps)
    figure = new_figure(PAGE_IN if crops else COLUMN_IN, 2.9)
    parts = figure.subfigures(1, 2 if crops else 1, width_ratios=[1.15, 1] if crops else [1], squeeze=False)[0]
    _curve(parts[0].subplots(), study.label(variant), study.label(reference), gaps, crops)
    scale = (_LARGEST_MARKER / _marker_area(len(gaps))) ** 0.5
    parts[0].legend(loc="outside lower center", ncols=4, handletextpad=0.1, columnspacing=0.8, markerscale=scale)
    if crops:
        grid = parts[1].subplots(len(crops), 4, squeeze=False)
        for axes, crop_row in zip(grid, crops, strict=True):
            is_end = are_extremes or crop_row.extreme.rank in (1, len(gaps))
            ending = "" if is_end else "\nwith a\nstored crop"
            _crops(axes, crop_row, study.label(variant), study.label(reference), ending)
    texts = _texts(variant, reference, gaps, _selection(study, number), _crops_caption(gaps, crops, are_extremes))
    return save(figure, folder, f"differences_{number}", **texts)


def _curve(ax: Any, variant: str, reference: str, gaps: pd.DataFrame, crops: Sequence[Crops]) -> None:
    """Each image as a marker of its condition, from the largest loss to the largest gain."""
    values = gaps["gap"].to_numpy()
    conditions = gaps.index.get_level_values("condition")
    ranks = np.arange(1, len(gaps) + 1)
    size = _marker_area(len(gaps))
    ax.axhline(0, color=INK, linewidth=0.8)
    for condition in sorted(set(conditions), key=schema.condition_sort_key):
        in_condition = conditions == condition
        ax.scatter(
            ranks[in_condition], values[in_condition], s=size, color=condition_colour(condition), linewidth=0,
            marker=condition_marker(condition), alpha=0.85, label=plain(condition_label(condition)),
        )  # fmt: skip
    for extreme in (crop_row.extreme for crop_row in crops):
        ax.scatter([extreme.rank], [extreme.gap_db], s=55, facecolor="none", edgecolor=INK, linewidth=0.9, zorder=4)
    ax.set_xlabel("image under a condition, sorted by its difference")
    pair = wrap_label(f"{variant} \N{MINUS SIGN} {reference}", 34)
    ax.set_ylabel(f"PSNR difference (dB)\n{pair}")


def _marker_area(n_images: int) -> float:
    """In points squared."""
    return float(np.clip(900 / n_images, 3, _LARGEST_MARKER))


def _crops(axes: Any, crops: Crops, variant: str, reference: str, ending: str) -> None:
    extreme = crops.extreme
    names = "degraded", reference, variant, "clean"
    scores = crops.input_db, extreme.reference_db, extreme.variant_db, None
    for ax, name, path, psnr_db in zip(axes, names, crops.files, scores, strict=True):
        show_pixels(ax, read_pixels(path))
        ax.set_xticks([])
        ax.set_yticks([])
        ax.set_frame_on(False)
        lines = name.replace(", ", ",\n").splitlines()  # "DFPIR, gamma = 1" breaks at its comma
        ax.set_title("\n".join(wrap_label(line, 10) for line in lines), fontsize=7)
        ax.set_xlabel("" if psnr_db is None else f"{psnr_db:.2f} dB", fontsize=7, labelpad=2)
    image = wrap_label(extreme.image, 14)
    label = f"{extreme.kind}{ending}", condition_label(extreme.condition), image, f"{format_signed(extreme.gap_db)} dB"
    axes[0].set_ylabel(plain_lines("\n".join(label)), rotation=0, ha="right", va="center", fontsize=7, labelpad=4)


def plain_lines(text: str) -> str:
    """`plain` for a text of several lines."""
    return "\n".join(plain(line) for line in text.splitlines())


def _count_positive(gaps: pd.DataFrame) -> int:
    return int((gaps["gap"] > 0).sum())


def _crops_caption(gaps: pd.DataFrame, crops: Sequence[Crops], are_extremes: bool) -> str:
    if not crops and gaps["gap"].abs().max() < LEAST_DB:
        return message("No crops: no image differs by {least} dB.", least=f"{LEAST_DB:g}")
    if not crops:
        return message(
            "No crops: both models' crops were kept of no image that differs by {least} dB.", least=f"{LEAST_DB:g}"
        )
    ends: dict[str, str] = {HIGHEST: message("highest"), LOWEST: message("lowest")}
    images = join_clauses(
        message(
            "{end}: {image}, {condition}, {gap} dB, seed {seed}",
            end=ends[crop_row.extreme.kind],
            image=crop_row.extreme.image,
            condition=condition_label(crop_row.extreme.condition),
            gap=format_signed(crop_row.extreme.gap_db),
            seed=crop_row.seed,
        )
        for crop_row in crops
    )
    if are_extremes:
        return message(
            "Ringed and at the right, with PSNR of the complete image: the extremes ({images}; the seed nearest to the "
            "mean), cropped where the restorations differ most.",
            images=images,
        )
    return message(
        "Ringed and at the right, with PSNR of the complete image: the largest differences with a stored crop "
        "({images}).",
        images=images,
    )


def _selection(study: Study, number: int) -> list[str]:
    """Why the variant has a figure, where the study did not say so before its results."""
    if study.featured:
        return []
    highest, lowest = message("The variant with the highest mean."), message("The variant with the lowest mean.")
    return [highest if number == 1 else lowest]


def _texts(variant: str, reference: str, gaps: pd.DataFrame, selection: list[str], crops: str) -> dict[str, str]:
    low, middle, high = (float(np.percentile(gaps["gap"], q)) for q in (0, 50, 100))
    spread = message(
        "from {low} to {high} dB, median {middle} dB",
        low=format_signed(low),
        high=format_signed(high),
        middle=format_signed(middle),
    )
    pair = message("{variant} \N{MINUS SIGN} {reference}", variant=variant, reference=reference)
    return {
        "title": message("Per-image differences, {pair}", pair=pair),
        "alt": message(
            "Sorted PSNR differences of {images} between {variant} and {reference}, {spread}; {n} are above zero.",
            images=format_quantity(len(gaps), "image"),
            variant=variant,
            reference=reference,
            spread=spread,
            n=_count_positive(gaps),
        ),
        "caption": join_sentences(
            [
                *selection,
                message("Markers: test images under a condition, averaged over common seeds; {spread}.", spread=spread),
                crops,
            ]
        ),
    }
