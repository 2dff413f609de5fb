"""One run by two processes: the numbers of one, one voice in errors, files by the first alone."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch

import ablations.harness.run_one as running
import ablations.harness.training.train as training
from ablations.harness.context import run_context
from ablations.harness.evaluate import group_into_batches, score_items
from ablations.harness.model_factory import build_model
from ablations.harness.training.distributed import SINGLE_PROCESS, ProcessGroup
from ablations.models import model_config
from ablations.run import main
from dfpir.weights import load_weights
from reports.run_state import is_done
from reports.schema import read_images, write_images
from tests.support.team import odd_spec, together
from tests.support.tiny_study import TINY, run_here

SPEC = odd_spec()


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The run in one process, with its first gradients."""
    root = tmp_path_factory.mktemp("alone")
    kept: dict[str, torch.Tensor] = {}
    original = torch.optim.Adam.step

    def step(self, *arguments, **named):
        if not kept:
            kept.update({str(n): p.grad.clone() for n, p in enumerate(self.param_groups[0]["params"])})
        return original(self, *arguments, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim.Adam, "step", step)
        run_here(SPEC, root)
    return root / SPEC.run_id, kept


def losses(folder):
    rows = map(json.loads, (folder / "train.jsonl").read_text().splitlines())
    return [row["loss"] for row in rows if "loss" in row]


def assert_same_course(folder, expected_folder):
    """Equal losses at first; later ones may drift, since the mask's top-k turns rounding into other entries."""
    course, expected = losses(folder), losses(expected_folder)
    np.testing.assert_allclose(course[0], expected[0], rtol=1e-5)
    np.testing.assert_allclose(course, expected, rtol=5e-3)


@pytest.mark.slow
def test_two_processes_have_the_gradients_and_rows_of_one(alone, tmp_path):
    folder, gradients = alone
    assert together("whole_run", tmp_path) == [0, 0]
    shares = [torch.load(tmp_path / f"gradients-{rank}", weights_only=True) for rank in range(2)]
    scale = max(float(gradient.abs().max()) for gradient in gradients.values())
    for name, gradient in gradients.items():
        assert torch.equal(shares[0][name], shares[1][name])
        assert float((shares[0][name] - gradient).abs().max()) <= 1e-6 * max(scale, 1.0)
    made = tmp_path / "together" / SPEC.run_id
    assert is_done(made)
    assert json.loads((made / "env.json").read_text())["processes"] == 2
    assert_same_course(made, folder)
    model = build_model(SPEC.config, SPEC.seed).eval()
    load_weights(model, safetensors.torch.load_file(made / "weights.safetensors"))
    run = run_context(SPEC, torch.device("cpu"))
    items = running.test_items(SPEC, run.bundle, SPEC.protocol)
    one_process = score_items(run, model, items)
    expected = write_images(pd.DataFrame(one_process), tmp_path / "images.parquet")
    assert len(list(group_into_batches(items, torch.device("cpu")))) > 2  # both had some
    pd.testing.assert_frame_equal(read_images(made / "images.parquet"), read_images(expected), check_exact=True)


@pytest.mark.slow
def test_what_one_process_cannot_hold_all_split(alone, tmp_path):
    assert together("memory_for_one", tmp_path) == [0, 0]
    made = tmp_path / "split" / SPEC.run_id
    # two of the five samples are tried whole, then in halves by both; so it stays
    assert json.loads((made / "summary.json").read_text())["oom_splits"] == 2
    first, second = (json.loads((tmp_path / f"tried-{rank}").read_text()) for rank in range(2))
    assert first[:3] != second[:3]
    assert max(second[2:]) == 1
    assert_same_course(made, alone[0])


@pytest.mark.slow
def test_an_error_in_one_is_the_runs_row_and_all_go_on(tmp_path):
    assert together("lost_image", tmp_path) == [0, 0]
    error = json.loads((tmp_path / "error").read_text())
    assert (error["type"], error["message"]) == ("OSError", "process 1: image file is truncated")
    assert "in batch" in error["traceback"]
    assert is_done(tmp_path / SPEC.run_id)


@pytest.mark.slow
def test_an_error_amid_a_reduction_ends_all_with_one_message(tmp_path):
    assert together("lost_in_reduction", tmp_path) == [1, 1]
    said = [(tmp_path / f"said-{rank}").read_text() for rank in range(2)]
    assert said[0].count("error: process 1: CUDA error: device-side assert triggered") == 1
    assert "error:" not in said[1]
    error = json.loads((tmp_path / SPEC.run_id / "ERROR.json").read_text())
    assert error["type"] == "RuntimeError"
    assert "in failing" in error["traceback"]


@pytest.mark.slow
def test_a_full_disk_of_the_first_fails_the_run_in_all(tmp_path):
    assert together("full_disk", tmp_path) == [0, 0]
    error = json.loads((tmp_path / SPEC.run_id / "ERROR.json").read_text())
    assert "No space left" in error["message"]


def test_shares_of_a_batch_are_the_batch():
    for size in range(1, 6):
        for count in range(1, 9):
            taken, weights = [], 0.0
            for rank in range(size):
                team = ProcessGroup()
                team.rank, team.size = rank, size
                part, weight = team.shard(count)
                assert len(range(count)[part]) >= 1  # all take part in a reduction
                taken += list(range(count)[part]) if weight else []
                weights += weight
            assert taken == list(range(count))
            assert weights == pytest.approx(1)
    assert SINGLE_PROCESS.shard(7) == (slice(0, 7), 1.0)


def test_the_batch_of_a_comparator_that_is_one_is_refused(tmp_path):
    team = ProcessGroup()
    team.size = 2
    spec = replace(SPEC, variant="airnet", config=model_config("airnet", TINY.model, prompts=7))
    run = run_context(spec, torch.device("cpu"), team)
    with pytest.raises(training.WholeBatchError, match="airnet can't be trained by 2 processes"):
        training.train(run, tmp_path, lambda progress: None)


def test_torchrun_is_asked_for_where_it_is_used_and_used_where_it_is_asked_for(capsys, monkeypatch, tmp_path):
    study = ["gamma_sweep", "--budget", "smoke", "--out", str(tmp_path / "runs")]
    with pytest.raises(SystemExit):
        main([*study, "--launcher", "torchrun"])
    assert "torchrun --nproc-per-node N -m ablations.run" in capsys.readouterr().err
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(SystemExit):
        main(study)
    assert "share runs with --launcher torchrun" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
