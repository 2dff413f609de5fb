"""The t-SNE planes behind the page's interactive scatter: a few variants, the last layer of each, several perplexities.

t-SNE's picture changes with its perplexity; a reader who can switch sees what stays. The points are fewer than in the
printed figure, since every plane costs time when the page is made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from reports import schema
from reports.artifacts import Probes
from reports.figures.style import condition_colour, condition_marker
from reports.figures.tsne import first_probes
from reports.labels import condition_label
from reports.separation import points
from reports.study import Study

PERPLEXITIES = (5, 15, 40)
MOST_POINTS = 210
MOST_VARIANTS = 3
_ITERATIONS = 500


@dataclass(frozen=True, kw_only=True)
class Scatter:
    """What the scatter shows; `data` is for the page's JSON block.

    Attributes:
        perplexities: those that the number of points allows.
        n: points of a panel.
        data: {"conditions": [{"label", "colour", "marker"}], "panels": [{"variant", "seed", "layer", "labels": [...],
            "planes": perplexity -> [[x, y], ...] with x and y in 0..1}], "same_patches": whether point k of every panel
            is one patch}.
    """

    perplexities: tuple[int, ...]
    n: int
    data: dict[str, Any]

    def told(self, say: Callable[[str], str]) -> dict[str, Any]:
        """`data` with the conditions' labels as `say` puts them."""
        return {**self.data, "conditions": [{**c, "label": say(c["label"])} for c in self.data["conditions"]]}


def scatter(study: Study) -> Scatter | None:
    """Planes of the last layer that each of a few variants recorded; None without features or with too few points."""
    found = first_probes(study)
    chosen = study.to_show(found, MOST_VARIANTS)
    conditions: dict[str, int] = {}
    panels: list[dict[str, Any]] = []
    sizes = []
    for variant in chosen:
        seed, probes = found[variant]
        layer = _layers(probes)[-1]
        x, labels = points(probes, layer, most=MOST_POINTS)
        allowed = allowed_perplexities(len(x))
        if allowed:
            sizes.append(len(x))
            numbers = [conditions.setdefault(probes.conditions[k], len(conditions)) for k in labels]
            planes = {str(p): _plane(x, p) for p in allowed}
            named = {"variant": study.label(variant), "seed": seed, "layer": layer}
            panels.append({**named, "labels": numbers, "planes": planes})
    if not panels:
        return None
    ordered = sorted(conditions, key=schema.condition_sort_key)
    again = {conditions[name]: number for number, name in enumerate(ordered)}
    for panel in panels:
        panel["labels"] = [again[number] for number in panel["labels"]]
    looks = [_look(condition) for condition in ordered]
    first = found[chosen[0]][1]
    same = all(np.array_equal(found[v][1].feature_condition, first.feature_condition) for v in chosen)
    return Scatter(
        perplexities=allowed_perplexities(min(sizes)),
        n=max(sizes),
        data={"conditions": looks, "panels": panels, "same_patches": same},
    )


def _look(condition: str) -> dict[str, str]:
    """How a condition is drawn: as in the printed figure."""
    return {
        "label": condition_label(condition),
        "colour": condition_colour(condition),
        "marker": condition_marker(condition),
    }


def allowed_perplexities(n: int) -> tuple[int, ...]:
    """Those of `PERPLEXITIES` for which n points hold three times as many neighbours as t-SNE looks at."""
    return tuple(p for p in PERPLEXITIES if 3 * p <= n - 1)


def _plane(x: np.ndarray, perplexity: int) -> list[list[float]]:
    """t-SNE of (n, d) PCA scores from a fixed seed, scaled into the unit square with its shape kept."""
    from sklearn.manifold import TSNE  # a second to import

    model = TSNE(n_components=2, perplexity=perplexity, init="pca", random_state=0, max_iter=_ITERATIONS)
    with threadpool_limits(limits=1):  # see reports.separation.plane
        flat = np.asarray(model.fit_transform(x.astype(np.float32)), dtype=np.float64)
    low, high = flat.min(axis=0), flat.max(axis=0)
    size = max(float((high - low).max()), 1e-12)
    return np.round((flat - (low + high) / 2) / size + 0.5, 4).tolist()  # type: ignore[no-any-return]


def _layers(probes: Probes) -> list[str]:
    """Layers in the order in which the evaluation named them, others behind."""
    return list(dict.fromkeys([*(k for k in probes.pooling if k in probes.features), *probes.features]))
