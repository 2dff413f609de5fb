"""Studies by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dfpir.registry import Registry


@dataclass(frozen=True, kw_only=True)
class Study:
    """A question and the variants that answer it.

    Attributes:
        name: as on the command line.
        title: heading of its report.
        question: what it asks, in a sentence or two.
        variants: registered names, in the order of the table; `NAME@TASK` is that model trained on one task alone, and
            `NAME@each` a row of the table whose columns come from such models, one a task.
        reference: the variant that differences are taken against, or None.
        axis: what the study varies as a number ("gamma"), or None.
        axis_values: variant -> its value on the axis.
        trained_on: names of the conditions that its models train on, or None for all that the data serve.
        tested_on: names of the conditions of its table, or None for those trained on.
        reported: setting of the papers' tables to show beside it ("3-task"), or None.
        measures: names of measures to take of each finished run (`ablations.measures`).
    """

    name: str
    title: str
    question: str
    variants: tuple[str, ...]
    reference: str | None = None
    axis: str | None = None
    axis_values: dict[str, float] | None = None
    trained_on: tuple[str, ...] | None = None
    tested_on: tuple[str, ...] | None = None
    reported: str | None = None
    measures: tuple[str, ...] = ()


STUDIES: Registry[Callable[[], Study]] = Registry("study", home="ablations.studies", entry_point_group="dfpir.studies")
register_study = STUDIES.register
