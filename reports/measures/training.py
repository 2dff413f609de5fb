"""Training past the plateau, as a section of the page: what reports/convergence.py finds, in sentences and a table."""

from __future__ import annotations

import math

from reports import convergence
from reports.convergence import FAST_GAIN_DB, LEARNED_DB, PLATEAU_DB, TaskConvergence
from reports.document import Cell, Column, Table, rows_of, text_column, words
from reports.formatting import signed
from reports.labels import condition_label
from reports.measures.result import MeasureResult
from reports.messages import message
from reports.study import Study


def section(study: Study, found: list[TaskConvergence]) -> MeasureResult:
    """The section of what `learning` found in the study; of one variant and task at least."""
    return MeasureResult(
        name="learning",
        title=message("Training past the plateau"),
        sentences=tuple(convergence.convergence_sentences(found)),
        note=_tested(study),
        tables=(_grid(found),),
        summary=convergence.convergence_frame(found),
    )


def _tested(study: Study) -> str:
    chosen = {str((run.spec.get("budget") or {}).get("checkpoint", "best")) for run in study.runs.values() if run.spec}
    if chosen == {"last"}:
        return message("Every run is tested with the same weights: those after the last step.")
    if chosen == {"best"}:
        return message(
            "Every run is tested with the same weights: those that validated best, chosen on validation images."
        )
    return message("Every run is tested with the same weights: not all alike.")


def _grid(found: list[TaskConvergence]) -> Table:
    heads = (
        text_column(message("Variant")),
        text_column(message("Task")),
        Column(head=message("Gain over the input, dB")),
        Column(head=message("of it in the last tenth, dB")),
        Column(head=message("Steps to +{gain:g} dB", gain=FAST_GAIN_DB)),
        text_column(message("Status")),
    )
    return Table(
        is_folded=True,
        title=message("Gain and plateau of each variant and task"),
        caption=message(
            "Past the plateau: at least {learned:g} dB over the degraded input on the test images, and less than "
            "{plateau:g} dB gained on the validation images in the last tenth of training. Means over seeds.",
            learned=LEARNED_DB,
            plateau=PLATEAU_DB,
        ),
        columns=heads,
        rows=rows_of(
            (
                words(one.variant),
                words(condition_label(one.task)),
                Cell(text=signed(one.gain_db), value=one.gain_db),
                _number(one.last_tenth_db, signed(one.last_tenth_db)),
                _number(one.steps_to_3_db, "" if math.isnan(one.steps_to_3_db) else f"{one.steps_to_3_db:,.0f}"),
                words(one.status),
            )
            for one in found
        ),
    )


def _number(value: float, text: str) -> Cell:
    return words("\N{EN DASH}") if math.isnan(value) else Cell(text=text, value=value)
