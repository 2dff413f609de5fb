"""Studies by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from dfpir.registry import Registry

THREE_TASKS = ("noise", "rain", "haze")
"""Of the paper's ablation (Table 3 and the gamma study)."""


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """A comparison that a study plans before it sees a number.

    Attributes:
        name: short, for files ("mask").
        label: what it is, for a reader.
        weights: variant -> weight; they sum to zero, and the contrast is the weighted sum of the variants' means.
    """

    name: str
    label: str
    weights: dict[str, float]

    def __post_init__(self) -> None:
        if abs(sum(self.weights.values())) > 1e-9 or not any(self.weights.values()):
            raise ValueError(f"Contrast {self.name}: its weights {self.weights} must sum to zero and not all be zero.")


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
        tasks: that its models train on where the command line names no others; None for all that the data serve.
        tested_on: names of the conditions of its table, or None for those trained on.
        reported: setting of the papers' tables to show beside it ("3-task"), or None.
        measures: names of measures to take of each finished run (`ablations.measures`).
        metrics: names of metrics of its table besides PSNR and SSIM (`ablations.metrics`).
        figures: names of further figures of its report (`reports.figures.further`).
        contrasts: planned comparisons, corrected together; empty: each variant against the reference.
        short: the variants that small budgets (`Budget.short`) run; empty: all.
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
    contrasts: tuple[Contrast, ...] = ()
    short: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for contrast in self.contrasts:
            for variant in contrast.weights:
                if variant not in self.variants:
                    raise ValueError(f"Study {self.name}: contrast {contrast.name} names {variant!r}, not a variant.")

    def shortened(self) -> Study:
        """The study with the variants of its short form, and the contrasts that they answer."""
        contrasts = tuple(c for c in self.contrasts if set(c.weights) <= set(self.short))
        return replace(self, variants=self.short, contrasts=contrasts)


STUDIES: Registry[Callable[[], Study]] = Registry("study", home="ablations.studies", entry_point_group="dfpir.studies")
register_study = STUDIES.register
