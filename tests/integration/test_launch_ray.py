"""Ray Core: a node of a cluster killed in mid-study, a cluster of the launcher's own, and what a worker may send."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

from ablations.harness.launch import LaunchOptions, make_launcher
from ablations.harness.launch.ray import RayLauncher, pack, unpack
from reports.run_state import is_done
from reports.schema import read_images
from tests.support.tiny_study import run_here

pytest.importorskip("ray", reason="the extra ray is not installed")
ROOT = Path(__file__).resolve().parents[2]


def scenario(name, root):
    """What `tests.support.ray_study` prints; its whole process group is ended."""
    command = [sys.executable, "-m", "tests.support.ray_study", name, str(root)]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        out, err = process.communicate(timeout=500)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, err[-3000:]
    return json.loads(out.splitlines()[-1])


def check_runs(root, whole):
    from tests.support.ray_study import plan

    for spec in plan().specs:
        run_here(spec, whole)
        assert is_done(root / spec.run_id)
        made, expected = (read_images(folder / spec.run_id / "images.parquet") for folder in (root, whole))
        pd.testing.assert_frame_equal(made, expected, check_exact=True)


@pytest.mark.slow
def test_a_study_whose_worker_node_is_killed_ends_with_the_right_numbers(tmp_path):
    found = scenario("cluster", tmp_path / "ray")
    assert found["steps_at_kill"], "no node was killed"
    assert found["worker_nodes_left"] == 1
    assert found["failed"] == []
    check_runs(tmp_path / "ray", tmp_path / "whole")


@pytest.mark.slow
def test_without_a_shared_folder_runs_come_through_the_object_store(tmp_path):
    found = scenario("unshared", tmp_path / "ray")
    assert found["failed"] == []
    check_runs(tmp_path / "ray", tmp_path / "whole")


def test_a_packed_run_is_whole_and_has_no_checkpoints(tmp_path):
    run = tmp_path / "run"
    for name in ("DONE", "samples/a.png", "checkpoints/step-1", "snapshots/step-1"):
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_bytes(name.encode())
    files = pack(run)
    assert sorted(files) == ["DONE", "samples/a.png"]
    unpack(files, tmp_path / "there")
    assert pack(tmp_path / "there") == files


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "", ".", "a\\..\\x", "a\0b"])
def test_a_packed_run_writes_nothing_outside_its_folder(tmp_path, name):
    with pytest.raises(ValueError, match="no name of a run's file"):
        unpack({"fine": b"", name: b"x"}, tmp_path / "a" / "run")
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_the_launcher_is_made_from_its_options():
    made = make_launcher(LaunchOptions(launcher="ray", ray_address="auto", gpus=0.25), torch.device("cuda"))
    assert made == RayLauncher(address="auto", gpus=0.25)
    assert make_launcher(LaunchOptions(launcher="ray"), torch.device("cuda")) == RayLauncher(gpus=1.0)
