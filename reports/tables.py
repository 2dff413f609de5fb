"""The numbers of a paper's table: variants as rows, conditions as columns, each metric's mean in each cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from reports import schema
from reports.document import Cell, Number
from reports.formatting import format_magnitude
from reports.image_sets import describe_image_sets
from reports.input_gain import variants_below_classical
from reports.messages import join_and, join_commas, message, stored_text
from reports.own_settings import tiled_variants
from reports.run_state import Status
from reports.stats import AVERAGE, TASK_AVERAGE, Analysis, Scores, input_mean, means, seed_means
from reports.study import Run, Study

_STATUS_TEXT = {
    Status.RUNNING: message("unfinished"),
    Status.FAILED: message("failed"),
    Status.DAMAGED: message("damaged"),
    Status.MISSING: message("not run"),
}
INPUT_LABEL = message("degraded input")
MAX_RUN_IDS = 20
"""Run ids in a cell's tooltip; means.csv has all."""


@dataclass(frozen=True, kw_only=True)
class ResultRow:
    """One line of the table.

    Attributes:
        n_seeds: finished and planned.
        aliases: labels of the model's other names.
        ingredients: parts of the model, from study.json.
        sizes: trained parameters, parameters and multiply-adds; empty where unknown.
        surpassed_by: label of a better method without training, by the average over columns, if any.
        is_significantly_surpassed: whether that difference is significant, or one of the means alone.
        macs_px: side of the square image on which multiply-adds were counted, in pixels.
    """

    variant: str
    label: str
    cells: tuple[Cell, ...]
    n_seeds: tuple[int, int] = (0, 0)
    aliases: tuple[str, ...] = ()
    ingredients: Mapping[str, str] = field(default_factory=dict)
    sizes: tuple[Cell, Cell, Cell] = (Cell(), Cell(), Cell())
    macs_px: str = ""
    surpassed_by: str = ""
    is_significantly_surpassed: bool = False
    is_input: bool = False

    @property
    def seeds_text(self) -> str:
        """Finished seeds ("3"), or "2 of 3" where one is unfinished; "" for the degraded input."""
        done, planned = self.n_seeds
        if self.is_input:
            return ""
        return str(done) if done == planned else message("{n} of {all}", n=done, all=planned)


@dataclass(frozen=True, kw_only=True)
class ResultTable:
    """The table before layout (reports/pages/result.py).

    Attributes:
        columns: conditions and, unless there is one alone, the averages that differ, by name.
        rows: the degraded input first, then the variants in the study's order.
        notes: lines below the table: other names of a model.
        protocol: name of the evaluation protocol.
        test_sets: what the columns are measured on, see `reports.image_sets`.
        metrics: of a cell's numbers, in this order.
    """

    columns: tuple[str, ...]
    rows: tuple[ResultRow, ...]
    notes: tuple[str, ...]
    protocol: str
    test_sets: str
    metrics: tuple[schema.Metric, ...] = schema.METRICS

    def without_model_columns(self) -> ResultTable:
        """The table without parts and sizes of the models, for a page that has them in another table."""
        rows = (replace(row, ingredients={}, sizes=(Cell(), Cell(), Cell()), macs_px="") for row in self.rows)
        return replace(self, rows=tuple(rows))


def build_table(study: Study) -> ResultTable:
    """The study's table from the rows of its finished runs."""
    scores = {m.name: study.scores(m.name) for m in study.metrics}
    first = scores[study.metrics[0].name]
    columns = (*first.conditions, *(first.averages if len(first.conditions) != 1 else ()))
    averages = {name: means(metric_scores) for name, metric_scores in scores.items()}
    inputs = _mean_cells("input", columns, study.metrics, averages, placeholder="-")
    rows = [ResultRow(variant=INPUT_LABEL, label=INPUT_LABEL, cells=inputs, is_input=True)]
    surpassed = variants_below_classical(study)
    for variant in study.variants:
        planned = study.runs_of(variant)
        model = _model_spec(planned)
        instead = message("not run") if study.done_runs_of(variant) else _status_text(planned)
        macs = model.get("macs") or study.macs.get(variant)
        cells = _mean_cells(variant, columns, study.metrics, averages, placeholder=instead)
        rows.append(
            ResultRow(
                variant=variant,
                label=study.label(variant),
                cells=_with_spread(cells, variant, columns, study, scores),
                n_seeds=_seed_count(study, variant),
                aliases=tuple(study.label(e.variant) for e in study.aliases.get(variant, ())),
                surpassed_by=study.label(surpassed[variant].reference) if variant in surpassed else "",
                is_significantly_surpassed=variant in surpassed and surpassed[variant].is_significant,
                ingredients=study.ingredients.get(variant, {}),
                sizes=(
                    _size_cell(model.get("params_trained")),
                    _size_cell(model.get("params")),
                    _size_cell(macs),
                ),
                macs_px=str(model.get("macs_px") or "") if macs else "",
            )
        )
    return ResultTable(
        columns=columns,
        rows=tuple(_with_ranks(rows, columns, study)),
        notes=_notes(study),
        protocol=", ".join(sorted(study.test_settings["protocol"].unique())),
        test_sets=describe_image_sets(study, first.conditions),
        metrics=study.metrics,
    )


def _model_spec(runs: Sequence[Run]) -> Mapping[str, Any]:
    """The model's record in the runs' specs."""
    return next((m for run in runs if isinstance(m := run.spec.get("model"), dict)), {})


def _size_cell(count: object) -> Cell:
    text = format_magnitude(count)
    return Cell(text=text, value=float(str(count)) if text else None)


def _mean_cells(
    name: str,
    columns: Sequence[str],
    metrics: Sequence[schema.Metric],
    averages: Mapping[str, pd.DataFrame],
    *,
    placeholder: str,
) -> tuple[Cell, ...]:
    """The means of one variant, or of the degraded input; `placeholder` is the text of a cell without any."""
    cells = []
    for column in columns:
        numbers = []
        for metric in metrics:
            frame = averages[metric.name]
            exists = name in frame.index and column in frame.columns
            value = float(frame.at[name, column]) if exists else float("nan")  # type: ignore[arg-type]
            numbers.append(Number(value=value, text="" if np.isnan(value) else f"{value:.{metric.digits}f}"))
        cells.append(Cell(numbers=tuple(numbers), text=placeholder if all(np.isnan(n.value) for n in numbers) else ""))
    return tuple(cells)


def _seed_count(study: Study, variant: str) -> tuple[int, int]:
    """Seeds finished and planned; several runs of one seed (a model a task) count once, when all are done."""
    entries = [entry for entry in study.entries if entry.variant == variant and entry.alias_of is None]
    planned = {entry.seed for entry in entries}  # from the plan: a missing run has no seed
    unfinished = {entry.seed for entry in entries if study.runs[entry.run_id].status is not Status.DONE}
    return len(planned - unfinished), len(planned)


def _with_spread(
    cells: Sequence[Cell], variant: str, columns: Sequence[str], study: Study, scores: Mapping[str, Scores]
) -> tuple[Cell, ...]:
    """The cells with each number's standard deviation over seeds, and its run ids."""
    first = scores[study.metrics[0].name]
    if variant not in first.values:
        return tuple(cells)
    ids = _run_ids(study.done_runs_of(variant))
    cells_with_spread = []
    for cell, column in zip(cells, columns, strict=True):
        n_seeds = len(first.seeds[variant])
        hover = message(
            "{seeds} seed(s); {images} images; {ids}",
            seeds=n_seeds,
            images=first.count_scenes_and_images(column)[1],
            ids=ids,
        )
        numbers = []
        for number, metric in zip(cell.numbers, study.metrics, strict=True):
            metric_scores = scores[metric.name]
            spread = (
                seed_means(metric_scores, variant, column).std(ddof=1) if number.text and n_seeds > 1 else float("nan")
            )
            numbers.append(replace(number, spread="" if np.isnan(spread) else f"{spread:.{metric.digits}f}"))
        cells_with_spread.append(replace(cell, numbers=tuple(numbers), hover="" if cell.text else hover))
    return tuple(cells_with_spread)


def _run_ids(runs: tuple[Run, ...]) -> str:
    suffix = f", \N{HORIZONTAL ELLIPSIS} (+{len(runs) - MAX_RUN_IDS:,})" if len(runs) > MAX_RUN_IDS else ""
    return ", ".join(run.run_id for run in runs[:MAX_RUN_IDS]) + suffix


def _with_ranks(rows: list[ResultRow], columns: tuple[str, ...], study: Study) -> list[ResultRow]:
    """Mark the best of each column (1) and the second (2) where they differ significantly from the next.

    A best that does not differ from the second is marked like it (2), where both differ from the third. The tests are
    of the pairs, unadjusted, and need more than one seed. Numbers no better than the input are not marked.
    """
    ranks: dict[tuple[str, int, int], int] = {}
    for m, metric in enumerate(study.metrics):
        analysis = study.analysis(metric.name)
        for c, column in enumerate(columns):
            sign, floor = metric.sign, rows[0].cells[c].numbers[m].value
            level = {row.variant: row.cells[c].numbers[m].value for row in rows[1:]}
            order = sorted((v for v, x in level.items() if not np.isnan(x)), key=lambda v: -sign * level[v])
            above = {v for v in order if sign * level[v] > sign * floor}
            for variant, rank in _column_ranks(analysis, order[:3], column).items():
                if variant in above:
                    ranks[variant, c, m] = rank
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


def _column_ranks(analysis: Analysis, best_first: Sequence[str], column: str) -> dict[str, int]:
    """Marks of up to three variants of a column, the best first."""

    def differ(better: int, worse: int) -> bool:
        if worse >= len(best_first):
            return False
        gap = analysis.difference(best_first[better], best_first[worse], column)
        return gap.n_seeds > 1 and gap.excludes_zero

    if differ(0, 1):
        return {best_first[0]: 1, **({best_first[1]: 2} if differ(1, 2) else {})}
    return {best_first[0]: 2, best_first[1]: 2} if differ(1, 2) and differ(0, 2) else {}


def _status_text(planned: tuple[Run, ...]) -> str:
    """Text in the cells of a variant without a finished run."""
    texts = list(dict.fromkeys(_STATUS_TEXT[run.status] for run in planned if run.status is not Status.DONE))
    return join_commas(texts) if texts else message("not run")


def _notes(study: Study) -> tuple[str, ...]:
    notes = []
    for variant, entries in study.aliases.items():
        for entry in entries:
            reason = entry.note.removeprefix(f"the same model as {variant}").lstrip(": ")
            names = {"alias": study.label(entry.variant), "variant": study.label(variant)}
            notes.append(
                message("{alias} = {variant}: {reason} (one model, trained once)", **names, reason=stored_text(reason))
                if reason
                else message("{alias} = {variant} (one model, trained once)", **names)
            )
    told = [study.label(variant) for variant in study.variants if variant in (study.conditioned or ())]
    if told and len(told) < len(study.variants):
        notes.append(
            message("Told the degradation of each test image: {names}; the others are blind.", names=join_and(told))
        )
    notes += [
        message("{variant}: tested in overlapping tiles of {side} pixels.", variant=study.label(variant), side=side)
        if not is_patch
        else message(
            "{variant}: tested in overlapping tiles of {side} pixels, the size of its training patches.",
            variant=study.label(variant),
            side=side,
        )
        for variant, (side, is_patch) in tiled_variants(study).items()
    ]
    return tuple(notes)


def _join_names(test_settings: pd.DataFrame, column_name: str, column: str) -> str:
    rows = test_settings if column in (AVERAGE, TASK_AVERAGE) else test_settings[test_settings["condition"] == column]
    return ";".join(sorted(rows[column_name].unique()))


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
                    "n_seeds": len(by_seed), "n_images": scores.count_scenes_and_images(column)[1],
                    "dataset": _join_names(study.test_settings, "dataset", column),
                    "protocol": _join_names(study.test_settings, "protocol", column),
                    "run_ids": ";".join(run.run_id for run in study.done_runs_of(variant)),
                    "aliases": ";".join(e.variant for e in study.aliases.get(variant, ())),
                })  # fmt: skip
    return pd.DataFrame(rows)
