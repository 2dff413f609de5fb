"""Numbers and lists as the report's sentences and tables print them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from reports import schema
from reports.contrasts import ContrastResult
from reports.estimate import Estimate
from reports.messages import join_and, join_commas, join_texts, message, ngettext
from reports.power import MAX_SEEDS

MAX_NAMES = 3


def format_estimate(estimate: Estimate, kind: schema.Metric = schema.METRICS[0]) -> str:
    """Value, unit and interval as a reader sees them: +0.02 dB [-0.11, +0.15], with true minus signs."""
    unit = f" {kind.unit}" if kind.unit else ""
    value, low, high = (format_signed(v, kind.digits) for v in (estimate.value, estimate.low, estimate.high))
    if math.isnan(estimate.low):
        return message("{value} [no interval]", value=f"{value}{unit}")
    return f"{value}{unit} [{low}, {high}]"


def metric_note(metrics: Sequence[schema.Metric] = schema.METRICS) -> str:
    """The metrics of a cell, in order, and which of them are lower-is-better."""
    return join_texts(map(_metric_text, metrics), " / ")


def _metric_text(metric: schema.Metric) -> str:
    details = [metric.unit] if metric.unit else []
    details += [] if metric.higher_is_better else [message("lower is better")]
    return message("{name} ({details})", name=metric.label, details=join_commas(details)) if details else metric.label


def format_signed(value: float, digits: int = 2) -> str:
    """A number with its sign; a rounded zero has none, NaN is a dash."""
    if math.isnan(value):
        return "\N{EN DASH}"
    text = f"{value:+.{digits}f}"
    return text[1:] if float(text) == 0 else text.replace("-", "\N{MINUS SIGN}")


def format_p(p: float) -> str:
    """A p value: "0.021", "< 0.001", or a dash where there was no test."""
    return "\N{EN DASH}" if math.isnan(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"


def format_size(size: float) -> str:
    """A size in dB without a sign: two decimals, three below a hundredth; a dash where it is not known."""
    return "\N{EN DASH}" if math.isnan(size) else f"{size:.2f}" if size >= 0.0095 else f"{size:.3f}"


def format_seeds_needed(tested: ContrastResult) -> str:
    """Seeds needed to resolve the contrast: "14", "> 50", or a dash where it is resolved or unknown."""
    if tested.differs or tested.estimate.n_seeds < 2 or not tested.estimate.se > 0:
        return "\N{EN DASH}"
    needed = tested.seeds_needed
    return f"> {MAX_SEEDS}" if needed is None else str(needed)


def shown_variants_note(n_shown: int, n_variants: int) -> list[str]:
    """A caption's note where a figure shows only some variants."""
    return [message("Shown: {n} of {all} variants.", n=n_shown, all=n_variants)] if n_shown < n_variants else []


def format_magnitude(value: object) -> str:
    """A count of parameters or multiply-adds: 31,104,761 -> "31.10 M", 456,012 -> "456 k"; "" where it is no number."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return ""
    for size, unit, digits in ((1e9, "G", 1), (1e6, "M", 0), (1e3, "k", 0)):
        if value >= size:
            return f"{value / size:.{2 if value < 100 * size else digits}f} {unit}"
    return f"{value:g}"


def format_quantity(number: int, unit: str) -> str:
    """A number and its unit: "1 seed", "3 seeds".

    Args:
        number: how many.
        unit: "seed", "image", "scene", "score" or "trained model".
    """
    texts: dict[str, str] = {
        "seed": ngettext("{n:,} seed", "{n:,} seeds", number),
        "image": ngettext("{n:,} image", "{n:,} images", number),
        "scene": ngettext("{n:,} scene", "{n:,} scenes", number),
        "score": ngettext("{n:,} score", "{n:,} scores", number),
        "trained model": ngettext("{n:,} trained model", "{n:,} trained models", number),
    }
    return texts[unit]


def list_names(names: Sequence[str], max_names: int = MAX_NAMES) -> str:
    """Names up to a number: "a, b and c", "a, b, c and 4 more"; one name is never hidden behind "1 more"."""
    n_listed = len(names) if len(names) <= max_names + 1 else max_names
    return join_and(
        [*names[:n_listed], *([message("{n} more", n=len(names) - n_listed)] if len(names) > n_listed else [])]
    )


def format_seed_range(counts: Sequence[int]) -> str:
    """Different numbers of seeds, ascending: "3 seeds", "2 to 3 seeds"."""
    if len(counts) == 1:
        return format_quantity(counts[0], "seed")
    return message("{first} to {last} seeds", first=counts[0], last=counts[-1])
