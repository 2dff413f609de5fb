"""The numbers of a paper's table: variants as rows, conditions as columns, each metric's mean in each cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from reports import schema
from reports.document import Cell, Number
from reports.formatting import scaled
from reports.input_gain import below_references
from reports.messages import comma, message, stored
from reports.stats import AVERAGE, TASK_AVERAGE, Scores, input_mean, means, seed_means
from reports.study import Run, Status, Study

_NOT_DONE = {
    Status.RUNNING: message("unfinished"),
    Status.FAILED: message("failed"),
    Status.DAMAGED: message("damaged"),
    Status.MISSING: message("not run"),
}
INPUT_LABEL = message("degraded input")
SHOWN_IDS = 20
"""Run ids that a cell names; means.csv has them all."""


@dataclass(frozen=True, kw_only=True)
class ResultRow:
    """One line of the table.

    Attributes:
        aliases: labels of the model's other names.
        ingredients: what the model is made of, as study.json tells it.
        sizes: trained parameters, parameters and multiply-adds; empty where unknown.
        below: label of a method without training that is better on the average, if any.
        macs_px: side of the square image on which multiply-adds were counted, in pixels.
    """

    variant: str
    label: str
    cells: tuple[Cell, ...]
    seeds: str
    aliases: tuple[str, ...] = ()
    ingredients: Mapping[str, str] = field(default_factory=dict)
    sizes: tuple[Cell, Cell, Cell] = (Cell(), Cell(), Cell())
    macs_px: str = ""
    below: str = ""
    is_input: bool = False


@dataclass(frozen=True, kw_only=True)
class ResultTable:
    """The table before it is laid out (reports/pages/result.py).

    Attributes:
        columns: conditions and the averages that differ, by name.
        rows: the degraded input first, then the variants in the study's order.
        notes: lines below the table: other names of a model.
        protocol: name of the evaluation protocol.
        data: name of the data.
        metrics: whose numbers stand in a cell, in this order.
    """

    columns: tuple[str, ...]
    rows: tuple[ResultRow, ...]
    notes: tuple[str, ...]
    protocol: str
    data: str
    metrics: tuple[schema.Metric, ...] = schema.METRICS


def build_table(study: Study) -> ResultTable:
    """The study's table from the rows of its finished runs."""
    scores = {m.name: study.scores(m.name) for m in study.metrics}
    first = scores[study.metrics[0].name]
    columns = (*first.conditions, *first.averages)
    averages = {name: means(found) for name, found in scores.items()}
    inputs = _cells("input", columns, study.metrics, averages, instead="-")
    rows = [ResultRow(variant=INPUT_LABEL, label=INPUT_LABEL, cells=inputs, seeds="", is_input=True)]
    surpassed = below_references(study)
    for variant in study.variants:
        planned = study.runs_of(variant)
        model = _model(planned)
        instead = message("not run") if study.done_runs_of(variant) else _not_done(planned)
        cells = _cells(variant, columns, study.metrics, averages, instead=instead)
        rows.append(
            ResultRow(
                variant=variant,
                label=study.label(variant),
                cells=_with_seeds(cells, variant, columns, study, scores),
                seeds=_seeds(study, variant),
                aliases=tuple(study.label(e.variant) for e in study.aliases.get(variant, ())),
                below=study.label(surpassed[variant]) if variant in surpassed else "",
                ingredients=study.ingredients.get(variant, {}),
                sizes=(_size(model.get("params_trained")), _size(model.get("params")), _size(model.get("macs"))),
                macs_px=str(model.get("macs_px") or "") if model.get("macs") else "",
            )
        )
    return ResultTable(
        columns=columns,
        rows=tuple(_marked(rows, columns, study)),
        notes=_notes(study),
        protocol=", ".join(sorted(study.terms["protocol"].unique())),
        data=str(study.data.get("name", "")),
        metrics=study.metrics,
    )


def _model(runs: Sequence[Run]) -> Mapping[str, Any]:
    """What the runs' specs say of the model's size."""
    return next((m for run in runs if isinstance(m := run.spec.get("model"), dict)), {})


def _size(count: object) -> Cell:
    text = scaled(count)
    return Cell(text=text, value=float(str(count)) if text else None)


def _cells(
    name: str,
    columns: Sequence[str],
    metrics: Sequence[schema.Metric],
    averages: Mapping[str, pd.DataFrame],
    *,
    instead: str,
) -> tuple[Cell, ...]:
    """The means of one variant, or of the degraded input; `instead` stands in a cell without any."""
    cells = []
    for column in columns:
        numbers = []
        for metric in metrics:
            frame = averages[metric.name]
            known = name in frame.index and column in frame.columns
            value = float(frame.at[name, column]) if known else float("nan")  # type: ignore[arg-type]
            numbers.append(Number(value=value, text="" if np.isnan(value) else f"{value:.{metric.digits}f}"))
        cells.append(Cell(numbers=tuple(numbers), text=instead if all(np.isnan(n.value) for n in numbers) else ""))
    return tuple(cells)


def _seeds(study: Study, variant: str) -> str:
    """How many seeds are done; several runs of one seed (a model a task) count once, when all are done."""
    own = [entry for entry in study.entries if entry.variant == variant and entry.alias_of is None]
    asked = {entry.seed for entry in own}  # of the plan: a run that is missing does not know its seed
    unfinished = {entry.seed for entry in own if study.runs[entry.run_id].status is not Status.DONE}
    return message("{n} of {all}", n=len(asked - unfinished), all=len(asked)) if unfinished else str(len(asked))


def _with_seeds(
    cells: Sequence[Cell], variant: str, columns: Sequence[str], study: Study, scores: Mapping[str, Scores]
) -> tuple[Cell, ...]:
    """The cells with each number's spread over seeds, and the way back to the runs."""
    first = scores[study.metrics[0].name]
    if variant not in first.values:
        return tuple(cells)
    ids = _ids(study.done_runs_of(variant))
    found = []
    for cell, column in zip(cells, columns, strict=True):
        n_seeds = len(first.seeds[variant])
        hover = message(
            "{seeds} seed(s); {images} images; {ids}", seeds=n_seeds, images=first.counted(column)[1], ids=ids
        )
        numbers = []
        for number, metric in zip(cell.numbers, study.metrics, strict=True):
            own = scores[metric.name]
            spread = seed_means(own, variant, column).std(ddof=1) if number.text and n_seeds > 1 else float("nan")
            numbers.append(replace(number, spread="" if np.isnan(spread) else f"{spread:.{metric.digits}f}"))
        found.append(replace(cell, numbers=tuple(numbers), hover="" if cell.text else hover))
    return tuple(found)


def _ids(done: tuple[Run, ...]) -> str:
    more = f", \N{HORIZONTAL ELLIPSIS} (+{len(done) - SHOWN_IDS:,})" if len(done) > SHOWN_IDS else ""
    return ", ".join(run.run_id for run in done[:SHOWN_IDS]) + more


def _marked(rows: list[ResultRow], columns: tuple[str, ...], study: Study) -> list[ResultRow]:
    """Mark the best of each column where a test tells it from the second, and then the second likewise.

    The tests are of the pairs, unadjusted, and need more than one seed. What is no better than the input is not marked.
    """
    ranks: dict[tuple[str, int, int], int] = {}
    for m, metric in enumerate(study.metrics):
        analysis = study.analysis(metric.name)
        for c, column in enumerate(columns):
            sign, floor = metric.sign, rows[0].cells[c].numbers[m].value
            level = {row.variant: row.cells[c].numbers[m].value for row in rows[1:]}
            order = sorted((v for v, x in level.items() if not np.isnan(x)), key=lambda v: -sign * level[v])
            for rank, (better, next_one) in enumerate(pairwise(order[:3]), start=1):
                gap = analysis.difference(better, next_one, column)
                if gap.n_seeds < 2 or not gap.excludes_zero or not sign * level[better] > sign * floor:
                    break
                ranks[better, c, m] = rank
    return [
        replace(
            row,
            cells=tuple(
                replace(
                    cell,
                    numbers=tuple(
                        replace(n, rank=ranks.get((row.variant, c, m), 0)) for m, n in enumerate(cell.numbers)
                    ),
                )
                for c, cell in enumerate(row.cells)
            ),
        )
        for row in rows
    ]


def _not_done(planned: tuple[Run, ...]) -> str:
    """What stands in the cells of a variant without a finished run."""
    found = list(dict.fromkeys(_NOT_DONE[run.status] for run in planned if run.status is not Status.DONE))
    return comma(found) if found else message("not run")


def _notes(study: Study) -> tuple[str, ...]:
    notes = []
    for variant, entries in study.aliases.items():
        for entry in entries:
            told = entry.note.removeprefix(f"the same model as {variant}").lstrip(": ")
            names = {"alias": study.label(entry.variant), "variant": study.label(variant)}
            notes.append(
                message("{alias} = {variant}: {told} (one model, trained once)", **names, told=stored(told))
                if told
                else message("{alias} = {variant} (one model, trained once)", **names)
            )
    return tuple(notes)


def _named_in(terms: pd.DataFrame, what: str, column: str) -> str:
    used = terms if column in (AVERAGE, TASK_AVERAGE) else terms[terms["condition"] == column]
    return ";".join(sorted(used[what].unique()))


def means_frame(study: Study) -> pd.DataFrame:
    """Every cell of the table as a tidy row, unrounded, with spread, interval, protocol and run ids."""
    rows = []
    for metric in (m.name for m in study.metrics):
        analysis, scores = study.analysis(metric), study.scores(metric)
        for variant in scores.variants:
            for column in (*scores.conditions, *scores.averages):
                estimate = analysis.estimate(variant, column)
                by_seed = seed_means(scores, variant, column)
                rows.append({
                    "variant": variant, "condition": column, "metric": metric, "mean": estimate.value,
                    "ci_low": estimate.low, "ci_high": estimate.high,
                    "input_mean": input_mean(scores, column),
                    "sd_over_seeds": by_seed.std(ddof=1) if len(by_seed) > 1 else float("nan"),
                    "n_seeds": len(by_seed), "n_images": scores.counted(column)[1],
                    "dataset": _named_in(study.terms, "dataset", column),
                    "protocol": _named_in(study.terms, "protocol", column),
                    "run_ids": ";".join(run.run_id for run in study.done_runs_of(variant)),
                    "aliases": ";".join(e.variant for e in study.aliases.get(variant, ())),
                })  # fmt: skip
    return pd.DataFrame(rows)
