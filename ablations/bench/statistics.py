"""False alarms and power of the reports' statistics on simulated studies with known effects: docs/statistics.md.

The scores are random; the analysis is that of reports (`reports.stats.Analysis`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from ablations.bench.measurement import Measurement
from reports.estimate import LEVEL
from reports.stats import NEW_PHOTOGRAPHS, THESE_IMAGES, Analysis, Scores


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """The model of a study's scores; standard deviations and sizes in dB.

    Attributes:
        variants, seeds, scenes: sizes of the study; each scene is one image, every variant has all seeds.
        seed_sd: of the shift of all scores of a run; one number, or one for each variant.
        scene_sd: of the interaction of variant and photograph, the same in all runs of the variant.
        rest_sd: of the interaction of run and photograph.
        failed_db: drop of the scores of one failed run, of a random variant; 0 for none.
        images_fixed: whether all studies score the same photographs, as for the question `THESE_IMAGES`.
    """

    variants: int = 9
    seeds: int = 3
    scenes: int = 41
    seed_sd: float | tuple[float, ...] = 0.12
    scene_sd: float = 0.43
    residual_sd: float = 0.45
    failed_db: float = 0.0
    images_fixed: bool = False


EQUAL = Scenario()
"""Variance components of the published study of components without its outlier, as estimated from that study."""

UNEQUAL = Scenario(seed_sd=(0.12, 0.06, 0.06, 0.09, 0.09, 0.12, 0.15, 0.18, 0.18))
FAILED = Scenario(failed_db=1.0)
WILD_REFERENCE = Scenario(seed_sd=(0.36, *[0.12] * 8))

_NULL_STUDIES, _POWER_STUDIES = 4000, 2000  # studies behind a line
_GAIN_DB = 0.5

_SCENARIOS = {
    "equal seed variance": EQUAL,
    "unequal seed variance": UNEQUAL,
    "one failed run": FAILED,
    "reference varies three times as much": WILD_REFERENCE,
    "2 seeds": replace(EQUAL, seeds=2),
    "8 seeds": replace(EQUAL, seeds=8),
    "8 seeds, one failed run": replace(FAILED, seeds=8),
    "3 variants": replace(EQUAL, variants=3),
    "12 photographs": replace(EQUAL, scenes=12),
    "200 photographs": replace(EQUAL, scenes=200),
}


def run(device: torch.device, repeats: int) -> list[Measurement]:
    """All scenarios for new photographs; three for these images, and one with the intervals of the wrong question."""
    del device, repeats  # the seeds are fixed: all devices and repeats give the same numbers
    measurements = []
    for name, scenario in _SCENARIOS.items():
        measurements += _measure_false_alarms(name, scenario, NEW_PHOTOGRAPHS)
        measurements += _measure_power(name, scenario, NEW_PHOTOGRAPHS)
    for name in ("equal seed variance", "unequal seed variance", "one failed run"):
        fixed_images = replace(_SCENARIOS[name], images_fixed=True)
        measurements += _measure_false_alarms(name, fixed_images, THESE_IMAGES)
        measurements += _measure_power(name, fixed_images, THESE_IMAGES)
    return measurements + _measure_false_alarms(
        "equal seed variance, answering the other question", EQUAL, THESE_IMAGES
    )


def _measure_false_alarms(name: str, scenario: Scenario, question: str) -> list[Measurement]:
    results = simulate_studies(scenario, _NULL_STUDIES, question=question)
    label = f"{name}, {question}"
    ratio = float(np.mean(results.se**2) / np.var(results.value))
    return [
        _percent(f"{label}: false alarms a contrast", results.rejected("raw").mean()),
        _percent(f"{label}: studies with a false alarm, single-step", _share_with_rejection(results, "single-step")),
        _percent(f"{label}: studies with a false alarm, Holm", _share_with_rejection(results, "holm")),
        _computed(f"{label}: squared standard error over the true one", "1", ratio),
    ]


def _measure_power(name: str, scenario: Scenario, question: str) -> list[Measurement]:
    measurements = []
    for n_true in dict.fromkeys((1, scenario.variants - 1)):
        results = simulate_studies(scenario, _POWER_STUDIES, gain_db=_GAIN_DB, n_true=n_true, question=question, seed=1)
        label = f"{name}, {question}: power for {_GAIN_DB:g} dB, {n_true} of {scenario.variants - 1} true"
        measurements += [
            _percent(f"{label}, {method}", results.rejected(method)[:, :n_true].mean())
            for method in ("raw", "single-step", "holm")
        ]
    return measurements


def _share_with_rejection(results: SimulatedStudies, method: str) -> float:
    return float(results.rejected(method).any(axis=1).mean())


def _percent(label: str, share: float) -> Measurement:
    return _computed(label, "%", 100 * float(share))


def _computed(label: str, unit: str, value: float) -> Measurement:
    return Measurement(what=label, unit=unit, value=value, spread=1.0, ratio=1.0)


@dataclass(frozen=True, kw_only=True)
class SimulatedStudies:
    """N studies; the M contrasts of each are every other variant minus the first.

    Attributes:
        p: (N, M) unadjusted p.
        value: (N, M) estimates in dB.
        se: (N, M) their standard errors in dB.
    """

    p: np.ndarray
    value: np.ndarray
    se: np.ndarray

    def rejected(self, method: str = "single-step") -> np.ndarray:
        """(N, M) whether each contrast is significant: "raw" (no adjustment), "single-step" (Bonferroni) or "holm"."""
        n, m = self.p.shape
        level = 1 - LEVEL
        if method == "raw":
            return np.asarray(self.p < level)
        if method == "single-step":
            return np.asarray(self.p < level / m)
        order = np.argsort(self.p, axis=1)
        passes = np.take_along_axis(self.p, order, axis=1) < level / (m - np.arange(m))
        rejected_contrasts = np.zeros((n, m), dtype=bool)
        np.put_along_axis(rejected_contrasts, order, np.logical_and.accumulate(passes, axis=1), axis=1)
        return rejected_contrasts


def simulate_studies(
    scenario: Scenario,
    n_studies: int,
    *,
    gain_db: float = 0.0,
    n_true: int = 1,
    question: str = NEW_PHOTOGRAPHS,
    seed: int = 0,
) -> SimulatedStudies:
    """Draw and analyse studies.

    Args:
        scenario: model of the scores.
        n_studies: N, number of studies.
        gain_db: true difference from the first of the `n_true` variants behind it; the others equal the first.
        n_true: see `gain_db`.
        question: of the intervals.
        seed: of the generator.
    """
    gains = [gain_db * (1 <= k <= n_true) for k in range(scenario.variants)]
    results = np.zeros((3, n_studies, scenario.variants - 1))
    for n in range(n_studies):
        analysis = Analysis(scores=study(np.random.default_rng([seed, n]), scenario, gains_db=gains))
        for k in range(1, scenario.variants):
            estimate = analysis.contrast({f"v{k}": 1.0, "v0": -1.0}, question=question)
            results[:, n, k - 1] = estimate.p, estimate.value, estimate.se
    return SimulatedStudies(p=results[0], value=results[1], se=results[2])


def study(rng: np.random.Generator, scenario: Scenario, *, gains_db: Sequence[float]) -> Scores:
    """The scores of variants v0, v1, ... with these true gains."""
    photographs = np.random.default_rng(1) if scenario.images_fixed else rng
    variant_effects = photographs.normal(0, scenario.scene_sd, (scenario.variants, 1, scenario.scenes))
    if scenario.images_fixed:  # the true gains are those on these images
        variant_effects -= variant_effects.mean(axis=-1, keepdims=True)
    values = (
        25 + photographs.normal(0, 3, (1, 1, scenario.scenes)) + variant_effects + np.asarray(gains_db)[:, None, None]
    )
    values = values + rng.normal(0, 1, (scenario.variants, scenario.seeds, 1)) * np.reshape(
        scenario.seed_sd, (-1, 1, 1)
    )
    values = values + rng.normal(0, scenario.residual_sd, (scenario.variants, scenario.seeds, scenario.scenes))
    if scenario.failed_db:
        values[rng.integers(scenario.variants), rng.integers(scenario.seeds)] -= scenario.failed_db
    return scores_of(values)


def scores_of(values: np.ndarray, *, crops: int = 1) -> Scores:
    """Scores of variants v0, v1, ... in one condition.

    Args:
        values: (V, S, I) PSNR in dB.
        crops: images of each photograph, one after the other.
    """
    names = [f"v{k}" for k in range(len(values))]
    images = values.shape[2]
    return Scores(
        metric="psnr_db",
        conditions=("rain",),
        values=dict(zip(names, values[..., None], strict=True)),
        inputs=np.full((images, 1), 15.0),
        seeds=dict.fromkeys(names, tuple(range(values.shape[1]))),
        scene=np.arange(images) // crops,
        stratum=np.zeros(images, dtype=int),
        dropped=0,
    )
