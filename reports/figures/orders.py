"""The order of channels that each prompt gives, for each perturbation block."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import rankdata

from reports.artifacts import load_probes
from reports.figures.style import Picture, new_figure, plain, save, short
from reports.labels import condition_label
from reports.study import Study

MOST_FIGURES = 3


@dataclass(frozen=True, kw_only=True)
class OrderGroup:
    """Runs that share every order: `runs` as (variant, seed); `orders` block -> (P, eC)."""

    runs: tuple[tuple[str, int | None], ...]
    conditions: tuple[str, ...]
    orders: dict[str, np.ndarray]


def groups(study: Study) -> list[OrderGroup]:
    """All finished runs that have orders, equal ones together, in the study's order."""
    found: dict[bytes, OrderGroup] = {}
    for variant in study.variants:
        for run in study.done_runs_of(variant):
            probes = load_probes(run)
            if probes is None or not probes.orders:
                continue
            key = b"".join(k.encode() + v.tobytes() for k, v in sorted(probes.orders.items()))
            mine = ((variant, run.seed),)
            before = found[key].runs if key in found else ()
            found[key] = OrderGroup(runs=before + mine, conditions=probes.conditions, orders=probes.orders)
    return list(found.values())


def draw(study: Study, folder: Path) -> list[Picture]:
    """One figure for each of the first `MOST_FIGURES` different sets of orders that the first seed gave.

    Other seeds begin with other weights and so with other orders; the caption counts them.
    """
    every = groups(study)
    seeds = [seed for group in every for _, seed in group.runs]
    firsts = [g for g in every if any(seed == seeds[0] for _, seed in g.runs)]
    shown = firsts[:MOST_FIGURES]
    return [_draw(g, folder, n, _hidden(n, len(shown), len(firsts), len(every))) for n, g in enumerate(shown, start=1)]


def _hidden(number: int, shown: int, firsts: int, every: int) -> str:
    """What a caption says about sets of orders that it does not show."""
    said = f" Set {number} of {firsts} that the variants have with this seed." if firsts > 1 else ""
    said += f" Shown: {shown}." if firsts > shown else ""
    return said + (f" Other seeds give {every - firsts} further sets of orders." if every > firsts else "")


def ranks(order: np.ndarray) -> np.ndarray:
    """(P, eC) order, the channel at each position -> (P, eC) position of each channel."""
    return np.argsort(order, axis=1, kind="stable")


def rank_correlation(order: np.ndarray) -> np.ndarray:
    """(P, P) Spearman correlation of the positions that two prompts give the same channels."""
    return np.atleast_2d(np.corrcoef(rankdata(ranks(order), axis=1)))


def equal_share(order: np.ndarray) -> np.ndarray:
    """(P, P) share of positions at which two prompts put the same channel."""
    return np.asarray((order[:, None, :] == order[None, :, :]).mean(axis=-1))


def _draw(group: OrderGroup, folder: Path, number: int, hidden: str) -> Picture:
    blocks = sorted(group.orders, key=lambda b: (group.orders[b].shape[1], b))  # wider is deeper
    labels = [plain(condition_label(c)) for c in group.conditions]
    row_in = 0.24 * len(labels) + 0.75
    figure = new_figure(11.5, row_in * len(blocks) + 0.5)
    grid = figure.subplots(len(blocks), 3, squeeze=False, width_ratios=[2.6, 1, 1])
    strips: Any = None
    for r, block in enumerate(blocks):
        order = group.orders[block]
        strips = _strips(grid[r, 0], order, labels, block)
        _matrix(grid[r, 1], rank_correlation(order), labels, low=-1, cmap="PuOr")
        _matrix(grid[r, 2], equal_share(order), labels, low=0, cmap="Blues")
    grid[0, 1].set_title("rank correlation", loc="left")
    grid[0, 2].set_title("share of equal positions", loc="left")
    for ax in grid[-1, 1:]:
        ax.set_xticks(range(len(labels)), labels, rotation=90, fontsize=7)
    bar = figure.colorbar(strips, ax=grid[:, 0], location="bottom", shrink=0.5, aspect=40, pad=0.02)
    bar.set_ticks([0, 1], labels=["first", "last"])
    bar.set_label(f"position of the same channel under “{labels[0]}”", fontsize=8)
    return save(figure, folder, f"orders_{number}", **_texts(group, labels[0], number, hidden))


def _strips(ax: Any, order: np.ndarray, labels: list[str], block: str) -> Any:
    """Each prompt's order as a strip, coloured by where its channels stand under the first prompt."""
    first = ranks(order)[0]
    drawn = ax.imshow(first[order] / max(order.shape[1] - 1, 1), aspect="auto", cmap="viridis", interpolation="nearest")
    ax.set_title(f"block {plain(short(block))}, {order.shape[1]} channels", loc="left", fontweight="bold")
    ax.set_yticks(range(len(labels)), labels)
    ax.set_xticks([])
    ax.grid(visible=False)
    return drawn


def _matrix(ax: Any, values: np.ndarray, labels: list[str], *, low: float, cmap: str) -> None:
    ax.imshow(values, vmin=low, vmax=1, cmap=cmap, aspect="auto")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.grid(visible=False)
    if len(labels) > 8:
        return
    for (r, c), value in np.ndenumerate(values):
        dark = abs(value) > 0.6
        text = "1" if np.isclose(value, 1) else f"{value:.2f}".replace("0.", ".")
        ax.text(c, r, text, ha="center", va="center", fontsize=6.5, color="white" if dark else "black")


def _texts(group: OrderGroup, first: str, number: int, hidden: str) -> dict[str, str]:
    seeds: dict[int | None, list[str]] = {}
    for variant, seed in group.runs:
        seeds.setdefault(seed, []).append(variant)
    whose = "; ".join(f"seed {seed}: {', '.join(variants)}" for seed, variants in seeds.items())
    same = f"The same orders, channel by channel, in {len(group.runs)} runs" if len(group.runs) > 1 else "One run"
    off = ~np.eye(len(group.conditions), dtype=bool)
    told = "; ".join(
        f"{block}: mean rank correlation between prompts {rank_correlation(o)[off].mean():.2f}, "
        f"equal positions {equal_share(o)[off].mean():.0%}"
        for block, o in group.orders.items()
        if off.any()
    )
    return {
        "title": "Channel order by prompt" + (f", set {number}" if number > 1 else ""),
        "alt": f"Strips of channel positions for each prompt and block. {told}.",
        "caption": f"{same} ({whose}). A strip shows one prompt's order from first to last; its colours say where the "
        f"same channels stand under “{first}”, so the first strip is smooth and a scrambled strip is another order. "
        f"The matrices compare the prompts in the strips' sequence. {told}.{hidden}",
    }
