"""How much of a layer's input a linear map recovers from its output, on photographs that it was not fitted on."""

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
class Recovery:
    """Result of `fit_recovery`."""

    r2: float  # share of the target channels' variance that is recovered, in [0, 1]
    alpha: float  # the ridge penalty; geometric mean of both fits
    n_pixels: int  # pixels that were scored


def fit_recovery(targets: Pixels, predictors: Pixels, photographs: Sequence[Hashable], in_first_half: Half) -> Recovery:
    """Ridge regression of `targets` on `predictors`: fitted on each half of the photographs and scored on the other.

    Predictors are standardised by the fitted pixels; the penalty is the one with the least squared error in a
    cross-validation on the fitted half whose folds consist of complete photographs. R2 is that of all pixels, each
    predicted from the other half, weighted by the channels' variance; a negative one (worse than the mean) counts as 0.

    Args:
        targets: (N, C).
        predictors: (N, D).
        photographs: (N,) photograph of each pixel; none is in both halves.
        in_first_half: (N,) whether the photograph is in the first half.

    Raises:
        ValueError: a half with fewer than two photographs, or a photograph in both.
    """
    labels = np.unique([str(name) for name in photographs], return_inverse=True)[1]
    halves = [set(labels[side]) for side in (in_first_half, ~in_first_half)]
    if min(map(len, halves)) < 2 or halves[0] & halves[1]:
        raise ValueError(
            "it needs 4 different test photographs, two to fit on and two to score, and there are "
            f"{len(halves[0])} and {len(halves[1])} ({len(halves[0] & halves[1])} in both); measure on more images."
        )
    targets, predictors = targets.astype(np.float64), predictors.astype(np.float64)
    predicted, alphas = np.empty_like(targets), []
    # the products are small: more threads would only change the order of sums and slow down other runs
    with threadpool_limits(limits=1):
        for fit_mask in (in_first_half, ~in_first_half):
            scaler = StandardScaler().fit(predictors[fit_mask])
            folds = GroupKFold(n_splits=min(FOLDS, len(set(labels[fit_mask]))))
            splits = list(folds.split(predictors[fit_mask], groups=labels[fit_mask]))
            model = RidgeCV(alphas=ALPHAS, scoring="neg_mean_squared_error", cv=splits)
            model.fit(scaler.transform(predictors[fit_mask]), targets[fit_mask])
            predicted[~fit_mask] = model.predict(scaler.transform(predictors[~fit_mask])).reshape(-1, targets.shape[1])
            alphas.append(model.alpha_)
    r2 = r2_score(targets, predicted, multioutput="variance_weighted")
    return Recovery(r2=float(np.clip(r2, 0, 1)), alpha=float(np.sqrt(np.prod(alphas))), n_pixels=len(targets))
