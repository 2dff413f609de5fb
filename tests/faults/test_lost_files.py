"""Files of a run that vanish while it is under way, and pictures whose scores JSON has no number for."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

import ablations.harness.run_one as running
from ablations.data import open_data
from ablations.harness.done_marker import required_files
from ablations.harness.run_one import run_one
from ablations.harness.run_status import status_of
from ablations.harness.study import study_record, write_table
from ablations.plan import make_plan
from ablations.status_command import statuses
from reports.artifacts import load_samples
from reports.build import build_report
from reports.files import write_json
from reports.run_state import Status, is_done
from tests.support.cached_folder import SPEC
from tests.support.read_run import read_run
from tests.support.tiny_study import TINY, run_here

CPU = torch.device("cpu")


def test_a_folder_removed_during_training_is_not_sealed_and_the_next_call_mends_it(tmp_path, monkeypatch):
    folder = tmp_path / SPEC.run_id
    original = running.write_evaluation

    def remove_and_evaluate(*arguments, **named):
        shutil.rmtree(folder)
        folder.mkdir()
        return original(*arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(running, "write_evaluation", remove_and_evaluate)
        assert not run_one(SPEC, tmp_path, CPU, lambda progress: None)
    error = json.loads((folder / "ERROR.json").read_text())
    assert "spec.json, env.json, train.jsonl vanished from" in error["message"]
    assert not (folder / "DONE").exists()
    assert status_of(folder) is Status.FAILED
    assert read_run(folder).status is Status.FAILED
    run_here(SPEC, tmp_path)
    assert is_done(folder)
    assert read_run(folder).status is Status.DONE


def test_done_lists_what_a_run_must_have(finished):
    done = json.loads((finished / "DONE").read_text())
    assert done["needs"] == required_files(SPEC)
    assert set(done["needs"]) <= set(done["files"])


@pytest.mark.parametrize("gone", ["spec.json", "env.json", "train.jsonl", "images.parquet"])
@pytest.mark.parametrize("listed", [True, False])
def test_status_dry_run_and_report_agree_on_a_folder_that_lost_a_file(finished, tmp_path, gone, listed):
    folder = shutil.copytree(finished, tmp_path / finished.name)
    (folder / gone).unlink()
    if not listed:  # as a DONE that was written after the loss
        done = json.loads((folder / "DONE").read_text())
        del done["files"][gone]
        write_json(folder / "DONE", done)
    assert not is_done(folder)
    assert read_run(folder).status is Status.DAMAGED
    assert status_of(folder) is Status.DAMAGED
    (status,) = statuses(tmp_path) if gone != "spec.json" else (None,)
    assert status is None or (status.done, len(status.interrupted)) == (0, 1)


def test_a_done_of_an_older_version_stays_valid(finished, tmp_path):
    folder = shutil.copytree(finished, tmp_path / finished.name)
    done = json.loads((folder / "DONE").read_text())
    del done["needs"], done["files"]["env.json"]
    write_json(folder / "DONE", done)
    assert is_done(folder)
    assert read_run(folder).status is Status.DONE
    assert status_of(folder) is Status.DONE


@pytest.mark.usefixtures("blank_figures")
def test_a_flat_picture_is_null_in_samples_and_fails_no_run(tmp_path):
    frames = tmp_path / "frames"
    frames.mkdir()
    for grey in range(12):
        Image.fromarray(np.full((64, 64, 3), grey * 20, dtype=np.uint8)).save(frames / f"{grey:02d}.png")
    data, bundle = open_data(str(frames))
    plan = make_plan(
        "gamma_sweep",
        budget=TINY,
        data=data,
        conditions=[c.name for c in bundle.conditions],
        protocol="suite-v1",
        text_encoder="minilm",
        only=["dfpir_g50"],
        tasks=["noise", "blur"],
    )
    spec = plan.specs[0]
    run_here(spec, tmp_path)
    records = json.loads((tmp_path / spec.run_id / "samples" / "samples.json").read_text())
    flat = [record for record in records if record["condition"] == "blur"]
    assert [record["input_psnr_db"] for record in flat] == [None]
    run = read_run(tmp_path / spec.run_id)
    assert len(load_samples(run)) == len(records)
    folder = tmp_path / "studies" / plan.folder_name
    file = study_record(plan, tmp_path, "command", folder)
    write_json(folder / "study.json", file)
    write_table(file, tmp_path, folder)
    assert build_report([folder], folder).is_file()
