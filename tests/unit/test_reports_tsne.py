"""t-SNE of features: its points, its controls and what they show."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reports.artifacts import Probes
from reports.feature_separation import pca_points, separation, tsne_plane
from reports.figures import tsne
from reports.load import load
from reports.measures.separation import NOT_MEASURED
from reports.study import Study
from reports.viewer.scatter import scatter
from tests.support.fake_runs import FakeStudy, write_runs


def probes(apart: float) -> Probes:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 60)
    features = rng.normal(0, 1, (180, 8)) + apart * rng.normal(0, 1, (3, 8))[labels]
    return Probes(
        conditions=("rain", "haze", "blur"), features={"latent": features.astype(np.float32)},
        feature_condition=labels, pooling={}, orders={},
    )  # fmt: skip


def test_separation_of_known_features():
    mixed, apart = (separation(*pca_points(probes(a), "latent")[:2]) for a in (0.0, 10.0))
    assert mixed is not None
    assert apart is not None
    assert mixed.purity_interval[0] < mixed.chance + 0.06
    assert abs(mixed.silhouette) < 0.05
    assert apart.purity > 0.95
    assert apart.silhouette > 0.4
    assert apart.purity_interval[0] <= apart.purity <= apart.purity_interval[1]


def test_points_are_even_over_conditions():
    x, labels, patches = pca_points(probes(1.0), "latent", max_points=30)
    assert x.shape[0] == 30
    assert np.bincount(labels).tolist() == [10, 10, 10]
    assert np.array_equal(probes(1.0).feature_condition[patches], labels)


def with_orders(study: Study, orders: dict[str, str]) -> Study:
    """The study, its runs' models with those channel orders."""
    for run in study.runs.values():
        run.spec["identity"]["model"] = {"order": orders.get(run.variant, "prompt")}
    return study


def test_both_t_sne_show_the_same_points_and_the_controls_of_the_order(tmp_path):
    names = {"first": 0.0, "plain": 0.0, "other": 0.0, "shuffled": 0.0, "more": 0.0, "dfpir": 0.0}
    write_runs(tmp_path, FakeStudy(effect_db=names, seeds=(0,), patches=8))
    study = with_orders(load([tmp_path]), {"plain": "identity", "shuffled": "random", "first": "", "more": ""})
    study = replace(study, featured=("dfpir", "first", "more"))
    clouds = tsne.point_clouds(study)
    assert [(cloud.variant, cloud.trained) for cloud in clouds] == [
        ("first", True), ("plain", True), ("shuffled", True), ("dfpir", False), ("dfpir", True),
    ]  # fmt: skip
    before, after = clouds[-2:]
    assert (before.seed, before.layer) == (after.seed, after.layer)
    assert np.array_equal(before.patches, after.patches)
    assert np.array_equal(before.labels, after.labels)
    assert not np.allclose(before.x[:, 0], after.x[:, 0])
    interactive = scatter(study)
    assert interactive is not None
    assert [panel["variant"] for panel in interactive.data["panels"]] == [
        "first", "plain", "shuffled", "dfpir before training", "dfpir",
    ]  # fmt: skip
    assert interactive.data["same_patches"]
    picture = tsne.draw(study, tmp_path / "figures", tsne.layer_separations(study), NOT_MEASURED)
    assert picture is not None
    assert "dfpir after training" in picture.caption
    assert "before training 0." in picture.caption
    assert NOT_MEASURED not in picture.caption, "the untrained weights are there"
    perplexity = interactive.perplexities[len(interactive.perplexities) // 2]
    assert f"perplexity {perplexity}," in picture.caption
    printed = tsne_plane(before.x, perplexity)
    shown = np.array(interactive.data["panels"][3]["planes"][str(perplexity)])
    size = np.ptp(printed, axis=0).max()
    assert shown - shown.mean(axis=0) == pytest.approx((printed - printed.mean(axis=0)) / size, abs=2e-4)


def test_runs_without_untrained_features_have_no_such_panel(tmp_path):
    names = {"first": 0.0, "plain": 0.0, "other": 0.0, "more": 0.0, "dfpir": 0.0}
    write_runs(tmp_path, FakeStudy(effect_db=names, seeds=(0,), patches=4, untrained=False))
    study = with_orders(load([tmp_path]), {"plain": "identity"})
    assert [cloud.variant for cloud in tsne.point_clouds(study)] == list(names)
    separations = tsne.layer_separations(study)
    assert all(s.trained for s in separations)
    picture = tsne.draw(study, tmp_path / "figures", separations, NOT_MEASURED)
    assert picture is not None
    assert NOT_MEASURED in picture.caption


UNTRAINED = "not learned features"


@pytest.mark.parametrize(
    ("purities", "conclusion"),
    [
        ({"plain": 0.25, "shuffled": 0.97, "untrained": 0.97}, UNTRAINED),
        ({"plain": 0.25, "untrained": 0.97}, UNTRAINED),
        ({"plain": 0.25, "shuffled": 0.97, "untrained": 0.5}, "Any order for each prompt separates as well"),
        ({"plain": 0.25, "shuffled": 0.5, "untrained": 0.5}, "A random order for each prompt separates less."),
        ({"plain": 0.25, "untrained": 0.5}, "whether features follow the degradation or the prompt was not measured"),
        ({"plain": 0.97, "shuffled": 0.97}, "needs no channel order"),
        ({"plain": 0.25}, ""),
    ],
)
def test_the_controls_of_the_separation_have_one_sentence(tmp_path, purities, conclusion):
    names = {"plain": 0.0, "shuffled": 0.0, "dfpir": 0.0}
    write_runs(tmp_path, FakeStudy(effect_db=names, seeds=(0,), pictures=False))
    study = with_orders(load([tmp_path]), {"plain": "identity", "shuffled": "random"})
    known = separation(*pca_points(probes(10.0), "latent")[:2])
    assert known is not None
    separations = [
        tsne.LayerSeparation(
            variant={"untrained": "dfpir"}.get(name, name), seed=0, layer="latent", trained=name != "untrained",
            pooling="", separation=replace(known, purity=purity),
        )
        for name, purity in {**purities, "dfpir": 1.0}.items()
    ]  # fmt: skip
    text = tsne.controls_sentence(study, separations)
    assert conclusion in text
    assert bool(text) == bool(conclusion)
    for name, words in (
        ("untrained", "before training"), ("shuffled", "random order for each prompt"), ("plain", "no reordering"),
    ):  # fmt: skip
        assert (f"{words} {purities.get(name, 0):.2f}" in text) == (name in purities and bool(text))
    measured = tsne.controls_sentence(study, separations, with_untrained=False)
    assert "before training" not in measured
    assert bool(measured) == ("shuffled" in purities), "the measure's own sentence has the untrained weights"
