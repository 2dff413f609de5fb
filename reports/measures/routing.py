"""Which experts of a model that routes serve which degradation, and the distance between the tasks' shares."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import pandas as pd

from reports import schema
from reports.document import Column, Table, rows_of, text_cell, text_column
from reports.figure_jobs import FigureJob
from reports.figures import routing as routing_figure
from reports.labels import condition_label
from reports.measures import intervals
from reports.measures.result import MeasureResult
from reports.messages import message
from reports.stats import Analysis
from reports.study import Study

MEAN = "mean over routers"
MAX_FIGURES = 3  # variants, of which each has a figure


@dataclass(frozen=True, kw_only=True)
class Routing:
    """One variant's routing.

    Attributes:
        variant: its name.
        seed: of the run that `matrices` describe; expert numbers do not correspond across seeds.
        layers: those with a router, in the model's order.
        matrices: layer -> share of the gate weight, a row a condition and a column an expert.
        distances: between the tasks' shares, over seeds; a column a layer and `MEAN`.
    """

    variant: str
    seed: int
    layers: tuple[str, ...]
    matrices: dict[str, pd.DataFrame]
    distances: Analysis


def summarize(table: pd.DataFrame) -> tuple[Routing, ...]:
    """Summarize the measure "routing" by variant; none where fewer than two tasks were measured."""
    if table["condition"].map(schema.task_of).nunique() < 2:
        return ()
    return tuple(_summarize_variant(str(variant), rows) for variant, rows in table.groupby("variant", sort=False))


def _summarize_variant(variant: str, rows: pd.DataFrame) -> Routing:
    layers = tuple(dict.fromkeys(rows["layer"]))
    seed = min(rows["seed"])
    first_run = rows[rows["seed"] == seed]
    matrices = {layer: _weight_matrix(first_run[first_run["layer"] == layer], "condition") for layer in layers}
    distance_rows = [
        {"variant": variant, "seed": run_seed, "at": layer, "distance": mean_distance(subset)}
        for (run_seed, layer), subset in rows.groupby(["seed", "layer"], sort=False)
    ]
    by_layer = pd.DataFrame(distance_rows)
    over_layers = by_layer.groupby(["variant", "seed"], sort=False)["distance"].mean().reset_index().assign(at=MEAN)
    with_means = pd.concat([by_layer, over_layers], ignore_index=True)
    distances = intervals.over_seeds(with_means, with_means["distance"], with_means["at"])
    return Routing(variant=variant, seed=int(seed), layers=layers, matrices=matrices, distances=distances)


def _weight_matrix(rows: pd.DataFrame, by: str) -> pd.DataFrame:
    """Gate weight by `by` and expert; rows in the order of the tasks."""
    matrix = rows.pivot_table(index=by, columns="expert", values="weight", aggfunc="mean")
    return matrix.loc[sorted(matrix.index, key=schema.condition_sort_key)]


def mean_distance(rows: pd.DataFrame) -> float:
    """Distance between one router's tasks: total variation of their shares of gate weight, mean over pairs of tasks.

    0: every task uses the experts alike; 1: no two tasks share an expert. The conditions of a task are averaged.
    """
    shares = _weight_matrix(rows.assign(task=rows["condition"].map(schema.task_of)), "task").to_numpy()
    pairs = [0.5 * float(abs(a - b).sum()) for a, b in combinations(shares, 2)]
    return sum(pairs) / len(pairs)


def make_section(table: pd.DataFrame, study: Study, folder: Path) -> tuple[MeasureResult, list[FigureJob]] | None:
    """The section and its figures; None where fewer than two tasks were measured."""
    routings = summarize(table)
    if not routings:
        return None
    section = MeasureResult(
        name="routing",
        title=message("Which expert serves which degradation"),
        sentences=tuple(sentences(routings)),
        tables=(make_table(routings),),
        summary=to_frame(table),
    )
    variants = study.select_variants([routing.variant for routing in routings], MAX_FIGURES)
    figures = [
        FigureJob(draw=routing_figure.draw, args=(number, routing.variant, routing.seed, routing.matrices, folder))
        for number, routing in enumerate((routing for routing in routings if routing.variant in variants), start=1)
    ]
    return section, figures


def sentences(routings: tuple[Routing, ...]) -> list[str]:
    """Mean distance between each variant's tasks, and the router with the largest distance."""
    lines: list[str] = []
    for routing in routings:
        mean = routing.distances.estimate(routing.variant, MEAN)
        by_layer = {layer: routing.distances.estimate(routing.variant, layer) for layer in routing.layers}
        router = max(by_layer, key=lambda layer: by_layer[layer].value)
        lines.append(
            message(
                "The tasks' shares of the experts of {variant} lie {mean:.2f} {interval} apart on average; the largest "
                "distance of a router is {most:.2f} {its_interval}, at {router} (0: the same experts for every task, "
                "1: none in common).",
                variant=routing.variant,
                mean=mean.value,
                interval=intervals.format_interval(mean.low, mean.high, 2),
                router=router,
                most=by_layer[router].value,
                its_interval=intervals.format_interval(by_layer[router].low, by_layer[router].high, 2),
            )
        )
    return lines


def make_table(routings: tuple[Routing, ...]) -> Table:
    """Each router's distance between tasks, and the expert with most weight by condition."""
    conditions = sorted(
        {c for routing in routings for matrix in routing.matrices.values() for c in matrix.index},
        key=schema.condition_sort_key,
    )
    rows = []
    for routing in routings:
        for layer in routing.layers:
            matrix = routing.matrices[layer]
            top_experts = [
                text_cell(f"{matrix.loc[c].idxmax()} ({matrix.loc[c].max():.0%})" if c in matrix.index else "-")
                for c in conditions
            ]
            distance = intervals.value_cell(intervals.estimate(routing.distances, routing.variant, layer), 2)
            rows.append((text_cell(routing.variant), text_cell(layer), distance, *top_experts))
    return Table(
        title=message("Experts by router and condition"),
        caption=message(
            "Distance: total variation of the tasks' shares of gate weight, mean over pairs of tasks. Intervals: "
            "95% over seeds, absent with one. Conditions: the expert with most weight and its share, in the run "
            "of the lowest seed; numbers of experts mean nothing across runs."
        ),
        columns=(
            text_column(message("Variant")),
            text_column(message("Router")),
            Column(head=message("Distance")),
            *(text_column(condition_label(condition)) for condition in conditions),
        ),
        rows=rows_of(rows),
    )


def to_frame(table: pd.DataFrame) -> pd.DataFrame:
    """Every run's shares."""
    return table[["variant", "seed", "layer", "condition", "expert", "selected", "weight", "n_images"]]
