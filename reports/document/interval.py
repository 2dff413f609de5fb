"""A difference with its interval, as a small bar in a cell."""

from __future__ import annotations

import math
from dataclasses import dataclass

_MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A difference with its interval, drawn as a small bar on a scale from -limit to limit; NaN bounds for none."""

    value: float
    low: float
    high: float
    limit: float

    @property
    def places(self) -> tuple[int, int, int]:
        """Left end, value and right end in percent of the bar's width; both ends at the value where there is none."""
        ends = [self.value if math.isnan(x) else x for x in (self.low, self.value, self.high)]
        low, value, high = (round(50 + 48 * max(-1.0, min(1.0, x / self.limit))) for x in ends)
        return low, value, high

    @property
    def ticks(self) -> tuple[tuple[int, str], ...]:
        """Places in percent of the bar's width with their labels: zero, and the largest 1, 2 or 5 x 10^n both ways."""
        exponent = math.floor(math.log10(self.limit))
        candidates = [digit * 10.0**power for power in (exponent - 1, exponent) for digit in (1, 2, 5)]
        tick = max(candidate for candidate in candidates if candidate <= self.limit * (1 + 1e-9))
        offset = round(48 * tick / self.limit)
        return (50 - offset, f"{_MINUS}{tick:g}"), (50, "0"), (50 + offset, f"+{tick:g}")
