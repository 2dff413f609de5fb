"""Separation of features: its controls have known answers, and its patches are those of the probes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from ablations.data import load_data
from ablations.harness.model_factory import build_model
from ablations.harness.probes import ProbePatch, pooled_features, probe_patches, write_probes
from ablations.harness.run_one import test_items as items_of
from ablations.harness.training.conditioning import Conditioning
from ablations.measures import separation
from ablations.models import model_config
from dfpir.prompts import load_prompts
from reports.schema import FEATURE_PREFIX, PROBES_FILE, UNTRAINED_FEATURE_PREFIX
from tests.support.tiny_study import tiny_plan

SPEC = tiny_plan("prompts", ("dfpir",)).specs[0]  # trained on all five tasks
BUNDLE = load_data(SPEC)


def load_variant(variant, patches=6):
    """A run of first weights that passes for trained."""
    config = model_config(variant, {"dim": 4, "num_blocks": (1, 1, 1, 1), "num_refinement_blocks": 1})
    evaluation = replace(SPEC.evaluation, probe_patches=patches)
    spec = replace(SPEC, variant=variant, config=config, evaluation=evaluation)
    prompts = load_prompts(config.prompt_set, spec.text_encoder, spec.conditions)
    model = build_model(config, 0).eval()
    model.bind_prompts(prompts.codes)
    conditioning = Conditioning(config, prompts)
    return SimpleNamespace(
        spec=spec, bundle=BUNDLE, model=model, conditioning=conditioning, device=torch.device("cpu"),
        model_at=lambda tenth: model if tenth == 0 else None,
    )  # fmt: skip


def purities(found):
    return found.set_index(["setting", "layer", "by"])["purity"]


def test_an_untrained_block_shows_the_prompt_that_was_told():
    found = separation.feature_separation(load_variant("dgcpm_only"))
    assert len(found) == 8
    assert set(found["n_points"]) == {42}
    purity, chance = purities(found), 5 / 41
    assert found["chance"].to_numpy() == pytest.approx(chance)
    assert purity["untrained", "latent-perturbed", "condition"] == pytest.approx(1)
    assert purity["random_prompt", "latent-perturbed", "told"] == pytest.approx(1)
    assert purity["random_prompt", "latent-perturbed", "condition"] < chance + 0.15
    assert purity["random_prompt", "latent", "told"] < chance + 0.15, "before the block nothing is told"
    assert (found["silhouette_low"] <= found["silhouette"]).all()


def test_trained_against_untrained(monkeypatch):
    """A made-up network that learned to tell the degradations apart, whatever it is told."""
    run = load_variant("dfpir")
    untrained = build_model(run.spec.config, 1)
    run.model_at = lambda tenth: untrained

    def features(run_context, model, patches, prompts):
        spec = run_context.spec
        rng = np.random.default_rng(0)
        true = np.array([spec.conditions.index(p.condition) for p in patches])
        values = rng.normal(0, 0.01, (len(true), len(spec.conditions)))
        if model is run.model:
            values[np.arange(len(true)), true] += 1
        return {"latent": torch.tensor(values)}

    monkeypatch.setattr(separation, "pooled_features", features)
    found = purities(separation.feature_separation(run))
    assert found["trained", "latent", "condition"] == 1
    assert found["untrained", "latent", "condition"] < 0.4
    assert found["random_prompt", "latent", "condition"] == 1
    assert found["random_prompt", "latent", "told"] < 0.4


def test_a_model_that_heeds_no_prompt_has_no_random_ones():
    for variant in ("restormer", "dfpir_identity_order"):
        assert set(separation.feature_separation(load_variant(variant))["setting"]) == {"trained", "untrained"}


def test_probes_hold_features_of_the_weights_that_the_seed_alone_gives(tmp_path):
    run = load_variant("dfpir", patches=2)
    trained = build_model(run.spec.config, run.spec.seed + 1).eval()  # other weights than the first
    trained.bind_prompts(run.conditioning.prompts.codes)
    write_probes(run, trained, items_of(run.spec, BUNDLE, run.spec.protocol), tmp_path)
    stored = load_file(tmp_path / PROBES_FILE)
    patches = probe_patches(run.spec, items_of(run.spec, BUNDLE, run.spec.protocol))
    names = [patch.condition for patch in patches]
    for layer in ("latent", "latent-perturbed"):
        for prefix, model in ((UNTRAINED_FEATURE_PREFIX, run.model), (FEATURE_PREFIX, trained)):
            features = pooled_features(run, model, patches, names)[layer]
            torch.testing.assert_close(stored[prefix + layer], features)


def test_too_few_patches_have_no_rows():
    assert separation.feature_separation(load_variant("restormer", patches=1)).empty


def test_random_prompts_are_even_and_depend_on_names_alone():
    conditions = ("rain", "haze", "blur")
    patches = [
        ProbePatch(condition=c, image=f"i{n % 2}", number=n, pixels=np.zeros(0)) for c in conditions for n in range(20)
    ]
    told = separation.random_prompts(patches, conditions)
    assert Counter(told) == dict.fromkeys(conditions, 20)
    assert told == separation.random_prompts(patches, conditions)
    turned = separation.random_prompts(patches[::-1], conditions)
    assert turned[::-1] == told
    true = [patch.condition for patch in patches]
    assert 0.15 < np.mean([a == b for a, b in zip(true, told, strict=True)]) < 0.55
