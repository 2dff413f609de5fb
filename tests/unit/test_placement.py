"""How many runs share a GPU, from numbers alone; what they are measured with runs on a CPU."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ablations import forecast
from ablations.budgets import budget_named
from ablations.data import image_bytes, open_data
from ablations.forecast import describe_memory
from ablations.harness.cost.estimate import RunEstimate, estimate_run
from ablations.harness.cost.placement import AUTO, MARGIN, MAX_RUNS_PER_GPU, PROCESS_BYTES, place_runs
from ablations.harness.training import acceleration
from ablations.plan import make_plan
from datasets.protocols import get_protocol

GIB = 2**30
ROOMY = {"free_bytes": 80 * GIB, "run_bytes": GIB, "shared_bytes": 0, "runs": 21, "cores": 16, "threads": 1}


@pytest.mark.parametrize(
    ("changed", "want", "why"),
    [
        ({}, MAX_RUNS_PER_GPU, "take turns"),
        ({"run_bytes": 20 * GIB}, 2, "needs 27 of 80 GiB"),
        ({"run_bytes": 20 * GIB, "shared_bytes": 20 * GIB}, 1, "needs 47 of 80 GiB"),
        ({"run_bytes": 200 * GIB}, 1, "GiB free"),
        ({"cores": 3}, 3, "3 processor cores"),
        ({"cores": 2, "threads": 4}, 1, "4 a run"),
        ({"runs": 2}, 2, "left to do"),
    ],
)
def test_the_tightest_limit_decides_and_is_named(changed, want, why):
    placement = place_runs(**(ROOMY | changed))
    assert placement.max_parallel == want
    assert why in placement.reason
    assert placement.reason.startswith(f"{want} at once")


@pytest.mark.parametrize("fitting", [1, 2, 3])
def test_what_is_placed_fits(fitting):
    exactly = fitting * (MARGIN * 10 * GIB + PROCESS_BYTES)
    sizes = ROOMY | {"run_bytes": 10 * GIB}
    assert place_runs(**(sizes | {"free_bytes": exactly})).max_parallel == fitting
    assert place_runs(**(sizes | {"free_bytes": exactly - 1})).max_parallel == max(1, fitting - 1)


@pytest.fixture(scope="module")
def planned():
    data, bundle = open_data("embedded")
    names = [condition.name for condition in bundle.conditions]
    plan = make_plan(
        "gamma_sweep", budget=budget_named("smoke"), data=data, conditions=names, text_encoder="minilm",
        protocol=get_protocol("suite").label, only=["dfpir_g50"],
    )  # fmt: skip
    return plan, bundle


def test_a_large_test_image_counts_as_well_as_the_training_step(planned):
    spec, device = planned[0].specs[0], torch.device("cpu")
    step, small, large = (estimate_run(spec, device, 0, most_px).memory_bytes for most_px in (0, 10**7, 10**8))
    assert 0 < step <= small < large
    assert 5 < large / small < 10.5


@pytest.mark.parametrize(("jobs", "kind", "want"), [(AUTO, "cuda", 3), (None, "cuda", 1), (2, "cuda", 2)])
def test_auto_measures_and_says_what_it_chose(planned, monkeypatch, tmp_path, jobs, kind, want):
    plan, bundle = planned
    configs = [replace(plan.rows[0].spec.config, gamma=gamma) for gamma in (0.5, 0.7)]
    rows = [replace(row, spec=replace(row.spec, seed=n, config=configs[n % 2])) for row in plan.rows for n in range(8)]
    plan = replace(plan, rows=tuple(rows))
    told = []
    monkeypatch.setattr(forecast, "free_bytes", lambda device: 3 * (MARGIN * 10 + 1.5) * GIB)
    monkeypatch.setattr(forecast.os, "cpu_count", lambda: 64)
    monkeypatch.setattr(forecast.torch.cuda, "empty_cache", lambda: None)
    hungry = [RunEstimate(variant="x", step_s=1, train_s=1, eval_s=1, memory_bytes=m * GIB) for m in (1, 10)]
    found = iter(hungry)
    monkeypatch.setattr(forecast, "estimate_run", lambda *_, **__: next(found))
    console = SimpleNamespace(
        print=lambda text, **_: told.append(text), is_terminal=False, status=lambda _: nullcontext()
    )
    here = forecast.PlannedStudy(plan=plan, bundle=bundle, root=tmp_path, device=torch.device(kind), console=console)
    assert forecast.choose_parallel_runs(here, jobs) == want
    assert len(told) == (jobs == AUTO)
    assert all(text.startswith("3 at once on this GPU: a run needs 14 of") for text in told)


@pytest.fixture
def float32_products():
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def test_an_estimate_is_made_with_the_runs_precision_and_this_processs_switches(planned, float32_products):
    spec, device = planned[0].specs[0], torch.device("cpu")
    plain = estimate_run(replace(spec, precision="tf32"), device, 0)
    assert torch.backends.cuda.matmul.allow_tf32
    assert torch.backends.cudnn.allow_tf32
    before = acceleration.get_acceleration()
    acceleration.set_acceleration(replace(before, checkpointing=True))
    try:
        assert estimate_run(spec, device, 0).memory_bytes < plain.memory_bytes
    finally:
        acceleration.set_acceleration(before)
    assert not torch.backends.cuda.matmul.allow_tf32


def test_the_memory_of_a_study_counts_images_and_libraries_once_a_run(planned):
    """It said 0.135 GiB of runs that took 2."""
    bundle = SimpleNamespace(
        train=[SimpleNamespace(clean=np.empty((1024, 1024, 3), np.uint8), nbytes=GIB)] * 2, val=(), test=()
    )
    assert describe_memory(bundle, 0.5, 3, torch.device("cpu")) == (
        "Memory: about 8.6 GiB: 0.5 for tensors, 6 for decoded images, 2.1 for the libraries."
    )
    assert "0.5 GiB of the GPU for tensors; about 8.1 GiB here" in describe_memory(bundle, 0.5, 3, torch.device("cuda"))
    assert image_bytes(planned[1]) > sum(sample.nbytes for sample in planned[1].train)
