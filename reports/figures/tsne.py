"""t-SNE of features by condition: a few variants and the controls of their channel order side by side."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reports import schema
from reports.artifacts import Probes, first_of, load_probes
from reports.feature_separation import (
    MAX_SHOWN,
    PCA_WIDTH,
    Separation,
    allowed_perplexities,
    sample_points,
    separates_as_well,
    separation,
    tsne_embedding,
)
from reports.figures.style import PAGE_IN, Picture, condition_colour, condition_marker, new_figure, plain, save, wrapped
from reports.labels import condition_label
from reports.messages import comma, joined, message, sentences, series
from reports.study import Run, Study

MOST_VARIANTS = 3  # beside the controls
CONTROLS = ("identity", "random")
"""Channel orders (`order` in a run's model) that are none of the prompt's meaning; beginnings of their names."""
_POOLED = {"mean over the patch's pixels": message("mean over the patch's pixels")}


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The separation of one layer of one variant's first finished run with probes."""

    variant: str
    seed: int | None
    layer: str
    pooling: str
    separation: Separation


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """The points of one panel: patches of the last layer that a variant's first finished run with probes recorded.

    Attributes:
        variant: its name.
        seed: of the run.
        layer: the last that was recorded.
        probes: of the run.
        x: (n, d) PCA scores.
        labels: (n,) index into the probes' conditions.
    """

    variant: str
    seed: int | None
    layer: str
    probes: Probes
    x: np.ndarray
    labels: np.ndarray


def measure(study: Study) -> list[Measured]:
    """The separation of every layer of every variant that has features."""
    rows = []
    for variant, (run, probes) in first_of(study, _with_features).items():
        for layer in _layers(probes):
            found = separation(*sample_points(probes, layer))
            if found is not None:
                pooling = probes.pooling.get(layer, "")
                rows.append(Measured(variant=variant, seed=run.seed, layer=layer, pooling=pooling, separation=found))
    return rows


def clouds(study: Study) -> list[Cloud]:
    """What the printed and the interactive t-SNE show: a few variants, and their channel order's controls."""
    found = first_of(study, _with_features)
    shown = [*study.to_show(found, MOST_VARIANTS), *_controls(study, list(found)).values()]
    made = []
    for variant in (v for v in study.variants if v in shown):
        run, probes = found[variant]
        layer = _layers(probes)[-1]
        x, labels = sample_points(probes, layer, max_points=MAX_SHOWN)
        made.append(Cloud(variant=variant, seed=run.seed, layer=layer, probes=probes, x=x, labels=labels))
    return made


def _controls(study: Study, variants: list[str]) -> dict[str, str]:
    """Kind of order -> the variant that has it; of several the one that differs in nothing else, else the first."""
    found: dict[str, str] = {}
    for kind in CONTROLS:
        own = [v for v in variants if str(_model(study, v).get("order", "")).startswith(kind)]
        whole = [v for v in own if _model(study, v).get("attention_perturbation", True)]
        if own:
            found[kind] = (whole or own)[0]
    return found


def _model(study: Study, variant: str) -> dict[str, Any]:
    return (study.done_runs_of(variant)[0].spec.get("identity") or {}).get("model") or {}


def _with_features(run: Run) -> Probes | None:
    probes = load_probes(run)
    return probes if probes is not None and probes.features else None


def draw(study: Study, folder: Path, measured: list[Measured], controls: str) -> Picture | None:
    """Draw the figure, a panel a cloud; None where none has points enough.

    Args:
        study: whose features.
        folder: where the figure goes.
        measured: the separation of each layer.
        controls: what the separation proves, sentences for the caption.
    """
    by_key = {(m.variant, m.layer): m for m in measured}
    shown = [c for c in clouds(study) if (c.variant, c.layer) in by_key and allowed_perplexities(len(c.x))]
    if not shown:
        return None
    allowed = allowed_perplexities(min(len(cloud.x) for cloud in shown))
    perplexity = allowed[len(allowed) // 2]
    figure = new_figure(PAGE_IN, PAGE_IN / max(len(shown), 3) + 1.05)
    handles: dict[str, Any] = {}
    for ax, cloud in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
        _panel(ax, cloud, perplexity, handles)
        ax.set_title(f"{wrapped(study.label(cloud.variant), 20)}\n{plain(cloud.layer)}", loc="left", fontsize=7)
        ax.set_xlabel(_score(by_key[cloud.variant, cloud.layer].separation), fontsize=7)
    ordered = sorted(handles, key=schema.condition_sort_key)
    names = [plain(condition_label(k)) for k in ordered]
    figure.legend([handles[k] for k in ordered], names, loc="outside lower center", ncols=7, handletextpad=0.1)
    mine = [by_key[cloud.variant, cloud.layer] for cloud in shown]
    said = [what_random_orders_show(study, measured), controls]
    return save(figure, folder, "tsne", **_texts(measured, mine, perplexity, sentences(said)))


def what_random_orders_show(study: Study, measured: list[Measured]) -> str:
    """Whether a random channel order for each prompt separates as well as the prompt's own; "" if unknown."""
    last = {m.variant: m for m in measured}  # layers come in the network's order
    controls = _controls(study, list(last))
    random, identity = (last.get(controls.get(kind, "")) for kind in ("random", "identity"))
    own = [v for v in study.to_show(last, MOST_VARIANTS) if _model(study, v).get("order") == "prompt"]
    if random is None or not own:
        return ""
    prompt = last[own[0]]
    told = {
        "random": f"{random.separation.purity:.2f}",
        "variant": prompt.variant,
        "purity": f"{prompt.separation.purity:.2f}",
    }
    without = message(", without reordering {purity}", purity=f"{identity.separation.purity:.2f}") if identity else ""
    if separates_as_well(random.separation, prompt.separation):
        return message(
            "A random permutation of the channels for each prompt separates the conditions as well (kNN purity "
            "{random}; {variant}: {purity}{without}): the separation shows which prompt was given, not learned "
            "features.",
            without=without,
            **told,
        )
    return message(
        "A random permutation of the channels for each prompt separates the conditions less (kNN purity {random}; "
        "{variant}: {purity}{without}).",
        without=without,
        **told,
    )


def _panel(ax: Any, cloud: Cloud, perplexity: int, handles: dict[str, Any]) -> None:
    flat = tsne_embedding(cloud.x, perplexity)
    ax.set(xticks=[], yticks=[])
    ax.grid(visible=False)
    for number in np.unique(cloud.labels):
        condition = cloud.probes.conditions[number]
        mine = flat[cloud.labels == number]
        look = {"c": condition_colour(condition), "marker": condition_marker(condition)}
        handles[condition] = ax.scatter(mine[:, 0], mine[:, 1], s=7, alpha=0.8, linewidths=0, **look)


def _score(found: Separation) -> str:
    (a, b), (c, d) = found.silhouette_interval, found.purity_interval
    told = (
        f"silhouette {found.silhouette:.2f} [{a:.2f}, {b:.2f}]\n"
        f"purity {found.purity:.2f} [{c:.2f}, {d:.2f}]\nchance {found.chance:.2f}"
    )
    return told.replace("-", "\N{MINUS SIGN}")


def _layers(probes: Probes) -> list[str]:
    """Layers in the order in which the evaluation named them, others behind by name."""
    return [
        *(k for k in probes.pooling if k in probes.features),
        *(k for k in probes.features if k not in probes.pooling),
    ]


def _texts(measured: list[Measured], mine: list[Measured], perplexity: int, controls: str) -> dict[str, str]:
    told = series(
        message("{variant}, {layer}: {score}", variant=m.variant, layer=m.layer, score=_score_told(m.separation))
        for m in mine
    )
    pooling = {m.layer: joined([m.layer, _POOLED.get(m.pooling, m.pooling)], ": ") for m in mine if m.pooling}
    left = [message("Shown: {parts}; the table has all.", parts=message("the last layer of some variants"))]
    return {
        "title": message("t-SNE of features by condition"),
        "alt": message("Scatter plots of patch features coloured by condition. {told}.", told=told),
        "caption": sentences(
            [
                controls,
                message(
                    "At most {most} patches a panel, standardised, PCA to {width} dimensions or fewer, t-SNE at "
                    "perplexity {perplexity:g}, fixed seed; training seed {seeds}. t-SNE alone proves nothing: "
                    "silhouette and purity (of the {near} nearest neighbours) are measured before it, in PCA space, on "
                    "{n} patches; intervals over patches.",
                    most=MAX_SHOWN,
                    width=PCA_WIDTH,
                    perplexity=perplexity,
                    seeds=comma(sorted({str(m.seed) for m in mine})),
                    near=mine[0].separation.near,
                    n=mine[0].separation.n,
                ),
                message("Pooling: {pooled}.", pooled=series(pooling.values()) if pooling else message("not stated")),
                *(left if len(measured) > len(mine) else []),
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
