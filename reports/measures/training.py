"""Training past the plateau, as a section of the page: what reports/learning.py finds, in sentences and a table."""

from __future__ import annotations

import math

from reports import learning
from reports.labels import condition_label
from reports.learning import FAST_GAIN_DB, LEARNED_DB, PLATEAU_DB, TaskLearning
from reports.measures.section import Grid, Head, Section, Value, head, words
from reports.messages import message
from reports.study import Study
from reports.wording import signed


def section(study: Study, found: list[TaskLearning]) -> Section:
    """The section of what `learning` found in the study; of one variant and task at least."""
    return Section(
        name="learning",
        title=message("Training past the plateau"),
        sentences=tuple(learning.sentences(found)),
        note=_tested(study),
        grids=(_grid(found),),
        summary=learning.frame(found),
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


def _grid(found: list[TaskLearning]) -> Grid:
    heads = (
        head(message("Variant")),
        head(message("Task")),
        Head(text=message("Gain over the input, dB")),
        Head(text=message("of it in the last tenth, dB")),
        Head(text=message("Steps to +{gain:g} dB", gain=FAST_GAIN_DB)),
        head(message("Status")),
    )
    return Grid(
        is_folded=True,
        title=message("Gain and plateau of each variant and task"),
        caption=message(
            "Past the plateau: at least {learned:g} dB over the degraded input on the test images, and less than "
            "{plateau:g} dB gained on the validation images in the last tenth of training. Means over seeds.",
            learned=LEARNED_DB,
            plateau=PLATEAU_DB,
        ),
        heads=heads,
        rows=tuple(
            (
                words(one.variant),
                words(condition_label(one.task)),
                Value(text=signed(one.gain_db), sort=one.gain_db),
                _number(one.last_tenth_db, signed(one.last_tenth_db)),
                _number(one.steps_to_3_db, "" if math.isnan(one.steps_to_3_db) else f"{one.steps_to_3_db:,.0f}"),
                words(one.status),
            )
            for one in found
        ),
    )


def _number(value: float, text: str) -> Value:
    return words("\N{EN DASH}") if math.isnan(value) else Value(text=text, sort=value)
