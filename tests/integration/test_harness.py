"""A run from its spec to DONE: what it leaves, that it repeats bit by bit, and what goes wrong."""

import json
import random
import shutil
import signal
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch
from skimage.metrics import peak_signal_noise_ratio

import ablations.harness.training.train as training
from ablations.data import load_data
from ablations.harness.context import run_context
from ablations.harness.evaluate import restore_items
from ablations.harness.launch.job import JobOptions
from ablations.harness.launch.torchrun import TorchrunLauncher
from ablations.harness.run_one import find_run
from ablations.harness.study import run_plan, study_record, write_table
from ablations.harness.training.distributed import SINGLE_PROCESS
from datasets.tasks import condition_named
from dfpir import RestorationUNet
from dfpir.weights import load_weights
from reports.run_state import is_done
from reports.schema import TABLE_COLUMNS, TABLE_PARQUET_FILE, read_images
from tests.support.cached_folder import SPEC
from tests.support.forks import warm_context
from tests.support.killed import run_and_be_killed
from tests.support.tiny_study import run_here, tiny_plan


def numbers(folder):
    return read_images(folder / "images.parquet").drop(columns=["run_id"])


def test_what_a_run_leaves(finished):
    names = {p.name for p in finished.iterdir()}
    assert names == {
        "spec.json", "env.json", "train.jsonl", "images.parquet", "samples", "probes.safetensors",
        "weights.safetensors", "summary.json", "DONE", "snapshots",
    }  # fmt: skip
    assert is_done(finished)
    rows = read_images(finished / "images.parquet")
    assert len(rows) == 5 * 1 * 2
    assert set(rows["condition"]) == set(SPEC.conditions)
    log = [json.loads(line) for line in (finished / "train.jsonl").read_text().splitlines()]
    assert [row["step"] for row in log if "loss" in row] == [2, 4, 6, 7, 8, 10]
    assert [row["step"] for row in log if "val_psnr_db" in row] == [4, 7, 10]
    spec = json.loads((finished / "spec.json").read_text())
    assert spec["identity"] == SPEC.identity()
    env = json.loads((finished / "env.json").read_text())
    assert env["threads"] == 1
    assert env["packages"]["torch"] == torch.__version__.partition("+")[0] or env["packages"]["torch"]


def test_stored_weights_give_the_stored_scores(finished):
    # an independent way from weights.safetensors to images.parquet: skimage's PSNR on the restored image
    model = RestorationUNet(SPEC.config).eval()
    load_weights(model, safetensors.torch.load_file(finished / "weights.safetensors"))
    run = run_context(SPEC, torch.device("cpu"))
    conditions = [condition_named(name) for name in SPEC.conditions]
    items = run.bundle.eval_items("test", conditions, max_side=24, limit=1)
    table = read_images(finished / "images.parquet").query("metric == 'psnr_db'")
    rows = {(row["condition"], row["image"]): row for row in table.to_dict("records")}
    for item, restored in restore_items(run, model, items):
        pixels = restored[0].clamp(0, 1).permute(1, 2, 0).double().numpy()
        expected = peak_signal_noise_ratio(item.clean / 255.0, pixels, data_range=1.0)
        stored = rows[item.condition.name, item.name]
        assert stored["value"] == pytest.approx(expected, abs=1e-6)
        given = peak_signal_noise_ratio(item.clean / 255.0, item.degraded / 255.0, data_range=1.0)
        assert stored["input_value"] == pytest.approx(given, abs=1e-6)


def test_the_same_run_twice_is_bit_equal(finished, tmp_path):
    run_here(SPEC, tmp_path)
    again = tmp_path / SPEC.run_id
    pd.testing.assert_frame_equal(numbers(finished), numbers(again), check_exact=True)
    for name in ("weights.safetensors", "probes.safetensors"):
        first, second = (safetensors.torch.load_file(folder / name) for folder in (finished, again))
        assert first.keys() == second.keys()
        assert all(torch.equal(first[key], second[key]) for key in first), name


def test_a_done_run_is_not_done_again_unless_forced(finished):
    before = (finished / "DONE").stat().st_mtime_ns
    assert run_here(SPEC, finished.parent) == []
    assert (finished / "DONE").stat().st_mtime_ns == before


def test_a_damaged_run_is_done_again(finished, tmp_path):
    shutil.copytree(finished, tmp_path / SPEC.run_id)
    table = tmp_path / SPEC.run_id / "images.parquet"
    content = bytearray(table.read_bytes())
    content[len(content) // 2] ^= 1
    table.write_bytes(content)
    assert not is_done(tmp_path / SPEC.run_id)
    run_here(SPEC, tmp_path)
    pd.testing.assert_frame_equal(numbers(finished), numbers(tmp_path / SPEC.run_id), check_exact=True)


def test_checkpoints_are_chosen_on_validation_images_alone(monkeypatch, tmp_path):
    asked = []
    bundle = load_data(SPEC)
    original = type(bundle).eval_items

    def spy(self, split, *args, **kwargs):
        asked.append(split)
        return original(self, split, *args, **kwargs)

    monkeypatch.setattr(type(bundle), "eval_items", spy)
    scores = iter([9.0, 20.0, 8.0])  # at steps 4, 7 and 10
    monkeypatch.setattr(training, "validation_scores", lambda *arguments: ({"rain": 1.0}, next(scores)))
    spec = replace(SPEC, recipe=replace(SPEC.recipe, checkpoint="best"))
    run_here(spec, tmp_path)
    assert asked == ["val", "test"]
    assert json.loads((tmp_path / spec.run_id / "summary.json").read_text())["best_step"] == 7


def test_the_last_weights_are_tested_and_the_curve_of_each_condition_is_kept(finished):
    assert json.loads((finished / "summary.json").read_text())["best_step"] == SPEC.recipe.steps
    rows = [json.loads(line) for line in (finished / "train.jsonl").read_text().splitlines()]
    curve = [row for row in rows if "val_gain_db" in row]
    assert [row["step"] for row in curve] == [4, 7, 10]
    assert all(set(row["val_gain_db"]) == set(SPEC.conditions) for row in curve)


@pytest.mark.parametrize("change", [{"ema": 0.9}, {"schedule": "cosine"}, {"grad_clip": 0.01}, {"sampling": "paper"}])
def test_settings_of_the_recipe_change_the_result(finished, tmp_path, change):
    spec = replace(SPEC, recipe=replace(SPEC.recipe, **change))
    run_here(spec, tmp_path)
    assert not np.array_equal(numbers(finished)["value"], numbers(tmp_path / spec.run_id)["value"])


def test_bf16_runs_and_says_so(tmp_path):
    spec = replace(SPEC, precision="bf16")
    run_here(spec, tmp_path)
    assert json.loads((tmp_path / spec.run_id / "spec.json").read_text())["precision"] == "bf16"


def test_every_order_and_mask_trains(tmp_path):
    # each once; those that are missing here are in study `components`, which .ci/run does
    for changes in (
        {"order": "learned", "masking": "figure"},
        {"order": "random", "masking": "columns"},
        {"order": "shared", "masking": "random"},
        {"order": "bias_per_prompt", "num_prompts": len(SPEC.conditions), "masking": "paper", "levels": (4,)},
    ):
        spec = replace(SPEC, config=replace(SPEC.config, **changes))
        run_here(spec, tmp_path)
        assert is_done(find_run(tmp_path, spec))


ALL_KEPT = {"ema": 0.9, "schedule": "cosine", "checkpoint": "best", "validations": 5}


@pytest.mark.parametrize("setting", [{}, ALL_KEPT])
def test_killed_at_random_moments_it_ends_with_the_same_numbers(tmp_path, setting):
    spec = replace(SPEC, recipe=replace(SPEC.recipe, **setting))
    run_here(spec, tmp_path / "whole")
    context, rng, codes = warm_context(), random.Random(0), []
    for _ in range(6):
        process = context.Process(target=run_and_be_killed, args=(spec, tmp_path / "killed", rng.randint(1, 8)))
        process.start()
        process.join(timeout=120)
        codes.append(process.exitcode)
    assert codes.count(-signal.SIGKILL) >= 3, codes
    run_here(spec, tmp_path / "killed")
    whole, killed = (tmp_path / name / spec.run_id for name in ("whole", "killed"))
    pd.testing.assert_frame_equal(numbers(whole), numbers(killed), check_exact=True)
    assert (whole / "weights.safetensors").read_bytes() == (killed / "weights.safetensors").read_bytes()
    losses = [
        [(r["step"], r["loss"]) for r in map(json.loads, (run / "train.jsonl").read_text().splitlines()) if "loss" in r]
        for run in (whole, killed)
    ]
    assert losses[0] == losses[1]


def test_an_alias_and_a_renamed_run_share_one_folder(finished, tmp_path):
    plan = tiny_plan(only=("dfpir_g50", "dfpir_g60", "dfpir_g100"))
    renamed = replace(SPEC, variant="another_name")
    assert find_run(finished.parent, renamed) == finished
    file = study_record(plan, finished.parent, "command")
    assert [row["alias_of"] for row in file["rows"]] == [None, "dfpir_g50", None]
    assert write_table(file, finished.parent, tmp_path) > 0
    table = read_images(tmp_path / TABLE_PARQUET_FILE, columns=TABLE_COLUMNS)
    assert set(table["variant"]) == {"dfpir_g50", "dfpir_g60"}  # g100 is not run: no rows, no invented numbers
    assert set(table["run_id"]) == {SPEC.run_id}


@pytest.mark.usefixtures("blank_figures")
def test_a_failing_run_does_not_stop_the_study(tmp_path):
    from rich.console import Console

    plan = tiny_plan()
    broken = replace(plan.rows[0].spec, codes_checksum="0" * 16)
    rows = (replace(plan.rows[0], spec=broken), *plan.rows[1:])
    plan = replace(plan, rows=rows, study=replace(plan.study, measures=()))
    console = Console(file=(tmp_path / "log.txt").open("w"), width=200)
    options = JobOptions(root=tmp_path / "runs", device="cpu")
    # in this process; that of the machine: tests/integration/test_launch_local.py
    launch = TorchrunLauncher(SINGLE_PROCESS)
    outcome = run_plan(plan, options, launch, max_parallel=2, command="test", console=console)
    console.file.close()
    log = (tmp_path / "log.txt").read_text()
    assert [spec.variant for spec in outcome.failed] == ["dfpir_g50"]
    assert "FAILED, ValueError: The prompt codes changed" in log
    assert "dfpir_g100 seed 0: done" in log
    page = outcome.report.read_text(encoding="utf-8")
    assert "The prompt codes changed" in page
    table = read_images(outcome.folder / "table.parquet", columns=TABLE_COLUMNS)
    assert set(table["variant"]) == {"dfpir_g100"}
