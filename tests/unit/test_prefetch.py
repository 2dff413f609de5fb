"""Batches prepared by processes: the same bits in the same order from any step, errors with their traceback."""

from __future__ import annotations

import multiprocessing
from dataclasses import replace

import pytest
import torch

from ablations.harness.training.distributed import SINGLE_PROCESS
from ablations.harness.training.prefetch import BatchLoader, prefetch_worker_count
from datasets.sources.embedded import load_embedded
from tests.support.tiny_study import tiny_plan

SPEC = tiny_plan(only=("dfpir_g50",)).specs[0]
CPU = torch.device("cpu")


def test_a_feed_gives_the_batches_of_each_step_and_goes_on_anywhere():
    bundle = load_embedded()
    own, ahead = (BatchLoader(SPEC, bundle, CPU, SINGLE_PROCESS, workers=n) for n in (0, 2))
    try:
        for step in (3, 4, 5, 0, 1):
            for mine, made in zip(own.batch(step), ahead.batch(step), strict=True):
                assert torch.equal(mine, made)
        processes = multiprocessing.active_children()
        assert len(processes) >= 2
    finally:
        ahead.close()
    assert not any(process.is_alive() for process in processes)


def test_an_error_comes_with_its_own_traceback():
    bundle = load_embedded()
    broken = replace(bundle, train=(replace(bundle.train[0], conditions=()),))
    feed = BatchLoader(SPEC, broken, CPU, SINGLE_PROCESS, workers=1)
    try:
        with pytest.raises(ValueError, match=r"(?s)Original Traceback.*_pool.*has no training image"):
            feed.batch(0)
    finally:
        feed.close()


def test_no_processes_on_a_cpu():
    assert prefetch_worker_count(load_embedded(), CPU, 16) == 0
    assert prefetch_worker_count(load_embedded(), torch.device("cuda"), 16) == 4
    assert prefetch_worker_count(load_embedded(), torch.device("cuda"), 1) == 0
