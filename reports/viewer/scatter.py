"""The t-SNE planes behind the page's interactive scatter: the points of the printed figure at several perplexities.

t-SNE's picture changes with its perplexity; a reader who can switch sees what stays.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from reports import schema
from reports.feature_separation import allowed_perplexities, tsne_plane
from reports.figures.style import condition_colour, condition_marker
from reports.figures.tsne import panel_label, point_clouds
from reports.labels import condition_label, layer_label
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
        """`data` with the labels of conditions and panels in another language."""
        return {
            **self.data,
            "conditions": [{**c, "label": translate(c["label"])} for c in self.data["conditions"]],
            "panels": [{**p, "variant": translate(p["variant"])} for p in self.data["panels"]],
        }


def scatter(study: Study) -> Scatter | None:
    """The planes of the printed figure's panels; None without features or with too few points."""
    clouds = [cloud for cloud in point_clouds(study) if allowed_perplexities(len(cloud.x))]
    if not clouds:
        return None
    present = {cloud.probes.conditions[k] for cloud in clouds for k in cloud.labels}
    conditions = sorted(present, key=schema.condition_sort_key)
    panels = [
        {
            "variant": panel_label(study, cloud),
            "seed": cloud.seed,
            "layer": layer_label(cloud.layer),
            "labels": [conditions.index(cloud.probes.conditions[k]) for k in cloud.labels],
            "planes": {str(p): _unit_plane(cloud.x, p) for p in allowed_perplexities(len(cloud.x))},
        }
        for cloud in clouds
    ]
    first = clouds[0]
    same_patches = all(
        np.array_equal(cloud.probes.feature_condition, first.probes.feature_condition)
        and np.array_equal(cloud.patches, first.patches)
        for cloud in clouds
    )
    return Scatter(
        perplexities=allowed_perplexities(min(len(cloud.x) for cloud in clouds)),
        n=max(len(cloud.x) for cloud in clouds),
        data={
            "conditions": [_condition_style(condition) for condition in conditions],
            "panels": panels,
            "same_patches": same_patches,
        },
    )


def _condition_style(condition: str) -> dict[str, str]:
    """Label, colour and marker of a condition, as in the printed figure."""
    return {
        "label": condition_label(condition),
        "colour": condition_colour(condition),
        "marker": condition_marker(condition),
    }


def _unit_plane(x: np.ndarray, perplexity: int) -> list[list[float]]:
    """t-SNE of (n, d) PCA scores from a fixed seed, scaled into the unit square with its aspect ratio."""
    plane = tsne_plane(x, perplexity)
    low, high = plane.min(axis=0), plane.max(axis=0)
    size = max(float((high - low).max()), 1e-12)
    unit: list[list[float]] = np.round((plane - (low + high) / 2) / size + 0.5, 4).tolist()
    return unit
