"""Channel order by prompt, for each perturbation block."""

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
from reports.messages import join_clauses, join_commas, join_sentences, message
from reports.study import Run, Study

MAX_FIGURES = 3
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
        """Whether every prompt gives the same order, so that a figure would show nothing."""
        return all((order == order[0]).all() for order in self.orders.values())


def order_groups(study: Study) -> list[OrderGroup]:
    """All finished runs that have orders, equal ones together; the featured variants' first."""
    by_orders: dict[bytes, OrderGroup] = {}
    for variant in dict.fromkeys([*study.featured, *study.variants]):
        for run in study.done_runs_of(variant):
            probes = load_probes(run)
            if probes is None or not probes.orders:
                continue
            key = b"".join(k.encode() + v.tobytes() for k, v in sorted(probes.orders.items()))
            run_key = ((variant, run.seed),)
            previous = by_orders.get(key)
            runs = previous.runs + run_key if previous else run_key
            moves = previous.moves if previous and previous.moves is not None else _read_order_moves(run)
            by_orders[key] = OrderGroup(runs=runs, conditions=probes.conditions, orders=probes.orders, moves=moves)
    return list(by_orders.values())


def _read_order_moves(run: Run) -> pd.DataFrame | None:
    """The run's measure; a damaged one is reported in the section of measures, not here."""
    try:
        table, _ = schema.read_measure(run.path, _MEASURE)
    except ValueError:
        return None
    return table if len(table) else None


def draw(study: Study, folder: Path) -> list[Picture]:
    """One figure for each of the first `MOST_FIGURES` different sets of orders that the first seed gave.

    Other seeds begin with other weights and so with other orders; the caption counts them.
    """
    all_groups = order_groups(study)
    varying = [group for group in all_groups if not group.is_constant]
    seeds = [seed for group in varying for _, seed in group.runs]
    first_seed_groups = [g for g in varying if any(seed == seeds[0] for _, seed in g.runs)]
    constant_variants = list(
        dict.fromkeys(variant for group in all_groups if group.is_constant for variant, _ in group.runs)
    )
    pictures = []
    for number, group in enumerate(first_seed_groups[:MAX_FIGURES], start=1):
        remarks: list[str] = []
        if len(first_seed_groups) > 1:
            remarks.append(
                message("Set {n} of {all} that the variants have with this seed.", n=number, all=len(first_seed_groups))
            )
        if len(first_seed_groups) > MAX_FIGURES:
            remarks.append(message("Shown: {n}.", n=MAX_FIGURES))
        if len(varying) > len(first_seed_groups):
            remarks.append(
                message("Other seeds give {n} further sets of orders.", n=len(varying) - len(first_seed_groups))
            )
        if constant_variants:
            remarks.append(
                message("Not drawn, since every prompt gives one order: {names}.", names=join_commas(constant_variants))
            )
        pictures.append(_draw_group(group, folder, number, join_sentences(remarks) if remarks else ""))
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


def _draw_group(group: OrderGroup, folder: Path, number: int, remarks: str) -> Picture:
    blocks = sorted(group.orders, key=lambda b: (group.orders[b].shape[1], b))  # wider is deeper
    labels = [plain(condition_label(c)) for c in group.conditions]
    row_in = 0.13 * len(labels) + 0.3
    upper_in = row_in * len(blocks) + 0.95
    extra_in = 2.0 if group.moves is not None else 0.0
    figure = new_figure(PAGE_IN, upper_in + extra_in)
    strips_figure = figure
    if group.moves is not None:
        parts = figure.subfigures(2, 1, height_ratios=[upper_in, extra_in], squeeze=False)
        strips_figure, stability_figure = parts[:, 0]
        _draw_stability(stability_figure, group.moves, blocks)
    grid = strips_figure.subplots(len(blocks), 3, squeeze=False, width_ratios=[2.2, 1, 1])
    images: list[Any] = []
    for (strip_axes, correlation_axes, share_axes), block in zip(grid, blocks, strict=True):
        order, last = group.orders[block], block == blocks[-1]
        below_labels = labels if last else [""] * len(labels)
        strips = _draw_strips(strip_axes, order, labels, block)
        matrices = (rank_correlation(order), -1, "cividis"), (equal_share(order), 0, "Blues")
        images = [strips] + [
            heatmap(ax, pd.DataFrame(values, columns=below_labels), vmin=low, vmax=1, cmap=cmap, yticklabels=False)
            for ax, (values, low, cmap) in zip((correlation_axes, share_axes), matrices, strict=True)
        ]
    bar_labels = (f"position of the same channel under “{labels[0]}”", "rank correlation", "share of equal positions")
    for column, (image, text) in enumerate(zip(images, bar_labels, strict=True)):
        bar = strips_figure.colorbar(image, ax=grid[:, column], location="bottom", shrink=0.8, aspect=25, pad=0.02)
        bar.set_label(text)
        if not column:
            bar.set_ticks([0, 1], labels=["first", "last"])
    return save(figure, folder, f"orders_{number}", **_texts(group, labels[0], number, remarks))


def _draw_stability(figure: Any, moves: pd.DataFrame, blocks: list[str]) -> None:
    """Share of moved positions and Kendall's tau under rounded codes: a marker for each prompt, a group a block."""
    formats = list(dict.fromkeys(moves["number_format"]))
    moved, tau = figure.subplots(1, 2)
    for ax, column, scale in ((moved, "moved_share", 100.0), (tau, "tau", 1.0)):
        for number, format_name in enumerate(formats):
            shift = 0.44 * (number - (len(formats) - 1) / 2)
            for position, block in enumerate(blocks):
                rows = moves[(moves["number_format"] == format_name) & (moves["block"] == block)]
                spread = np.linspace(-0.07, 0.07, len(rows)) if len(rows) > 1 else np.zeros(len(rows))
                for x, (_, row) in zip(spread, rows.iterrows(), strict=True):
                    ax.plot(
                        position + shift + x, scale * row[column], condition_marker(str(row["condition"])),
                        markersize=3,
                        color=condition_colour(str(row["condition"])), alpha=0.9, markeredgewidth=0,
                    )  # fmt: skip
                if len(rows):
                    mean = scale * float(rows[column].mean())
                    ax.hlines(mean, position + shift - 0.11, position + shift + 0.11, color=INK, linewidth=1.4)
                ax.annotate(
                    plain(format_name), (position + shift, 0), xycoords=("data", "axes fraction"), xytext=(0, -4),
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
    conditions = sorted(set(moves["condition"]), key=schema.condition_sort_key)
    handles = [
        Line2D([], [], linestyle="", marker=condition_marker(c), color=condition_colour(c), markersize=5,
               markeredgewidth=0, label=plain(condition_label(c)))
        for c in conditions
    ]  # fmt: skip
    figure.legend(
        handles=handles, loc="outside lower center", ncols=len(conditions), handletextpad=0.1, columnspacing=0.9
    )


def _draw_strips(ax: Any, order: np.ndarray, labels: list[str], block: str) -> Any:
    """Each prompt's order as a strip, coloured by where its channels stand under the first prompt."""
    reference_ranks = ranks(order)[0]
    image = ax.imshow(
        reference_ranks[order] / max(order.shape[1] - 1, 1), aspect="auto", cmap="viridis", interpolation="nearest"
    )
    ax.set_title(f"{plain(block)}, {order.shape[1]} channels", loc="left", fontsize=7)
    ax.set_yticks(range(len(labels)), labels)
    ax.set_xticks([])
    ax.grid(visible=False)
    return image


def _texts(group: OrderGroup, first: str, number: int, remarks: str) -> dict[str, str]:
    seeds: dict[int | None, list[str]] = {}
    for variant, seed in group.runs:
        seeds.setdefault(seed, []).append(variant)
    runs = join_clauses(
        message("seed {seed}: {variants}", seed=seed, variants=join_commas(variants))
        for seed, variants in seeds.items()
    )
    runs_sentence = message(
        "The same orders, channel by channel, in {n} runs ({whose}).", n=len(group.runs), whose=runs
    )
    if len(group.runs) == 1:
        runs_sentence = message("One run ({whose}).", whose=runs)
    off_diagonal = ~np.eye(len(group.conditions), dtype=bool)
    summaries = [
        message(
            "{block}: mean rank correlation between prompts {correlation:.2f}, equal positions {share:.0%}",
            block=block,
            correlation=rank_correlation(o)[off_diagonal].mean(),
            share=equal_share(o)[off_diagonal].mean(),
        )
        for block, o in group.orders.items()
        if off_diagonal.any()
    ]
    strips_sentence = message(
        "A strip shows one prompt's order from first to last; its colours say where the same channels stand "
        "under “{first}”, so the first strip is smooth and a scrambled strip is another order. The matrices "
        "compare the prompts in the strips' sequence. {summaries}.",
        first=first,
        summaries=join_clauses(summaries) if summaries else "",
    )
    title = message("Channel order by prompt")
    if number > 1:
        title = message("Channel order by prompt, set {n}", n=number)
    return {
        "title": title,
        "alt": message(
            "Strips of channel positions for each prompt and block. {summaries}.",
            summaries=join_clauses(summaries) if summaries else "",
        ),
        "caption": join_sentences([runs_sentence, strips_sentence, *_rounding_sentence(group), remarks]),
    }


def _rounding_sentence(group: OrderGroup) -> list[str]:
    if group.moves is None:
        return []
    parts = [
        message(
            "{format}: {low:.1%} to {high:.1%} of the positions",
            format=format_name,
            low=rows["moved_share"].min(),
            high=rows["moved_share"].max(),
        )
        for format_name, rows in group.moves.groupby("number_format", sort=False)
    ]
    return [
        message(
            "Bottom row: change of the orders computed from rounded prompt embeddings ({parts}); lines are means "
            "over the prompts.",
            parts=join_clauses(parts),
        )
    ]
