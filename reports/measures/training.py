"""The section on training past the plateau: sentences and a table of reports/convergence.py."""

from __future__ import annotations

import math

from reports.convergence import (
    FAST_GAIN_DB,
    LEARNED_DB,
    PLATEAU_DB,
    TaskConvergence,
    checkpoint_note,
    convergence_frame,
    convergence_sentences,
)
from reports.document import Cell, Column, Table, rows_of, text_cell, text_column
from reports.formatting import format_signed
from reports.labels import condition_label
from reports.measures.result import MeasureResult
from reports.messages import message
from reports.study import Study


def make_section(study: Study, learned: list[TaskConvergence]) -> MeasureResult:
    """The section; `learned` has one entry a variant and task, and at least one."""
    return MeasureResult(
        name="learning",
        title=message("Training past the plateau"),
        sentences=tuple(convergence_sentences(learned)),
        note=checkpoint_note(study),
        tables=(_make_table(learned),),
        summary=convergence_frame(learned),
    )


def _make_table(learned: list[TaskConvergence]) -> Table:
    heads = (
        text_column(message("Variant")),
        text_column(message("Task")),
        Column(head=message("Gain over the input, dB"), group=message("Test images")),
        Column(head=message("Gain in the last tenth, dB"), group=message("Validation images")),
        Column(head=message("Steps to +{gain:g} dB", gain=FAST_GAIN_DB), group=message("Validation images")),
        text_column(message("Status")),
    )
    return Table(
        is_collapsed=True,
        title=message("Gain and plateau of each variant and task"),
        caption=message(
            "Past the plateau: at least {learned:g} dB over the degraded input on the test images, and less than "
            "{plateau:g} dB gained on the validation images in the last tenth of training; falling: as much lost. "
            "Means over seeds.",
            learned=LEARNED_DB,
            plateau=PLATEAU_DB,
        ),
        columns=heads,
        rows=rows_of(
            (
                text_cell(task.variant),
                text_cell(condition_label(task.task)),
                Cell(text=format_signed(task.gain_db), value=task.gain_db),
                _number(task.last_tenth_db, format_signed(task.last_tenth_db)),
                _number(task.steps_to_3_db, "" if math.isnan(task.steps_to_3_db) else f"{task.steps_to_3_db:,.0f}"),
                text_cell(message("past the plateau, falling") if task.is_falling else task.status),
            )
            for task in learned
        ),
    )


def _number(value: float, text: str) -> Cell:
    return text_cell("\N{EN DASH}") if math.isnan(value) else Cell(text=text, value=value)
