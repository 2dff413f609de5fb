"""Fixtures of several files."""

import pytest
import torch

import ablations.bench.measurement as measurement
from ablations.bench import evaluate, model_setup, options, train
from tests.support.toy_bench import SIZES


@pytest.fixture
def toy(monkeypatch):
    """Benchmarks in a second: a smaller model, no ceilings, no text encoder, repeats as short as they come."""
    monkeypatch.setattr(options, "TINY", SIZES | {"num_blocks": (1, 1, 1, 1)})
    monkeypatch.setattr(measurement, "MIN_REPEAT_S", 0.0)
    monkeypatch.setattr(model_setup.gc, "collect", lambda: 0)  # a third of a second among a test's many objects
    for bench in (train, evaluate):
        monkeypatch.setattr(bench, "measure_ceilings", lambda device, repeats: iter(()))
        monkeypatch.setattr(bench, "keep_freed_memory", lambda: True)
        monkeypatch.setattr(bench, "text_tower", lambda device: lambda sentences: torch.rand(len(sentences), 512))
    monkeypatch.setattr(train, "FLOAT64_STEPS", 2)
    monkeypatch.setattr(train, "FLOAT32_STEPS", 4)
