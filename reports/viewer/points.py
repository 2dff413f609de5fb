"""The t-SNE planes behind the page's interactive scatter: a few variants, the last layer of each, several perplexities.

t-SNE's picture changes with its perplexity; a reader who can switch sees what stays. The printed figure shows the same
points at one of these perplexities.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from reports import schema
from reports.figures.style import condition_colour, condition_marker
from reports.figures.tsne import clouds
from reports.labels import condition_label
from reports.separation import allowed_perplexities, plane
from reports.study import Study


@dataclass(frozen=True, kw_only=True)
class Scatter:
    """The scatter's content; `data` is for the page's JSON block.

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

    def translated(self, translate: Callable[[str], str]) -> dict[str, Any]:
        """`data` with the conditions' labels as `translate` gives them."""
        return {**self.data, "conditions": [{**c, "label": translate(c["label"])} for c in self.data["conditions"]]}


def scatter(study: Study) -> Scatter | None:
    """Planes of the last layer that each of a few variants recorded; None without features or with too few points."""
    conditions: dict[str, int] = {}
    panels: list[dict[str, Any]] = []
    large_clouds = [cloud for cloud in clouds(study) if allowed_perplexities(len(cloud.x))]
    for cloud in large_clouds:
        numbers = [conditions.setdefault(cloud.probes.conditions[k], len(conditions)) for k in cloud.labels]
        planes = {str(p): _plane(cloud.x, p) for p in allowed_perplexities(len(cloud.x))}
        heading = {"variant": study.label(cloud.variant), "seed": cloud.seed, "layer": cloud.layer}
        panels.append({**heading, "labels": numbers, "planes": planes})
    if not panels:
        return None
    ordered = sorted(conditions, key=schema.condition_sort_key)
    new_number = {conditions[name]: number for number, name in enumerate(ordered)}
    for panel in panels:
        panel["labels"] = [new_number[number] for number in panel["labels"]]
    styles = [_style(condition) for condition in ordered]
    first = large_clouds[0].probes.feature_condition
    same_patches = all(np.array_equal(cloud.probes.feature_condition, first) for cloud in large_clouds)
    return Scatter(
        perplexities=allowed_perplexities(min(len(cloud.x) for cloud in large_clouds)),
        n=max(len(cloud.x) for cloud in large_clouds),
        data={"conditions": styles, "panels": panels, "same_patches": same_patches},
    )


def _style(condition: str) -> dict[str, str]:
    """How a condition is drawn: as in the printed figure."""
    return {
        "label": condition_label(condition),
        "colour": condition_colour(condition),
        "marker": condition_marker(condition),
    }


def _plane(x: np.ndarray, perplexity: int) -> list[list[float]]:
    """t-SNE of (n, d) PCA scores from a fixed seed, scaled into the unit square with its shape kept."""
    flat = plane(x, perplexity)
    low, high = flat.min(axis=0), flat.max(axis=0)
    size = max(float((high - low).max()), 1e-12)
    return np.round((flat - (low + high) / 2) / size + 0.5, 4).tolist()  # type: ignore[no-any-return]
