"""Comparators name the layer that t-SNE shows; the evaluation records it, and the separation measure reads it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ablations.data import load_data
from ablations.harness.model_factory import build_model
from ablations.harness.probes import pooled_features, probe_patches, write_probes
from ablations.harness.run_one import test_items as items_of
from ablations.harness.training.conditioning import Conditioning
from ablations.measures.responses import prompts
from ablations.measures.separation import feature_separation
from ablations.models import model_config
from ablations.spec import MeasureConfig
from baselines.registry import BASELINES, Baseline
from dfpir.prompts import load_prompts
from reports.artifacts import load_probes
from reports.run_state import Status
from reports.study import Run
from tests.support.tiny_study import tiny_plan

SPEC = tiny_plan("prompts", ("dfpir",)).specs[0]  # trained on all five tasks
BUNDLE = load_data(SPEC)
PROBED = [one.name for one in BASELINES.values() if isinstance(one, Baseline) and one.probed]
NOT_TRAINED_HERE = {"vlunet", "swinir"}  # told by features that can't be had; needs an extra


def load_variant(variant, patches=2):
    """A run of first weights that passes for trained."""
    config = model_config(variant, {"dim": 8})
    spec = replace(SPEC, variant=variant, config=config, evaluation=replace(SPEC.evaluation, probe_patches=patches))
    model = build_model(config, 0).eval()
    conditioning = Conditioning(config, load_prompts("detailed", spec.text_encoder, spec.conditions))
    return SimpleNamespace(
        spec=spec, bundle=BUNDLE, model=model, conditioning=conditioning, device=torch.device("cpu"),
        model_at=lambda tenth: model if tenth == 0 else None,
    )  # fmt: skip


def test_those_of_the_papers_figure_are_among_them():
    assert {"airnet", "promptir", "instructir"} < set(PROBED)


@pytest.mark.parametrize("variant", [name for name in PROBED if name not in NOT_TRAINED_HERE])
def test_the_named_layer_gives_a_row_a_patch_that_depends_on_it(variant):
    run = load_variant(variant, patches=1)
    patches = probe_patches(run.spec, items_of(run.spec, BUNDLE, run.spec.protocol))
    (rows,) = pooled_features(run, run.model, patches, [patch.condition for patch in patches]).values()
    assert rows.shape[0] == len(patches) == len(run.spec.tested)
    assert rows.shape[1] > 3
    assert torch.isfinite(rows).all()
    assert len(torch.unique(rows, dim=0)) == len(patches)


def test_probes_and_separation_of_a_comparator(tmp_path):
    run = load_variant("promptir", patches=6)
    items = items_of(run.spec, BUNDLE, run.spec.protocol)
    write_probes(run, run.model, items, tmp_path)
    stored_run = Run(
        path=Path(tmp_path), run_id="r", variant="promptir", seed=0, status=Status.DONE, reason="", spec={}, env={},
        summary={},
    )  # fmt: skip
    found = load_probes(stored_run)
    assert set(found.features) == {"latent"}
    assert len(found.features["latent"]) == len(found.feature_condition) == 6 * len(run.spec.tested)
    assert set(found.maps) == {"latent"}
    assert found.orders == found.attention == {}
    assert np.array_equal(found.untrained_features["latent"], found.features["latent"]), "nothing was trained here"
    table = feature_separation(run)
    assert list(table["setting"]) == ["trained", "untrained"], "it is told nothing"
    assert set(table["layer"]) == {"latent"}


def test_a_wrong_prompt_is_told_to_comparators_that_are_told():
    """DL follows the operator that it is told; PromptIR is told nothing, and has no rows."""
    run = load_variant("dl")
    run.prompts = run.conditioning.prompts
    run.sizes = replace(MeasureConfig(), images=1)
    told = prompts(run)
    assert len(told) == len(run.spec.tested) * len(run.spec.conditions)
    assert (told.groupby("condition")["value"].nunique() > 1).all()
    blind = load_variant("promptir")
    blind.prompts, blind.sizes = run.prompts, run.sizes
    assert prompts(blind).empty


def test_what_probes_no_layer_writes_nothing(tmp_path):
    run = load_variant("classical")
    write_probes(run, run.model, items_of(run.spec, BUNDLE, run.spec.protocol), tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert feature_separation(run).empty
