"""`--log tensorboard`: the rows of train.jsonl as scalars by run, resumed runs without doubles; nothing without it."""

import json

import pytest
import torch

import ablations.harness.run_one as running
from ablations.harness.run_one import run_one
from ablations.harness.training.metric_logger import check_logger, open_row_logger
from reports.run_state import is_done
from tests.support.tiny_study import run_here, tiny_plan

SPEC = tiny_plan(only=("dfpir_g50",)).specs[0]


def events(folder):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    found = accumulator.EventAccumulator(str(folder)).Reload()
    return {tag: [(e.step, e.value) for e in found.Scalars(tag)] for tag in found.Tags()["scalars"]}


def test_the_rows_of_a_run_are_its_scalars_also_when_it_goes_on(tmp_path, monkeypatch):
    def stop(*_):
        raise RuntimeError("the machine is taken away")

    pytest.importorskip("tensorboard", reason="the extra tensorboard is not installed")
    with monkeypatch.context() as patch:
        patch.setattr(running, "write_evaluation", stop)
        assert not run_one(SPEC, tmp_path, torch.device("cpu"), lambda progress: None, log="tensorboard")
    # from an earlier checkpoint: steps that were logged are logged again
    newest = max((tmp_path / SPEC.run_id / "checkpoints").iterdir())
    newest.unlink()
    run_here(SPEC, tmp_path, log="tensorboard")
    assert is_done(tmp_path / SPEC.run_id)
    found = events(tmp_path / "tensorboard" / SPEC.run_id)
    rows = [json.loads(line) for line in (tmp_path / SPEC.run_id / "train.jsonl").read_text().splitlines()]
    assert set(found) == {"loss", "lr", "images_per_s", "val_psnr_db"}
    for tag in ("loss", "lr", "val_psnr_db"):
        assert [step for step, _ in found[tag]] == [row["step"] for row in rows if tag in row]
        assert [value for _, value in found[tag]] == pytest.approx([row[tag] for row in rows if tag in row], rel=1e-6)


def test_plain_rows_write_nothing_else(tmp_path):
    with open_row_logger("jsonl", tmp_path / "run") as log:
        log({"step": 1, "loss": 0.5})
    assert not list(tmp_path.iterdir())


def test_without_the_library_the_extra_is_named(monkeypatch):
    def missing(name, *_):
        if name.startswith("torch.utils.tensorboard"):
            raise ImportError("No module named 'tensorboard'")
        raise AssertionError(name)

    monkeypatch.setattr("ablations.harness.training.metric_logger.import_module", missing)
    with pytest.raises(ValueError, match=r"pip install 'dfpir-suite\[tensorboard\]'"):
        check_logger("tensorboard")
    check_logger("jsonl")
