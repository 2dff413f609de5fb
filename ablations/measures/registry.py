"""The measures by name: what each needs, how it is taken, and what its numbers depend on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import pandas as pd

from ablations.harness.training.snapshots import TENTHS, step_of
from ablations.measures import responses
from ablations.measures.gradients import task_gradient_interference
from ablations.measures.information import block_information
from ablations.measures.metrics import metric_rows
from ablations.measures.routing import expert_shares
from ablations.measures.separation import feature_separation
from ablations.measures.subject import Subject
from ablations.metrics import METRICS, further
from ablations.spec import Measuring
from dfpir.plugins import Plugin
from dfpir.registry import UnknownNameError, suggestion
from reports.schema import MEASURE_COLUMNS, METRIC_PREFIX


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One measure of a finished run.

    Attributes:
        name: as in `reports.schema.MEASURE_COLUMNS`.
        version: raised when the same run and sizes give other numbers: tables made before then are made again.
        sizes: the fields of `Measuring` that its numbers depend on.
        take: makes the table; no rows where it doesn't apply to the model.
        plugins: the code outside the suite that its numbers come from.
    """

    name: str
    version: int = 1
    sizes: tuple[str, ...]
    take: Callable[[Subject], pd.DataFrame]
    plugins: tuple[Plugin, ...] = ()

    def settings(self, sizes: Measuring) -> dict[str, Any]:
        """What the table depends on besides the run."""
        settings = {"version": self.version, **{k: v for k, v in asdict(sizes).items() if k in self.sizes}}
        return settings | ({"plugins": [plugin.to_json() for plugin in self.plugins]} if self.plugins else {})


def _interference(subject: Subject) -> pd.DataFrame:
    """Gradients at several moments of the training, those that were kept."""
    spec, sizes = subject.spec, subject.sizes
    frames = []
    for tenth in sizes.tenths:
        model = subject.model_at(tenth)
        if model is None:
            continue
        found = task_gradient_interference(
            spec,
            model,
            subject.bundle,
            subject.conditioning,
            subject.device,
            draws=sizes.draws,
            batch=sizes.batch,
            micro_batch=sizes.micro_batch,
        )
        # a task's gradient that is zero on a group of layers has no angle to another's
        found = found[found["cosine"].notna()]
        frames.append(found.assign(step=step_of(spec.recipe, tenth), fraction=tenth / TENTHS))
    return _typed("interference", pd.concat(frames, ignore_index=True) if frames else pd.DataFrame())


def _information(subject: Subject) -> pd.DataFrame:
    sizes = subject.sizes
    found = block_information(
        subject.spec,
        subject.model,
        subject.bundle,
        subject.conditioning,
        subject.device,
        images=sizes.information_images,
        pixels=sizes.pixels,
    )
    return _typed("information", found)


def _separation(subject: Subject) -> pd.DataFrame:
    return _typed("separation", feature_separation(subject))


def _routing(subject: Subject) -> pd.DataFrame:
    return _typed("routing", expert_shares(subject))


def _typed(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with the columns and types of the schema; rows may be none."""
    types = {"str": "object", "int64": "int64", "float64": "float64"}
    columns = {c.name: types[c.dtype] for c in MEASURE_COLUMNS[name]}
    return frame.reindex(columns=list(columns)).astype(columns)


_RESPONSES = ("images",)

MEASURES: dict[str, Measure] = {
    measure.name: measure
    for measure in (
        Measure(name="prompts", sizes=_RESPONSES, take=responses.prompts),
        Measure(name="levels", sizes=_RESPONSES, take=responses.levels),
        Measure(name="mixed", sizes=_RESPONSES, take=responses.mixed),
        Measure(name="precision", sizes=_RESPONSES, take=responses.precision),
        Measure(name="order_moves", sizes=(), take=responses.order_moves),
        Measure(name="interference", version=2, sizes=("tenths", "draws", "batch"), take=_interference),
        Measure(name="separation", sizes=(), take=_separation),
        Measure(name="information", version=2, sizes=("information_images", "pixels"), take=_information),
        Measure(name="routing", sizes=_RESPONSES, take=_routing),
    )
}


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
        return Measure(name=name, sizes=(), take=partial(metric_rows, metric=metric), plugins=tuple(metric.plugins))
    if name not in MEASURES:
        raise UnknownNameError(f"Unknown measure {name!r}.{suggestion(name, MEASURES)}")
    return MEASURES[name]
