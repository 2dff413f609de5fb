"""Runs and studies as a report sees them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reports import schema
from reports.run_state import Status
from reports.stats import Analysis, Scores, collect


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run folder.

    Attributes:
        path: the folder.
        run_id: the folder's name.
        variant: name of the model variant, "" if unknown.
        seed: the run's seed, None if unknown.
        status: only a run with `Status.DONE` enters tables and figures.
        reason: why the status is not DONE; "" if it is.
        spec: spec.json, {} where it can't be read; likewise `env`, `summary`.
        error: ERROR.json of a failed run.
    """

    path: Path
    run_id: str
    variant: str
    seed: int | None
    status: Status
    reason: str
    spec: dict[str, Any]
    env: dict[str, Any]
    summary: dict[str, Any]
    error: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of a study's plan; `alias_of` names the variant that was trained instead, or is None."""

    variant: str
    seed: int
    run_id: str
    alias_of: str | None = None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """A comparison that the study was planned for: a weighted sum of variants' means whose weights sum to zero."""

    name: str
    label: str
    weights: dict[str, float]
    note: str = ""  # in what else its sides differ


@dataclass(frozen=True, kw_only=True)
class Study:
    """A study's plan and the results of its runs.

    Attributes:
        folder: the study's folder; None for runs given one by one.
        axis_name: what the study varies ("gamma"), "" if nothing with a scale.
        axis_values: value of each variant on the axis.
        reference: the variant that others are compared with, or None.
        entries: the plan, in the study's order, aliases included.
        runs: by run_id, for every entry.
        rows: scores of all finished runs under the study's variant names, each model once (`reports.image_rows`):
            columns schema.IMAGE_COLUMNS, texts as categories, infinite PSNR capped. Shared: not to be changed in place.
        command: reproduces the study.
        measures: names of the requested measures; None where the file names none.
        primary: the measure that answers the question; "" where PSNR does.
        contrasts: those that its file declares; none in older files.
        labels: variant -> its name in tables and figures; see `label`.
        macs: comparator -> multiply-adds on `macs_px` of its spec, from study.json.
        ingredients: variant -> part of the method -> how it has it ("\N{CHECK MARK}", "0.9"), for the results table.
        conditioned: the variants that are told the degradation of a test image; None in older files.
        featured: the variants shown by figures with room for a few; see `select_variants`.
        metrics: of a cell, in order: PSNR, SSIM, and extra metrics that the study requests, where a run has them.
        figures: names and titles of requested plug-in figures.
    """

    folder: Path | None
    name: str
    title: str
    question: str
    budget: dict[str, Any]
    data: dict[str, Any]
    text_encoder: str
    axis_name: str
    axis_values: dict[str, float]
    reference: str | None
    entries: tuple[Entry, ...]
    runs: dict[str, Run]
    rows: pd.DataFrame
    command: str
    measures: tuple[str, ...] | None = None
    primary: str = ""
    contrasts: tuple[Contrast, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    ingredients: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    macs: Mapping[str, int] = field(default_factory=dict)
    conditioned: tuple[str, ...] | None = None
    featured: tuple[str, ...] = ()
    metrics: tuple[schema.Metric, ...] = schema.METRICS
    figures: tuple[tuple[str, str], ...] = ()

    def __getstate__(self) -> dict[str, Any]:
        """Without cached properties, which would be sent to each worker process."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    @property
    def variants(self) -> tuple[str, ...]:
        """Names of the variants that were planned to be trained, in the study's order."""
        return tuple(dict.fromkeys(e.variant for e in self.entries if e.alias_of is None))

    def label(self, variant: str) -> str:
        """The variant as tables and figures print it: its label, or its name where study.json has none."""
        return self.labels.get(variant, variant)

    def select_variants(self, available: Collection[str], max_count: int) -> list[str]:
        """At most `max_count` of the variants that have what a figure shows, in the study's order.

        Featured variants come first, then the reference, the last (often the proposed method), and the others.
        """
        candidates = [v for v in self.variants if v in available]
        trained = {e.variant: e.alias_of or e.variant for e in self.entries}
        ranked = [*(trained.get(v, v) for v in self.featured), self.reference, *candidates[-1:], *candidates]
        chosen = [v for v in dict.fromkeys(ranked) if v in candidates][:max_count]
        return [v for v in candidates if v in chosen]

    @property
    def aliases(self) -> dict[str, tuple[Entry, ...]]:
        """Aliases of each trained variant, one entry per name."""
        aliases_by_variant: dict[str, dict[str, Entry]] = {}
        for entry in self.entries:
            if entry.alias_of is not None:
                aliases_by_variant.setdefault(entry.alias_of, {}).setdefault(entry.variant, entry)
        return {variant: tuple(entries.values()) for variant, entries in aliases_by_variant.items()}

    def runs_of(self, variant: str) -> tuple[Run, ...]:
        """The variant's own runs in the order of the plan, whatever their status."""
        return self._runs_of.get(variant, ())

    def done_runs_of(self, variant: str) -> tuple[Run, ...]:
        """The variant's finished runs."""
        return tuple(run for run in self.runs_of(variant) if run.status is Status.DONE)

    def scores(self, metric: str) -> Scores:
        """The rows of one metric arranged for statistics, once."""
        if metric not in self._scores:
            kind = next(m for m in self.metrics if m.name == metric)
            self._scores[metric] = collect(self.rows, kind)
        return self._scores[metric]

    def analysis(self, metric: str) -> Analysis:
        """The analysis of one metric's scores, once."""
        if metric not in self._analyses:
            self._analyses[metric] = Analysis(scores=self.scores(metric))
        return self._analyses[metric]

    @property
    def test_settings(self) -> pd.DataFrame:
        """Distinct protocol, condition, dataset and in_training_set of the rows, as they first appear, as texts."""
        return self._test_settings[0]

    @property
    def setting_of_row(self) -> np.ndarray:
        """For each row the number of its line in `test_settings`."""
        return self._test_settings[1]

    @cached_property
    def _runs_of(self) -> dict[str, tuple[Run, ...]]:
        runs_by_variant: dict[str, list[Run]] = {}
        for entry in self.entries:
            if entry.alias_of is None:
                runs_by_variant.setdefault(entry.variant, []).append(self.runs[entry.run_id])
        return {variant: tuple(runs) for variant, runs in runs_by_variant.items()}

    @cached_property
    def _scores(self) -> dict[str, Scores]:
        return {}

    @cached_property
    def _analyses(self) -> dict[str, Analysis]:
        return {}

    @cached_property
    def _test_settings(self) -> tuple[pd.DataFrame, np.ndarray]:
        names = ("protocol", "condition", "dataset", "in_training_set")
        texts = {name: self.rows[name].astype("category").cat for name in names}
        code = np.zeros(len(self.rows), dtype=np.int32)
        for category_accessor in texts.values():
            code = code * np.int32(max(len(category_accessor.categories), 1)) + category_accessor.codes.to_numpy()
        numbers, codes = pd.factorize(code)
        columns = {}
        for name, category_accessor in reversed(texts.items()):
            codes, category = np.divmod(codes, max(len(category_accessor.categories), 1))
            columns[name] = (
                category_accessor.categories.to_numpy(dtype=object)[category]
                if len(category)
                else np.zeros(0, dtype=object)
            )
        return pd.DataFrame({name: columns[name] for name in texts}, dtype=object), numbers.astype(np.int16)
