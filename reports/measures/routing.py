"""Which experts of a model that routes serve which degradation, and how far the tasks' shares lie apart."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import pandas as pd

from reports import schema
from reports.document import Column, Table, rows_of, text_column, words
from reports.figure_jobs import Job
from reports.figures import routing as routing_figure
from reports.labels import condition_label
from reports.measures import intervals
from reports.measures.result import MeasureResult
from reports.messages import message
from reports.stats import Analysis
from reports.study import Study

MEAN = "mean over routers"
MOST_DRAWN = 3  # variants, of which each has a figure


@dataclass(frozen=True, kw_only=True)
class Routes:
    """One variant's routing.

    Attributes:
        variant: its name.
        seed: whose experts `matrices` are; the expert of one number does other work under another seed.
        layers: where the routers stand, in the model's order.
        matrices: layer -> share of the gate weight, a row a condition and a column an expert.
        distances: between the tasks' shares, over seeds; a column a layer and `MEAN`.
    """

    variant: str
    seed: int
    layers: tuple[str, ...]
    matrices: dict[str, pd.DataFrame]
    distances: Analysis


def routes(table: pd.DataFrame) -> tuple[Routes, ...]:
    """Sum up the measure "routing" by variant; none where fewer than two tasks were measured."""
    if table["condition"].map(schema.task_of).nunique() < 2:
        return ()
    return tuple(_routes(str(variant), rows) for variant, rows in table.groupby("variant", sort=False))


def _routes(variant: str, rows: pd.DataFrame) -> Routes:
    layers = tuple(dict.fromkeys(rows["layer"]))
    seed = min(rows["seed"])
    first = rows[rows["seed"] == seed]
    matrices = {layer: _matrix(first[first["layer"] == layer], "condition") for layer in layers}
    found = [
        {"variant": variant, "seed": one, "at": layer, "distance": distance(mine)}
        for (one, layer), mine in rows.groupby(["seed", "layer"], sort=False)  # type: ignore[misc]
    ]
    apart = pd.DataFrame(found)
    mean = apart.groupby(["variant", "seed"], sort=False)["distance"].mean().reset_index().assign(at=MEAN)
    both = pd.concat([apart, mean], ignore_index=True)
    distances = intervals.over_seeds(both, both["distance"], both["at"])
    return Routes(variant=variant, seed=int(seed), layers=layers, matrices=matrices, distances=distances)


def _matrix(rows: pd.DataFrame, by: str) -> pd.DataFrame:
    """Gate weight by `by` and expert; rows in the order of the tasks."""
    found = rows.pivot_table(index=by, columns="expert", values="weight", aggfunc="mean")
    return found.loc[sorted(found.index, key=schema.condition_sort_key)]


def distance(rows: pd.DataFrame) -> float:
    """How far one router's tasks lie apart: total variation of their shares of gate weight, mean over pairs of tasks.

    0 where every task uses the experts alike, 1 where no two tasks share one. The conditions of a task are averaged.
    """
    shares = _matrix(rows.assign(task=rows["condition"].map(schema.task_of)), "task").to_numpy()
    pairs = [0.5 * float(abs(a - b).sum()) for a, b in combinations(shares, 2)]
    return sum(pairs) / len(pairs)


def section(table: pd.DataFrame, study: Study, folder: Path) -> tuple[MeasureResult, list[Job]] | None:
    """The section and its figures; None where fewer than two tasks were measured."""
    found = routes(table)
    if not found:
        return None
    made = MeasureResult(
        name="routing",
        title=message("Which expert serves which degradation"),
        sentences=tuple(sentences(found)),
        tables=(grid(found),),
        summary=summary(table),
    )
    drawn = study.to_show([each.variant for each in found], MOST_DRAWN)
    figures = [
        Job(draw=routing_figure.draw, args=(number, each.variant, each.seed, each.matrices, folder))
        for number, each in enumerate((r for r in found if r.variant in drawn), start=1)
    ]
    return made, figures


def sentences(found: tuple[Routes, ...]) -> list[str]:
    """How far each variant's tasks lie apart, and where most."""
    said: list[str] = []
    for each in found:
        mean = each.distances.estimate(each.variant, MEAN)
        at = {layer: each.distances.estimate(each.variant, layer) for layer in each.layers}
        router = max(at, key=lambda layer: at[layer].value)
        said.append(
            message(
                "The tasks' shares of the experts of {variant} lie {mean:.2f} {interval} apart on average; the largest "
                "distance of a router is {most:.2f} {its_interval}, at {router} (0: the same experts for every task, "
                "1: none in common).",
                variant=each.variant,
                mean=mean.value,
                interval=intervals.bracket(mean.low, mean.high, 2),
                router=router,
                most=at[router].value,
                its_interval=intervals.bracket(at[router].low, at[router].high, 2),
            )
        )
    return said


def grid(found: tuple[Routes, ...]) -> Table:
    """Each router's distance between tasks, and the expert with most weight by condition."""
    conditions = sorted(
        {c for each in found for matrix in each.matrices.values() for c in matrix.index}, key=schema.condition_sort_key
    )
    rows = []
    for each in found:
        for layer in each.layers:
            matrix = each.matrices[layer]
            first = [
                words(f"{matrix.loc[c].idxmax()} ({matrix.loc[c].max():.0%})" if c in matrix.index else "-")
                for c in conditions
            ]
            apart = intervals.level(intervals.estimate(each.distances, each.variant, layer), 2)
            rows.append((words(each.variant), words(layer), apart, *first))
    return Table(
        title=message("Experts by router and condition"),
        caption=message(
            "Distance: total variation of the tasks' shares of gate weight, mean over pairs of tasks. Intervals: "
            "95\N{NO-BREAK SPACE}% over seeds, absent with one. Conditions: the expert with most weight and its share, "
            "in the run of the lowest seed; numbers of experts mean nothing across runs."
        ),
        columns=(
            text_column(message("Variant")),
            text_column(message("Router")),
            Column(head=message("Distance")),
            *(text_column(condition_label(condition)) for condition in conditions),
        ),
        rows=rows_of(rows),
    )


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Every run's shares."""
    return table[["variant", "seed", "layer", "condition", "expert", "selected", "weight", "n_images"]]
