"""The metrics by name: how a restored image is scored against the clean one, and how the score is printed.

A run's images.parquet has PSNR and SSIM. Others that a study or `--metrics` names are computed for finished runs from
their weights and stored beside them, so that no run's identity changes and nothing is trained again. They are named,
not taken from whatever is installed, so that a table does not depend on the environment.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from jaxtyping import Float
from torch import Tensor

from datasets.metrics import psnr_db, ssim
from dfpir.plugins import Plugin, plugins_behind
from dfpir.registry import Registry
from reports import schema

Compute = Callable[[Float[Tensor, "1 C H W"], Float[Tensor, "1 C H W"]], "float | Tensor"]
"""Score of a restored image against the clean one, both float64 in [0, 1] after the protocol's rules: clipped, rounded
to 8 bits where it says so, RGB (C = 3) or luma (C = 1); on the device of the model."""


@dataclass(frozen=True)
class ImageMetric:
    """A registered metric."""

    definition: schema.Metric  # name, label, unit, digits and direction
    compute: Compute  # the score of one image

    @cached_property
    def plugins(self) -> list[Plugin]:
        """The code outside the suite that computes it."""
        return plugins_behind(self.compute)


METRICS: Registry[ImageMetric] = Registry("metric", entry_point_group="dfpir.metrics")


def register_metric(
    name: str,
    *,
    label: str,
    higher_is_better: bool,
    unit: str = "",
    digits: int = 3,
    upper: float = math.inf,
) -> Callable[[Compute], Compute]:
    """Decorator: register a function of the restored and the clean image as a metric.

    Args:
        name: in tables on disk and on the command line: lower-case letters, digits and `_`.
        label: for reports.
        higher_is_better: False for an error or a distance.
        unit: "dB", or "" for a ratio.
        digits: decimals in tables.
        upper: larger values are capped in statistics.

    Raises:
        ValueError: the name is taken or invalid.
    """
    if not schema.METRIC_NAME.fullmatch(name):
        raise ValueError(f"Metric {name!r}: lower-case letters, digits and _ are needed, as in 'mae'.")
    definition = schema.Metric(
        name=name, label=label, unit=unit, digits=digits, upper=upper, higher_is_better=higher_is_better
    )

    def add(compute: Compute) -> Compute:
        METRICS.register(name)(ImageMetric(definition, compute))
        return compute

    return add


_COMPUTES: tuple[Compute, ...] = (psnr_db, ssim)
for _metric, _compute in zip(schema.METRICS, _COMPUTES, strict=True):
    METRICS.register(_metric.name)(ImageMetric(_metric, _compute))


def extra_metrics(names: Iterable[str]) -> tuple[str, ...]:
    """The metrics of these names without PSNR and SSIM, which every run has; without duplicates.

    Raises:
        UnknownNameError: a name that no metric has.
    """
    built_in = {metric.name for metric in schema.METRICS}
    return tuple(METRICS[name].definition.name for name in dict.fromkeys(names) if name not in built_in)
