"""What fixes a run's arithmetic on a GPU, as far as it shows without one."""

import os

import pytest
import torch

from ablations.harness import seeding
from ablations.harness.seeding import make_deterministic


@pytest.fixture(autouse=True)
def as_before(monkeypatch):
    threads, cudnn = torch.get_num_threads(), torch.backends.cudnn
    monkeypatch.setattr(cudnn, "deterministic", False)
    monkeypatch.setattr(cudnn, "benchmark", True)
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    yield
    torch.set_num_threads(threads)
    os.environ.pop("CUBLAS_WORKSPACE_CONFIG", None)


def test_a_gpu_gets_libraries_that_repeat_themselves(monkeypatch):
    make_deterministic(torch.device("cuda"), 1)
    assert torch.backends.cudnn.deterministic
    assert not torch.backends.cudnn.benchmark
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    make_deterministic(torch.device("cuda"), 1)
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"  # a user's own


@pytest.mark.parametrize(("cores", "threads"), [(1, 1), (2, 1), (8, 2), (16, 4), (96, 4)])
def test_four_runs_on_a_gpu_share_the_cores(cores, threads, monkeypatch):
    monkeypatch.setattr(seeding.os, "sched_getaffinity", lambda _: range(cores), raising=False)
    make_deterministic(torch.device("cuda"), 1)
    assert torch.get_num_threads() == threads
