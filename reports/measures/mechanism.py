"""PSNR, gradient interference and information loss against the study's axis: the paper's mechanism, measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from reports.labels import axis_label
from reports.measures import information, intervals
from reports.measures.information import Information
from reports.measures.interference import ALL, Interference
from reports.messages import join_and, join_clauses, message
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
    def display_name(self) -> str:
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
    """PSNR and further quantities, and the variants on the axis that have all of them, by rising value."""

    quantities: tuple[Quantity, ...]
    variants: tuple[str, ...]

    def title(self, study: Study) -> str:
        """Title of the section."""
        names = join_and([q.display_name for q in self.quantities])
        return message("{quantities} against {axis}", quantities=names, axis=axis_label(study.axis_name))


def interference_quantity(interference: Interference) -> Quantity:
    """Interference as in the paper's sketch: lower is better."""
    label = "interference\n(1 \N{MINUS SIGN} mean cosine)"
    return Quantity(name="interference", label=label, digits=3, analysis=interference.magnitude, column=ALL)


def information_loss_quantity(losses: Information) -> Quantity | None:
    """Information loss of the complete block, mean over levels, all conditions."""
    analysis = losses.losses.get((losses.parts[0], information.ALL))
    if analysis is None:
        return None
    label = "information loss\n(1 \N{MINUS SIGN} R², mean over levels)"
    return Quantity(name="information loss", label=label, digits=3, analysis=analysis, column=information.MEAN)


def summarize(
    study: Study, psnr: Analysis, interference: Interference | None, losses: Information | None
) -> Mechanism | None:
    """PSNR beside the measured quantities; None where fewer than two variants on an axis have all of them."""
    psnr_quantity = Quantity(
        name="PSNR", label="PSNR (dB)", digits=2, analysis=psnr, column=AVERAGE, unit=" dB", is_best_high=True
    )
    measured = (
        None if interference is None else interference_quantity(interference),
        None if losses is None else information_loss_quantity(losses),
    )
    quantities = (psnr_quantity, *(q for q in measured if q is not None))
    with_all = [v for v in study.variants if v in study.axis_values and all(q.estimate(v) for q in quantities)]
    variants = tuple(sorted(with_all, key=study.axis_values.__getitem__))
    return Mechanism(quantities=quantities, variants=variants) if min(len(variants), len(quantities)) > 1 else None


def sentences(mechanism: Mechanism, study: Study) -> list[str]:
    """Best place of each quantity on the axis, and the number of significant differences from the reference."""
    clauses = []
    for quantity in mechanism.quantities:
        means = {v: _value(quantity, v) for v in mechanism.variants}
        best_variant = (max if quantity.is_best_high else min)(means, key=means.__getitem__)
        values = {
            "quantity": quantity.display_name,
            "at": f"{study.axis_name} = {study.axis_values[best_variant]:g}",
            "value": f"{intervals.number(means[best_variant], quantity.digits)}{quantity.unit}",
        }
        if max(means.values()) - min(means.values()) < 0.5 * 10**-quantity.digits:
            clauses.append(message("{quantity} is the same everywhere", quantity=quantity.display_name))
        elif quantity.is_best_high:
            clauses.append(message("{quantity} is highest at {at} ({value})", **values))
        else:
            clauses.append(message("{quantity} is lowest at {at} ({value})", **values))
    lines: list[str] = [message("{clauses}.", clauses=join_clauses(clauses))]
    if study.reference in mechanism.variants:
        counts = [
            _count_significant(quantity, mechanism.variants, str(study.reference)) for quantity in mechanism.quantities
        ]
        lines.append(
            message(
                "Differences from the reference, {reference}, that leave zero out, not corrected for their number: "
                "{counts}.",
                reference=study.reference,
                counts=join_clauses(counts),
            )
        )
    return [*lines, *intervals.caveats(mechanism.quantities[0].analysis)]


def _value(quantity: Quantity, variant: str) -> float:
    estimate = quantity.estimate(variant)
    return float("nan") if estimate is None else estimate.value


def _count_significant(quantity: Quantity, variants: tuple[str, ...], reference: str) -> str:
    differences = [quantity.analysis.difference(v, reference, quantity.column) for v in variants if v != reference]
    finite = [g for g in differences if not np.isnan(g.low)]
    if not finite:
        return message("{quantity} has no interval with one seed", quantity=quantity.display_name)
    n = sum(g.excludes_zero for g in finite)
    return message("{quantity} {n} of {all}", quantity=quantity.display_name, n=n, all=len(finite))


def to_frame(mechanism: Mechanism, study: Study) -> pd.DataFrame:
    """The three quantities by variant, with their intervals."""
    rows = []
    for quantity in mechanism.quantities:
        for variant in mechanism.variants:
            numbers = intervals.to_columns(quantity.analysis.estimate(variant, quantity.column))
            keys = {"quantity": quantity.name, "variant": variant, study.axis_name: study.axis_values[variant]}
            rows.append({**keys, **numbers})
    return pd.DataFrame(rows)
