"""PSNR, gradient interference and information loss against what the study varies: what the paper only sketches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from reports.labels import axis_label
from reports.measures import information, intervals
from reports.measures.information import Information
from reports.measures.interference import ALL, Interference
from reports.messages import listed, message, series
from reports.stats import AVERAGE, Analysis, Estimate
from reports.study import Study


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """One number a variant.

    Attributes:
        name: as in sentences.
        label: of its axis.
        digits: decimals in sentences.
        unit: behind a value in sentences, with its space.
        analysis: `column` is the one that counts.
        is_best_high: whether more is better.
    """

    name: str
    label: str
    digits: int
    analysis: Analysis
    column: str
    unit: str = ""
    is_best_high: bool = False

    @property
    def told(self) -> str:
        """The name for a reader of the page."""
        return {
            "PSNR": message("PSNR"),
            "interference": message("interference"),
            "information loss": message("information loss"),
        }[self.name]

    def estimate(self, variant: str) -> Estimate | None:
        """The variant's mean, None where it was not measured."""
        return intervals.estimate(self.analysis, variant, self.column)


@dataclass(frozen=True, kw_only=True)
class Mechanism:
    """PSNR and what was measured beside it, and the variants on the axis that have all of them, by rising value."""

    quantities: tuple[Quantity, ...]
    variants: tuple[str, ...]

    def title(self, study: Study) -> str:
        """What it shows, a few words."""
        names = listed([q.told for q in self.quantities])
        return message("{quantities} against {axis}", quantities=names, axis=axis_label(study.axis_name))


def magnitude(found: Interference) -> Quantity:
    """Interference as the paper's sketch has it: the more, the worse."""
    label = "interference\n(1 \N{MINUS SIGN} mean cosine)"
    return Quantity(name="interference", label=label, digits=3, analysis=found.magnitude, column=ALL)


def mean_loss(found: Information) -> Quantity | None:
    """Information loss of the whole block, mean over levels, all conditions."""
    analysis = found.losses.get((found.parts[0], information.ALL))
    if analysis is None:
        return None
    label = "information loss\n(1 \N{MINUS SIGN} R², mean over levels)"
    return Quantity(name="information loss", label=label, digits=3, analysis=analysis, column=information.MEAN)


def mechanism(study: Study, psnr: Analysis, pulls: Interference | None, losses: Information | None) -> Mechanism | None:
    """PSNR beside what was measured; None where fewer than two variants on an axis have all of it."""
    restored = Quantity(
        name="PSNR", label="PSNR (dB)", digits=2, analysis=psnr, column=AVERAGE, unit=" dB", is_best_high=True
    )
    measured = (None if pulls is None else magnitude(pulls), None if losses is None else mean_loss(losses))
    quantities = (restored, *(q for q in measured if q is not None))
    known = [v for v in study.variants if v in study.axis_values and all(q.estimate(v) for q in quantities)]
    variants = tuple(sorted(known, key=study.axis_values.__getitem__))
    return Mechanism(quantities=quantities, variants=variants) if min(len(variants), len(quantities)) > 1 else None


def sentences(found: Mechanism, study: Study) -> list[str]:
    """Where each quantity is best on the axis, and which differences from the reference leave zero out."""
    best = []
    for q in found.quantities:
        values = {v: _value(q, v) for v in found.variants}
        chosen = (max if q.is_best_high else min)(values, key=values.__getitem__)
        told = {
            "quantity": q.told,
            "at": f"{study.axis_name} = {study.axis_values[chosen]:g}",
            "value": f"{intervals.number(values[chosen], q.digits)}{q.unit}",
        }
        if max(values.values()) - min(values.values()) < 0.5 * 10**-q.digits:
            best.append(message("{quantity} is the same everywhere", quantity=q.told))
        elif q.is_best_high:
            best.append(message("{quantity} is highest at {at} ({value})", **told))
        else:
            best.append(message("{quantity} is lowest at {at} ({value})", **told))
    said: list[str] = [message("{clauses}.", clauses=series(best))]
    if study.reference in found.variants:
        counts = [_apart(q, found.variants, str(study.reference)) for q in found.quantities]
        said.append(
            message(
                "Differences from the reference, {reference}, that leave zero out, not corrected for their number: "
                "{counts}.",
                reference=study.reference,
                counts=series(counts),
            )
        )
    limit = intervals.limits(found.quantities[0].analysis)
    return [*said, *([limit] if limit else [])]


def _value(quantity: Quantity, variant: str) -> float:
    estimate = quantity.estimate(variant)
    return float("nan") if estimate is None else estimate.value


def _apart(quantity: Quantity, variants: tuple[str, ...], reference: str) -> str:
    gaps = [quantity.analysis.difference(v, reference, quantity.column) for v in variants if v != reference]
    known = [g for g in gaps if not np.isnan(g.low)]
    if not known:
        return message("{quantity} has no interval with one seed", quantity=quantity.told)
    n = sum(g.excludes_zero for g in known)
    return message("{quantity} {n} of {all}", quantity=quantity.told, n=n, all=len(known))


def summary(found: Mechanism, study: Study) -> pd.DataFrame:
    """The three quantities by variant, with their intervals."""
    rows = []
    for q in found.quantities:
        for variant in found.variants:
            numbers = intervals.columns(q.analysis.estimate(variant, q.column))
            keys = {"quantity": q.name, "variant": variant, study.axis_name: study.axis_values[variant]}
            rows.append({**keys, **numbers})
    return pd.DataFrame(rows)
