"""The packed store, and the paper's mixture of training sets."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets.catalog import catalog
from datasets.catalog.finder import find_sets
from datasets.readers import ImageRefused, read_rgb
from datasets.sampler import paper_sources
from datasets.store import PackedSet, StoreError, pack, plan_pack
from datasets.tasks import PAPER_TASKS, Task


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two sets: clean images alone, and hazy ones that share clean partners."""
    rng = np.random.default_rng(0)
    base = tmp_path / "root"
    for name, shape in (("CBSD68/0000.png", (9, 13)), ("CBSD68/0001.png", (16, 5)), ("CBSD68/0002.png", (1, 1))):
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (*shape, 3), dtype=np.uint8)).save(base / name)
    for name in ("hazy/0001_1_0.1.png", "hazy/0001_1_0.2.png", "hazy/0002_1_0.1.png", "gt/0001.png", "gt/0002.png"):
        path = base / "SOTS/outdoor" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(path)
    return base


def test_a_store_gives_back_every_pixel(root, tmp_path):
    for found in find_sets(root):
        plan = plan_pack(found, tmp_path / "stores")
        store = pack(plan)
        assert store.verify() == []
        assert [name for name, _, _ in store.pairs] == [pair.name for pair in found.pairs]
        for (_, degraded, clean), pair in zip(store.pairs, found.pairs, strict=True):
            assert np.array_equal(store.image(clean), read_rgb(pair.clean))
            assert (degraded == -1) == (pair.degraded is None)
            if pair.degraded is not None:
                assert np.array_equal(store.image(degraded), read_rgb(pair.degraded))
        assert not store.image(0).flags.writeable
        assert plan.bytes == (plan.target / "pixels.u8").stat().st_size
        assert sorted(path.name for path in plan.target.iterdir()) == ["index.json", "pixels.u8"]
    assert len(PackedSet(tmp_path / "stores/sots-outdoor.store").entries) == 5, "a shared clean image is stored once"


def test_an_interrupted_build_goes_on(root, tmp_path, monkeypatch):
    (found,) = find_sets(root, ["cbsd68"])
    plan = plan_pack(found, tmp_path)
    calls: list[Path] = []

    def reads(path: Path) -> np.ndarray:
        calls.append(path)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return read_rgb(path)

    monkeypatch.setattr("datasets.store.read_rgb", reads)
    with pytest.raises(KeyboardInterrupt):
        pack(plan)
    assert not plan.target.exists()
    store = pack(plan)
    assert len(calls) == 4, "the two finished images are not decoded again"
    assert store.verify() == []
    pack(plan)
    assert len(calls) == 4, "a finished store is only opened"


def test_bytes_that_never_reached_the_disk_are_packed_again(root, tmp_path, monkeypatch):
    (found,) = find_sets(root, ["cbsd68"])
    plan = plan_pack(found, tmp_path)
    monkeypatch.setattr("datasets.store.make_record", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        pack(plan)
    monkeypatch.undo()
    partial = tmp_path / "cbsd68.store.partial"
    data = bytearray((partial / "pixels.u8").read_bytes())
    data[5] ^= 255
    (partial / "pixels.u8").write_bytes(data)
    with (partial / "done.jsonl").open("a") as journal:
        journal.write('[1, "cut o')
    assert pack(plan).verify() == []


def test_broken_stores_are_refused(root, tmp_path):
    (found,) = find_sets(root, ["cbsd68"])
    plan = plan_pack(found, tmp_path)
    pack(plan)
    index, pixels = plan.target / "index.json", plan.target / "pixels.u8"
    original, bytes_before = index.read_text(), pixels.read_bytes()
    for text in ("", "[]", original[:50], original.replace('"schema": 1', '"schema": 9')):
        index.write_text(text)
        with pytest.raises(StoreError, match="Pack"):
            PackedSet(plan.target)
    index.write_text(original)
    pixels.write_bytes(bytes_before[:-1])
    with pytest.raises(StoreError, match="bytes its index says"):
        PackedSet(plan.target)
    pixels.write_bytes(bytes([bytes_before[0] ^ 1]) + bytes_before[1:])
    assert PackedSet(plan.target).verify() == ["clean/0000"]


def test_a_changed_set_does_not_pass_for_the_packed_one(root, tmp_path):
    (found,) = find_sets(root, ["cbsd68"])
    pack(plan_pack(found, tmp_path))
    Image.new("RGB", (4, 4)).save(root / "CBSD68/0001.png")
    (changed,) = find_sets(root, ["cbsd68"])
    with pytest.raises(StoreError, match="delete it and pack again"):
        pack(plan_pack(changed, tmp_path))


def test_a_file_that_does_not_decode_stops_the_build_with_its_name(root, tmp_path):
    path = root / "CBSD68/0001.png"
    path.write_bytes(path.read_bytes()[:-30])
    (found,) = find_sets(root, ["cbsd68"])
    with pytest.raises(ImageRefused, match=r"0001\.png"):
        pack(plan_pack(found, tmp_path))
    assert not (tmp_path / "cbsd68.store").exists()


def test_no_room_is_said_before_anything_is_written(root, tmp_path, monkeypatch):
    (found,) = find_sets(root, ["cbsd68"])
    plan = plan_pack(found, tmp_path / "out")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10})())
    with pytest.raises(StoreError, match="GB are free"):
        pack(plan)
    assert list((tmp_path / "out").iterdir()) == []


def test_processes_build_the_same_store(root, tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.inspection.SERIAL_BELOW", 1)
    (found,) = find_sets(root, ["sots-outdoor"])
    stores = [pack(plan_pack(found, tmp_path / str(workers), workers), workers) for workers in (1, 2)]
    contents = [json.loads((store.path / "index.json").read_text()) for store in stores]
    assert contents[0] == contents[1]
    assert stores[0].path.joinpath("pixels.u8").read_bytes() == stores[1].path.joinpath("pixels.u8").read_bytes()


PAPER = [(spec.name, spec.task, spec.count, spec.repeats) for spec in catalog().values() if spec.split == "train"]


@pytest.mark.parametrize(("tasks", "total"), [(3, 142_431), (5, 226_621)])
def test_the_papers_mixture_has_as_many_entries_as_the_released_lists(tasks, total):
    sources = paper_sources(PAPER, tasks)
    assert round(sum(source.weight for source in sources)) == total
    assert {source.condition.task for source in sources} == set(PAPER_TASKS) - (
        set() if tasks == 5 else {Task.BLUR, Task.LOWLIGHT}
    )


def test_a_mixture_of_other_tasks_than_the_papers_is_refused():
    with pytest.raises(ValueError, match="3 or 5 tasks"):
        paper_sources(PAPER, 4)
