"""A study's planned comparisons, each with its interval, its verdict and its minimum detectable difference.

Intervals and verdict belong to one family: the planned contrasts of a column. Intervals are simultaneous (each at level
1 - 0.05 / m for m planned contrasts), and a contrast differs from zero where its interval excludes zero, which is
where its adjusted p, m times p, is below 0.05 (docs/statistics.md explains why not Holm).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import pandas as pd

from reports import schema
from reports.messages import stored_text
from reports.power import minimum_detectable_difference, seeds_needed
from reports.stats import AVERAGE, LEVEL, NEW_PHOTOGRAPHS, QUESTIONS, TASK_AVERAGE, Analysis, Estimate, Scores, means
from reports.study import Contrast, Study

CONTRAST_COLUMNS = (
    "contrast", "label", "column", "role", "question", "runs", "estimate_db", "ci_low", "ci_high", "level", "se_db",
    "df", "p", "p_adjusted", "family", "n_seeds", "n_scenes", "n_images", "mdd_db", "seeds_needed", "verdict",
)  # fmt: skip
ALL_RUNS, WITHOUT_DIVERGED = "all", "without diverged"


@dataclass(frozen=True, kw_only=True)
class ContrastResult:
    """One planned contrast in one column for one question.

    Attributes:
        estimate: unadjusted, its interval at `LEVEL`.
        family: m, planned contrasts that are tested together; 1 in a column that is only described.
        primary: whether the column is tested (the column average and each task) or only described.
        n_scenes, n_images: photographs and images behind it.
    """

    contrast: Contrast
    column: str
    question: str
    estimate: Estimate
    family: int
    primary: bool
    n_scenes: int
    n_images: int

    @property
    def alpha(self) -> float:
        """Level of the test of this one contrast."""
        return (1 - LEVEL) / self.family

    @cached_property
    def simultaneous(self) -> Estimate:
        """The estimate with its interval simultaneous over the family."""
        return self.estimate.at_level(1 - self.alpha)

    @property
    def p_adjusted(self) -> float:
        """Bonferroni's p over the family."""
        return min(1.0, self.family * self.estimate.p)

    @property
    def models_differ(self) -> bool:
        """Whether the simultaneous interval excludes zero, even with one seed."""
        return self.simultaneous.excludes_zero

    @property
    def differs(self) -> bool:
        """Whether the variants differ: as `models_differ`, with more than one seed, in a column that is tested."""
        return self.primary and self.models_differ and self.estimate.n_seeds > 1

    @property
    def mdd(self) -> float:
        """Minimum detectable difference at the adjusted level, 80 % power; NaN with one seed."""
        return minimum_detectable_difference(self.estimate, alpha=self.alpha)

    @property
    def seeds_needed(self) -> int | None:
        """Seeds that would find a difference as large as the observed one at the adjusted level."""
        return seeds_needed(self.estimate, alpha=self.alpha)

    @property
    def verdict(self) -> str:
        """The verdict as contrasts.csv has it."""
        if not self.primary:
            return "described only"
        if self.estimate.n_seeds == 1:
            return "one seed"
        return "differs" if self.differs else "no difference shown"


@dataclass(frozen=True, kw_only=True)
class Contrasts:
    """A study's planned contrasts.

    Attributes:
        planned: all, in their order.
        tested: those whose variants have finished, in every column and for both questions.
        not_estimable: the others, each with the variants that it waits for; none where its weights cancel.
        tasks: in the order of tables; columns of their own unless there is one alone.
    """

    planned: tuple[Contrast, ...]
    tested: tuple[ContrastResult, ...]
    not_estimable: tuple[tuple[Contrast, tuple[str, ...]], ...]
    tasks: tuple[str, ...]

    def in_column(self, column: str = AVERAGE, question: str = NEW_PHOTOGRAPHS) -> tuple[ContrastResult, ...]:
        """The contrasts of a column, in their order."""
        return tuple(t for t in self.tested if t.column == column and t.question == question)

    def by_task(self, contrast: Contrast) -> dict[str, ContrastResult]:
        """Task -> the contrast there, for new photographs."""
        results = (t for t in self.tested if t.contrast is contrast and t.question == NEW_PHOTOGRAPHS)
        return {t.column: t for t in results if t.column in self.tasks}


def parse_contrasts(rows: Iterable[dict[str, Any]]) -> tuple[Contrast, ...]:
    """The contrasts of study.json.

    Raises:
        ValueError: one line: a name twice, or weights that are no contrast.
    """
    contrasts: dict[str, Contrast] = {}
    for row in rows:
        name, weights = str(row["name"]), {str(k): float(v) for k, v in row["weights"].items()}
        if name in contrasts:
            raise ValueError(f"{schema.STUDY_FILE} declares the contrast {name!r} twice.")
        if (
            not all(map(math.isfinite, weights.values()))
            or abs(sum(weights.values())) > 1e-9
            or not any(weights.values())
        ):
            raise ValueError(
                f"{schema.STUDY_FILE}: the weights of the contrast {name!r} must sum to zero, not all zero."
            )
        label, note = stored_text(str(row.get("label") or name)), str(row.get("note") or "")
        contrasts[name] = Contrast(name=name, label=label, weights=weights, note=stored_text(note) if note else "")
    return tuple(contrasts.values())


def planned_contrasts(study: Study) -> tuple[Contrast, ...]:
    """The contrasts that the study file declares; by default, each variant minus the reference.

    Weights of aliases go to the model that was trained.
    """
    trained = {e.variant: e.alias_of or e.variant for e in study.entries}
    declared = study.contrasts
    if not declared and study.reference is not None:
        reference = trained.get(study.reference, study.reference)
        declared = tuple(
            Contrast(
                name=v,
                label=f"{study.label(v)} \N{MINUS SIGN} {study.label(reference)}",
                weights={v: 1.0, reference: -1.0},
            )
            for v in study.variants
            if v != reference
        )
    contrasts = []
    for contrast in declared:
        weights: dict[str, float] = {}
        for name, weight in contrast.weights.items():
            name = trained.get(name, name)
            weights[name] = weights.get(name, 0.0) + weight
        weights = {v: w for v, w in weights.items() if abs(w) > 1e-9}
        contrasts.append(replace(contrast, weights=weights))
    return tuple(contrasts)


def difference_from_reference(study: Study, analysis: Analysis, variant: str, column: str) -> Estimate:
    """A variant's difference from the reference, its interval simultaneous over all variants of a column."""
    family = max(1, len(study.variants) - 1)
    gap = analysis.difference(variant, str(study.reference), column)
    return gap.at_level(1 - (1 - LEVEL) / family)


def estimate_contrasts(analysis: Analysis, planned: Sequence[Contrast]) -> Contrasts:
    """Every planned contrast in every column for both questions.

    The family is that of all planned contrasts, whether or not they can be estimated yet: no interval changes as others
    come in.
    """
    averages = means(analysis.scores).drop(index="input")[AVERAGE].dropna()
    not_estimable, results = [], []
    columns = _tested_columns(analysis.scores)
    for contrast in planned:
        missing = tuple(v for v in contrast.weights if v not in averages.index)
        if missing or not contrast.weights:
            not_estimable.append((contrast, missing))
            continue
        for column, primary in columns.items():
            n_scenes, n_images = analysis.scores.count_scenes_and_images(column)
            results += [
                ContrastResult(
                    contrast=contrast,
                    column=column,
                    question=question,
                    estimate=analysis.contrast(contrast.weights, column, question=question),
                    family=len(planned) if primary else 1,
                    primary=primary,
                    n_scenes=n_scenes,
                    n_images=n_images,
                )
                for question in QUESTIONS
            ]
    return Contrasts(
        planned=tuple(planned),
        tested=tuple(results),
        not_estimable=tuple(not_estimable),
        tasks=tuple(c for c, primary in columns.items() if primary and c != AVERAGE),
    )


def contrasts_frame(contrasts: Contrasts, without: Contrasts | None = None) -> pd.DataFrame:
    """Rows of contrasts.csv, unrounded; intervals are simultaneous over `family` contrasts.

    A contrast that can't be estimated has one row, without numbers.

    Args:
        contrasts: of all runs.
        without: of the runs that did not diverge; None where none did.
    """
    rows = _contrast_rows(contrasts, ALL_RUNS) + (_contrast_rows(without, WITHOUT_DIVERGED) if without else [])
    frame = pd.DataFrame(rows, columns=pd.Index(CONTRAST_COLUMNS))
    return frame.astype(dict.fromkeys(("n_seeds", "n_scenes", "n_images", "seeds_needed"), "Int64"))


def _contrast_rows(contrasts: Contrasts, runs: str) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for t in contrasts.tested:
        e = t.simultaneous
        rows.append((
            t.contrast.name, t.contrast.label, t.column, "primary" if t.primary else "descriptive", t.question, runs,
            e.value, e.low, e.high, e.level, e.se, e.df, e.p, t.p_adjusted, t.family, e.n_seeds, t.n_scenes, t.n_images,
            t.mdd, t.seeds_needed, t.verdict,
        ))  # fmt: skip
    for contrast, _ in contrasts.not_estimable:
        leading = (contrast.name, contrast.label, AVERAGE, "primary", NEW_PHOTOGRAPHS, runs)
        empty = [None] * (len(CONTRAST_COLUMNS) - len(leading) - 1)
        rows.append((*leading, *empty, "not estimable yet" if contrast.weights else "one model"))
    return rows


def _tested_columns(scores: Scores) -> dict[str, bool]:
    """Column -> whether it is tested; the only condition of a task, or of the study, is listed once."""
    tasks = scores.tasks if len(scores.tasks) > 1 else ()
    levels = [schema.task_of(c) for c in scores.conditions]
    conditions = [c for c, task in zip(scores.conditions, levels, strict=True) if levels.count(task) > 1]
    described = [*(c for c in scores.averages if c == TASK_AVERAGE), *conditions]
    return {AVERAGE: True, **dict.fromkeys(tasks, True), **dict.fromkeys(described, False)}
