"""Packed stores that are stale or damaged: refused or named, never scored in silence."""

from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from datasets.__main__ import main
from datasets.catalog.finder import find_sets
from datasets.check import check_root
from datasets.protocols import get_protocol
from datasets.sources.loading import stored_sets, stores_note
from datasets.store import PackedSet, StoreError, pack, plan_pack
from datasets.test_sets.opening import TestQuery, open_test_sets


def picture(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (48, 64, 3), dtype=np.uint8)).save(path)


@pytest.fixture
def root(tmp_path):
    """Three rain pairs as files, and the store that was made from them."""
    base = tmp_path / "root"
    for number in (1, 2, 3):
        for side in ("degraded", "clean"):
            picture(base / f"Rain100L/{side}/{number}.png", number)
    (found,) = find_sets(base, ["rain100l-test"])
    pack(plan_pack(found, base))
    return base


def evaluated(root):
    return open_test_sets(root, TestQuery(rules=get_protocol("allinone"), training=root))


def test_that_a_store_is_read_is_said(root):
    assert evaluated(root).description.endswith("; read from packed stores: rain100l-test")


def change_pixels(root):
    picture(root / "Rain100L/degraded/1.png", 7)


def add_a_pair(root):
    for side in ("degraded", "clean"):
        picture(root / f"Rain100L/{side}/8.png", 8)


def take_one_away(root):
    (root / "Rain100L/clean/2.png").unlink()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (change_pixels, r"degraded/1\.png is another file"),
        (add_a_pair, "clean holds 4 images, or others by name, and held 3"),
        (take_one_away, r"clean/2\.png is gone"),
    ],
)
def test_a_stale_store_is_refused_with_the_command_that_packs_it_again(root, capsys, change, said):
    change(root)
    with pytest.raises(StoreError, match=f"{said}.*delete it, then: python -m datasets pack rain100l-test --root") as e:
        evaluated(root)
    assert "\n" not in str(e.value)
    assert main(["check", str(root)]) == 1
    out = capsys.readouterr().out
    assert "rain100l-test: packed, 3 images, whole and out of date" in out
    assert "rain100l-test: stale: " in out


def test_score_reads_the_store_too_and_says_so(root, capsys):
    files = main(["score", str(root), "--protocol", "allinone"]), capsys.readouterr().out
    shutil.rmtree(root / "Rain100L")
    assert (main(["score", str(root), "--protocol", "allinone"]), capsys.readouterr().out) == files
    assert "note: read from packed stores: rain100l-test\n" in files[1]


def test_packing_again_after_deleting_it_helps(root):
    change_pixels(root)
    (found,) = find_sets(root, ["rain100l-test"])
    with pytest.raises(StoreError, match="delete it and pack again"):
        pack(plan_pack(found, root))
    shutil.rmtree(root / "rain100l-test.store")
    pack(plan_pack(found, root))
    assert evaluated(root)


def test_a_copy_a_move_and_a_store_without_its_files_are_current(root, tmp_path):
    copied = tmp_path / "copied"
    shutil.copytree(root, copied, copy_function=shutil.copyfile)
    os.utime(copied / "Rain100L/clean/1.png")
    root.rename(tmp_path / "moved")
    shutil.rmtree(tmp_path / "moved/Rain100L")
    for place in (copied, tmp_path / "moved"):
        assert stored_sets(place)["rain100l-test"].describe_change() == ""


def test_damage_is_found_by_check_and_when_the_image_is_read(root, capsys):
    shutil.rmtree(root / "Rain100L")
    path = root / "rain100l-test.store"
    at = PackedSet(path).entries[0].offset
    with (path / "pixels.u8").open("r+b") as file:
        file.seek(at)
        file.write(bytes(400))
    store = stored_sets(root)["rain100l-test"]
    with pytest.raises(
        StoreError,
        match=r"is damaged at clean/1: put the set's files back beside it, delete it, then: python -m datasets pack",
    ):
        store.verified_image(0)
    assert main(["check", str(root)]) == 1
    out = capsys.readouterr().out
    assert "rain100l-test: packed, 3 images, 1 of 6 images damaged and current" in out
    assert "rain100l-test: damaged: " in out
    assert "clean/1" in out
    assert "1 problems" in out
    report = check_root(root)
    assert "rain100l-test" not in report.absent
    assert [problem.kind for problem in report.problems] == ["damaged"]


def test_a_root_of_stores_alone_passes_the_check(root, capsys):
    shutil.rmtree(root / "Rain100L")
    assert main(["check", str(root)]) == 0
    assert "rain100l-test: packed, 3 images, whole and current" in capsys.readouterr().out


def test_a_store_of_an_earlier_version_is_read_and_says_what_it_lacks(root):
    index = root / "rain100l-test.store/index.json"
    content = json.loads(index.read_text())
    del content["sources"]
    index.write_text(json.dumps(content))
    stores = stored_sets(root)
    assert stores_note(list(stores.values())) == (
        "read from packed stores: rain100l-test (made before stores recorded their files, so changes go unnoticed: "
        "rain100l-test)"
    )
    assert evaluated(root)
    content["sources"] = {"files": [], "folders": [], "digest": "0"}
    index.write_text(json.dumps(content))
    with pytest.raises(StoreError, match="record of its sources is damaged"):
        stored_sets(root)
