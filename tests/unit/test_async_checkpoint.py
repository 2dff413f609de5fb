"""Checkpoints written beside the training: what is copied, when one is due, how errors and signals end."""

import json
import os
import signal
import threading
from dataclasses import replace

import pytest
import safetensors.torch
import torch

import ablations.harness.run_one as running
import ablations.harness.training.train as training
from ablations.harness.context import run_context
from ablations.harness.run_one import run_one
from ablations.harness.training import async_checkpoint, checkpoint
from ablations.harness.training.async_checkpoint import AsyncCheckpointer
from ablations.harness.training.checkpoint import Checkpoint, HostBuffer
from ablations.harness.training.state import resume
from tests.support.checkpoints import load_latest
from tests.support.forks import warm_context
from tests.support.tiny_study import run_here, tiny_plan

SPEC = tiny_plan(only=("dfpir_g50",)).specs[0]
BEST = replace(SPEC, recipe=replace(SPEC.recipe, checkpoint="best"))
CPU = torch.device("cpu")


@pytest.fixture
def state(tmp_path):
    return resume(run_context(SPEC, CPU), tmp_path)


@pytest.fixture
def held(monkeypatch):
    """`checkpoint.save` waits for this event."""
    let_go, original = threading.Event(), checkpoint.save

    def slow(*arguments, **named):
        assert let_go.wait(30)
        return original(*arguments, **named)

    monkeypatch.setattr(checkpoint, "save", slow)
    yield let_go
    let_go.set()


def every_row(monkeypatch):
    monkeypatch.setattr(training, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    monkeypatch.setattr(async_checkpoint, "MIN_INTERVAL_COST_RATIO", 0.0)


def test_files_are_those_of_the_library(tmp_path):
    tensors = {
        "a": torch.arange(6, dtype=torch.float32).reshape(2, 3).T, "b": torch.tensor(2.5, dtype=torch.float64),
        "c": torch.ones(3, dtype=torch.bfloat16), "d": torch.arange(5), "e": torch.tensor([True]),
        "f": torch.zeros(0, 4),
    }  # fmt: skip
    path = checkpoint.save(tmp_path, Checkpoint(step=3, tensors=HostBuffer().copy(tensors), facts={"x": "ü"}))
    with safetensors.safe_open(path, framework="pt") as file:
        assert json.loads(file.metadata()["facts"]) == {"x": "ü"}
    found = safetensors.torch.load_file(path)
    assert found.keys() == tensors.keys()
    assert all(found[name].dtype == tensors[name].dtype and torch.equal(found[name], tensors[name]) for name in tensors)


def test_a_copy_is_of_its_moment_and_uses_its_memory_again():
    tensors, copy = {"a": torch.ones(3), "b": torch.arange(7, dtype=torch.int64)}, HostBuffer()
    first = copy.copy(tensors)
    tensors["a"].zero_()
    assert torch.equal(first["a"], torch.ones(3))
    second = copy.copy(tensors)
    assert second["a"].data_ptr() == first["a"].data_ptr()
    assert torch.equal(second["a"], torch.zeros(3))


def test_what_is_written_is_the_state_at_its_call_whatever_training_does_meanwhile(state, tmp_path, held):
    before = {name: tensor.clone() for name, tensor in state.model.state_dict().items()}
    with AsyncCheckpointer(state, tmp_path) as saver:
        saver.save(state)
        with torch.no_grad():
            for parameter in state.model.parameters():
                parameter.add_(1)
        assert not saver.is_due(0.0, validated=True)  # one write at a time
        held.set()
    found = load_latest(tmp_path / "checkpoints")
    assert all(torch.equal(found.tensors[f"model/{name}"], tensor) for name, tensor in before.items())


def test_a_checkpoint_is_due_no_sooner_than_what_the_last_one_cost_allows(state, tmp_path, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(async_checkpoint.time, "monotonic", lambda: clock[0])
    costs: list[float] = []  # of the training's time
    take = HostBuffer.copy

    def costly(self, tensors):
        clock[0] += costs.pop()
        return take(self, tensors)

    def saved(cost_s):
        """When a checkpoint of that cost was over, written too."""
        costs.append(cost_s)
        saver.save(state)
        ended = clock[0]
        clock[0] += 1e6
        while not saver.is_due(0.0, validated=True):
            pass
        return ended

    monkeypatch.setattr(HostBuffer, "copy", costly)
    with AsyncCheckpointer(state, tmp_path) as saver:
        ended = saved(1.0)
        for seconds, plain, validated in ((19, False, False), (49, False, False), (51, True, True)):
            clock[0] = ended + seconds
            assert (saver.is_due(20.0, validated=False), saver.is_due(20.0, validated=True)) == (plain, validated)
        clock[0] = saved(0.1) + 6
        assert (saver.is_due(20.0, validated=False), saver.is_due(20.0, validated=True)) == (False, True)


@pytest.mark.parametrize("writer", ["save", "save_best"])
def test_an_error_of_the_writing_thread_is_the_runs_error(writer, tmp_path, monkeypatch):
    every_row(monkeypatch)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, writer, full)
        assert not run_one(BEST, tmp_path, CPU, lambda progress: None)
    error = json.loads((tmp_path / BEST.run_id / "ERROR.json").read_text())
    assert (error["type"], error["message"]) == ("OSError", "[Errno 28] No space left on device")
    run_here(BEST, tmp_path)


def stopped_before_evaluation(spec, root, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(running, "write_evaluation", stop)
        with pytest.raises(KeyboardInterrupt):
            run_one(spec, root, CPU, lambda progress: None)
    return root / spec.run_id / "checkpoints"


def test_best_weights_are_written_when_they_change_and_read_with_their_checkpoint(tmp_path, monkeypatch):
    every_row(monkeypatch)
    scores, written, original = iter([9.0, 20.0, 8.0]), [], checkpoint.save_best
    monkeypatch.setattr(training, "validation_scores", lambda *_: ({"rain": 1.0}, next(scores)))
    monkeypatch.setattr(AsyncCheckpointer, "is_due", lambda self, *_, **__: True)

    def told(folder, step, tensors):
        written.append(step)
        return original(folder, step, tensors)

    monkeypatch.setattr(checkpoint, "save_best", told)
    folder = stopped_before_evaluation(BEST, tmp_path, monkeypatch)
    assert written == [4, 7]
    assert [path.name[:14] for path in folder.glob("best-*")] == ["best-000000007"]
    found = load_latest(folder)
    assert found.facts["best_step"] == 7
    assert {n for n in found.tensors if n.startswith("best/")} == {
        n.replace("model/", "best/") for n in found.tensors if n.startswith("model/")
    }
    run_here(BEST, tmp_path)
    summary = json.loads((tmp_path / BEST.run_id / "summary.json").read_text())
    assert summary["best_step"] == 7


@pytest.mark.parametrize("damage", ["gone", "flipped"])
def test_a_checkpoint_whose_best_weights_are_lost_is_passed_over(damage, tmp_path, caplog):
    for step in (1, 2):
        name = checkpoint.save_best(tmp_path, step, {"x": torch.full((4,), float(step))})
        facts = {checkpoint.BEST_FILE: name}
        checkpoint.save(tmp_path, Checkpoint(step=step, tensors={"y": torch.ones(2)}, facts=facts))
    path = tmp_path / name
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    found = load_latest(tmp_path)
    assert found.step == 1
    assert torch.equal(found.tensors["best/x"], torch.ones(4))
    assert name in caplog.text


def test_the_older_form_with_all_in_one_file_is_read(tmp_path, monkeypatch):
    run_here(BEST, tmp_path / "whole")
    folder = stopped_before_evaluation(BEST, tmp_path, monkeypatch)
    found = load_latest(folder)
    assert found is not None
    facts = {name: fact for name, fact in found.facts.items() if name not in ("form", checkpoint.BEST_FILE)}
    for path in folder.iterdir():
        path.unlink()
    checkpoint.save(folder, replace(found, facts=facts))
    run_here(BEST, tmp_path)
    made, whole = ((root / BEST.run_id / "weights.safetensors").read_bytes() for root in (tmp_path, tmp_path / "whole"))
    assert made == whole


def test_a_form_of_the_future_is_named(tmp_path):
    checkpoint.save(
        tmp_path / SPEC.run_id / "checkpoints", Checkpoint(step=1, tensors={"x": torch.ones(1)}, facts={"form": 3})
    )
    assert not run_one(SPEC, tmp_path, CPU, lambda progress: None)
    message = json.loads((tmp_path / SPEC.run_id / "ERROR.json").read_text())["message"]
    assert "a checkpoint of form 3, and this version knows forms up to 2" in message
    assert "\n" not in message


def _terminated_while_writing(folder):
    """In a process of its own: SIGTERM comes while a checkpoint is being written."""
    original = checkpoint.save

    def slow(folder, *arguments, **named):
        if folder.name == "checkpoints":
            os.kill(os.getpid(), signal.SIGTERM)
            threading.Event().wait(0.5)
        return original(folder, *arguments, **named)

    checkpoint.save = slow
    training.SECONDS_BETWEEN_CHECKPOINTS = async_checkpoint.MIN_INTERVAL_COST_RATIO = 0.0
    run_here(SPEC, folder)


def test_a_sigterm_waits_for_the_checkpoint_in_flight(tmp_path):
    process = warm_context().Process(target=_terminated_while_writing, args=(tmp_path,))
    process.start()
    process.join(timeout=120)
    assert process.exitcode == -signal.SIGTERM
    folder = tmp_path / SPEC.run_id / "checkpoints"
    assert load_latest(folder) is not None
    assert not list(folder.glob(".*.part"))
    run_here(SPEC, tmp_path)


def test_signals_are_as_before_when_nothing_is_written(state, tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    with AsyncCheckpointer(state, tmp_path) as saver:
        saver.save(state)
        saver.save_snapshot(state.model, 1)
    assert signal.getsignal(signal.SIGTERM) is before
    assert checkpoint.steps(tmp_path / "snapshots") == [1]
