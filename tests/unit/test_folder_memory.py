"""Folders of photographs and memory: what is held at once, and what is refused before anything is decoded."""

from __future__ import annotations

import sys
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch

from datasets.readers import read_rgb
from datasets.sources.folder import load_folder
from datasets.sources.memory import memory_limit
from tests.support.pair_folders import pair, picture, write


@pytest.fixture
def rainy(tmp_path):
    for number in range(10):
        pair(tmp_path / "mine", f"rainy/{number}.png", f"gt/{number}.png", number)
    return tmp_path / "mine"


def test_images_that_do_not_fit_in_memory_are_refused_from_their_headers(tmp_path, monkeypatch):
    for number in range(3):
        write(tmp_path / f"{number}.png", picture(number, 100))
    monkeypatch.setattr("datasets.sources.folder.memory_limit", lambda: 200_000)
    with pytest.raises(ValueError, match=r"take 0\.0 GB decoded.*smaller images"):
        load_folder(tmp_path)


def test_memory_that_runs_out_is_one_line(tmp_path, monkeypatch):
    def full(pixels):
        raise MemoryError

    for number in range(3):
        write(tmp_path / f"{number}.png", picture(number))
    monkeypatch.setattr("datasets.sources.folder.smooth_depth", full)
    with pytest.raises(ValueError, match="do not fit in memory decoded"):
        load_folder(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="limits of address space are read on Linux")
def test_a_limit_of_address_space_counts_what_is_used_already(monkeypatch):
    import resource

    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    monkeypatch.setattr(resource, "getrlimit", lambda which: (used + (200 << 20), used + (200 << 20)))
    assert 90 << 20 < memory_limit() <= 100 << 20


@pytest.mark.parametrize("paired", [False, True])
def test_a_folder_is_described_with_one_picture_in_memory_at_a_time(tmp_path, rainy, monkeypatch, paired):
    for number in range(6):
        write(tmp_path / f"clean/{number}.png", picture(number))
    folder = rainy if paired else tmp_path / "clean"
    kept = load_folder(folder)
    held = []
    living = []

    def watched(path):
        pixels = read_rgb(path)
        held.append(weakref.ref(pixels))
        living.append(sum(ref() is not None for ref in held))
        return pixels

    monkeypatch.setattr("datasets.sources.folder.read_rgb", watched)
    data = load_folder(folder, keep_bytes=0)
    assert data.checksum == kept.checksum
    assert data.description == kept.description
    assert max(living) <= (4 if paired else 2)
    for ours, theirs in zip((*data.train, *data.test), (*kept.train, *kept.test), strict=True):
        assert ours.lazy is not None
        assert (ours.name, ours.clean.shape, ours.nbytes) == (theirs.name, theirs.clean.shape, theirs.nbytes)
        assert np.array_equal(ours.load().clean, theirs.clean)
    condition = data.conditions[0]
    seen, wanted = (each.eval_items("test", [condition])[0].degraded for each in (data, kept))
    assert np.array_equal(seen, wanted)
    batches = [each.batch([condition], [3], 32)[0] for each in (data, kept)]
    assert torch.equal(*batches)


def test_small_folders_stay_in_memory(rainy):
    count = sum(sample.nbytes for sample in load_folder(rainy).train[:2])
    data = load_folder(rainy, keep_bytes=count)
    assert sum(s.lazy is None for s in (*data.train, *data.val, *data.test)) == 2
