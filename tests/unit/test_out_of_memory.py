"""Out of memory: the batch is halved, the gradient stays, the run's row says so, and who can't split says so."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

import ablations.harness.training.gradients as gradients
from ablations.data import load_data
from ablations.harness.model_factory import build_model
from ablations.harness.run_one import run_one
from ablations.harness.training.conditioning import Conditioning
from ablations.harness.training.sampling import batch_of_step
from ablations.models import model_config
from ablations.spec import Phase, Recipe
from baselines.registry import BASELINES, Baseline
from dfpir import DFPIRConfig, RestorationUNet
from dfpir.prompts import load_prompts
from tests.support.tiny_study import TINY, run_here, tiny_plan

CPU = torch.device("cpu")
SPEC = tiny_plan(only=("dfpir_g50",)).specs[0]
ROWS = [BASELINES[name] for name in BASELINES]
TRAINED = [
    row.name
    for row in ROWS
    if isinstance(row, Baseline) and row.trained and row.extra is None and row.needs != "image512"
]
PATCH = {"transweather": 64}  # as small as it takes; the others 32


def gradients_of(spec, model, parts, micro_batch, weights=None):
    model.zero_grad(set_to_none=True)
    degraded, clean, code = parts
    batch = gradients.Batch(degraded, clean, code, weights)
    loss = gradients.backward(spec, model, batch, micro_batch=micro_batch, step=5)
    return loss, {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("name", sorted({"dfpir", *TRAINED}))
def test_the_gradient_in_parts_is_the_batchs_but_for_those_that_say_so(name):
    config = model_config(name, TINY.model, prompts=7)
    patch = PATCH.get(name, 32)
    spec = replace(SPEC, config=config, recipe=Recipe(phases=(Phase(steps=1, lr=1e-3, patch=patch, batch=3),)))
    model = build_model(config, 0).double().train()
    prompts = load_prompts(config.prompt_set, "minilm", spec.conditions)
    if isinstance(model, RestorationUNet) and config.uses_prompts:
        model.bind_prompts(prompts.codes.double())
    drawn = batch_of_step(spec, 0)
    degraded, clean = load_data(spec).batch(drawn.conditions, drawn.seeds, patch, CPU)
    code = Conditioning(config, prompts)(drawn.conditions, CPU, training=True, seeds=drawn.seeds)
    code = code.double() if code is not None and code.is_floating_point() else code
    batch = (degraded.double(), clean.double(), code)
    state = {key: value.clone() for key, value in model.state_dict().items()}
    loss, whole = gradients_of(spec, model, batch, 3)
    model.load_state_dict(state)
    loss_parts, parts = gradients_of(spec, model, batch, 2)
    scale = max(float(g.abs().max()) for g in whole.values())
    apart = max(float((whole[key] - parts[key]).abs().max()) for key in whole) / scale
    reason = "" if isinstance(config, DFPIRConfig) else config.entry.whole_batch
    if reason:
        assert apart > 1e-5, f"{name} could be split"
    else:
        assert whole.keys() == parts.keys()
        assert apart < 1e-6
        assert float(loss_parts) == pytest.approx(float(loss), rel=1e-6)
        _check_weights(spec, model, batch, state)


def _check_weights(spec, model, batch, state):
    """Weighted samples: the gradient is the weighted sum of each sample's own."""
    weights = torch.tensor([1.5, 0.25, 1.5], dtype=torch.float64)
    model.load_state_dict(state)
    _, weighted = gradients_of(spec, model, batch, 3, weights)
    expected: dict[str, torch.Tensor] = {}
    for k, weight in enumerate(weights.tolist()):
        model.load_state_dict(state)
        one = tuple(None if part is None else part[k : k + 1] for part in batch)
        for key, gradient in gradients_of(spec, model, one, 1)[1].items():
            expected[key] = expected.get(key, torch.zeros_like(gradient)) + gradient * weight / 3
    scale = max(float(g.abs().max()) for g in expected.values())
    assert max(float((weighted[key] - expected[key]).abs().max()) for key in expected) / scale < 1e-6


def _with_little_memory(monkeypatch, largest):
    """Memory for `largest` samples of a training step; how many were tried each time."""
    tried = []
    original = gradients.training_loss

    def limited(config, model, degraded, clean, code, weights):
        tried.append(len(degraded))
        if len(degraded) > largest:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return original(config, model, degraded, clean, code, weights)

    monkeypatch.setattr(gradients, "training_loss", limited)
    return tried


def test_a_run_that_runs_out_of_memory_splits_its_batch_says_so_and_keeps_its_numbers(monkeypatch, tmp_path):
    spec = replace(SPEC, recipe=replace(SPEC.recipe, phases=(Phase(steps=6, lr=1e-3, patch=16, batch=4),)))
    run_here(spec, tmp_path / "whole")
    tried = _with_little_memory(monkeypatch, 2)
    run_here(spec, tmp_path / "split")
    assert tried == [4, *([2, 2] * 6)]  # tried once, then known
    whole, split = (tmp_path / name / spec.run_id for name in ("whole", "split"))
    for folder, splits in ((whole, 0), (split, 1)):
        assert json.loads((folder / "summary.json").read_text())["oom_splits"] == splits
    losses = [
        [row["loss"] for row in map(json.loads, (folder / "train.jsonl").read_text().splitlines()) if "loss" in row]
        for folder in (whole, split)
    ]
    # equal up to the rounding of sums, which Adam's first steps magnify where a gradient is next to nothing
    np.testing.assert_allclose(losses[0], losses[1], rtol=5e-3)


def test_memory_for_no_sample_is_an_error_row(monkeypatch, tmp_path):
    tried = _with_little_memory(monkeypatch, 0)
    assert not run_one(SPEC, tmp_path, CPU, lambda progress: None)
    assert tried == [2, 1]
    assert json.loads((tmp_path / SPEC.run_id / "ERROR.json").read_text())["type"] == "OutOfMemoryError"


def test_a_comparator_whose_batch_is_one_says_so(monkeypatch, tmp_path):
    _with_little_memory(monkeypatch, 1)
    spec = replace(SPEC, variant="airnet", config=model_config("airnet", TINY.model, prompts=7))
    assert not run_one(spec, tmp_path, CPU, lambda progress: None)
    error = json.loads((tmp_path / spec.run_id / "ERROR.json").read_text())
    assert error["type"] == "WholeBatchError"
    assert "airnet's batch can't be split: batch normalisation" in error["message"]
