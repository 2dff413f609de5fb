"""Pairs in one flat folder, names that are no text, and what is refused for training."""

from __future__ import annotations

import os
import re
import shutil
import sys

import numpy as np
import pytest

from ablations.data import open_data
from datasets.pairs.layouts import find_pair_sets
from datasets.protocols import get_protocol
from datasets.sources.folder import load_folder
from datasets.tasks import Task
from datasets.test_sets.discovery import find_test_sets
from datasets.test_sets.opening import TestQuery, open_clean_images
from tests.support.pair_folders import pair, picture, write

FLAT = [
    ("{}_rain", "{}_clean", Task.RAIN),
    ("{}_noisy", "{}_gt", Task.NOISE),
    ("{}_hazy", "{}_GT", Task.HAZE),
    ("{}_input", "{}_target", None),
    ("{}_lq", "{}_hq", None),
    ("{}_blur", "{}_sharp", Task.BLUR),
    ("{}-Low", "{}-High", Task.LOWLIGHT),
    ("rain-{}", "norain-{}", Task.RAIN),
]


@pytest.mark.parametrize(("bad", "good", "task"), FLAT)
def test_pairs_in_one_folder_are_never_clean_images(tmp_path, bad, good, task):
    for number in range(10):
        pair(tmp_path, f"{bad.format(number)}.png", f"{good.format(number)}.png", number)
    write(tmp_path / "cover.png", picture(77))
    told: Task = task or Task.RAIN
    (scored,), (found,) = find_test_sets(tmp_path, told), find_pair_sets(tmp_path, [told])
    assert scored.task is told
    assert [(p.degraded.stem, p.clean.stem) for p in found.pairs] == [
        (bad.format(number), good.format(number)) for number in range(10)
    ]
    assert any("1 image outside of these folders not used (cover.png)" in words for words in scored.notes)
    if task is Task.NOISE:
        return
    data = load_folder(tmp_path, tasks=[told])
    assert (len(data.train), len(data.val), len(data.test)) == (8, 1, 1)
    assert {c.task for c in data.conditions} == {told}
    sample = data.train[0]
    assert np.abs(sample.degraded.astype(int) - (sample.clean // 2 + 60)).max() == 0


def test_pairs_in_one_folder_keep_its_parts_and_name_what_has_no_partner(tmp_path):
    for number in range(6):
        pair(tmp_path, f"train/{number}_rain.png", f"train/{number}_clean.png", number)
        pair(tmp_path, f"test/{number}_rain.png", f"test/{number}_clean.png", 20 + number)
    write(tmp_path / "train/9_rain.png", picture(9))
    with pytest.raises(ValueError, match=r"1 degraded images have no clean partner \(train/9_rain.png\)"):
        load_folder(tmp_path)
    (tmp_path / "train/9_rain.png").unlink()
    data = load_folder(tmp_path)
    assert len(data.test) == 6
    assert "pairs of train/*_rain + *_clean" in data.description or "pairs of test/*_rain" in data.description
    write(tmp_path / "test/3_gt.png", picture(3))
    with pytest.raises(ValueError, match=r"3_rain\.png has several clean partners"):
        load_folder(tmp_path)


def test_a_pair_among_other_images_is_refused_with_the_layouts(tmp_path):
    for number in range(8):
        write(tmp_path / f"{number}.png", picture(number))
    pair(tmp_path, "a_low.png", "a_high.png", 50)
    for use in (load_folder, lambda folder: open_clean_images(folder, TestQuery(rules=get_protocol("suite")))):
        with pytest.raises(ValueError, match=r"a_low.png and a_high.png look like a pair.*degraded/ \+ clean/"):
            use(tmp_path)
    write(tmp_path / "a_low.png", picture(51))  # another picture of such a name
    assert len(load_folder(tmp_path).train) == 8


def test_images_called_after_one_side_alone_are_clean_images(tmp_path):
    for number in range(10):
        write(tmp_path / f"{number}_clean.png", picture(number))
    data = load_folder(tmp_path)
    assert data.train[0].degraded is None


@pytest.mark.skipif(sys.platform != "linux", reason="names that are no text exist on Linux")
@pytest.mark.parametrize("paired", [False, True])
def test_names_that_are_no_text_are_trained_on(tmp_path, paired):
    """`'utf-8' codec can't encode character '\\udce9'`, and no file was named."""
    for number in range(6):
        pair(tmp_path, f"rainy/{number}.png", f"gt/{number}.png", number)
    if not paired:
        shutil.rmtree(tmp_path / "rainy")
    for side in tmp_path.iterdir():
        (side / "3.png").rename(os.fsdecode(os.fsencode(side) + b"/caf\xe9.png"))
    ref, data = open_data(str(tmp_path))
    names = [sample.name for sample in (*data.train, *data.val, *data.test)]
    assert any("caf\\udce9" in name for name in names)
    for text in (*names, *(s.scene for s in data.train), ref.description):
        text.encode()
    broken = next(tmp_path.rglob("caf*"))
    broken.write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"caf\\udce9.png: not an image of a known format"):
        load_folder(tmp_path)
    assert "files skipped" in load_folder(tmp_path, skip_bad=True).description


def test_the_refusal_of_noisy_pairs_says_what_to_train_on(tmp_path):
    for number in range(6):
        pair(tmp_path / "apart", f"noisy/{number}.png", f"reference/{number}.png", number)
        pair(tmp_path / "flat", f"{number}_noisy.png", f"{number}_gt.png", number)
    clean = re.escape(f"Train with --data {tmp_path / 'apart/reference'}; ablations.evaluate --data {tmp_path}")
    with pytest.raises(ValueError, match=clean):
        load_folder(tmp_path / "apart")
    assert len(load_folder(tmp_path / "apart/reference").train) == 4
    with pytest.raises(ValueError, match=r"\(\*_noisy \+ \*_gt\).*--data FOLDER, one of the clean images alone"):
        load_folder(tmp_path / "flat")
