"""Gate weights of a model's routers: a heat map of condition by expert for each router."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from reports.figures.style import (
    COLUMN_IN,
    PAGE_IN,
    Picture,
    heatmap,
    is_constant,
    new_figure,
    panel_grid,
    plain,
    save,
    wrap_label,
)
from reports.labels import condition_label
from reports.messages import join_clauses, join_commas, join_sentences, join_texts, message

MAX_ROUTERS = 12
_CELL_IN, _LABELS_IN = 0.33, 1.7


def draw(number: int, variant: str, seed: int, matrices: dict[str, pd.DataFrame], folder: Path) -> Picture | None:
    """Draw the first `MOST_ROUTERS` routers of one run that do not treat all alike; None where there are none.

    Args:
        number: of the figure, for its file's name.
        variant: whose run it is.
        seed: the run's.
        matrices: router -> shares of the gate weight, a row a condition and a column an expert.
        folder: where it goes.
    """
    routers = [layer for layer, matrix in matrices.items() if not is_constant(matrix)][:MAX_ROUTERS]
    if not routers:
        return None
    conditions, experts = matrices[routers[0]].shape
    n_columns = max(1, min(3, len(routers), int((PAGE_IN - _LABELS_IN) / (_CELL_IN * experts + 0.2))))
    width = COLUMN_IN if _LABELS_IN + n_columns * (_CELL_IN * experts + 0.2) <= COLUMN_IN else PAGE_IN
    figure = new_figure(width, (0.2 * conditions + 0.35) * (1 + (len(routers) - 1) // n_columns) + 0.5)
    axes = panel_grid(figure, len(routers), n_columns, sharex=True, sharey=True)
    for ax, layer in zip(axes, routers, strict=True):
        matrix = matrices[layer].rename(index=lambda c: plain(condition_label(c)))
        scale: dict[str, Any] = {"vmin": 0, "vmax": 1, "cmap": "viridis"}
        mesh = heatmap(ax, matrix, texts=matrix.map("{:.2f}".format) if experts <= 10 else None, **scale)
        if len(routers) > 1:
            ax.set_title(wrap_label(layer, 5 * experts), loc="left")
        ax.tick_params(axis="x", rotation=0)
    figure.supxlabel("expert")
    figure.colorbar(mesh, ax=axes, location="right", aspect=30, pad=0.01).set_label("gate weight")
    return save(figure, folder, f"routing_{number}", **_texts(variant, seed, matrices, routers))


def _texts(variant: str, seed: int, matrices: dict[str, pd.DataFrame], routers: list[str]) -> dict[str, str]:
    top_experts = []
    for layer in routers:
        by_condition = [
            join_texts([condition_label(str(c)), f"{row.idxmax()} ({row.max():.0%})"], " ")
            for c, row in matrices[layer].iterrows()
        ]
        top_experts.append(join_texts([layer, join_commas(by_condition)], ": "))
    remarks = [
        message("Seed {seed}.", seed=seed),
        message(
            "A row shows how one condition's gate weight is shared among the experts of a router, mean over images; "
            "numbers of experts mean nothing across runs."
        ),
    ]
    if len(routers) < len(matrices):
        remarks.append(message("Shown: {n} of {all} routers; the CSV file has all.", n=len(routers), all=len(matrices)))
    return {
        "title": message("Experts by condition: {variant}", variant=variant),
        "alt": message(
            "Heat maps of condition by expert. Expert with most weight: {list}.", list=join_clauses(top_experts)
        ),
        "caption": join_sentences(remarks),
    }
