"""Attention weights and masks by task and block: the entries each task drops, and the overlap of the tasks' masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reports import schema
from reports.artifacts import Probes, first_of, load_probes
from reports.figures.style import PAGE_IN, Picture, heatmap, new_figure, plain, save
from reports.labels import condition_label
from reports.messages import join_clauses, join_commas, message
from reports.study import Run, Study

_STRIP_IN, _MATRIX_ROW_IN = 0.28, 0.2  # heights of a strip and of a matrix's row


@dataclass(frozen=True, kw_only=True)
class Masks:
    """One run whose masks drop something, and the conditions it has patches of, as rows of its probes."""

    variant: str
    run: Run
    probes: Probes
    rows: tuple[int, ...]

    @property
    def conditions(self) -> tuple[str, ...]:
        """Names of the rows."""
        return tuple(self.probes.conditions[r] for r in self.rows)


def select_masks(study: Study) -> Masks | None:
    """The first run whose masks drop something, of the featured variants, then the reference and the others."""
    order = dict.fromkeys([*study.featured, str(study.reference), *study.variants])
    runs = first_of(study, _with_masks)
    return next(
        (Masks(variant=v, run=run, probes=p, rows=_rows(p)) for v in order if v in runs for run, p in [runs[v]]), None
    )


def _with_masks(run: Run) -> Probes | None:
    probes = load_probes(run)
    return probes if probes is not None and probes.kept and _rows(probes) else None


def _rows(probes: Probes) -> tuple[int, ...]:
    """Conditions with patches enough, in the tasks' order."""
    rows = (r for r, n in enumerate(probes.patches) if n > 1)
    return tuple(sorted(rows, key=lambda r: schema.condition_sort_key(probes.conditions[r])))


def draw(study: Study, folder: Path) -> list[Picture]:
    """Masks with their overlap, and attention weights; none where no finished run has masks that drop something."""
    masks = select_masks(study)
    if masks is None:
        return []
    pictures = [_draw_masks(masks, folder)]
    if all(block in masks.probes.attention for block in masks.probes.kept):
        pictures.append(_draw_attention(masks, folder))
    return pictures


def dropped_overlap(keep_share: np.ndarray, patches: Sequence[int]) -> np.ndarray:
    """(P, P) Jaccard index of the entries that two patches drop, one of each condition, over all such pairs.

    The expected number of entries that both drop over the expected number that either drops. On the diagonal the pairs
    are different patches of one condition: how stable a task's own mask is.

    Args:
        keep_share: (P, ...) share of a condition's patches in which each entry is kept.
        patches: of each condition, two or more.
    """
    dropped = 1 - keep_share.reshape(len(keep_share), -1).astype(np.float64)
    intersection = dropped @ dropped.T
    n = np.asarray(patches, dtype=np.float64)
    # of the pairs of one condition, those of a patch with itself are taken out
    within = (n * (dropped**2).sum(axis=1) - dropped.sum(axis=1)) / (n - 1)
    np.fill_diagonal(intersection, within)
    expected = dropped.sum(axis=1)
    union = expected[:, None] + expected[None, :] - intersection
    return np.asarray(np.divide(intersection, union, out=np.full_like(intersection, np.nan), where=union > 0))


def chance_overlap(dropped_share: float) -> float:
    """The index of two random masks that drop this share of the entries."""
    return dropped_share / (2 - dropped_share)


def _blocks(masks: Masks) -> list[str]:
    return sorted(masks.probes.kept, key=lambda b: (b == "latent", b))


def _heads_side_by_side(maps: np.ndarray) -> np.ndarray:
    """(heads, c, c) with the heads side by side: (c, heads * c)."""
    return np.concatenate(list(maps), axis=1)


def _draw_masks(masks: Masks, folder: Path) -> Picture:
    blocks, labels = _blocks(masks), [plain(condition_label(c)) for c in masks.conditions]
    figure, strips, matrices = _make_layout(masks, blocks, with_matrices=True)
    image: Any = None
    matrix: Any = None
    for c, block in enumerate(blocks):
        keep_share = masks.probes.kept[block][list(masks.rows)]
        for r, condition_masks in enumerate(keep_share):
            image = strips[r, c].imshow(
                1 - _heads_side_by_side(condition_masks),
                cmap="Greys",
                vmin=0,
                vmax=1,
                aspect="auto",
                interpolation="nearest",
            )
        _separate_heads(strips[:, c], keep_share.shape[1], keep_share.shape[2])
        overlap = dropped_overlap(keep_share, [masks.probes.patches[r] for r in masks.rows])
        frame = pd.DataFrame(overlap, index=labels if c == 0 else [""] * len(labels), columns=labels)
        matrix = heatmap(matrices[c], frame, vmin=0, vmax=1, cmap="Blues")
    _label_strips(strips, blocks, masks, labels)
    bar = figure.colorbar(image, ax=list(strips[:, -1]), location="right", shrink=0.8, aspect=25)
    bar.set_label("share of patches\nthat drop it", fontsize=7)
    overlap_bar = figure.colorbar(matrix, ax=matrices[-1], location="right", aspect=20)
    overlap_bar.set_label("overlap of\ndropped entries", fontsize=7)
    return save(figure, folder, "masks", **_mask_texts(masks, blocks))


def _draw_attention(masks: Masks, folder: Path) -> Picture:
    blocks, labels = _blocks(masks), [plain(condition_label(c)) for c in masks.conditions]
    figure, strips, _ = _make_layout(masks, blocks, with_matrices=False)
    for c, block in enumerate(blocks):
        weights = masks.probes.attention[block][list(masks.rows)]
        uniform = 1 / weights.shape[-1]
        for r, condition_weights in enumerate(weights):
            image = strips[r, c].imshow(
                _heads_side_by_side(condition_weights) / uniform,
                cmap="viridis",
                vmin=0,
                vmax=3,
                aspect="auto",
                interpolation="nearest",
            )
        _separate_heads(strips[:, c], weights.shape[1], weights.shape[2])
    _label_strips(strips, blocks, masks, labels)
    bar = figure.colorbar(image, ax=list(strips[:, -1]), location="right", shrink=0.8, aspect=25, extend="max")
    bar.set_label("weight / uniform weight", fontsize=7)
    return save(
        figure,
        folder,
        "attention",
        title=message("Attention weights by task and block"),
        alt=message(
            "Mean channel attention weights of {variant} in the blocks {blocks} for {conditions}.",
            variant=masks.variant,
            blocks=join_commas(blocks),
            conditions=join_commas(map(condition_label, masks.conditions)),
        ),
        caption=message(
            "{variant}, seed {seed}: mean attention over the test patches of each condition, relative to uniform "
            "attention (1 / c for a row of c entries). Rows: channels of the perturbed query; columns: channels "
            "of the key; heads side by side, separated by lines.",
            variant=masks.variant,
            seed=masks.run.seed,
        ),
    )


def _make_layout(masks: Masks, blocks: list[str], *, with_matrices: bool) -> tuple[Any, Any, Any]:
    """A row of strips for each condition, a column for each block, and below it, on request, a matrix a block."""
    n, n_blocks = len(masks.rows), len(blocks)
    heights_in = [_STRIP_IN] * n + ([_MATRIX_ROW_IN * n] if with_matrices else [])
    figure = new_figure(PAGE_IN, sum(heights_in) + (1.1 if with_matrices else 0.4))
    grid = figure.subplots(len(heights_in), n_blocks, squeeze=False, height_ratios=heights_in)
    return figure, grid[:n], grid[-1]


def _label_strips(strips: Any, blocks: list[str], masks: Masks, labels: list[str]) -> None:
    for ax in strips.flat:
        ax.set_xticks([])
        ax.set_yticks([])
        ax.grid(visible=False)
    for c, block in enumerate(blocks):
        heads, width = masks.probes.kept[block].shape[1:3]
        times = " \N{MULTIPLICATION SIGN} "
        size = times.join(map(str, (heads, width, width) if heads > 1 else (width, width)))
        strips[0, c].set_title(f"{plain(block)}, {size}", loc="left", fontsize=7)
    for r, label in enumerate(labels):
        strips[r, 0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=7)


def _separate_heads(axes: Any, heads: int, width: int) -> None:
    for ax in axes:
        for head in range(1, heads):
            ax.axvline(head * width - 0.5, color="#D55E00", linewidth=0.7)


def _chance_overlap(keep_share: np.ndarray) -> float:
    return chance_overlap(float(1 - keep_share.mean()))


def _mask_texts(masks: Masks, blocks: list[str]) -> dict[str, str]:
    summaries = []
    for block in blocks:
        keep_share = masks.probes.kept[block][list(masks.rows)]
        overlap = dropped_overlap(keep_share, [masks.probes.patches[r] for r in masks.rows])
        off_diagonal = ~np.eye(len(overlap), dtype=bool)
        values = {
            "block": block,
            "dropped": 1 - keep_share.mean(),
            "within": np.nanmean(np.diag(overlap)),
            "chance": _chance_overlap(keep_share),
        }
        summaries.append(
            message(
                "{block}: {dropped:.0%} dropped, overlap within a condition {within:.2f}, between conditions "
                "{between:.2f}, by chance {chance:.2f}",
                **values,
                between=np.nanmean(overlap[off_diagonal]),
            )
            if off_diagonal.any()
            else message(
                "{block}: {dropped:.0%} dropped, overlap within a condition {within:.2f}, by chance {chance:.2f}",
                **values,
            )
        )
    patches = sorted({masks.probes.patches[r] for r in masks.rows})
    n_patches: str = str(patches[0])
    if len(patches) > 1:
        n_patches = message("{low} to {high}", low=patches[0], high=patches[-1])
    return {
        "title": message("Masks of the attention by task and block"),
        "alt": message(
            "Which entries of the attention {variant} drops for each condition, and the overlap between "
            "conditions. {summaries}.",
            variant=masks.variant,
            summaries=join_clauses(summaries),
        ),
        "caption": message(
            "{variant}, seed {seed}: share of {n} test patches per condition whose mask drops the entry (black: "
            "always). Rows: channels of the perturbed query; columns: channels of the key; heads side by side, "
            "separated by lines. Below: Jaccard index of the entries dropped for two patches, one of each "
            "condition; diagonal: two patches of the same condition. {summaries}.",
            variant=masks.variant,
            seed=masks.run.seed,
            n=n_patches,
            summaries=join_clauses(summaries),
        ),
    }
