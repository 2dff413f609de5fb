"""Rows of other sets, protocols and of images seen in training get tables of their own, never a shared column."""

import json

import pandas as pd
import pytest

from reports import schema
from reports.build import build_report
from reports.files import sha256_of, write_json
from reports.load import load
from reports.subsets import main_subset, other_subsets


def _rows(dataset, protocol, condition, count, seen):
    return [
        {
            "run_id": "r-s0-00000000", "variant": "r", "seed": 0, "dataset": dataset, "protocol": protocol,
            "task": schema.task_of(condition), "condition": condition, "image": f"{dataset}/{n}",
            "scene": f"{dataset}/{n}", "in_training_set": ("yes" if n < seen else "no"), "metric": metric,
            "value": 30.0 + n, "input_value": 20.0,
        }
        for n in range(count)
        for metric in ("psnr_db", "ssim")
    ]  # fmt: skip


@pytest.fixture
def run(tmp_path):
    """A finished run on two noise sets and one rain set that leaks, scored under two protocols."""
    folder = tmp_path / "r-s0-00000000"
    rows = []
    for protocol in ("allinone-v1", "restormer-v1"):
        rows += _rows("cbsd68", protocol, "noise-25", 4, 0)
        rows += _rows("urban100", protocol, "noise-25", 3, 0)
        rows += _rows("rain100l-test", protocol, "rain", 4, 3)
    frame = pd.DataFrame(rows)
    frame["value"] = frame["value"].where(frame["metric"] == "psnr_db", 0.9)
    frame["input_value"] = frame["input_value"].where(frame["metric"] == "psnr_db", 0.5)
    schema.write_images(frame, folder / schema.IMAGES_FILE)
    sets = ["cbsd68", "urban100", "rain100l-test"]
    spec = {
        "schema": 1, "run_id": folder.name, "variant": "r", "seed": 0, "identity": {}, "model": {},
        "data": {"name": "paper", "checksum": "c", "sets": sets}, "budget": {}, "protocol": "allinone-v1",
        "text_encoder": "clip", "prompt_set": None, "precision": "fp32",
    }  # fmt: skip
    write_json(folder / schema.SPEC_FILE, spec)
    files = {p.name: sha256_of(p) for p in folder.iterdir()}
    write_json(folder / schema.DONE_FILE, {"finished_at": "2026-01-01", "files": files})
    return folder


def test_the_main_table_has_one_protocol_and_one_set_a_column(run):
    images = main_subset(load([run])).rows
    assert set(images["protocol"]) == {"allinone-v1"}
    assert images.groupby("condition")["dataset"].unique().map(list).to_dict() == {
        "noise-25": ["cbsd68"],
        "rain": ["rain100l-test"],
    }


def test_everything_else_has_a_table_of_its_own(run):
    parts = {part.title: part.study.rows for part in other_subsets(load([run]))}
    assert list(parts) == [
        "Test images in the training set",
        "Test images not in the training set",
        "Test set Urban100",
        "Protocol restormer-v1",
    ]
    seen, unseen = (parts[f"Test images {word} the training set"] for word in ("in", "not in"))
    assert set(seen["condition"]) == set(unseen["condition"]) == {"rain"}  # noise has no image seen: nothing to compare
    assert seen["image"].nunique() == 3
    assert unseen["image"].nunique() == 1
    assert set(parts["Test set Urban100"]["protocol"]) == {"allinone-v1"}
    assert set(parts["Protocol restormer-v1"]["dataset"]) == {"cbsd68", "rain100l-test"}


@pytest.mark.usefixtures("blank_figures")
def test_the_page_and_the_tables_show_them(run, tmp_path):
    page = build_report([run], tmp_path / "out").read_text(encoding="utf-8")
    markdown = (tmp_path / "out" / schema.TABLE_MD_FILE).read_text(encoding="utf-8")
    for title in ("Test images in the training set", "Test set Urban100", "Protocol restormer-v1"):
        assert title in page
        assert f"## {title}" in markdown


@pytest.mark.usefixtures("blank_figures")
def test_captions_name_the_test_sets_and_not_the_data(run, tmp_path):
    """The run's data are called "paper"; noise was tested on CBSD68, rain on Rain100L."""
    page = build_report([run], tmp_path / "out").read_text(encoding="utf-8")
    code = (tmp_path / "out" / schema.TABLE_TEX_FILE).read_text(encoding="utf-8")
    sets = "noise: CBSD68, 4 images; rain: Rain100L, 4 images."
    assert f"protocol allinone-v1 · {sets}" in page
    assert f"Protocol allinone-v1; {sets}" in code
    assert "Protocol allinone-v1; Urban100, 3 images." in code
    assert "paper" not in code


def test_runs_of_different_protocols_are_still_refused(run, tmp_path):
    other = tmp_path / "q-s0-00000001"
    frame = schema.read_images(run / schema.IMAGES_FILE).assign(run_id=other.name, variant="q")
    schema.write_images(frame, other / schema.IMAGES_FILE)
    spec = json.loads((run / schema.SPEC_FILE).read_text())
    write_json(other / schema.SPEC_FILE, spec | {"run_id": other.name, "variant": "q", "protocol": "restormer-v1"})
    files = {p.name: sha256_of(p) for p in other.iterdir()}
    write_json(other / schema.DONE_FILE, {"finished_at": "2026-01-01", "files": files})
    with pytest.raises(ValueError, match="Refusing to mix protocols"):
        build_report([run, other], tmp_path / "out")
