"""Per-image differences of a variant from the reference, sorted, with the best and the worst image shown."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reports import schema
from reports.artifacts import Sample, load_samples
from reports.figures.crops import read_pixels, show_pixels
from reports.figures.style import (
    COLUMN_IN,
    INK,
    PAGE_IN,
    Picture,
    condition_colour,
    condition_marker,
    new_figure,
    plain,
    save,
    wrapped,
)
from reports.formatting import format_quantity, signed
from reports.labels import condition_label
from reports.messages import message, sentences, series
from reports.stats import AVERAGE, Analysis, means
from reports.study import Study

_KEY = ["dataset", "condition", "image"]


@dataclass(frozen=True, kw_only=True)
class Shown:
    """An image whose crops were kept: its place among the sorted differences, both models' PSNR in dB and crops."""

    title: str
    rank: int
    condition: str
    image: str
    variant_db: float
    reference_db: float
    variant: Sample
    reference: Sample


def draw(study: Study, analysis: Analysis, folder: Path) -> list[Picture]:
    """A figure for the variant that gains most over the reference, and one for the variant that loses most.

    None without a reference, or where no other variant is finished.
    """
    pictures = []
    for number, variant in enumerate(chosen(study, analysis), start=1):
        gaps = differences(study, variant, str(study.reference))
        if len(gaps) > 1:
            pictures.append(_draw(study, variant, gaps, folder, number))
    return pictures


def chosen(study: Study, analysis: Analysis) -> list[str]:
    """The variants with the highest and the lowest average difference from the reference; one where only one is."""
    table = means(analysis.scores)[AVERAGE].drop(index="input").dropna()
    reference = str(study.reference)
    if reference not in table.index:
        return []
    others = (table - table[reference]).drop(index=reference).sort_values(kind="stable")
    return [str(v) for v in dict.fromkeys([*others.index[-1:], *others.index[:1]])]


def differences(study: Study, variant: str, reference: str) -> pd.DataFrame:
    """Columns variant, reference, gap (their difference): PSNR in dB of each image under each condition, by rising gap.

    Averaged over the seeds that both have (over all seeds of each, where they share none). Index: data set, condition,
    image.
    """
    rows = study.rows
    rows = rows[rows["metric"] == schema.PSNR]
    seeds = [set(rows.loc[rows["variant"] == v, "seed"].unique()) for v in (variant, reference)]
    shared = (seeds[0] & seeds[1]) or (seeds[0] | seeds[1])
    mine, base = (
        rows[(rows["variant"] == v) & rows["seed"].isin(shared)].groupby(_KEY)["value"].mean()
        for v in (variant, reference)
    )
    both = pd.DataFrame({"variant": mine, "reference": base}).dropna()
    return both.assign(gap=both["variant"] - both["reference"]).sort_values("gap", kind="stable")


def best_and_worst(study: Study, variant: str, reference: str, gaps: pd.DataFrame) -> tuple[list[Shown], int | None]:
    """The highest and the lowest difference among the images whose crops both models kept; and the crops' seed.

    Both models' crops are of one seed, the first that has any. No images where there is none.
    """
    base_runs = {run.seed: run for run in study.done_runs_of(reference)}
    for run in study.done_runs_of(variant):
        if run.seed not in base_runs:
            continue
        own = {(s.condition, s.image): s for s in load_samples(run)}
        base = {(s.condition, s.image): s for s in load_samples(base_runs[run.seed])}
        kept = [
            (rank, row)
            for rank, row in enumerate(gaps.reset_index().itertuples(), start=1)
            if (row.condition, row.image) in own and (row.condition, row.image) in base
        ]
        if kept:
            ends = (("highest", kept[-1]), ("lowest", kept[0]))
            return [_shown(title, rank, row, own, base) for title, (rank, row) in ends[: len(kept)]], run.seed
    return [], None


def _shown(
    title: str, rank: int, row: Any, own: dict[tuple[str, str], Sample], base: dict[tuple[str, str], Sample]
) -> Shown:
    key = row.condition, row.image
    return Shown(
        title=title, rank=rank, condition=row.condition, image=row.image, variant_db=row.variant,
        reference_db=row.reference, variant=own[key], reference=base[key],
    )  # fmt: skip


def _draw(study: Study, variant: str, gaps: pd.DataFrame, folder: Path, number: int) -> Picture:
    reference = str(study.reference)
    shown, seed = best_and_worst(study, variant, reference, gaps)
    figure = new_figure(PAGE_IN if shown else COLUMN_IN, 2.9)
    parts = figure.subfigures(1, 2 if shown else 1, width_ratios=[1.15, 1] if shown else [1], squeeze=False)[0]
    curve = parts[0]
    _curve(curve.subplots(), study.label(variant), study.label(reference), gaps, shown)
    curve.legend(loc="outside lower center", ncols=4, handletextpad=0.1, columnspacing=0.8)
    if shown:
        grid = parts[1].subplots(len(shown), 4, squeeze=False)
        for r, one in enumerate(shown):
            _crops(grid[r], one, study.label(variant), study.label(reference))
    return save(figure, folder, f"differences_{number}", **_texts(variant, reference, gaps, shown, seed))


def _curve(ax: Any, variant: str, reference: str, gaps: pd.DataFrame, shown: list[Shown]) -> None:
    """Each image as a marker of its condition, from the largest loss to the largest gain."""
    values = gaps["gap"].to_numpy()
    conditions = gaps.index.get_level_values("condition")
    ranks = np.arange(1, len(gaps) + 1)
    size = float(np.clip(900 / len(gaps), 3, 14))
    ax.axhline(0, color=INK, linewidth=0.8)
    for condition in sorted(set(conditions), key=schema.condition_sort_key):
        mine = conditions == condition
        ax.scatter(
            ranks[mine], values[mine], s=size, color=condition_colour(condition), linewidth=0,
            marker=condition_marker(condition), alpha=0.85, label=plain(condition_label(condition)),
        )  # fmt: skip
    for one in shown:
        ax.scatter([one.rank], [values[one.rank - 1]], s=55, facecolor="none", edgecolor=INK, linewidth=0.9, zorder=4)
    ax.set_xlabel("image under a condition, sorted by its difference")
    pair = wrapped(f"{variant} \N{MINUS SIGN} {reference}", 34)
    ax.set_ylabel(f"PSNR difference (dB)\n{pair}")


def _crops(axes: Any, one: Shown, variant: str, reference: str) -> None:
    cells = (
        ("degraded", one.variant.degraded, one.variant.input_psnr_db),
        (reference, one.reference.restored, one.reference_db),
        (variant, one.variant.restored, one.variant_db),
        ("clean", one.variant.clean, None),
    )
    for ax, (name, path, psnr_db) in zip(axes, cells, strict=True):
        show_pixels(ax, read_pixels(path))
        ax.set_xticks([])
        ax.set_yticks([])
        ax.set_frame_on(False)
        ax.set_title(wrapped(name, 10), fontsize=7)
        ax.set_xlabel("" if psnr_db is None else f"{psnr_db:.2f} dB", fontsize=7, labelpad=2)
    label = f"{one.title}\n{condition_label(one.condition)}\n{signed(one.variant_db - one.reference_db)} dB"
    axes[0].set_ylabel(plain_lines(label), rotation=0, ha="right", va="center", fontsize=7, labelpad=4)


def plain_lines(text: str) -> str:
    """`plain` for a text of several lines."""
    return "\n".join(plain(line) for line in text.splitlines())


def _better(gaps: pd.DataFrame) -> int:
    return int((gaps["gap"] > 0).sum())


def _texts(variant: str, reference: str, gaps: pd.DataFrame, shown: list[Shown], seed: int | None) -> dict[str, str]:
    low, middle, high = (float(np.percentile(gaps["gap"], q)) for q in (0, 50, 100))
    spread = message(
        "from {low} to {high} dB, median {middle} dB", low=signed(low), high=signed(high), middle=signed(middle)
    )
    crops = message("No image's crops were kept by both.")
    if shown:
        ends: dict[str, str] = {"highest": message("highest"), "lowest": message("lowest")}
        named = series(
            message(
                "{end}: {image}, {condition}",
                end=ends.get(s.title, s.title),
                image=s.image,
                condition=condition_label(s.condition),
            )
            for s in shown
        )
        crops = message(
            "Ringed, and shown at the right, are the highest and the lowest among the images whose crops both kept "
            "({named}); crops of seed {seed}, below them the PSNR of the whole image, averaged over seeds.",
            named=named,
            seed=seed,
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
            n=_better(gaps),
        ),
        "caption": sentences(
            [
                message(
                    "Each marker is one test image under one condition, averaged over the seeds that both have; "
                    "{spread}. The variants with the highest and the lowest mean against the reference have such a "
                    "figure.",
                    spread=spread,
                ),
                crops,
            ]
        ),
    }
