"""PSNR cost of a wrong prompt: a matrix of true condition and given prompt for each variant."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from reports.figures.style import COLUMN_IN, PAGE_IN, Picture, heatmap, new_figure, panel_grid, plain, save, wrap_label
from reports.labels import condition_in_sentence, condition_label
from reports.measures import intervals
from reports.measures.prompts import PromptCosts
from reports.messages import join_clauses, join_sentences, message
from reports.study import Study

MAX_MATRICES = 4


def draw(costs: PromptCosts, study: Study, folder: Path) -> Picture | None:
    """Draw some matrices on one colour scale; None where no prompt does anything."""
    variants = study.select_variants([v for v in costs.variants if v not in costs.unaffected_variants], MAX_MATRICES)
    if not variants:
        return None
    n_columns = min(2, len(variants))
    side = 0.2 * len(costs.matrices[variants[0]])
    figure = new_figure(
        PAGE_IN if n_columns > 1 else COLUMN_IN, (side + 0.3) * (1 + (len(variants) - 1) // n_columns) + 1.0
    )
    axes = panel_grid(figure, len(variants), n_columns, sharex=True, sharey=True)
    limit = max(float(np.nanmax(np.abs(costs.matrices[v].to_numpy()))) for v in variants)
    meshes = [
        heatmap(
            ax,
            matrix := _with_labels(costs.matrices[v]),
            texts=_cell_texts(matrix),
            cmap="PuOr",
            vmin=-limit,
            vmax=limit,
        )
        for ax, v in zip(axes, variants, strict=True)
    ]
    if len(variants) > 1:
        for ax, variant in zip(axes, variants, strict=True):
            ax.set_title(wrap_label(study.label(variant), 40), loc="left")
    figure.supylabel("true condition")
    figure.supxlabel("prompt given")
    figure.colorbar(meshes[0], ax=axes, location="right", aspect=30, pad=0.01).set_label("PSNR change (dB)")
    return save(figure, folder, "prompts", **_texts(costs, variants))


def _with_labels(matrix: pd.DataFrame) -> pd.DataFrame:
    rows, columns = ([plain(condition_label(c)) for c in names] for names in (matrix.index, matrix.columns))
    return matrix.set_axis(rows).set_axis(columns, axis=1)


def _cell_texts(matrix: pd.DataFrame) -> pd.DataFrame:
    """Two decimals, one from 10 dB on; a plain 0 on the diagonal, where the prompt is right."""
    texts = matrix.map(lambda v: intervals.number(v, 1 if abs(v) >= 9.95 else 2))
    return texts.where(matrix.index.to_numpy()[:, None] != matrix.columns.to_numpy()[None, :], "0")


def _texts(costs: PromptCosts, variants: list[str]) -> dict[str, str]:
    summaries = []
    for variant in variants:
        condition, prompt, change = costs.largest_loss(variant)
        summaries.append(
            message(
                "{variant}: mean {mean} dB, lowest {lowest} dB for {condition} with the prompt of {prompt}",
                variant=variant,
                mean=intervals.number(costs.mean(variant).value, 2),
                lowest=intervals.number(change, 2),
                condition=condition_in_sentence(condition),
                prompt=condition_in_sentence(prompt),
            )
        )
    caption = [
        message(
            "PSNR change against the right prompt in dB: mean over images, then seeds. All matrices share one colour "
            "scale centred at 0; brown is a loss."
        )
    ]
    if costs.unaffected_variants:
        caption.append(message("Variants in which no prompt changes anything are not drawn."))
    if len(variants) < len(costs.variants) - len(costs.unaffected_variants):
        n = {"n": len(variants), "all": len(costs.variants)}
        caption.append(message("Shown: {n} of {all} variants; the CSV file has all.", **n))
    return {
        "title": message("PSNR change by true condition and given prompt"),
        "alt": message(
            "Matrices of true condition by given prompt, 0 on the diagonal. {summaries}.",
            summaries=join_clauses(summaries),
        ),
        "caption": join_sentences(caption),
    }
