"""Attention weights and masks by task and block: which entries each task drops, and how alike the tasks' masks are."""

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
from reports.messages import comma, message, series
from reports.study import Run, Study


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


def arrange(study: Study) -> Masks | None:
    """The first run whose masks drop something, of the featured variants, then the reference and the others."""
    order = dict.fromkeys([*study.featured, str(study.reference), *study.variants])
    found = first_of(study, _with_masks)
    return next(
        (Masks(variant=v, run=run, probes=p, rows=_rows(p)) for v in order if v in found for run, p in [found[v]]), None
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
    found = arrange(study)
    if found is None:
        return []
    pictures = [_draw_masks(found, folder)]
    if all(block in found.probes.attention for block in found.probes.kept):
        pictures.append(_draw_attention(found, folder))
    return pictures


def dropped_overlap(kept: np.ndarray, patches: Sequence[int]) -> np.ndarray:
    """(P, P) Jaccard index of the entries that two patches drop, one of each condition, over all such pairs.

    The expected number of entries that both drop over the expected number that either drops. On the diagonal the pairs
    are different patches of one condition: how stable a task's own mask is.

    Args:
        kept: (P, ...) share of a condition's patches in which each entry is kept.
        patches: of each condition, two or more.
    """
    dropped = 1 - kept.reshape(len(kept), -1).astype(np.float64)
    both = dropped @ dropped.T
    n = np.asarray(patches, dtype=np.float64)
    # of the pairs of one condition, those of a patch with itself are taken out
    own = (n * (dropped**2).sum(axis=1) - dropped.sum(axis=1)) / (n - 1)
    np.fill_diagonal(both, own)
    each = dropped.sum(axis=1)
    either = each[:, None] + each[None, :] - both
    return np.asarray(np.divide(both, either, out=np.full_like(both, np.nan), where=either > 0))


def chance_overlap(dropped_share: float) -> float:
    """The index of two random masks that drop this share of the entries."""
    return dropped_share / (2 - dropped_share)


def _blocks(found: Masks) -> list[str]:
    return sorted(found.probes.kept, key=lambda b: (b == "latent", b))


def _wide(maps: np.ndarray) -> np.ndarray:
    """(heads, c, c) with the heads side by side: (c, heads * c)."""
    return np.concatenate(list(maps), axis=1)


def _draw_masks(found: Masks, folder: Path) -> Picture:
    blocks, labels = _blocks(found), [plain(condition_label(c)) for c in found.conditions]
    figure, strips, matrices = _layout(found, blocks, with_matrices=True)
    drawn: Any = None
    matrix: Any = None
    for c, block in enumerate(blocks):
        kept = found.probes.kept[block][list(found.rows)]
        for r, own in enumerate(kept):
            drawn = strips[r, c].imshow(
                1 - _wide(own), cmap="Greys", vmin=0, vmax=1, aspect="auto", interpolation="nearest"
            )
        _heads_apart(strips[:, c], kept.shape[1], kept.shape[2])
        overlap = dropped_overlap(kept, [found.probes.patches[r] for r in found.rows])
        frame = pd.DataFrame(overlap, index=labels if c == 0 else [""] * len(labels), columns=labels)
        matrix = heatmap(matrices[c], frame, vmin=0, vmax=1, cmap="Blues", square=True)
        matrices[c].set_title(f"by chance {_chance(kept):.2f}", loc="left", fontsize=7)
    _titles(strips, blocks, found, labels)
    bar = figure.colorbar(drawn, ax=list(strips[:, -1]), location="right", shrink=0.8, aspect=25)
    bar.set_label("share of patches\nthat drop it", fontsize=7)
    of_matrices = figure.subfigs[1].colorbar(matrix, ax=list(matrices), location="right", shrink=0.8, aspect=20)
    of_matrices.set_label("overlap", fontsize=7)
    return save(figure, folder, "masks", **_mask_texts(found, blocks))


def _draw_attention(found: Masks, folder: Path) -> Picture:
    blocks, labels = _blocks(found), [plain(condition_label(c)) for c in found.conditions]
    figure, strips, _ = _layout(found, blocks, with_matrices=False)
    for c, block in enumerate(blocks):
        weights = found.probes.attention[block][list(found.rows)]
        even = 1 / weights.shape[-1]
        for r, own in enumerate(weights):
            drawn = strips[r, c].imshow(
                _wide(own) / even, cmap="viridis", vmin=0, vmax=3, aspect="auto", interpolation="nearest"
            )
        _heads_apart(strips[:, c], weights.shape[1], weights.shape[2])
    _titles(strips, blocks, found, labels)
    bar = figure.colorbar(drawn, ax=list(strips[:, -1]), location="right", shrink=0.8, aspect=25, extend="max")
    bar.set_label("weight, in units of an even one", fontsize=7)
    return save(
        figure,
        folder,
        "attention",
        title=message("Attention weights by task and block"),
        alt=message(
            "Mean channel attention weights of {variant} in the blocks {blocks} for {conditions}.",
            variant=found.variant,
            blocks=comma(blocks),
            conditions=comma(map(condition_label, found.conditions)),
        ),
        caption=message(
            "{variant}, seed {seed}: mean weights over the test patches of each condition, in units of 1 / c, what "
            "each of a row's c entries would weigh if all weighed the same. Rows: channels of the perturbed query; "
            "columns: channels of the key; heads side by side, parted by lines.",
            variant=found.variant,
            seed=found.run.seed,
        ),
    )


def _layout(found: Masks, blocks: list[str], *, with_matrices: bool) -> tuple[Any, Any, Any]:
    """A row of strips for each condition, a column for each block, and below it, if asked for, a matrix a block."""
    n, n_blocks = len(found.rows), len(blocks)
    high = 0.28 * n + 0.4
    extra = 2.0 if with_matrices else 0.0
    figure = new_figure(PAGE_IN, high + extra)
    if not with_matrices:
        return figure, figure.subplots(n, n_blocks, squeeze=False), None
    upper, lower = figure.subfigures(2, 1, height_ratios=[high, extra], squeeze=False)[:, 0]
    return figure, upper.subplots(n, n_blocks, squeeze=False), lower.subplots(1, n_blocks, squeeze=False)[0]


def _titles(strips: Any, blocks: list[str], found: Masks, labels: list[str]) -> None:
    for ax in strips.flat:
        ax.set_xticks([])
        ax.set_yticks([])
        ax.grid(visible=False)
    for c, block in enumerate(blocks):
        heads, width = found.probes.kept[block].shape[1:3]
        times = " \N{MULTIPLICATION SIGN} "
        told = times.join(map(str, (heads, width, width) if heads > 1 else (width, width)))
        strips[0, c].set_title(f"{plain(block)}, {told}", loc="left", fontsize=7)
    for r, label in enumerate(labels):
        strips[r, 0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=7)


def _heads_apart(axes: Any, heads: int, width: int) -> None:
    for ax in axes:
        for head in range(1, heads):
            ax.axvline(head * width - 0.5, color="#D55E00", linewidth=0.7)


def _chance(kept: np.ndarray) -> float:
    return chance_overlap(float(1 - kept.mean()))


def _mask_texts(found: Masks, blocks: list[str]) -> dict[str, str]:
    told = []
    for block in blocks:
        kept = found.probes.kept[block][list(found.rows)]
        overlap = dropped_overlap(kept, [found.probes.patches[r] for r in found.rows])
        off = ~np.eye(len(overlap), dtype=bool)
        values = {
            "block": block,
            "dropped": 1 - kept.mean(),
            "within": np.nanmean(np.diag(overlap)),
            "chance": _chance(kept),
        }
        told.append(
            message(
                "{block}: {dropped:.0%} dropped, overlap within a condition {within:.2f}, between conditions "
                "{between:.2f}, by chance {chance:.2f}",
                **values,
                between=np.nanmean(overlap[off]),
            )
            if off.any()
            else message(
                "{block}: {dropped:.0%} dropped, overlap within a condition {within:.2f}, by chance {chance:.2f}",
                **values,
            )
        )
    patches = sorted({found.probes.patches[r] for r in found.rows})
    many: str = str(patches[0])
    if len(patches) > 1:
        many = message("{low} to {high}", low=patches[0], high=patches[-1])
    return {
        "title": message("Masks of the attention by task and block"),
        "alt": message(
            "Which entries of the attention {variant} drops for each condition, and the overlap between conditions. "
            "{told}.",
            variant=found.variant,
            told=series(told),
        ),
        "caption": message(
            "{variant}, seed {seed}: share of {many} test patches a condition whose mask drops the entry (black: "
            "always). Rows: channels of the perturbed query; columns: channels of the key; heads side by side, parted "
            "by lines. Below: Jaccard index of the entries dropped for two patches, one of each condition; on the "
            "diagonal two patches of the same condition. {told}.",
            variant=found.variant,
            seed=found.run.seed,
            many=many,
            told=series(told),
        ),
    }
