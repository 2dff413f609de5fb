"""How well features separate by condition, and their t-SNE plane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from reports.artifacts import Probes

MAX_POINTS = 700
MAX_PLOTTED = 210  # in a t-SNE plane; fewer than are measured, since every plane costs time
NEIGHBOURS = 10
PERPLEXITIES = (5, 15, 40)
_ITERATIONS = 500
PCA_WIDTH = 50
_N_RESAMPLES = 1000
SIMILAR_SHARE = 0.9


@dataclass(frozen=True, kw_only=True)
class Separation:
    """Silhouette and neighbour purity of one layer's features by condition, with 95 % intervals over points.

    Attributes:
        silhouette: mean silhouette width, -1..1; 0 means that conditions overlap.
        purity: share of the `near` nearest points that have the same condition, 0..1.
        near: number of neighbours, `NEIGHBOURS` or one fewer than the rarest condition has points.
        chance: purity of features that are independent of the condition.
        n: number of points.
    """

    silhouette: float
    silhouette_interval: tuple[float, float]
    purity: float
    purity_interval: tuple[float, float]
    near: int
    chance: float
    n: int

    @property
    def above_chance(self) -> float:
        """The purity, rescaled to 0 at chance and 1 at purity 1."""
        return above_chance(self.purity, self.chance)


def above_chance(purity: float, chance: float) -> float:
    """A purity, rescaled to 0 at chance and 1 at purity 1."""
    return (purity - chance) / (1 - chance) if chance < 1 else 0.0


def separates_as_well(control: Separation, features: Separation) -> bool:
    """Whether a control separates as well: its purity above chance is at least `SIMILAR_SHARE` of the features'."""
    return control.above_chance >= SIMILAR_SHARE * features.above_chance


def pca_points(
    probes: Probes, layer: str, *, trained: bool = True, max_points: int = MAX_POINTS
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """At most `max_points` patches of a layer, evenly over conditions.

    Returns:
        PCA scores (n, d) of standardised features, labels (n,), and the patches (n,): their rows in the features.
    """
    x, patches = reduce_features(
        probes.features_of(trained=trained)[layer], probes.feature_condition, max_points=max_points
    )
    return x, probes.feature_condition[patches], patches


def reduce_features(
    features: np.ndarray, labels: np.ndarray, *, max_points: int = MAX_POINTS
) -> tuple[np.ndarray, np.ndarray]:
    """Standardise features and reduce them by PCA.

    Args:
        features: (N, D), one row a patch; rows that are not finite are left out.
        labels: (N,) conditions, over which the selected patches are spread evenly.
        max_points: patches that are selected at most.

    Returns:
        (n, d) PCA scores, and the (n,) positions of their rows in `features`.
    """
    from sklearn.decomposition import PCA  # slow to import, and few processes need it

    features = features.astype(np.float64)
    finite = np.isfinite(features).all(axis=1)
    rng = np.random.default_rng(0)
    conditions = np.unique(labels[finite])
    per_condition = max_points // max(len(conditions), 1)
    selected = [rng.permutation(np.flatnonzero(finite & (labels == c)))[:per_condition] for c in conditions]
    index = np.sort(np.concatenate(selected)) if selected else np.zeros(0, dtype=int)
    x = features[index]
    x = (x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-12) if len(x) else x
    width = min(PCA_WIDTH, *x.shape)
    return (PCA(n_components=width, random_state=0).fit_transform(x) if width > 1 else x), index


def separation(x: np.ndarray, labels: np.ndarray) -> Separation | None:
    """Measure the separation in PCA space, where distances are meaningful, not in the t-SNE plane.

    Args:
        x: (n, d) PCA scores.
        labels: (n,) conditions.

    Returns:
        None where there are fewer than two conditions, or one has fewer than two points.
    """
    from sklearn.metrics import silhouette_samples
    from sklearn.neighbors import NearestNeighbors

    counts = np.unique(labels, return_counts=True)[1]
    if len(counts) < 2 or counts.min() < 2:
        return None
    widths = silhouette_samples(x, labels)
    n_neighbours = min(NEIGHBOURS, int(counts.min()) - 1)  # more could not all share the condition
    neighbours = NearestNeighbors(n_neighbors=n_neighbours).fit(x).kneighbors(return_distance=False)
    same_label_share = (labels[neighbours] == labels[:, None]).mean(axis=1)
    return Separation(
        silhouette=float(widths.mean()),
        silhouette_interval=_interval(widths),
        purity=float(same_label_share.mean()),
        purity_interval=_interval(same_label_share),
        near=n_neighbours,
        chance=float(np.sum(counts * (counts - 1)) / (len(x) * (len(x) - 1))),
        n=len(x),
    )


def allowed_perplexities(n: int) -> tuple[int, ...]:
    """Those of `PERPLEXITIES` that n points allow: t-SNE considers three times as many neighbours."""
    return tuple(p for p in PERPLEXITIES if 3 * p <= n - 1)


def tsne_plane(x: np.ndarray, perplexity: int) -> np.ndarray:
    """Two-dimensional t-SNE (n, 2) of (n, d) PCA scores from a fixed seed and PCA start."""
    from sklearn.manifold import TSNE

    model = TSNE(n_components=2, perplexity=perplexity, init="pca", random_state=0, max_iter=_ITERATIONS)
    # One thread: for so few points several threads cost more in synchronisation than they save, on a busy machine many
    # times more; the plane is also the same for any number of cores.
    with threadpool_limits(limits=1):
        return np.asarray(model.fit_transform(x.astype(np.float32)), dtype=np.float64)


def _interval(values: np.ndarray) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean."""
    resamples = np.random.default_rng(0).integers(0, len(values), (_N_RESAMPLES, len(values)))
    low, high = np.percentile(values[resamples].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)
