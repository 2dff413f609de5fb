"""What a wrong prompt costs: a matrix of true condition and given prompt for each variant."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from reports.figures.style import COLUMN_IN, PAGE_IN, Picture, grid_of, heatmap, new_figure, plain, save, wrapped
from reports.labels import condition_in_sentence, condition_label
from reports.measures import intervals
from reports.measures.prompts import PromptCosts
from reports.messages import message, sentences, series
from reports.study import Study

MOST_MATRICES = 4


def draw(found: PromptCosts, study: Study, folder: Path) -> Picture | None:
    """Draw some matrices on one colour scale; None where no prompt does anything."""
    shown = study.to_show([v for v in found.variants if v not in found.idle], MOST_MATRICES)
    if not shown:
        return None
    wide = min(2, len(shown))
    side = 0.33 * len(found.matrices[shown[0]])
    figure = new_figure(PAGE_IN if wide > 1 else COLUMN_IN, (side + 0.3) * (1 + (len(shown) - 1) // wide) + 1.0)
    axes = grid_of(figure, len(shown), wide, sharex=True, sharey=True)
    end = max(float(np.nanmax(np.abs(found.matrices[v].to_numpy()))) for v in shown)
    drawn = [
        heatmap(ax, m := _labelled(found.matrices[v]), texts=_texts_of(m), cmap="PuOr", vmin=-end, vmax=end)
        for ax, v in zip(axes, shown, strict=True)
    ]
    if len(shown) > 1:
        for ax, variant in zip(axes, shown, strict=True):
            ax.set_title(wrapped(study.label(variant), 40), loc="left")
    figure.supylabel("what is wrong")
    figure.supxlabel("what the model is told")
    figure.colorbar(drawn[0], ax=axes, location="right", aspect=30, pad=0.01).set_label("PSNR change (dB)")
    return save(figure, folder, "prompts", **_texts(found, shown))


def _labelled(matrix: pd.DataFrame) -> pd.DataFrame:
    rows, columns = ([plain(condition_label(c)) for c in names] for names in (matrix.index, matrix.columns))
    return matrix.set_axis(rows).set_axis(columns, axis=1)


def _texts_of(matrix: pd.DataFrame) -> pd.DataFrame:
    """Two decimals, one from 10 dB on; on the diagonal, where nothing is wrong, a plain 0."""
    texts = matrix.map(lambda v: intervals.number(v, 1 if abs(v) >= 9.95 else 2))
    return texts.where(matrix.index.to_numpy()[:, None] != matrix.columns.to_numpy()[None, :], "0")


def _texts(found: PromptCosts, shown: list[str]) -> dict[str, str]:
    told = []
    for variant in shown:
        condition, given, change = found.worst(variant)
        told.append(
            message(
                "{variant}: mean {mean} dB, lowest {lowest} dB for {condition} told as {given}",
                variant=variant,
                mean=intervals.number(found.mean(variant).value, 2),
                lowest=intervals.number(change, 2),
                condition=condition_in_sentence(condition),
                given=condition_in_sentence(given),
            )
        )
    caption = [
        message(
            "PSNR change against the right prompt in dB: mean over images, then seeds. All matrices share one colour "
            "scale centred at 0; brown is a loss."
        )
    ]
    if found.idle:
        caption.append(message("Variants in which no prompt changes anything are not drawn."))
    if len(shown) < len(found.variants) - len(found.idle):
        n = {"n": len(shown), "all": len(found.variants)}
        caption.append(message("Shown: {n} of {all} variants; the CSV file has all.", **n))
    return {
        "title": message("PSNR change by true condition and given prompt"),
        "alt": message("Matrices of true condition by given prompt, 0 on the diagonal. {told}.", told=series(told)),
        "caption": sentences(caption),
    }
