"""False alarms and power of the reports' statistics on simulated studies: the tables of docs/statistics.md."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from ablations.bench.calibration import EQUAL, FAILED, UNEQUAL, WILD_REFERENCE, Scenario, Trials, trials
from ablations.bench.record import Line
from reports.stats import NEW_PHOTOGRAPHS, THESE_IMAGES

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
