"""What a wrong prompt costs: a matrix of true condition and given prompt for each variant."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.colors import TwoSlopeNorm

from reports.figures.style import Picture, new_figure, plain, save, short
from reports.labels import condition_label, in_sentence
from reports.measures import intervals
from reports.measures.prompts import PromptCosts
from reports.messages import message, sentences, series

MOST_VARIANTS = 9
_CELL_IN = 0.46


def draw(found: PromptCosts, folder: Path) -> Picture:
    """Draw the first `MOST_VARIANTS` matrices on one colour scale."""
    shown = found.variants[:MOST_VARIANTS]
    first = found.matrices[shown[0]]
    wide = min(3, len(shown))
    rows = math.ceil(len(shown) / wide)
    side = _CELL_IN * max(first.shape)
    figure = new_figure(side * wide + 2.3, (side + 0.35) * rows + 1.1)
    figure.set_layout_engine("compressed")  # made for axes of a fixed aspect
    grid = figure.subplots(rows, wide, squeeze=False)
    end = max(float(np.nanmax(np.abs(found.matrices[v].to_numpy()))) for v in shown)
    norm = TwoSlopeNorm(0.0, -max(end, 0.01), max(end, 0.01))
    drawn: Any = None
    for number, ax in enumerate(grid.flat):
        if number >= len(shown):
            ax.set_axis_off()
            continue
        drawn = _panel(ax, found.matrices[shown[number]], norm)
        ax.set_title(plain(short(shown[number], 26)), loc="left", fontweight="bold")
        below = number + wide >= len(shown)
        ax.tick_params(labelleft=number % wide == 0, labelbottom=below)
        if number % wide == 0:
            ax.set_ylabel("what is wrong")
        if below:
            ax.set_xlabel("what the model is told")
    bar = figure.colorbar(drawn, ax=grid, location="right", shrink=0.7 if rows > 1 else 0.9, aspect=30, pad=0.01)
    bar.set_label("PSNR change (dB)")
    return save(figure, folder, "prompts", **_texts(found, shown))


def _panel(ax: Any, matrix: pd.DataFrame, norm: TwoSlopeNorm) -> Any:
    values = matrix.to_numpy()
    drawn = ax.imshow(values, cmap="PuOr", norm=norm, aspect="equal")
    ax.set_xticks(range(values.shape[1]), [plain(condition_label(c)) for c in matrix.columns], rotation=90)
    ax.set_yticks(range(values.shape[0]), [plain(condition_label(c)) for c in matrix.index])
    ax.grid(visible=False)
    for (r, c), value in np.ndenumerate(values):
        if np.isnan(value):
            continue
        dark = abs(float(norm(value)) - 0.5) > 0.33
        right = matrix.index[r] == matrix.columns[c]
        text = "0" if right else intervals.number(value, 1 if abs(value) >= 9.95 else 2)
        ax.text(c, r, text, ha="center", va="center", fontsize=6.5, color="white" if dark else "black")
    return drawn


def _texts(found: PromptCosts, shown: tuple[str, ...]) -> dict[str, str]:
    told = []
    for variant in shown:
        condition, given, change = found.worst(variant)
        told.append(
            message(
                "{variant}: mean {mean} dB, lowest {lowest} dB for {condition} told as {given}",
                variant=variant,
                mean=intervals.number(found.mean(variant).value, 2),
                lowest=intervals.number(change, 2),
                condition=in_sentence(condition_label(condition)),
                given=in_sentence(condition_label(given)),
            )
        )
    caption = [
        message(
            "PSNR change against the right prompt in dB: mean over images, then seeds. All matrices share one colour "
            "scale centred at 0; brown is a loss."
        )
    ]
    if len(shown) < len(found.variants):
        n = {"n": len(shown), "all": len(found.variants)}
        caption.append(message("Shown: {n} of {all} variants; the CSV file has all.", **n))
    return {
        "title": message("PSNR change by true condition and given prompt"),
        "alt": message("Matrices of true condition by given prompt, 0 on the diagonal. {told}.", told=series(told)),
        "caption": sentences(caption),
    }
