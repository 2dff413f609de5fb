"""How much of a layer's input a linear map recovers from its output, judged on photographs it was not fitted on."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV
from sklearn.metrics import r2_score
from sklearn.model_selection import GroupKFold
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

ALPHAS = tuple(float(alpha) for alpha in np.logspace(-4, 6, 6))
"""Ridge penalties to choose from, on standardised predictors."""
FOLDS = 4
"""Folds of the cross-validation that chooses, at most; each holds whole photographs."""

Pixels = NDArray[np.floating]
Half = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Recovered:
    """Outcome of `recover`."""

    r2: float  # share of the wanted channels' variance that is recovered, in [0, 1]
    alpha: float  # the ridge penalty; the geometric mean of both fits' ones
    n_pixels: int  # pixels that were scored


def recover(wanted: Pixels, given: Pixels, photographs: Sequence[Hashable], half: Half) -> Recovered:
    """Ridge regression of `wanted` on `given`: fitted on each half of the photographs and scored on the other.

    Predictors are standardised by the fitted pixels; the penalty is the one with the least squared error in a
    cross-validation on the fitted half whose folds hold whole photographs. R2 is that of all pixels, each predicted
    from the other half, weighted by the channels' variance; a negative one (worse than the mean) counts as 0.

    Args:
        wanted: (N, C).
        given: (N, D).
        photographs: (N,) what each pixel belongs to; none of them in both halves.
        half: (N,) which half that is in.

    Raises:
        ValueError: a half with fewer than two photographs, or a photograph in both.
    """
    labels = np.unique([str(name) for name in photographs], return_inverse=True)[1]
    halves = [set(labels[side]) for side in (half, ~half)]
    if min(map(len, halves)) < 2 or halves[0] & halves[1]:
        raise ValueError(
            "it needs 4 different test photographs, two to fit on and two to score, and there are "
            f"{len(halves[0])} and {len(halves[1])} ({len(halves[0] & halves[1])} in both); measure on more images."
        )
    wanted, given = wanted.astype(np.float64), given.astype(np.float64)
    predicted, alphas = np.empty_like(wanted), []
    # the products are small: more threads would change the order of sums and get in the way of other runs
    with threadpool_limits(limits=1):
        for fitted in (half, ~half):
            scaler = StandardScaler().fit(given[fitted])
            folds = GroupKFold(n_splits=min(FOLDS, len(set(labels[fitted]))))
            splits = list(folds.split(given[fitted], groups=labels[fitted]))
            model = RidgeCV(alphas=ALPHAS, scoring="neg_mean_squared_error", cv=splits)
            model.fit(scaler.transform(given[fitted]), wanted[fitted])
            predicted[~fitted] = model.predict(scaler.transform(given[~fitted])).reshape(-1, wanted.shape[1])
            alphas.append(model.alpha_)
    r2 = r2_score(wanted, predicted, multioutput="variance_weighted")
    return Recovered(r2=float(np.clip(r2, 0, 1)), alpha=float(np.sqrt(np.prod(alphas))), n_pixels=len(wanted))
