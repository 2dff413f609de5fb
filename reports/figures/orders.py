"""The order of channels that each prompt gives, for each perturbation block."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from reports import schema
from reports.artifacts import load_probes
from reports.figures.style import (
    INK,
    PAGE_IN,
    QUIET,
    Picture,
    condition_colour,
    condition_marker,
    heatmap,
    new_figure,
    plain,
    save,
)
from reports.labels import condition_label
from reports.messages import comma, message, sentences, series
from reports.study import Run, Study

MOST_FIGURES = 3
_MEASURE = "order_moves"


@dataclass(frozen=True, kw_only=True)
class OrderGroup:
    """Runs that share every order: `runs` as (variant, seed); `orders` block -> (P, eC).

    `moves`: the measure "order_moves" of the first of them that has it, how far the orders move where the prompt codes
    are rounded; None where none has.
    """

    runs: tuple[tuple[str, int | None], ...]
    conditions: tuple[str, ...]
    orders: dict[str, np.ndarray]
    moves: pd.DataFrame | None = None

    @property
    def is_constant(self) -> bool:
        """Whether every prompt gives the same order, so that there is nothing to see."""
        return all((order == order[0]).all() for order in self.orders.values())


def groups(study: Study) -> list[OrderGroup]:
    """All finished runs that have orders, equal ones together; the featured variants' first."""
    found: dict[bytes, OrderGroup] = {}
    for variant in dict.fromkeys([*study.featured, *study.variants]):
        for run in study.done_runs_of(variant):
            probes = load_probes(run)
            if probes is None or not probes.orders:
                continue
            key = b"".join(k.encode() + v.tobytes() for k, v in sorted(probes.orders.items()))
            mine = ((variant, run.seed),)
            before = found.get(key)
            runs = before.runs + mine if before else mine
            moves = before.moves if before and before.moves is not None else _moves(run)
            found[key] = OrderGroup(runs=runs, conditions=probes.conditions, orders=probes.orders, moves=moves)
    return list(found.values())


def _moves(run: Run) -> pd.DataFrame | None:
    """The run's measure; what is damaged is told in the section of measures, not here."""
    try:
        table, _ = schema.read_measure(run.path, _MEASURE)
    except ValueError:
        return None
    return table if len(table) else None


def draw(study: Study, folder: Path) -> list[Picture]:
    """One figure for each of the first `MOST_FIGURES` different sets of orders that the first seed gave.

    Other seeds begin with other weights and so with other orders; the caption counts them.
    """
    found = groups(study)
    every = [group for group in found if not group.is_constant]
    seeds = [seed for group in every for _, seed in group.runs]
    firsts = [g for g in every if any(seed == seeds[0] for _, seed in g.runs)]
    alike = list(dict.fromkeys(variant for group in found if group.is_constant for variant, _ in group.runs))
    pictures = []
    for number, group in enumerate(firsts[:MOST_FIGURES], start=1):
        said: list[str] = []
        if len(firsts) > 1:
            said.append(message("Set {n} of {all} that the variants have with this seed.", n=number, all=len(firsts)))
        if len(firsts) > MOST_FIGURES:
            said.append(message("Shown: {n}.", n=MOST_FIGURES))
        if len(every) > len(firsts):
            said.append(message("Other seeds give {n} further sets of orders.", n=len(every) - len(firsts)))
        if alike:
            said.append(message("Not drawn, since every prompt gives one order: {names}.", names=comma(alike)))
        pictures.append(_draw(group, folder, number, sentences(said) if said else ""))
    return pictures


def ranks(order: np.ndarray) -> np.ndarray:
    """(P, eC) order, the channel at each position -> (P, eC) position of each channel."""
    return np.argsort(order, axis=1, kind="stable")


def rank_correlation(order: np.ndarray) -> np.ndarray:
    """(P, P) Spearman correlation of the positions that two prompts give the same channels."""
    return np.atleast_2d(np.corrcoef(ranks(order)))


def equal_share(order: np.ndarray) -> np.ndarray:
    """(P, P) share of positions at which two prompts put the same channel."""
    return np.asarray((order[:, None, :] == order[None, :, :]).mean(axis=-1))


def _draw(group: OrderGroup, folder: Path, number: int, hidden: str) -> Picture:
    blocks = sorted(group.orders, key=lambda b: (group.orders[b].shape[1], b))  # wider is deeper
    labels = [plain(condition_label(c)) for c in group.conditions]
    row_in = 0.13 * len(labels) + 0.3
    upper_in = row_in * len(blocks) + 0.95
    extra_in = 2.0 if group.moves is not None else 0.0
    whole = new_figure(PAGE_IN, upper_in + extra_in)
    figure = whole
    if group.moves is not None:
        figure, below = whole.subfigures(2, 1, height_ratios=[upper_in, extra_in], squeeze=False)[:, 0]
        _stability(below, group.moves, blocks)
    grid = figure.subplots(len(blocks), 3, squeeze=False, width_ratios=[2.2, 1, 1])
    drawn: list[Any] = []
    for (left, middle, right), block in zip(grid, blocks, strict=True):
        order, last = group.orders[block], block == blocks[-1]
        below_labels = labels if last else [""] * len(labels)
        strips = _strips(left, order, labels, block)
        found = (rank_correlation(order), -1, "cividis"), (equal_share(order), 0, "Blues")
        drawn = [strips] + [
            heatmap(ax, pd.DataFrame(values, columns=below_labels), vmin=low, vmax=1, cmap=cmap, yticklabels=False)
            for ax, (values, low, cmap) in zip((middle, right), found, strict=True)
        ]
    told = (f"position of the same channel under “{labels[0]}”", "rank correlation", "share of equal positions")
    for place, (image, text) in enumerate(zip(drawn, told, strict=True)):
        bar = figure.colorbar(image, ax=grid[:, place], location="bottom", shrink=0.8, aspect=25, pad=0.02)
        bar.set_label(text)
        if not place:
            bar.set_ticks([0, 1], labels=["first", "last"])
    return save(whole, folder, f"orders_{number}", **_texts(group, labels[0], number, hidden))


def _stability(figure: Any, moves: pd.DataFrame, blocks: list[str]) -> None:
    """Share of moved positions and Kendall's tau under rounded codes: a marker for each prompt, a place a block."""
    formats = list(dict.fromkeys(moves["number_format"]))
    moved, tau = figure.subplots(1, 2)
    for ax, column, scale in ((moved, "moved_share", 100.0), (tau, "tau", 1.0)):
        for number, given in enumerate(formats):
            shift = 0.44 * (number - (len(formats) - 1) / 2)
            for at, block in enumerate(blocks):
                own = moves[(moves["number_format"] == given) & (moves["block"] == block)]
                spread = np.linspace(-0.07, 0.07, len(own)) if len(own) > 1 else np.zeros(len(own))
                for x, (_, row) in zip(spread, own.iterrows(), strict=True):
                    ax.plot(
                        at + shift + x, scale * row[column], condition_marker(str(row["condition"])), markersize=3,
                        color=condition_colour(str(row["condition"])), alpha=0.9, markeredgewidth=0,
                    )  # fmt: skip
                if len(own):
                    mean = scale * float(own[column].mean())
                    ax.hlines(mean, at + shift - 0.11, at + shift + 0.11, color=INK, linewidth=1.4)
                ax.annotate(
                    plain(given), (at + shift, 0), xycoords=("data", "axes fraction"), xytext=(0, -4),
                    textcoords="offset points", ha="center", va="top", fontsize=7, color=QUIET,
                )  # fmt: skip
        ax.set_xticks(range(len(blocks)), [f"\n{plain(b)}" for b in blocks])
        ax.tick_params(axis="x", length=0)
        ax.set_xlim(-0.5, len(blocks) - 0.5)
        ax.grid(visible=False, axis="x")
    moved.set_ylim(bottom=0)
    moved.set_ylabel("positions that hold another\nchannel (%)")
    tau.set_ylabel("Kendall's tau between\nthe two orders")
    moved.set_title("prompt codes rounded to fewer bits", loc="left")
    names = sorted(set(moves["condition"]), key=schema.condition_sort_key)
    handles = [
        Line2D([], [], linestyle="", marker=condition_marker(c), color=condition_colour(c), markersize=5,
               markeredgewidth=0, label=plain(condition_label(c)))
        for c in names
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside lower center", ncols=len(names), handletextpad=0.1, columnspacing=0.9)


def _strips(ax: Any, order: np.ndarray, labels: list[str], block: str) -> Any:
    """Each prompt's order as a strip, coloured by where its channels stand under the first prompt."""
    first = ranks(order)[0]
    drawn = ax.imshow(first[order] / max(order.shape[1] - 1, 1), aspect="auto", cmap="viridis", interpolation="nearest")
    ax.set_title(f"{plain(block)}, {order.shape[1]} channels", loc="left", fontsize=7)
    ax.set_yticks(range(len(labels)), labels)
    ax.set_xticks([])
    ax.grid(visible=False)
    return drawn


def _texts(group: OrderGroup, first: str, number: int, hidden: str) -> dict[str, str]:
    seeds: dict[int | None, list[str]] = {}
    for variant, seed in group.runs:
        seeds.setdefault(seed, []).append(variant)
    whose = series(
        message("seed {seed}: {variants}", seed=seed, variants=comma(variants)) for seed, variants in seeds.items()
    )
    same = message("The same orders, channel by channel, in {n} runs ({whose}).", n=len(group.runs), whose=whose)
    if len(group.runs) == 1:
        same = message("One run ({whose}).", whose=whose)
    off = ~np.eye(len(group.conditions), dtype=bool)
    told = [
        message(
            "{block}: mean rank correlation between prompts {correlation:.2f}, equal positions {share:.0%}",
            block=block,
            correlation=rank_correlation(o)[off].mean(),
            share=equal_share(o)[off].mean(),
        )
        for block, o in group.orders.items()
        if off.any()
    ]
    strips = message(
        "A strip shows one prompt's order from first to last; its colours say where the same channels stand under "
        "“{first}”, so the first strip is smooth and a scrambled strip is another order. The matrices compare the "
        "prompts in the strips' sequence. {told}.",
        first=first,
        told=series(told) if told else "",
    )
    title = message("Channel order by prompt")
    if number > 1:
        title = message("Channel order by prompt, set {n}", n=number)
    return {
        "title": title,
        "alt": message(
            "Strips of channel positions for each prompt and block. {told}.", told=series(told) if told else ""
        ),
        "caption": sentences([same, strips, *_rounded(group), hidden]),
    }


def _rounded(group: OrderGroup) -> list[str]:
    if group.moves is None:
        return []
    parts = [
        message(
            "{given}: {low:.1%} to {high:.1%} of the positions",
            given=given,
            low=rows["moved_share"].min(),
            high=rows["moved_share"].max(),
        )
        for given, rows in group.moves.groupby("number_format", sort=False)
    ]
    return [
        message(
            "Bottom row: what moves where the prompt codes are rounded and the orders made anew ({parts}); lines are "
            "means over the prompts.",
            parts=series(parts),
        )
    ]
