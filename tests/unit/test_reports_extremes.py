"""The images with the largest differences: which they are, and the crops of them in the study's folder."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from reports import schema
from reports.extremes import (
    FILES,
    differences,
    extremes_among,
    extremes_of,
    scores_by_seed,
    stored_extreme,
    study_extremes,
)
from reports.figures import differences as figure
from reports.load import load
from tests.support.fake_runs import gamma_study, write_runs

EFFECTS = {"dfpir_g90": 0.2, "dfpir_g100": 0.0}


@pytest.fixture
def study(tmp_path):
    return load([write_runs(tmp_path, gamma_study(effect_db=EFFECTS, failed=(), aliases={}, patches=2))])


def gaps(*values):
    keys = [("set", "rain", f"image-{n}") for n in range(len(values))]
    index = pd.MultiIndex.from_tuples(keys, names=["dataset", "condition", "image"])
    frame = pd.DataFrame({"variant": 30 + np.array(values), "reference": 30.0, "gap": values}, index=index)
    return frame.sort_values("gap")


def store(study, extreme, **changes):
    """An entry of extremes.json with its crops."""
    scores = scores_by_seed(study, extreme)
    folder = study.folder / schema.EXTREMES_FOLDER
    folder.mkdir(exist_ok=True)
    files = {name: f"{extreme.kind}-{name}.png" for name in FILES}
    for name in files.values():
        Image.new("RGB", (8, 8)).save(folder / name)
    first = scores.iloc[0]
    record = {
        "variant": extreme.variant, "reference": extreme.reference, "dataset": extreme.dataset,
        "condition": extreme.condition, "image": extreme.image, "seed": int(scores.index[0]), "box": [0, 0, 8, 8],
        "files": files, **{f"{side}_psnr_db": first[side] for side in ("variant", "reference", "input")}, **changes,
    }  # fmt: skip
    (study.folder / schema.EXTREMES_FILE).write_text(json.dumps([record]))


def test_extremes_by_hand():
    highest, lowest = extremes_of(gaps(0.3, -1.2, 0.9, 0.0), "a", "b")
    assert (highest.kind, highest.image, highest.rank) == ("highest", "image-2", 4)
    assert (lowest.kind, lowest.image, lowest.rank) == ("lowest", "image-1", 1)
    assert highest.gap_db == pytest.approx(0.9)


def test_a_difference_that_nobody_sees_is_left_out():
    assert [e.kind for e in extremes_of(gaps(0.3, -0.049, 0.1), "a", "b")] == ["highest"]
    assert extremes_of(gaps(0.03, -0.04), "a", "b") == []


def test_extremes_among_some_images():
    table = gaps(0.3, -1.2, 0.9, 0.5)  # sorted: images 1, 0, 3, 2
    found = extremes_among(table, [False, True, True, False], "a", "b")
    assert [(e.kind, e.image) for e in found] == [("highest", "image-3"), ("lowest", "image-0")]
    assert [e.image for e in extremes_among(table, [False, True, False, False], "a", "b")] == ["image-0"]
    assert extremes_among(table, [False] * 4, "a", "b") == []


def test_extremes_of_a_study_are_those_of_its_rows(study):
    table = differences(study, "dfpir_g90", "dfpir_g100")
    highest, lowest = study_extremes(study)
    assert highest.gap_db == pytest.approx(table["gap"].max())
    assert lowest.gap_db == pytest.approx(table["gap"].min())
    scores = scores_by_seed(study, highest)
    apart = (scores["variant"] - scores["reference"] - highest.gap_db).abs()
    assert apart.is_monotonic_increasing
    assert set(scores.index) == {0, 1}


def test_stored_crops_are_used_while_the_scores_are_the_same(study):
    highest, lowest = study_extremes(study)
    assert stored_extreme(study, highest) is None
    store(study, highest)
    found = stored_extreme(study, highest)
    assert found is not None
    assert found.files["variant"].name == "highest-variant.png"
    assert stored_extreme(study, lowest) is None
    rows = study.rows.assign(value=study.rows["value"].where(study.rows["seed"] == 9, study.rows["value"] + 0.01))
    assert stored_extreme(replace(study, rows=rows), highest) is None


@pytest.mark.parametrize(
    "changes", [{"files": {}}, {"files": dict.fromkeys(FILES, "../../study.json")}, {"seed": 7}, {"input_psnr_db": "x"}]
)
def test_an_entry_that_is_odd_is_no_entry(study, changes):
    highest = study_extremes(study)[0]
    store(study, highest, **changes)
    assert stored_extreme(study, highest) is None


def test_the_figure_falls_back_to_stored_crops_and_says_so(study, tmp_path):
    without = figure.draw(study, study.analysis(schema.PSNR), tmp_path / "figures")[0]
    assert "largest differences with a stored crop (highest: scene0-crop0" in without.caption
    store(study, study_extremes(study)[0])
    with_crops = figure.draw(study, study.analysis(schema.PSNR), tmp_path / "figures")[0]
    assert "the extremes (highest:" in with_crops.caption
    assert "stored" not in with_crops.caption


def test_stored_crops_are_those_that_both_runs_kept(study):
    table = differences(study, "dfpir_g90", "dfpir_g100")
    highest, lowest = figure.crops_of_samples(study, "dfpir_g90", "dfpir_g100", table)
    of_samples = table.xs("scene0-crop0", level="image")["gap"]  # the one image with crops
    assert highest.extreme.gap_db == pytest.approx(of_samples.max())
    assert lowest.extreme.gap_db == pytest.approx(of_samples.min())
    assert highest.seed == 0
