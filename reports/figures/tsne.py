"""t-SNE of features by condition: a few variants and the controls of the prompt's channel order side by side."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from reports import schema
from reports.artifacts import Probes, first_of, load_probes
from reports.feature_separation import (
    MAX_PLOTTED,
    PCA_WIDTH,
    Separation,
    allowed_perplexities,
    pca_points,
    separates_as_well,
    separation,
    tsne_plane,
)
from reports.figures.style import (
    PAGE_IN,
    Picture,
    condition_colour,
    condition_marker,
    new_figure,
    plain,
    save,
    wrap_label,
)
from reports.labels import condition_label, layer_label, layer_with_name
from reports.measures.separation import NOT_MEASURED
from reports.messages import join_clauses, join_commas, join_sentences, join_texts, message
from reports.study import Run, Study

MAX_PANELS = 5
CONTROL_ORDERS = ("identity", "random")
"""Channel orders (`order` in a run's model) that ignore what the prompt says; beginnings of their names."""
_POOLING = {"mean over the patch's pixels": message("mean over the patch's pixels")}


@dataclass(frozen=True, kw_only=True)
class LayerSeparation:
    """The separation of one layer in one variant's first finished run with probes.

    `trained` is False for the weights before the first training step, here and in `PointCloud`.
    """

    variant: str
    seed: int | None
    layer: str
    trained: bool = True
    pooling: str
    separation: Separation


@dataclass(frozen=True, kw_only=True)
class PointCloud:
    """The points of one panel: patches at the last layer that a variant's first finished run with probes recorded.

    Attributes:
        variant: its name.
        seed: of the run.
        layer: the last that was recorded.
        trained: see `LayerSeparation`.
        probes: of the run.
        x: (n, d) PCA scores.
        patches: (n,) index into the probes' patches.
    """

    variant: str
    seed: int | None
    layer: str
    trained: bool = True
    probes: Probes
    x: np.ndarray
    patches: np.ndarray

    @property
    def labels(self) -> np.ndarray:
        """(n,) index into the probes' conditions."""
        return np.asarray(self.probes.feature_condition[self.patches])


def panel_label(study: Study, panel: LayerSeparation | PointCloud) -> str:
    """The variant's label, and that it is untrained where it is."""
    return _panel_name(study.label(panel.variant), panel.trained)


def _panel_name(variant: str, trained: bool) -> str:
    return variant if trained else message("{variant} before training", variant=variant)


def layer_separations(study: Study) -> list[LayerSeparation]:
    """The separation of every layer of every variant that has features; a variant's untrained layers come first."""
    probed_runs = first_of(study, _with_features)
    untrained_variant = _untrained_control(study, probed_runs)
    results = []
    for variant, (run, probes) in probed_runs.items():
        for trained in (False, True) if variant == untrained_variant else (True,):
            for layer in _layers(probes, trained):
                score = separation(*pca_points(probes, layer, trained=trained)[:2])
                if score is not None:
                    results.append(
                        LayerSeparation(
                            variant=variant,
                            seed=run.seed,
                            layer=layer,
                            trained=trained,
                            pooling=probes.pooling.get(layer, ""),
                            separation=score,
                        )
                    )
    return results


def point_clouds(study: Study) -> list[PointCloud]:
    """The panels of the printed and the interactive t-SNE: a few variants, and the controls of their channel order.

    At most `MAX_PANELS`, in the study's order; the untrained network stands before the trained one.
    """
    probed_runs = first_of(study, _with_features)
    controls = list(_control_variants(study, list(probed_runs)).values())
    untrained_variant = _untrained_control(study, probed_runs)
    n_variants = MAX_PANELS - len(controls) - (untrained_variant is not None)
    variants = study.select_variants([v for v in probed_runs if v not in controls], n_variants)
    selected = {*variants, *controls, untrained_variant}
    clouds = []
    for variant in (v for v in study.variants if v in selected):
        run, probes = probed_runs[variant]
        layer = _layers(probes)[-1]
        for trained in (False, True) if variant == untrained_variant else (True,):
            x, _, patches = pca_points(probes, layer, trained=trained, max_points=MAX_PLOTTED)
            clouds.append(
                PointCloud(
                    variant=variant, seed=run.seed, layer=layer, trained=trained, probes=probes, x=x, patches=patches
                )
            )
    return clouds


def _control_variants(study: Study, variants: Collection[str]) -> dict[str, str]:
    """Kind of order -> the variant that has it; of several the one that differs in nothing else, else the first."""
    by_order = {
        order: [v for v in variants if str(_model(study, v).get("order", "")).startswith(order)]
        for order in CONTROL_ORDERS
    }
    return {order: _complete(study, names)[0] for order, names in by_order.items() if names}


def _prompt_variant(study: Study, variants: Collection[str]) -> str | None:
    """The variant whose channel order comes from the prompt, which the controls stand beside."""
    names = _complete(study, [v for v in variants if _model(study, v).get("order") == "prompt"])
    return study.select_variants(names, 1)[0] if names else None


def _untrained_control(study: Study, probed_runs: dict[str, tuple[Run, Probes]]) -> str | None:
    """The variant that is also shown before training; None where its run recorded no such features."""
    variant = _prompt_variant(study, list(probed_runs))
    if variant is None:
        return None
    probes = probed_runs[variant][1]
    return variant if _layers(probes)[-1] in probes.untrained_features else None


def _complete(study: Study, variants: list[str]) -> list[str]:
    """The variants with both halves of the block; all where none has both."""
    return [v for v in variants if _model(study, v).get("attention_perturbation", True)] or variants


def _model(study: Study, variant: str) -> dict[str, Any]:
    return (study.done_runs_of(variant)[0].spec.get("identity") or {}).get("model") or {}


def _with_features(run: Run) -> Probes | None:
    probes = load_probes(run)
    return probes if probes is not None and probes.features else None


def draw(study: Study, folder: Path, separations: list[LayerSeparation], controls: str) -> Picture | None:
    """Draw the figure, a panel a cloud; None where none has points enough.

    Args:
        study: whose features.
        folder: where the figure goes.
        separations: of each layer.
        controls: what the measure "separation" proves, sentences for the caption, or `NOT_MEASURED`.
    """
    by_key = {(s.variant, s.layer, s.trained): s for s in separations}
    clouds = [
        cloud
        for cloud in point_clouds(study)
        if (cloud.variant, cloud.layer, cloud.trained) in by_key and allowed_perplexities(len(cloud.x))
    ]
    if not clouds:
        return None
    allowed = allowed_perplexities(min(len(cloud.x) for cloud in clouds))
    perplexity = allowed[len(allowed) // 2]
    figure = new_figure(PAGE_IN, PAGE_IN / max(len(clouds), 3) + 1.05)
    handles: dict[str, Any] = {}
    panels = [by_key[cloud.variant, cloud.layer, cloud.trained] for cloud in clouds]
    axes = figure.subplots(1, len(clouds), squeeze=False)[0]
    for ax, cloud, panel in zip(axes, clouds, panels, strict=True):
        _draw_panel(ax, cloud, perplexity, handles)
        title = wrap_label(panel_label(study, cloud), 80 // max(len(clouds), 4))
        ax.set_title(f"{title}\n{plain(layer_label(cloud.layer))}", loc="left", fontsize=7)
        ax.set_xlabel(_score_lines(panel.separation), fontsize=7)
    conditions = sorted(handles, key=schema.condition_sort_key)
    names = [plain(condition_label(k)) for k in conditions]
    figure.legend([handles[k] for k in conditions], names, loc="outside lower center", ncols=7, handletextpad=0.1)
    is_measured = controls != NOT_MEASURED
    verdict = controls_sentence(study, separations, with_untrained=not is_measured)
    evidence = [verdict] if verdict and not is_measured and not all(p.trained for p in panels) else [verdict, controls]
    return save(figure, folder, "tsne", **_texts(separations, panels, perplexity, join_sentences(evidence)))


def controls_sentence(study: Study, separations: list[LayerSeparation], *, with_untrained: bool = True) -> str:
    """How well the controls separate beside the prompt's own order, and what follows; "" without a control.

    `with_untrained` counts the weights before training, too, where they were recorded.
    """
    last = {s.variant: s for s in separations if s.trained}  # layers come in the network's order
    before = {s.variant: s for s in separations if not s.trained}
    variant = _prompt_variant(study, list(last))
    if variant is None:
        return ""
    trained, controls = last[variant].separation, _control_variants(study, list(last))
    untrained = before[variant].separation if with_untrained and variant in before else None
    identity, random = (last[controls[o]].separation if o in controls else None for o in CONTROL_ORDERS)
    if untrained is None and random is None:
        return ""
    scores = [
        *([message("before training {purity}", purity=_purity(untrained))] if untrained else []),
        *([message("random order for each prompt {purity}", purity=_purity(random))] if random else []),
        *([message("no reordering {purity}", purity=_purity(identity))] if identity else []),
    ]
    return join_sentences(
        [
            message(
                "kNN purity by condition: {variant} after training {purity}; {controls}.",
                variant=variant,
                purity=_purity(trained),
                controls=join_clauses(scores),
            ),
            _conclusion(trained, untrained=untrained, random=random, identity=identity),
        ]
    )


def _conclusion(
    trained: Separation, *, untrained: Separation | None, random: Separation | None, identity: Separation | None
) -> str:
    if identity and separates_as_well(identity, trained):
        return message("The separation needs no channel order.")
    if untrained and separates_as_well(untrained, trained):
        return message("The separation needs no training: it shows which prompt was given, not learned features.")
    if random and separates_as_well(random, trained):
        return message("Any order for each prompt separates as well: the separation shows which prompt was given.")
    if random:
        return message("A random order for each prompt separates less.")
    return message(
        "Training raises the purity; whether features follow the degradation or the prompt was not measured (measure "
        "separation)."
    )


def _purity(score: Separation | None) -> str:
    return f"{score.purity:.2f}" if score else ""


def _draw_panel(ax: Axes, cloud: PointCloud, perplexity: int, handles: dict[str, Any]) -> None:
    plane = tsne_plane(cloud.x, perplexity)
    ax.set(xticks=[], yticks=[])
    ax.grid(visible=False)
    for number in np.unique(cloud.labels):
        condition = cloud.probes.conditions[number]
        x, y = plane[cloud.labels == number].T
        marker: Any = condition_marker(condition)
        colour = condition_colour(condition)
        handles[condition] = ax.scatter(x, y, s=7, alpha=0.8, linewidths=0, c=colour, marker=marker)


def _score_lines(score: Separation) -> str:
    return f"silhouette {_interval(score, 'silhouette')}\npurity {_interval(score, 'purity')}"


def _interval(score: Separation, name: str) -> str:
    low, high = getattr(score, f"{name}_interval")
    return f"{getattr(score, name):.2f} [{low:.2f}, {high:.2f}]".replace("-", "\N{MINUS SIGN}")


def _layers(probes: Probes, trained: bool = True) -> list[str]:
    """Layers with features in the order in which the evaluation named them, others behind by name."""
    features = probes.features_of(trained=trained)
    return [*(k for k in probes.pooling if k in features), *(k for k in features if k not in probes.pooling)]


def _texts(
    separations: list[LayerSeparation], panels: list[LayerSeparation], perplexity: int, evidence: str
) -> dict[str, str]:
    scores = join_clauses(
        message(
            "{variant}, {layer}: {score}",
            variant=_panel_name(p.variant, p.trained),
            layer=layer_label(p.layer),
            score=_score_text(p.separation),
        )
        for p in panels
    )
    pooled = {p.layer: _POOLING.get(p.pooling, p.pooling) for p in panels if p.pooling}
    pooling = [join_texts([layer_with_name(layer), text], ": ") for layer, text in pooled.items()]
    selection = message("Shown: {parts}; the table has all.", parts=message("the last layer of some variants"))
    return {
        "title": message("t-SNE of features by condition"),
        "alt": message("Scatter plots of patch features coloured by condition. {scores}.", scores=scores),
        "caption": join_sentences(
            [
                evidence,
                message(
                    "At most {most} patches a panel, standardised, PCA to {width} dimensions or fewer, t-SNE at "
                    "perplexity {perplexity:g}, fixed seed; training seed {seeds}. t-SNE alone proves nothing: "
                    "silhouette and purity (of the {near} nearest neighbours; chance {chance}) are measured before it, "
                    "in PCA space, on {n} patches; intervals over patches.",
                    most=MAX_PLOTTED,
                    width=PCA_WIDTH,
                    perplexity=perplexity,
                    seeds=join_commas(sorted({str(p.seed) for p in panels})),
                    near=panels[0].separation.near,
                    chance=join_commas(sorted({f"{p.separation.chance:.2f}" for p in panels})),
                    n=panels[0].separation.n,
                ),
                message("Pooling: {pooled}.", pooled=join_clauses(pooling) if pooling else message("not stated")),
                selection if len(separations) > len(panels) else "",
            ]
        ),
    }


def _score_text(score: Separation) -> str:
    return message(
        "silhouette {silhouette}, kNN purity {purity}, chance {chance}",
        silhouette=_interval(score, "silhouette"),
        purity=_interval(score, "purity"),
        chance=f"{score.chance:.2f}",
    )
