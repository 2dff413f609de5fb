"""The measures by name: how each is computed, and what its numbers depend on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import pandas as pd

from ablations.harness.training.snapshots import TENTHS, step_at
from ablations.measures import responses
from ablations.measures.gradients import task_gradient_interference
from ablations.measures.information import block_information
from ablations.measures.loaded_run import LoadedRun
from ablations.measures.routing import expert_shares
from ablations.measures.separation import feature_separation
from ablations.metrics import METRICS, extra_metrics
from ablations.spec import MeasureConfig
from dfpir.plugins import Plugin, plugins_behind
from dfpir.registry import Registry
from reports.schema import MEASURE_COLUMNS, METRIC_PREFIX, MeasureSection

ComputeMeasure = Callable[[LoadedRun], pd.DataFrame]
"""A loaded run -> the measure's table."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One measure of a finished run."""

    name: str  # as in `reports.schema.MEASURE_COLUMNS`
    version: int = 1  # increased when the same run and sizes give other numbers: older tables are computed again
    sizes: tuple[str, ...]  # the fields of `MeasureConfig` that its numbers depend on
    compute: ComputeMeasure  # makes the table; no rows where it doesn't apply to the model
    plugins: tuple[Plugin, ...] = ()  # the code outside the suite that computes it
    section: MeasureSection | None = (
        None  # its section of the report; None for the suite's measures, whose sections are built in
    )

    def settings(self, sizes: MeasureConfig) -> dict[str, Any]:
        """The settings that the table depends on, besides the run."""
        settings = {"version": self.version, **{k: v for k, v in asdict(sizes).items() if k in self.sizes}}
        return settings | ({"plugins": [plugin.to_json() for plugin in self.plugins]} if self.plugins else {})


def _interference(run: LoadedRun) -> pd.DataFrame:
    """Gradients at the stored moments of the training."""
    frames = []
    for tenth in run.sizes.tenths:
        model = run.model_at(tenth)
        if model is not None:
            cosines = task_gradient_interference(run, model, run.sizes)
            frames.append(cosines.assign(step=step_at(run.spec.recipe, tenth), fraction=tenth / TENTHS))
    return pd.concat([frame for frame in frames if len(frame)] or [pd.DataFrame()], ignore_index=True)


def _information(run: LoadedRun) -> pd.DataFrame:
    return block_information(run, run.model, run.sizes)


def _suite_measure(name: str, compute: ComputeMeasure, sizes: tuple[str, ...] = (), version: int = 1) -> Measure:
    """A measure whose table has the columns and types of the schema, even without rows."""
    types = {"str": "object", "int64": "int64", "float64": "float64"}
    columns = {c.name: types[c.dtype] for c in MEASURE_COLUMNS[name]}

    def typed(run: LoadedRun) -> pd.DataFrame:
        return compute(run).reindex(columns=list(columns)).astype(columns)

    return Measure(name=name, version=version, sizes=sizes, compute=typed)


MEASURES: Registry[Measure] = Registry("measure", entry_point_group="dfpir.measures")
for _measure in (
    _suite_measure("prompts", responses.prompts, ("images",)),
    _suite_measure("levels", responses.levels, ("images",)),
    _suite_measure("mixed", responses.mixed, ("images",)),
    _suite_measure("precision", responses.precision, ("images",)),
    _suite_measure("order_moves", responses.order_moves),
    _suite_measure("interference", _interference, ("tenths", "draws", "batch"), version=2),
    _suite_measure("separation", feature_separation),
    _suite_measure("information", _information, ("information_images", "pixels"), version=2),
    _suite_measure("routing", expert_shares, ("images",)),
):
    MEASURES.register(_measure.name)(_measure)


def register_measure(
    name: str,
    *,
    title: str,
    sentence: str,
    keys: tuple[str, ...] = ("condition", "image", "scene"),
    unit: str = "",
    digits: int = 3,
    sizes: tuple[str, ...] = (),
) -> Callable[[ComputeMeasure], ComputeMeasure]:
    """Decorator: register a function of a finished run as a measure, with its section of the report.

    The function returns a table with the string columns `keys` and the numbers in `value`; no rows where it does not
    apply to the model. After an edit of its package it is computed again.

    Args:
        name: in study declarations and of its file: lower-case letters, digits and `_`.
        title: of its section.
        sentence: description of the numbers.
        keys: see `reports.schema.MeasureSection`.
        unit: of the numbers; "" for a ratio.
        digits: decimals shown.
        sizes: the fields of `MeasureConfig` that its numbers depend on.

    Raises:
        ValueError: the name is taken, or an invalid declaration.
    """
    section = MeasureSection(name=name, title=title, sentence=sentence, keys=keys, unit=unit, digits=digits)

    def add(compute: ComputeMeasure) -> ComputeMeasure:
        plugins = tuple(plugins_behind(compute))
        MEASURES.register(name)(Measure(name=name, sizes=sizes, compute=compute, plugins=plugins, section=section))
        return compute

    return add


def metric_measures(metrics: Sequence[str]) -> tuple[str, ...]:
    """The measures that score a run by these metrics."""
    return tuple(METRIC_PREFIX + name for name in extra_metrics(metrics))


def measure_named(name: str) -> Measure:
    """The measure of this name, or of a metric's name after `METRIC_PREFIX`.

    Raises:
        UnknownNameError: unknown name.
    """
    if name.startswith(METRIC_PREFIX):
        metric = METRICS[name.removeprefix(METRIC_PREFIX)]
        return Measure(
            name=name, sizes=(), compute=partial(responses.metric_rows, metric=metric), plugins=tuple(metric.plugins)
        )
    return MEASURES[name]
