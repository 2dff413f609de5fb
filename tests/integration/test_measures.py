"""Measures of finished runs: they agree with the run's own numbers, are taken once, and never harm the run."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from rich.console import Console

from ablations.harness.provisional_report import build_provisional_report
from ablations.harness.run_one import find_run
from ablations.harness.study import study_record, write_table
from ablations.harness.training import snapshots
from ablations.measures import registry
from ablations.measures.compute import compute_measures, error_path, missing_measures
from ablations.spec import Phase
from reports.load import load
from reports.run_state import is_done
from reports.schema import MEASURE_COLUMNS, PSNR, TABLE_COLUMNS, TABLE_PARQUET_FILE, read_images, read_measure
from tests.support.tiny_study import TINY, run_here, tiny_plan

CPU = torch.device("cpu")
SPEC = tiny_plan("prompts", ("dfpir",)).specs[0]
NAMES = tuple(MEASURE_COLUMNS)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A finished run with every measure, made once: its folder."""
    root = tmp_path_factory.mktemp("measured")
    run_here(SPEC, root)
    folder = root / SPEC.run_id
    assert compute_measures(SPEC, folder, NAMES, CPU, TINY.measuring) == []
    return folder


def own_psnr(folder):
    rows = read_images(folder / "images.parquet")
    return rows[rows["metric"] == PSNR].set_index(["condition", "image"])["value"]


@pytest.mark.parametrize(
    ("measure", "right"),
    [
        ("prompts", lambda rows: rows[rows["condition"] == rows["prompt"]]),
        ("precision", lambda rows: rows[rows["number_format"] == "fp32"]),
        ("levels", lambda rows: rows[rows["condition"].str.fullmatch("noise-(15|25|50)")]),
    ],
)
def test_what_a_measure_shares_with_the_evaluation_is_equal(measured, measure, right):
    rows = right(read_measure(measured, measure)[0]).set_index(["condition", "image"])["value"]
    assert len(rows) == {"prompts": 7, "precision": 7, "levels": 3}[measure]
    own = own_psnr(measured)[rows.index]
    np.testing.assert_allclose(rows.to_numpy(), own.to_numpy(), rtol=0, atol=1e-9)


def test_responses_hold_what_they_should(measured):
    prompts = read_measure(measured, "prompts")[0]
    assert len(prompts) == 7 * 7
    # a tiny model hardly trained: but another prompt is another channel order, so the output is another
    assert prompts.groupby(["condition", "image"])["value"].nunique().min() > 1
    levels = read_measure(measured, "levels")[0].set_index("condition")
    assert set(levels.index) == {
        "noise-10", "noise-15", "noise-25", "noise-35", "noise-50", "noise-75",
        "rain-25", "rain-50", "rain-100", "rain-200", "rain-400",
    }  # fmt: skip
    worse = levels["input_value"]
    assert worse["noise-10"] > worse["noise-35"] > worse["noise-75"]
    assert worse["rain-25"] > worse["rain-100"] > worse["rain-400"]
    assert levels.loc["noise-35", "prompt"] in ("noise-25", "noise-50")
    mixed = read_measure(measured, "mixed")[0]
    assert set(zip(mixed["condition"], mixed["prompt"], strict=True)) == {
        ("rain+noise-25", "rain"), ("rain+noise-25", "noise-25"), ("haze+noise-25", "haze"),
        ("haze+noise-25", "noise-25"), ("blur+lowlight", "blur"), ("blur+lowlight", "lowlight"),
    }  # fmt: skip
    moves = read_measure(measured, "order_moves")[0]
    by_format = moves.groupby("number_format")["moved_share"].mean()
    assert 0 <= by_format["fp16"] < by_format["bf16"] < 1, "bf16 keeps fewer digits"


def test_gradients_are_taken_at_several_moments(measured):
    rows, metadata = read_measure(measured, "interference")
    assert sorted(set(rows["fraction"])) == [0, 0.5, 1]
    assert sorted(set(rows["step"])) == [0, 5, 10]
    assert json.loads(metadata["settings"])["run"] == SPEC.digest
    assert set(read_measure(measured, "information")[0]["part"]) == {"block", "channel"}


def test_measures_leave_the_run_as_it_is_and_are_taken_once(measured, monkeypatch):
    assert is_done(measured)
    assert missing_measures(SPEC, measured, NAMES, TINY.measuring) == []
    monkeypatch.setattr("ablations.measures.compute.load_run", lambda *a: pytest.fail("taken again"))
    assert compute_measures(SPEC, measured, NAMES, CPU, TINY.measuring) == []
    larger = replace(TINY.measuring, draws=3)
    assert missing_measures(SPEC, measured, NAMES, larger) == ["interference"]


def test_a_measure_that_fails_says_why_and_harms_no_other(measured, monkeypatch):
    def broken(run):
        raise RuntimeError("no luck")

    monkeypatch.setitem(
        registry.MEASURES._entries, "mixed", replace(registry.MEASURES["mixed"], compute=broken, version=99)
    )
    assert compute_measures(SPEC, measured, ("mixed", "levels"), CPU, TINY.measuring) == ["mixed"]
    error = json.loads(error_path(measured, "mixed").read_text())
    assert (error["type"], error["message"]) == ("RuntimeError", "no luck")
    assert is_done(measured)
    monkeypatch.undo()
    assert compute_measures(SPEC, measured, ("mixed",), CPU, TINY.measuring) == []
    assert (
        not error_path(measured, "mixed").is_file()
        or missing_measures(SPEC, measured, ("mixed",), TINY.measuring) == []
    )


def test_a_truncated_table_is_taken_again(measured):
    path = measured / "measures" / "levels.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert missing_measures(SPEC, measured, NAMES, TINY.measuring) == ["levels"]
    compute_measures(SPEC, measured, NAMES, CPU, TINY.measuring)
    assert missing_measures(SPEC, measured, NAMES, TINY.measuring) == []


def test_a_model_without_prompts_or_blocks_has_empty_tables(tmp_path):
    spec = tiny_plan("interference", ("restormer",)).specs[0]
    run_here(spec, tmp_path)
    folder = tmp_path / spec.run_id
    assert compute_measures(spec, folder, NAMES, CPU, TINY.measuring) == []
    for name in ("precision", "order_moves", "information"):
        assert len(read_measure(folder, name)[0]) == 0
    rows = read_measure(folder, "prompts")[0]
    assert rows.groupby(["condition", "image"])["value"].nunique().max() == 1, "told anything, it does the same"


@pytest.mark.usefixtures("blank_figures")
def test_an_early_look_shows_the_last_tenth_that_all_begun_runs_reached(tmp_path):
    plan = tiny_plan("prompts", ("dfpir", "dfpir_empty_prompts", "dfpir_onehot_prompts"))
    first, second, _ = plan.specs
    with pytest.raises(ValueError, match="reached a tenth"):
        build_provisional_report(plan, tmp_path, CPU, Console(quiet=True), command="again")
    for spec, last in ((first, 10), (second, 4)):
        run_here(spec, tmp_path)
        folder = find_run(tmp_path, spec)
        gone = [t for t in range(last + 1, 11)]
        snapshots.checkpoint.remove_steps(folder / "snapshots", [snapshots.step_at(spec.recipe, t) for t in gone])
        if last < 10:
            (folder / "DONE").unlink()
    report = build_provisional_report(plan, tmp_path, CPU, Console(quiet=True), command="again")
    assert "after 40 % of the training" in report.read_text()
    study = load([report.parent])
    assert {run.summary["steps"] for run in study.runs.values()} == {4}
    assert study.variants == (first.variant, second.variant)
    snapshot_images = read_images(tmp_path / "provisional" / "tenth-04" / first.run_id / "images.parquet")
    assert not np.allclose(snapshot_images["value"], read_images(tmp_path / first.run_id / "images.parquet")["value"])


def test_a_row_made_of_one_model_a_task(tmp_path):
    one_step = (Phase(steps=1, lr=1e-3, patch=16, batch=1),)
    plan = tiny_plan("all_in_one_vs_single", ("restormer@each",), phases=one_step, validations=1)
    assert [spec.variant for spec in plan.specs] == [
        f"restormer@{task}" for task in ("noise", "rain", "haze", "blur", "lowlight")
    ]
    for spec in plan.specs:
        run_here(spec, tmp_path)
    folder = tmp_path / "studies" / plan.folder_name
    file = study_record(plan, tmp_path, "again")
    assert write_table(file, tmp_path, folder) > 0
    table = read_images(folder / TABLE_PARQUET_FILE, columns=TABLE_COLUMNS)
    assert set(table["variant"]) == {"restormer@each"}
    assert set(table["condition"]) == set(SPEC.conditions)
    assert not table.duplicated(["variant", "seed", "condition", "image", "metric"]).any()
    assert len({row["run_id"] for row in file["rows"]}) == 5
