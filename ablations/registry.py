"""Studies by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from dfpir.registry import Registry

THREE_TASKS = ("noise", "rain", "haze")
"""The tasks of the paper's ablations (Table 3 and the gamma study)."""


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """A planned comparison of a study, fixed before its results are known.

    Attributes:
        name: short, for files ("mask").
        label: description for the report.
        weights: variant -> weight; they sum to zero, and the contrast is the weighted sum of the variants' means.
        note: in what else its two sides differ, for the reader of its number; "" where they differ in nothing else.
    """

    name: str
    label: str
    weights: dict[str, float]
    note: str = ""

    def __post_init__(self) -> None:
        if abs(sum(self.weights.values())) > 1e-9 or not any(self.weights.values()):
            raise ValueError(f"Contrast {self.name}: its weights {self.weights} must sum to zero and not all be zero.")


@dataclass(frozen=True, kw_only=True)
class Study:
    """A question and the variants that answer it.

    Attributes:
        name: as on the command line.
        title: heading of its report.
        question: that it answers, in a sentence or two.
        variants: registered names, in the order of the table; `NAME@TASK` is that model trained on one task alone, and
            `NAME@each` a row of the table whose columns come from such models, one a task.
        reference: the variant that differences are taken against, or None.
        axis: the numeric setting that the study varies ("gamma"), or None.
        axis_values: variant -> its value on the axis.
        tasks: that its models are trained on unless the command line names others; None for all that the data have.
        tested_on: names of the conditions of its table, or None for those trained on.
        reported: setting of the papers' tables to show beside it ("3-task"), or None.
        measures: names of the measures of each finished run (`ablations.measures`).
        metrics: names of metrics of its table besides PSNR and SSIM (`ablations.metrics`).
        figures: names of further figures of its report (`reports.figures.further`).
        primary: the measure that answers the question; "" for PSNR.
        contrasts: planned comparisons, corrected together; empty: each variant against the reference.
        short: the variants that small budgets (`Budget.short`) run; empty: all.
        featured: the variants shown in figures with little room, most important first; empty: the reference, the
            last, then the others.
    """

    name: str
    title: str
    question: str
    variants: tuple[str, ...]
    reference: str | None = None
    axis: str | None = None
    axis_values: dict[str, float] | None = None
    tasks: tuple[str, ...] | None = None
    tested_on: tuple[str, ...] | None = None
    reported: str | None = None
    measures: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    figures: tuple[str, ...] = ()
    primary: str = ""
    contrasts: tuple[Contrast, ...] = ()
    short: tuple[str, ...] = ()
    featured: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.primary and self.primary not in self.measures:
            raise ValueError(f"Study {self.name}: its primary measure {self.primary!r} is not among its measures.")
        if unknown := [variant for variant in self.featured if variant not in self.variants]:
            raise ValueError(f"Study {self.name}: featured names {unknown[0]!r}, not a variant.")
        for contrast in self.contrasts:
            for variant in contrast.weights:
                if variant not in self.variants:
                    raise ValueError(f"Study {self.name}: contrast {contrast.name} names {variant!r}, not a variant.")

    def short_form(self) -> Study:
        """The study with the variants of its short form, and the contrasts between these."""
        contrasts = tuple(c for c in self.contrasts if set(c.weights) <= set(self.short))
        featured = tuple(variant for variant in self.featured if variant in self.short)
        return replace(self, variants=self.short, contrasts=contrasts, featured=featured)


STUDIES: Registry[Callable[[], Study]] = Registry("study", home="ablations.studies", entry_point_group="dfpir.studies")
register_study = STUDIES.register
