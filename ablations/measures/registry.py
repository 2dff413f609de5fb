"""The measures by name: what each needs, how it is taken, and what its numbers depend on."""

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
from ablations.measures.routing import expert_shares
from ablations.measures.separation import feature_separation
from ablations.measures.subject import LoadedRun
from ablations.metrics import METRICS, further
from ablations.spec import MeasureConfig
from dfpir.plugins import Plugin, plugins_behind
from dfpir.registry import Registry
from reports.schema import MEASURE_COLUMNS, METRIC_PREFIX, MeasureSection

Take = Callable[[LoadedRun], pd.DataFrame]
"""A run, loaded again -> the measure's table."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One measure of a finished run."""

    name: str  # as in `reports.schema.MEASURE_COLUMNS`
    version: int = 1  # raised when the same run and sizes give other numbers: tables made before are made again
    sizes: tuple[str, ...]  # the fields of `MeasureConfig` that its numbers depend on
    take: Take  # makes the table; no rows where it doesn't apply to the model
    plugins: tuple[Plugin, ...] = ()  # the code outside the suite that its numbers come from
    section: MeasureSection | None = None  # what the report shows of it; the suite's own have sections of their own

    def settings(self, sizes: MeasureConfig) -> dict[str, Any]:
        """What the table depends on besides the run."""
        settings = {"version": self.version, **{k: v for k, v in asdict(sizes).items() if k in self.sizes}}
        return settings | ({"plugins": [plugin.to_json() for plugin in self.plugins]} if self.plugins else {})


def _interference(subject: LoadedRun) -> pd.DataFrame:
    """Gradients at several moments of the training, those that were kept."""
    frames = []
    for tenth in subject.sizes.tenths:
        model = subject.model_at(tenth)
        if model is not None:
            found = task_gradient_interference(subject, model, subject.sizes)
            frames.append(found.assign(step=step_at(subject.spec.recipe, tenth), fraction=tenth / TENTHS))
    return pd.concat([frame for frame in frames if len(frame)] or [pd.DataFrame()], ignore_index=True)


def _information(subject: LoadedRun) -> pd.DataFrame:
    return block_information(subject, subject.model, subject.sizes)


def _of_suite(name: str, take: Take, sizes: tuple[str, ...] = (), version: int = 1) -> Measure:
    """A measure whose table has the columns and types of the schema; rows may be none."""
    types = {"str": "object", "int64": "int64", "float64": "float64"}
    columns = {c.name: types[c.dtype] for c in MEASURE_COLUMNS[name]}

    def typed(subject: LoadedRun) -> pd.DataFrame:
        return take(subject).reindex(columns=list(columns)).astype(columns)

    return Measure(name=name, version=version, sizes=sizes, take=typed)


MEASURES: Registry[Measure] = Registry("measure", entry_point_group="dfpir.measures")
for _measure in (
    _of_suite("prompts", responses.prompts, ("images",)),
    _of_suite("levels", responses.levels, ("images",)),
    _of_suite("mixed", responses.mixed, ("images",)),
    _of_suite("precision", responses.precision, ("images",)),
    _of_suite("order_moves", responses.order_moves),
    _of_suite("interference", _interference, ("tenths", "draws", "batch"), version=2),
    _of_suite("separation", feature_separation),
    _of_suite("information", _information, ("information_images", "pixels"), version=2),
    _of_suite("routing", expert_shares, ("images",)),
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
) -> Callable[[Take], Take]:
    """Decorator: register a function of a finished run as a measure, with its section of the report.

    The function returns a table with the string columns `keys` and the numbers in `value`; no rows where it does not
    apply to the model. An edit of its package takes it again.

    Args:
        name: in study declarations and of its file: lower-case letters, digits and `_`.
        title: of its section.
        sentence: what the numbers are.
        keys: see `reports.schema.MeasureSection`.
        unit: of the numbers; "" for a ratio.
        digits: decimals shown.
        sizes: the fields of `MeasureConfig` that its numbers depend on.

    Raises:
        ValueError: the name is taken, or a declaration that can't be used.
    """
    section = MeasureSection(name=name, title=title, sentence=sentence, keys=keys, unit=unit, digits=digits)

    def add(take: Take) -> Take:
        plugins = tuple(plugins_behind(take))
        MEASURES.register(name)(Measure(name=name, sizes=sizes, take=take, plugins=plugins, section=section))
        return take

    return add


def metric_measures(metrics: Sequence[str]) -> tuple[str, ...]:
    """The measures that score a run by these metrics."""
    return tuple(METRIC_PREFIX + name for name in further(metrics))


def measure_named(name: str) -> Measure:
    """The measure of this name, or of a metric's with `METRIC_PREFIX` before it.

    Raises:
        UnknownNameError: there is none.
    """
    if name.startswith(METRIC_PREFIX):
        metric = METRICS[name.removeprefix(METRIC_PREFIX)]
        return Measure(
            name=name, sizes=(), take=partial(responses.metric_rows, metric=metric), plugins=tuple(metric.plugins)
        )
    return MEASURES[name]
