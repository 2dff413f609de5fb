"""What a model's routers give to which expert: a heat map of condition by expert for each router."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd

from reports.figures.style import Picture, new_figure, plain, save, short
from reports.labels import condition_label
from reports.messages import comma, joined, message, sentences, series

MOST_ROUTERS = 12
_WIDE = 3
_CELL_IN = 0.42


def draw(number: int, variant: str, seed: int, matrices: dict[str, pd.DataFrame], folder: Path) -> Picture:
    """Draw the first `MOST_ROUTERS` routers of one run.

    Args:
        number: of the figure, for its file's name.
        variant: whose run it is.
        seed: the run's.
        matrices: router -> shares of the gate weight, a row a condition and a column an expert.
        folder: where it goes.
    """
    import seaborn  # half a second that a page without routers saves

    shown = list(matrices)[:MOST_ROUTERS]
    conditions, experts = matrices[shown[0]].shape
    wide = min(_WIDE, len(shown))
    high = math.ceil(len(shown) / wide)
    figure = new_figure((_CELL_IN * experts + 0.4) * wide + 2.0, (max(0.26 * conditions, 0.9) + 0.6) * high + 0.4)
    axes = figure.subplots(high, wide, squeeze=False, sharey=True)
    for place, ax in enumerate(axes.flat):
        if place >= len(shown):
            ax.set_axis_off()
            continue
        matrix = matrices[shown[place]]
        labels = [plain(condition_label(c)) for c in matrix.index]
        seaborn.heatmap(
            matrix, ax=ax, vmin=0, vmax=1, cmap="viridis", annot=True, fmt=".2f", annot_kws={"fontsize": 6.5},
            yticklabels=labels, cbar=False, linewidths=0.5,
        )  # fmt: skip
        ax.set_title(plain(short(shown[place], 26)), loc="left", fontweight="bold")
        ax.set_ylabel("")
        ax.set_xlabel("expert" if place + wide >= len(shown) else "")
        ax.tick_params(axis="y", rotation=0, labelleft=place % wide == 0)
    bar = figure.colorbar(axes.flat[0].collections[0], ax=axes, location="right", aspect=30, pad=0.01)
    bar.set_label("gate weight")
    return save(figure, folder, f"routing_{number}", **_texts(variant, seed, matrices, shown))


def _texts(variant: str, seed: int, matrices: dict[str, pd.DataFrame], shown: list[str]) -> dict[str, str]:
    told = []
    for layer in shown:
        most = [
            joined([condition_label(str(c)), f"{row.idxmax()} ({row.max():.0%})"], " ")
            for c, row in matrices[layer].iterrows()
        ]
        told.append(joined([layer, comma(most)], ": "))
    said = [
        message("Seed {seed}.", seed=seed),
        message(
            "A row shows how one condition's gate weight is shared among the experts of a router, mean over images; "
            "numbers of experts mean nothing across runs."
        ),
    ]
    if len(shown) < len(matrices):
        said.append(message("Shown: {n} of {all} routers; the CSV file has all.", n=len(shown), all=len(matrices)))
    return {
        "title": message("Experts by condition: {variant}", variant=variant),
        "alt": message("Heat maps of condition by expert. Expert with most weight: {list}.", list=series(told)),
        "caption": sentences(said),
    }
