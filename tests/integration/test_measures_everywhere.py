"""Every measure on every variant of every study that asks for measures: none may fail there by the variant's kind."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import safetensors.torch
import torch

from ablations.harness.run_one import find_run
from ablations.measures import compute
from ablations.measures.loaded_run import load_run
from ablations.measures.registry import MEASURES
from ablations.models import is_trained
from ablations.registry import STUDIES
from ablations.spec import Phase, RunSpec
from reports.schema import WEIGHTS_FILE, read_measure
from tests.support.tiny_study import TINY, tiny_plan

SIZES = replace(TINY.measuring, images=1, tenths=(0,), draws=1, batch=3, micro_batch=3, pixels=4)
WIDER = (Phase(steps=1, lr=1e-3, patch=64, batch=1),)  # as small as TransWeather takes


def specs_of_all_studies():
    """A spec for each model of the studies, equal ones once; the study's own tasks where it names some."""
    found: dict[str, RunSpec] = {}
    for name in STUDIES:
        if name == "efficiency":
            continue
        for spec in tiny_plan(name, None).specs:
            if spec.variant == "transweather":
                spec = replace(spec, recipe=replace(spec.recipe, phases=WIDER))
            tested = tuple(name for name in ("noise-25", "haze") if name in spec.tested) or spec.tested
            spec = replace(spec, tested=tested)
            found.setdefault(json.dumps(spec.config.identity(), sort_keys=True), spec)
    return {spec.run_id: spec for spec in found.values()}


SPECS = specs_of_all_studies()


@pytest.mark.slow
@pytest.mark.parametrize("run_id", SPECS)
def test_every_measure_can_be_taken(run_id, tmp_path, monkeypatch):
    spec, cpu = SPECS[run_id], torch.device("cpu")
    folder = find_run(tmp_path, spec)
    folder.mkdir(parents=True)
    if is_trained(spec.config):  # first weights stand for trained ones: what fails by shape or memory fails on them too
        model = load_run(spec, folder, cpu, SIZES).model_at(0)
        state = {name: value.clone() for name, value in model.state_dict().items()}
        safetensors.torch.save_file(state, folder / WEIGHTS_FILE)
    failed = compute.compute_measures(spec, folder, tuple(MEASURES), cpu, SIZES)
    reasons = {name: json.loads(compute.error_path(folder, name).read_text())["message"] for name in failed}
    assert not reasons
    assert {name for name in MEASURES if read_measure(folder, name)[0].columns.empty} == set()
