"""Faults while runs are under way: kills, races, errors of every kind, clocks, other machines."""

import json
import os
import random
import shutil
import signal
import time
from pathlib import Path

import pandas as pd
import pytest
import torch

import ablations.harness.run_one as running
import ablations.harness.training.gradients as gradients
import ablations.harness.training.train as training
from ablations.data import load_data
from ablations.harness import context
from ablations.harness.lock import BusyError, lock_file, run_lock
from ablations.harness.run_one import run_one
from reports.run_state import is_done
from reports.schema import read_images
from tests.faults.promised import KILLS, RACES
from tests.support.cached_folder import SPEC
from tests.support.forks import warm_context
from tests.support.killed import command, run_and_be_killed
from tests.support.races import race
from tests.support.tiny_study import run_here, tiny_plan

CPU = torch.device("cpu")


def test_two_launchers_that_race_do_each_run_once(tmp_path, tries):
    context = warm_context()  # the processes must meet
    plan = tiny_plan(only=("dfpir_g50", "dfpir_g60", "dfpir_g70", "dfpir_g80"))
    for number in range(tries(f"{RACES} of two launchers", 2, 50)):
        root = tmp_path / str(number)
        root.mkdir()
        start = context.Event()
        processes = [context.Process(target=race, args=(plan.specs, root, 2 * number + n, start)) for n in range(2)]
        for process in processes:
            process.start()
        start.set()
        for process in processes:
            process.join(timeout=120)
        assert [process.exitcode for process in processes] == [0, 0]
        trained = [line.split()[0] for line in (root / "log").read_text().splitlines()]
        assert sorted(trained) == sorted(spec.digest for spec in plan.specs)
        assert all(is_done(root / spec.run_id) for spec in plan.specs)
        assert not list(root.glob(".*.lock"))


@pytest.mark.slow  # its short sample is in test_harness
@pytest.mark.parametrize("part", range(4))  # so that two cores share them
def test_a_run_killed_at_random_moments_ends_bit_equal(part, tmp_path, tries):
    rng = random.Random(part)
    run_here(SPEC, tmp_path / "whole")
    whole = tmp_path / "whole" / SPEC.run_id
    context = warm_context()
    kills, wanted = 0, tries(f"{KILLS} of a run in training or while it writes", 1, 40)
    while kills < wanted:
        root = tmp_path / f"killed-{kills}"
        for _ in range(4):  # several in one run's life
            process = context.Process(target=run_and_be_killed, args=(SPEC, root, rng.randint(1, 12)))
            process.start()
            process.join(timeout=120)
            kills += process.exitcode == -signal.SIGKILL
            if kills >= wanted:
                break
        run_here(SPEC, root)
        made = root / SPEC.run_id
        assert (made / "weights.safetensors").read_bytes() == (whole / "weights.safetensors").read_bytes()
        tables = [read_images(folder / "images.parquet") for folder in (made, whole)]
        pd.testing.assert_frame_equal(tables[0], tables[1], check_exact=True)
        shutil.rmtree(root)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_a_study_killed_at_random_moments_ends_with_the_same_table(part, tmp_path, tries):
    rng, context = random.Random(part), warm_context()

    def start(root):
        process = context.Process(target=command, args=(root,))
        process.start()
        return process

    started = time.monotonic()
    process = start(tmp_path / "whole")
    process.join(timeout=200)
    length = time.monotonic() - started
    assert process.exitcode == 0, (tmp_path / "whole.said").read_text()
    table = Path("studies", "gamma_sweep-tiny-embedded", "table.parquet")
    kills = tried = 0
    wanted = tries(f"{KILLS} of a launcher, alone or with its runs", 1, 11)
    while kills < wanted:
        root = tmp_path / f"killed-{tried}"
        for _ in range(4):
            tried += 1
            process = start(root)
            process.join(timeout=rng.uniform(0.05, 0.9) * length)
            if process.is_alive():
                if tried % 2:
                    os.kill(process.pid, signal.SIGKILL)  # its runs must notice and end by themselves
                else:
                    os.killpg(process.pid, signal.SIGKILL)
            process.join()
            kills += process.exitcode == -signal.SIGKILL
            if kills >= wanted:
                break
        process = start(root)
        process.join(timeout=200)
        assert process.exitcode == 0, (tmp_path / f"{root.name}.said").read_text()
        assert (root / table).read_bytes() == (tmp_path / "whole" / table).read_bytes()
        assert not list(root.rglob("*.part"))
        shutil.rmtree(root)


FAULTS = {
    "NaN": (gradients, "training_loss", lambda loss: loss * float("nan"), "NonFiniteLossError"),
    "exploding loss": (gradients, "training_loss", lambda loss: loss * float("inf"), "NonFiniteLossError"),
    "CUDA error": (
        gradients,
        "training_loss",
        RuntimeError("CUDA error: device-side assert triggered"),
        "RuntimeError",
    ),
    "error in the optimiser": (torch.optim.Adam, "step", RuntimeError("boom"), "RuntimeError"),
    "error in the evaluation": (running, "write_evaluation", KeyError("x"), "KeyError"),
    "error in the data": (type(load_data(SPEC)), "batch", OSError("image file is truncated"), "OSError"),
    "dead loader worker": (context, "load_data", RuntimeError("DataLoader worker (pid 1) is killed"), "RuntimeError"),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_an_error_is_a_row_with_its_traceback_and_the_next_call_tries_again(kind, tmp_path, monkeypatch, tally):
    owner, name, fault, expected = FAULTS[kind]
    original = getattr(owner, name)

    def faulty(*arguments, **named):
        if isinstance(fault, Exception):
            raise fault
        return fault(original(*arguments, **named))

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, faulty)
        assert not run_one(SPEC, tmp_path, CPU, lambda progress: None)
    error = json.loads((tmp_path / SPEC.run_id / "ERROR.json").read_text())
    assert error["type"] == expected
    assert "Traceback" in error["traceback"]
    assert kind != "NaN" or "step 2" in error["message"]
    assert not is_done(tmp_path / SPEC.run_id)
    if kind in ("NaN", "dead loader worker"):  # the same for all: two are enough
        run_here(SPEC, tmp_path)
        assert not (tmp_path / SPEC.run_id / "ERROR.json").exists()
    tally("errors in a run", 1)


@pytest.mark.parametrize("jump_s", [-1e7, -3600, 3600, 1e7])
def test_a_clock_that_jumps_frees_no_lock(tmp_path, jump_s, tally):
    run = tmp_path / "run"
    with run_lock(run):
        os.utime(lock_file(run), (time.time() + jump_s,) * 2)
        with pytest.raises(BusyError), run_lock(run):
            pass
    with run_lock(run):
        pass
    tally("clock jumps", 1)


def test_a_run_that_goes_on_elsewhere_says_so(tmp_path, monkeypatch):
    def stop(*_):
        raise RuntimeError("the machine is taken away")

    monkeypatch.setattr(training, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(running, "write_evaluation", stop)
        assert not run_one(SPEC, tmp_path, CPU, lambda progress: None)
    path = tmp_path / SPEC.run_id / "env.json"
    began = json.loads(path.read_text())
    assert "earlier" not in began
    with monkeypatch.context() as patch:
        patch.setattr(running, "environment", lambda device: {**began, "device": "cpu: another", "started_at": "later"})
        run_here(SPEC, tmp_path)
    ended = json.loads(path.read_text())
    assert ended["device"] == "cpu: another"
    assert ended["earlier"] == [began]
