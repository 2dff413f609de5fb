"""t-SNE of features by condition, for a few variants side by side."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reports import schema
from reports.artifacts import Probes, load_probes
from reports.figures.style import Picture, condition_colour, condition_marker, new_figure, plain, save, short
from reports.labels import condition_label
from reports.messages import comma, joined, message, sentences, series
from reports.separation import MOST_SHOWN, PCA_WIDTH, Separation, plane, points, separation
from reports.study import Study

MOST_VARIANTS = 3
_POOLED = {"mean over the patch's pixels": message("mean over the patch's pixels")}
MOST_LAYERS = 2


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The separation of one layer of one variant's first finished run with probes."""

    variant: str
    seed: int | None
    layer: str
    pooling: str
    separation: Separation


def measure(study: Study) -> list[Measured]:
    """The separation of every layer of every variant that has features."""
    rows = []
    for variant, (seed, probes) in first_probes(study).items():
        for layer in _layers(probes):
            found = separation(*points(probes, layer))
            if found is not None:
                pooling = probes.pooling.get(layer, "")
                rows.append(Measured(variant=variant, seed=seed, layer=layer, pooling=pooling, separation=found))
    return rows


def draw(study: Study, folder: Path, measured: list[Measured], controls: str) -> Picture | None:
    """Draw the figure for the variants and layers that `measured` covers; None where there are none.

    Args:
        study: whose features.
        folder: where the figure goes.
        measured: the separation of each layer.
        controls: what the separation proves, sentences for the caption.
    """
    by_key = {(m.variant, m.layer): m for m in measured}
    variants = study.to_show({m.variant for m in measured}, MOST_VARIANTS)
    layers = list(dict.fromkeys(m.layer for m in measured if m.variant in variants))
    shown = layers if len(layers) <= MOST_LAYERS else [layers[0], layers[-1]]
    if not variants:
        return None
    probes = {v: p for v, (_, p) in first_probes(study).items() if v in variants}
    figure = new_figure(3.3 * len(variants) + 1.2, 3.3 * len(shown) + 0.2)
    grid = figure.subplots(len(shown), len(variants), squeeze=False)
    handles: dict[str, Any] = {}
    perplexity = 0.0
    for r, layer in enumerate(shown):
        for c, variant in enumerate(variants):
            ax = grid[r, c]
            ax.set(xticks=[], yticks=[])
            ax.grid(visible=False)
            if (variant, layer) not in by_key:
                ax.text(0.5, 0.5, "no such layer", transform=ax.transAxes, ha="center")
                continue
            perplexity = _panel(ax, probes[variant], layer, handles)
            ax.set_title(f"{plain(study.label(variant))} · {plain(short(layer))}", loc="left", fontweight="bold")
            ax.set_xlabel(_score(by_key[variant, layer].separation), fontsize=8)
    ordered = sorted(handles, key=schema.condition_sort_key)
    figure.legend(
        [handles[k] for k in ordered], [plain(condition_label(k)) for k in ordered], loc="outside right center"
    )
    return save(figure, folder, "tsne", **_texts(measured, variants, shown, layers, perplexity, controls))


def _panel(ax: Any, probes: Probes, layer: str, handles: dict[str, Any]) -> float:
    x, labels = points(probes, layer, most=MOST_SHOWN)
    flat, perplexity = plane(x)
    for number in np.unique(labels):
        condition = probes.conditions[number]
        mine = flat[labels == number]
        look = {"c": condition_colour(condition), "marker": condition_marker(condition)}
        handles[condition] = ax.scatter(mine[:, 0], mine[:, 1], s=13, alpha=0.8, linewidths=0, **look)
    return perplexity


def _score(found: Separation) -> str:
    (a, b), (c, d) = found.silhouette_interval, found.purity_interval
    told = (
        f"silhouette {found.silhouette:.2f} [{a:.2f}, {b:.2f}]\n"
        f"kNN purity {found.purity:.2f} [{c:.2f}, {d:.2f}], chance {found.chance:.2f}"
    )
    return told.replace("-", "\N{MINUS SIGN}")


def first_probes(study: Study) -> dict[str, tuple[int | None, Probes]]:
    """Seed and probes of each variant's first finished run that has features."""
    found: dict[str, tuple[int | None, Probes]] = {}
    for variant in study.variants:
        for run in study.done_runs_of(variant):
            probes = load_probes(run)
            if probes is not None and probes.features:
                found[variant] = (run.seed, probes)
                break
    return found


def _layers(probes: Probes) -> list[str]:
    """Layers in the order in which the evaluation named them, others behind by name."""
    return [
        *(k for k in probes.pooling if k in probes.features),
        *(k for k in probes.features if k not in probes.pooling),
    ]


def _texts(
    measured: list[Measured], variants: list[str], shown: list[str], layers: list[str], perplexity: float, controls: str
) -> dict[str, str]:
    mine = [m for m in measured if m.variant in variants and m.layer in shown]
    told = series(
        message("{variant}, {layer}: {score}", variant=m.variant, layer=m.layer, score=_score_told(m.separation))
        for m in mine
    )
    pooling = {m.layer: joined([m.layer, _POOLED.get(m.pooling, m.pooling)], ": ") for m in mine if m.pooling}
    pooled = series(pooling.values()) if pooling else message("not stated")
    others = sorted({m.variant for m in measured} - set(variants))
    hidden = []
    if others:
        hidden.append(message("{n} of {all} variants", n=len(variants), all=len(variants) + len(others)))
    if len(layers) > len(shown):
        hidden.append(message("{n} of {all} layers", n=len(shown), all=len(layers)))
    left = [message("Shown: {parts}; the table has all.", parts=comma(hidden))] if hidden else []
    seeds = sorted({str(m.seed) for m in mine})
    return {
        "title": message("t-SNE of features by condition"),
        "alt": message("Scatter plots of patch features coloured by condition. {told}.", told=told),
        "caption": sentences(
            [
                message(
                    "At most {most} patches a panel, standardised, PCA to {width} dimensions or fewer, t-SNE at "
                    "perplexity {perplexity:g}, fixed seed; training seed {seeds}. t-SNE alone proves nothing: "
                    "silhouette and purity (of the {near} nearest neighbours) are measured before it, in PCA space, on "
                    "{n} patches; intervals over patches.",
                    most=MOST_SHOWN,
                    width=PCA_WIDTH,
                    perplexity=perplexity,
                    seeds=comma(seeds),
                    near=mine[0].separation.near,
                    n=mine[0].separation.n,
                ),
                controls,
                message("Pooling: {pooled}.", pooled=pooled),
                *left,
            ]
        ),
    }


def _score_told(found: Separation) -> str:
    (a, b), (c, d) = found.silhouette_interval, found.purity_interval
    return message(
        "silhouette {silhouette}, kNN purity {purity}, chance {chance}",
        silhouette=f"{found.silhouette:.2f} [{a:.2f}, {b:.2f}]".replace("-", "\N{MINUS SIGN}"),
        purity=f"{found.purity:.2f} [{c:.2f}, {d:.2f}]".replace("-", "\N{MINUS SIGN}"),
        chance=f"{found.chance:.2f}".replace("-", "\N{MINUS SIGN}"),
    )
