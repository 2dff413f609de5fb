"""False alarms and power of the reports' statistics on studies drawn from a known truth: docs/statistics.md.

Any score in them is made up. What is analysed is what a report analyses (`reports.stats.Analysis`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from ablations.bench.measurement import Line
from reports.estimate import LEVEL
from reports.stats import NEW_PHOTOGRAPHS, THESE_IMAGES, Analysis, Scores


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """How the scores of a study come about; standard deviations and sizes in dB.

    Attributes:
        variants, seeds, scenes: sizes of the study; each scene is one image, every variant has all seeds.
        seed_sd: of what a run shifts all its scores by; one number, or one a variant.
        scene_sd: of how a variant suits a photograph, the same in all its runs.
        rest_sd: of how a run suits a photograph.
        failed_db: how much lower one run scores that failed, of a variant drawn by lot; 0 for none.
        images_fixed: whether all studies score the same photographs, as the question `THESE_IMAGES` has it.
    """

    variants: int = 9
    seeds: int = 3
    scenes: int = 41
    seed_sd: float | tuple[float, ...] = 0.12
    scene_sd: float = 0.43
    rest_sd: float = 0.45
    failed_db: float = 0.0
    images_fixed: bool = False


EQUAL = Scenario()
"""Variance components of the published study of components without its outlier, as estimated from that study."""

UNEQUAL = Scenario(seed_sd=(0.12, 0.06, 0.06, 0.09, 0.09, 0.12, 0.15, 0.18, 0.18))
FAILED = Scenario(failed_db=1.0)
WILD_REFERENCE = Scenario(seed_sd=(0.36, *[0.12] * 8))

_NULL, _POWER = 4000, 2000  # studies behind a line
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


def run(device: torch.device, repeats: int) -> list[Line]:
    """Every scenario for new photographs; three for these images, and these images' intervals taken for the other."""
    del device, repeats  # numbers drawn from fixed seeds: no machine changes them, and repeating tells nothing
    lines = []
    for name, scenario in _SCENARIOS.items():
        lines += _null(name, scenario, NEW_PHOTOGRAPHS) + _power(name, scenario, NEW_PHOTOGRAPHS)
    for name in ("equal seed variance", "unequal seed variance", "one failed run"):
        fixed = replace(_SCENARIOS[name], images_fixed=True)
        lines += _null(name, fixed, THESE_IMAGES) + _power(name, fixed, THESE_IMAGES)
    return lines + _null("equal seed variance, answering the other question", EQUAL, THESE_IMAGES)


def _null(name: str, scenario: Scenario, question: str) -> list[Line]:
    found = trials(scenario, _NULL, question=question)
    told = f"{name}, {question}"
    ratio = float(np.mean(found.se**2) / np.var(found.value))
    return [
        _percent(f"{told}: false alarms a contrast", found.rejected("raw").mean()),
        _percent(f"{told}: studies with a false alarm, single-step", _any(found, "single-step")),
        _percent(f"{told}: studies with a false alarm, Holm", _any(found, "holm")),
        Line(what=f"{told}: squared standard error over the true one", unit="1", value=ratio, spread=1.0, ratio=1.0),
    ]


def _power(name: str, scenario: Scenario, question: str) -> list[Line]:
    lines = []
    for n_true in dict.fromkeys((1, scenario.variants - 1)):
        found = trials(scenario, _POWER, gain_db=_GAIN_DB, n_true=n_true, question=question, seed=1)
        told = f"{name}, {question}: power for {_GAIN_DB:g} dB, {n_true} of {scenario.variants - 1} true"
        lines += [
            _percent(f"{told}, {method}", found.rejected(method)[:, :n_true].mean())
            for method in ("raw", "single-step", "holm")
        ]
    return lines


def _any(found: Trials, method: str) -> float:
    return float(found.rejected(method).any(axis=1).mean())


def _percent(what: str, share: float) -> Line:
    return Line(what=what, unit="%", value=100 * float(share), spread=1.0, ratio=1.0)


@dataclass(frozen=True, kw_only=True)
class Trials:
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
        """(N, M) whether each contrast is found: "raw" (no adjustment), "single-step" (Bonferroni) or "holm"."""
        n, m = self.p.shape
        level = 1 - LEVEL
        if method == "raw":
            return np.asarray(self.p < level)
        if method == "single-step":
            return np.asarray(self.p < level / m)
        order = np.argsort(self.p, axis=1)
        in_order = np.take_along_axis(self.p, order, axis=1) < level / (m - np.arange(m))
        found = np.zeros((n, m), dtype=bool)
        np.put_along_axis(found, order, np.logical_and.accumulate(in_order, axis=1), axis=1)
        return found


def trials(
    scenario: Scenario,
    number: int,
    *,
    gain_db: float = 0.0,
    n_true: int = 1,
    question: str = NEW_PHOTOGRAPHS,
    seed: int = 0,
) -> Trials:
    """Draw and analyse studies.

    Args:
        scenario: how scores come about.
        number: N, how many studies.
        gain_db: true difference from the first of the `n_true` variants behind it; the others equal the first.
        n_true: see `gain_db`.
        question: of the intervals.
        seed: of the generator.
    """
    gains = [gain_db * (1 <= k <= n_true) for k in range(scenario.variants)]
    found = np.zeros((3, number, scenario.variants - 1))
    for n in range(number):
        analysis = Analysis(scores=study(np.random.default_rng([seed, n]), scenario, gains_db=gains))
        for k in range(1, scenario.variants):
            e = analysis.contrast({f"v{k}": 1.0, "v0": -1.0}, question=question)
            found[:, n, k - 1] = e.p, e.value, e.se
    return Trials(p=found[0], value=found[1], se=found[2])


def study(rng: np.random.Generator, scenario: Scenario, *, gains_db: Sequence[float]) -> Scores:
    """The scores of variants v0, v1, ... with these true gains."""
    s = scenario
    photographs = np.random.default_rng(1) if s.images_fixed else rng
    suits = photographs.normal(0, s.scene_sd, (s.variants, 1, s.scenes))
    if s.images_fixed:  # what is true of these images is their gains
        suits -= suits.mean(axis=-1, keepdims=True)
    values = 25 + photographs.normal(0, 3, (1, 1, s.scenes)) + suits + np.asarray(gains_db)[:, None, None]
    values = values + rng.normal(0, 1, (s.variants, s.seeds, 1)) * np.reshape(s.seed_sd, (-1, 1, 1))
    values = values + rng.normal(0, s.rest_sd, (s.variants, s.seeds, s.scenes))
    if s.failed_db:
        values[rng.integers(s.variants), rng.integers(s.seeds)] -= s.failed_db
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
