"""Files that a fault cut short, changed or refused: found, named, redone, never half believed."""

import errno
import hashlib
import json
import os
import random
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import SafetensorError

import reports.files
from ablations.harness.model_factory import build_model
from ablations.harness.run_one import find_run, run_one
from ablations.harness.training import async_checkpoint, checkpoint, train
from datasets.catalog.finder import find_sets
from datasets.store import PackedSet, StoreError, pack, plan_pack
from dfpir.weights import load_released
from reports.run_state import Status, is_done
from reports.schema import read_images
from tests.support.cached_folder import SPEC
from tests.support.checkpoints import load_latest
from tests.support.read_run import read_run
from tests.support.tiny_study import run_here

CPU = torch.device("cpu")


@pytest.fixture
def copy(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / finished.name)


def listed(folder):
    return sorted(json.loads((folder / "DONE").read_text())["files"])


def prefixes(length, count, rng):
    """Ends at which a write may stop: all of them, or the first, the last and some between."""
    if length <= count:
        return list(range(length))
    return sorted({0, 1, length - 1, *(rng.randrange(length) for _ in range(count - 3))})


def test_a_run_with_any_file_cut_short_is_not_believed(copy, tries):
    # the rename reached the disk, the data only in part: what a flush is there to prevent
    rng, count = random.Random(0), tries("prefixes of each file of a run (per file)", 4, 200)
    for name in listed(copy):
        path = copy / name
        content = path.read_bytes()
        for end in prefixes(len(content), count, rng):
            path.write_bytes(content[:end])
            assert not is_done(copy), (name, end)
        path.write_bytes(content)
    assert is_done(copy)


def test_a_run_whose_done_is_cut_short_is_not_believed(copy, tally):
    path = copy / "DONE"
    content = path.read_bytes()
    whole = json.loads(content)
    for end in range(len(content)):
        path.write_bytes(content[:end])
        if is_done(copy):
            assert json.loads(content[:end]) == whole  # only the last line feed is missing
        if end < len(content) - 1:
            assert read_run(copy).status is not Status.DONE
    tally("prefixes of DONE", len(content))


def test_a_checkpoint_cut_short_or_flipped_is_passed_over(tmp_path, tries):
    rng, count = random.Random(1), tries("prefixes and flips of a checkpoint", 60, 1000)
    for step in (1, 2):
        tensors = {"x": torch.arange(50.0) * step, "y": torch.ones(3, 3, dtype=torch.float64)}
        checkpoint.save(tmp_path, checkpoint.Checkpoint(step=step, tensors=tensors, facts={"wall_s": step}))
    newest = sorted(tmp_path.iterdir())[-1]
    content = newest.read_bytes()
    for number in range(count):
        damaged = bytearray(content)
        if number % 2:
            damaged[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        else:
            del damaged[rng.randrange(len(content)) :]
        newest.write_bytes(damaged)
        found = load_latest(tmp_path)
        assert found is not None
        assert found.step == 1


def test_garbage_under_a_right_hash_is_passed_over(tmp_path, tries):
    rng = random.Random(2)
    for number in range(tries("malformed checkpoints (garbage under a right hash)", 60, 1000)):
        content = rng.choice([b"", b"\x02\0\0\0\0\0\0\0{}", b"\x80\x04cos\nsystem\n", rng.randbytes(rng.randrange(99))])
        digest = hashlib.sha256(content).hexdigest()[:16]
        path = tmp_path / f"step-{number:09d}-{digest}.safetensors"
        path.write_bytes(content)
        assert load_latest(tmp_path) is None
        path.unlink()


def test_a_flipped_bit_anywhere_in_a_run_is_found(copy, tries):
    rng = random.Random(3)
    names = [*listed(copy), "DONE"]
    for _ in range(tries("flipped bits in run folders", 40, 500)):
        path = copy / rng.choice(names)
        content = path.read_bytes()
        damaged = bytearray(content)
        damaged[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        # DONE's own time of day has no checksum: a flip there leaves every file as it was listed
        if path.name != "DONE" or json.loads(content)["files"] != _files(damaged):
            assert not is_done(copy), path.name
        path.write_bytes(content)
    assert is_done(copy)


def _files(content):
    try:
        return json.loads(content)["files"]
    except (ValueError, KeyError, TypeError):
        return None


def test_a_flipped_bit_in_a_store_is_found_and_named(tmp_path, tries):
    rng = np.random.default_rng(0)
    for number in range(3):
        path = tmp_path / "root/CBSD68" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)).save(path)
    (found,) = find_sets(tmp_path / "root", ["cbsd68"])
    target = plan_pack(found, tmp_path).target
    pack(plan_pack(found, tmp_path))
    pixels = target / "pixels.u8"
    content = pixels.read_bytes()
    for _ in range(tries("flipped bits in stores", 40, 500)):
        damaged = bytearray(content)
        damaged[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
        pixels.write_bytes(damaged)
        assert len(PackedSet(target).verify()) == 1
    for end in range(0, len(content), 100):
        pixels.write_bytes(content[:end])
        with pytest.raises(StoreError):
            PackedSet(target)


def test_damaged_tables_and_weights_end_in_an_error_of_one_kind(copy, tmp_path, tries):
    rng = random.Random(4)
    table, weights = (copy / name for name in ("images.parquet", "weights.safetensors"))
    contents = {path: path.read_bytes() for path in (table, weights)}
    model = build_model(SPEC.config, 0)
    for number in range(tries("malformed tables and weights", 60, 2000)):
        path = (table, weights)[number % 20 == 0]
        damaged = bytearray(contents[path])
        for _ in range(rng.choice((1, 1, 5, 50))):
            damaged[rng.randrange(min(len(damaged), 4000))] = rng.randrange(256)
        if rng.random() < 0.3:
            del damaged[rng.randrange(len(damaged)) :]
        path.write_bytes(damaged)
        try:
            if path is table:
                read_images(path)
            else:
                load_released(model, path)
        except (ValueError, OSError, SafetensorError):
            continue  # any other kind of error fails the test


class Full:
    """A disk that refuses the n-th flush, and all later ones where it stays full."""

    def __init__(self, moment, code, *, stays):
        self.moment, self.code, self.stays, self.passed = moment, code, stays, 0
        self._fsync = os.fsync

    def fsync(self, descriptor):
        self.passed += 1
        if self.passed == self.moment or (self.stays and self.passed > self.moment):
            raise OSError(self.code, os.strerror(self.code))
        self._fsync(descriptor)


def test_a_disk_that_refuses_a_write_costs_that_run_alone(finished, tmp_path, tries, monkeypatch):
    rng = random.Random(5)
    other = shutil.copytree(finished, tmp_path / finished.name)
    spec = replace(SPEC, seed=1)
    # how many checkpoints there are is otherwise a matter of time
    monkeypatch.setattr(train, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    monkeypatch.setattr(async_checkpoint, "MIN_INTERVAL_COST_RATIO", 0.0)
    counted = Full(0, errno.ENOSPC, stays=False)
    with monkeypatch.context() as patch:
        patch.setattr(reports.files.os, "fsync", counted.fsync)
        run_here(spec, tmp_path / "whole")
    writes = counted.passed
    count = tries("writes refused by a full disk, a quota or a read-only folder", 3, writes)
    for moment in rng.sample(range(1, writes + 1), count):
        stays = bool(rng.randrange(2))
        shutil.rmtree(tmp_path / spec.run_id, ignore_errors=True)
        disk = Full(moment, rng.choice((errno.ENOSPC, errno.EDQUOT, errno.EROFS)), stays=stays)
        with monkeypatch.context() as patch:
            patch.setattr(reports.files.os, "fsync", disk.fsync)
            if stays:  # not even the error row can be written: the launcher's line says why
                with pytest.raises(OSError, match=re.escape(os.strerror(disk.code))):
                    run_one(spec, tmp_path, CPU, lambda progress: None)
            else:
                assert not run_one(spec, tmp_path, CPU, lambda progress: None)
        folder = find_run(tmp_path, spec)
        assert not is_done(folder)
        assert not list(tmp_path.rglob("*.part"))
        if not stays:
            assert os.strerror(disk.code) in json.loads((folder / "ERROR.json").read_text())["message"]
        assert is_done(other)
    run_here(spec, tmp_path)  # goes on from what the last refusal left
    made, expected = (root / spec.run_id / "weights.safetensors" for root in (tmp_path, tmp_path / "whole"))
    assert made.read_bytes() == expected.read_bytes()


def test_what_a_killed_writer_left_is_no_part_of_the_run(finished, tmp_path):
    copy = shutil.copytree(finished, tmp_path / finished.name)
    (copy / "DONE").unlink()
    for left in (".images.parquet.x1.part", "samples/.a.png.x2.part"):
        (copy / left).write_bytes(b"half")
    run_here(SPEC, tmp_path)
    assert not list(copy.rglob("*.part"))
    assert listed(copy) == listed(finished)
