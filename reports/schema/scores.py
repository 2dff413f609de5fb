"""Metrics: labels, units, decimals."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

PSNR = "psnr_db"
SSIM = "ssim"


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric's label, unit and decimals.

    Attributes:
        name: as in the `metric` column.
        label: in tables and figures.
        unit: "dB", or "" for a ratio.
        digits: decimals in tables.
        upper: the largest value that enters statistics; a perfect image's infinite PSNR counts as this.
        higher_is_better: False for an error or a distance (MAE, LPIPS, NIQE).
    """

    name: str
    label: str
    unit: str
    digits: int
    upper: float
    higher_is_better: bool = True

    @property
    def sign(self) -> int:
        """1 or -1: times this, a larger value is a better one."""
        return 1 if self.higher_is_better else -1

    def to_json(self) -> dict[str, Any]:
        """For study.json; no `upper` is null."""
        return {**asdict(self), "upper": self.upper if math.isfinite(self.upper) else None}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Metric:
        """The metric of a record in study.json.

        Raises:
            KeyError: something is missing.
            ValueError: a name that no metric can have.
        """
        name = str(record["name"])
        if not METRIC_NAME.fullmatch(name):
            raise ValueError(f"{name!r} names no metric: lower-case letters, digits and _ are needed.")
        upper = record.get("upper")
        return cls(
            name=name,
            label=str(record["label"]),
            unit=str(record["unit"]),
            digits=int(record["digits"]),
            upper=math.inf if upper is None else float(upper),
            higher_is_better=bool(record["higher_is_better"]),
        )


METRIC_NAME = re.compile(r"[a-z][a-z0-9_]*")
"""What a metric may be called: its name is part of a file's."""

METRICS: tuple[Metric, ...] = (
    Metric(name=PSNR, label="PSNR", unit="dB", digits=2, upper=100.0),
    Metric(name=SSIM, label="SSIM", unit="", digits=3, upper=1.0),
)
"""Those that every run has in its images.parquet; a study may ask for more (`metrics` of study.json)."""
