"""Numbers and lists as the report's sentences and tables print them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from reports import schema
from reports.contrasts import Tested
from reports.estimate import Estimate
from reports.messages import comma, joined, listed, message, ngettext
from reports.power import MOST_SEEDS

SHOWN_NAMES = 3


def show(estimate: Estimate, kind: schema.Metric = schema.METRICS[0]) -> str:
    """Value, unit and interval as a reader sees them: +0.02 dB [-0.11, +0.15], with true minus signs."""
    unit = f" {kind.unit}" if kind.unit else ""
    value, low, high = (signed(v, kind.digits) for v in (estimate.value, estimate.low, estimate.high))
    if math.isnan(estimate.low):
        return message("{value} [no interval]", value=f"{value}{unit}")
    return f"{value}{unit} [{low}, {high}]"


def metric_note(metrics: Sequence[schema.Metric] = schema.METRICS) -> str:
    """Which metrics stand in a cell, in order, and which of them are the better the lower."""
    return joined(map(_metric, metrics), " / ")


def _metric(metric: schema.Metric) -> str:
    told = [metric.unit] if metric.unit else []
    told += [] if metric.higher_is_better else [message("lower is better")]
    return message("{name} ({told})", name=metric.label, told=comma(told)) if told else metric.label


def signed(value: float, digits: int = 2) -> str:
    """A number with its sign; a rounded zero has none, NaN is a dash."""
    if math.isnan(value):
        return "\N{EN DASH}"
    text = f"{value:+.{digits}f}"
    return text[1:] if float(text) == 0 else text.replace("-", "\N{MINUS SIGN}")


def show_p(p: float) -> str:
    """A p value: "0.021", "< 0.001", or a dash where there was no test."""
    return "\N{EN DASH}" if math.isnan(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"


def show_size(size: float) -> str:
    """A size in dB without a sign: two decimals, three below a hundredth; a dash where it is not known."""
    return "\N{EN DASH}" if math.isnan(size) else f"{size:.2f}" if size >= 0.0095 else f"{size:.3f}"


def show_seeds(tested: Tested) -> str:
    """Seeds that would settle the contrast: "14", "> 50", or a dash where it is settled or nothing is known."""
    if tested.differs or tested.estimate.n_seeds < 2 or not tested.estimate.se > 0:
        return "\N{EN DASH}"
    needed = tested.seeds_needed
    return f"> {MOST_SEEDS}" if needed is None else str(needed)


def hidden_variants(shown: int, every: int) -> list[str]:
    """What a caption says of variants that a figure has no room for."""
    return [message("Shown: {n} of {all} variants.", n=shown, all=every)] if shown < every else []


def scaled(value: object) -> str:
    """A count of parameters or multiply-adds: 31,104,761 -> "31.10 M", 456,012 -> "456 k"; "" where it is no number."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return ""
    for size, unit, digits in ((1e9, "G", 1), (1e6, "M", 0), (1e3, "k", 0)):
        if value >= size:
            return f"{value / size:.{2 if value < 100 * size else digits}f} {unit}"
    return f"{value:g}"


def count(number: int, unit: str) -> str:
    """A number and its unit: "1 seed", "3 seeds".

    Args:
        number: how many.
        unit: "seed", "image", "scene", "score" or "trained model".
    """
    told: dict[str, str] = {
        "seed": ngettext("{n:,} seed", "{n:,} seeds", number),
        "image": ngettext("{n:,} image", "{n:,} images", number),
        "scene": ngettext("{n:,} scene", "{n:,} scenes", number),
        "score": ngettext("{n:,} score", "{n:,} scores", number),
        "trained model": ngettext("{n:,} trained model", "{n:,} trained models", number),
    }
    return told[unit]


def named(names: Sequence[str], shown: int = SHOWN_NAMES) -> str:
    """Names up to a number: "a, b and c", "a, b, c and 4 more"; one name is never hidden behind "1 more"."""
    room = len(names) if len(names) <= shown + 1 else shown
    return listed([*names[:room], *([message("{n} more", n=len(names) - room)] if len(names) > room else [])])


def seeds_told(counts: Sequence[int]) -> str:
    """Different numbers of seeds, ascending: "3 seeds", "2 to 3 seeds"."""
    if len(counts) == 1:
        return count(counts[0], "seed")
    return message("{first} to {last} seeds", first=counts[0], last=counts[-1])
