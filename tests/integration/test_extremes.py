"""The images with the largest differences are restored again from the runs' weights, once."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from ablations.harness.extremes import write_extremes
from ablations.harness.study import study_record, write_table
from reports import schema
from reports.extremes import stored_extreme, study_extremes
from reports.files import write_json
from reports.load import load_study
from reports.subsets import main_subset
from tests.support.tiny_study import run_here, tiny_plan

CPU = torch.device("cpu")
PLAN = tiny_plan()
SPECS = {spec.run_id: spec for spec in PLAN.specs}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A root with two finished runs and their study's folder."""
    root = tmp_path_factory.mktemp("runs")
    for spec in PLAN.specs:
        run_here(spec, root)
    folder = root / schema.STUDIES_FOLDER / PLAN.folder_name
    study = study_record(PLAN, root, "command", folder)
    write_json(folder / schema.STUDY_FILE, study)
    write_table(study, root, folder)
    return root, folder


@pytest.fixture
def study(finished, tmp_path, monkeypatch):
    """A copy of it, in which every difference counts."""
    monkeypatch.setattr("reports.extremes.LEAST_DB", 0.0)
    root = tmp_path / "runs"
    shutil.copytree(finished[0], root)
    return root, root / schema.STUDIES_FOLDER / PLAN.folder_name


def files(folder):
    return {path.name: path.stat().st_mtime_ns for path in (folder / schema.EXTREMES_FOLDER).glob("*.png")}


def test_crops_are_of_the_extremes_and_of_the_tested_weights(study):
    root, folder = study
    assert write_extremes(folder, root, SPECS, CPU) == 2
    loaded = main_subset(load_study(folder))
    for extreme in study_extremes(loaded):
        stored = stored_extreme(loaded, extreme)
        assert stored is not None
        top, left, height, width = stored.record["box"]
        for side, name in (("variant", extreme.variant), ("reference", extreme.reference)):
            run = next(root.glob(f"{name}-s0-*"))
            samples = json.loads((run / schema.SAMPLES_FILE).read_text())
            sample = next(s for s in samples if (s["condition"], s["image"]) == (extreme.condition, extreme.image))
            assert sample["psnr_db"] == pytest.approx(dict(stored.record)[f"{side}_psnr_db"], abs=1e-6)
            complete = np.asarray(Image.open(run / schema.SAMPLES_FOLDER / sample["restored"]))  # 24 px: one crop
            crop = np.asarray(Image.open(stored.files[side]))
            assert np.array_equal(crop, complete[top : top + height, left : left + width])
    assert len(files(folder)) == 8


def test_what_is_there_is_not_made_again(study):
    root, folder = study
    write_extremes(folder, root, SPECS, CPU)
    before = files(folder)
    assert write_extremes(folder, root, {}, CPU) == 0
    assert files(folder) == before
    records = json.loads((folder / schema.EXTREMES_FILE).read_text())
    records[0]["variant_psnr_db"] += 0.01  # of runs that have other scores now
    write_json(folder / schema.EXTREMES_FILE, records)
    assert write_extremes(folder, root, SPECS, CPU) == 1
    assert files(folder).keys() == before.keys()
    (folder / schema.EXTREMES_FOLDER / records[1]["files"]["clean"]).unlink()
    assert write_extremes(folder, root, SPECS, CPU) == 1
    (folder / schema.EXTREMES_FOLDER / "of-an-earlier-study.png").touch()
    assert write_extremes(folder, root, SPECS, CPU) == 0
    assert files(folder).keys() == before.keys()


def test_without_weights_nothing_is_made(study, tmp_path):
    root, folder = study
    assert write_extremes(folder, root, {}, CPU) == 0
    assert write_extremes(folder, tmp_path / "elsewhere", SPECS, CPU) == 0
    assert not (folder / schema.EXTREMES_FOLDER).exists()


def test_other_weights_are_refused(study, tmp_path):
    root, folder = study
    others = tmp_path / "others"
    first, second = SPECS
    for name, source in ((first, second), (second, first)):
        (others / name).mkdir(parents=True)
        shutil.copy(root / source / schema.WEIGHTS_FILE, others / name)
    with pytest.raises(ValueError, match="its weights are not those that were tested"):
        write_extremes(folder, others, SPECS, CPU)
    assert not (folder / schema.EXTREMES_FILE).exists()
