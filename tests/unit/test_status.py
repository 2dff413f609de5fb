"""`python -m ablations.status`: what it says of runs in every state, quickly, of any number of them."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ablations.harness.lock import lock_file, run_lock
from ablations.status import main
from ablations.status_command import as_text, statuses
from reports import layout, schema

ROOT = Path(__file__).resolve().parents[2]


def run_folder(root, name, *, done=None, error=None, step=None, seconds=10.0):
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "spec.json").write_text(json.dumps({"budget": {"phases": [{"steps": 60}, {"steps": 40}]}}))
    if step is not None:
        rows = [{"step": step, "loss": 0.5, "lr": 1e-3, "images_per_s": 8.0, "wall_s": seconds}]
        rows.append({"step": step, "val_psnr_db": 20.0})
        (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    if done is not None:
        (folder / "summary.json").write_text(json.dumps({"train_wall_s": done, "eval_wall_s": 1.0}))
        (folder / "images.parquet").touch()
        (folder / "DONE").write_text(json.dumps({"files": {"spec.json": "", "images.parquet": ""}}))
    if error is not None:
        (folder / "ERROR.json").write_text(json.dumps({"type": "ValueError", "message": error}))
    return folder


def study(root, names, name="s-demo-embedded"):
    rows = [{"variant": n.rpartition("-s")[0], "seed": 0, "run_id": n, "alias_of": None} for n in names]
    folder = root / "studies" / name
    folder.mkdir(parents=True)
    (folder / "study.json").write_text(json.dumps({"study": "s", "budget": {"steps": 100}, "rows": rows}))
    return folder


def hold(folder, age_s=0.0, pid=None):
    path = lock_file(folder)
    path.write_text(json.dumps({"host": socket.gethostname(), "pid": pid or os.getpid()}))
    os.utime(path, (time.time() - age_s,) * 2)


def test_every_state_is_told_with_reasons_and_time_left(tmp_path):
    names = ["a-s0-1", "a-s1-2", "b-s0-3", "b-s1-4", "c-s0-5", "c-s1-6", "c-s2-7"]
    study(tmp_path, names)
    run_folder(tmp_path, names[0], done=99.0)
    hold(run_folder(tmp_path, names[1], step=25, seconds=50.0))
    run_folder(tmp_path, names[2], error="no\nluck <b>")
    run_folder(tmp_path, names[3], step=10)
    hold(run_folder(tmp_path, names[4], step=10), age_s=1e4)  # the lease ran out
    hold(run_folder(tmp_path, names[5], step=10), pid=2**22 + 1)  # its process is gone
    (status,) = statuses(tmp_path)
    assert (status.total, status.done, status.waiting) == (7, 1, 1)
    assert status.interrupted == [names[3], names[4], names[5]]
    assert [(f.run_id, f.type, f.message) for f in status.failed] == [(names[2], "ValueError", "no luck <b>")]
    (running,) = status.running
    assert (running.run_id, running.step, running.steps) == (names[1], 25, 100)
    assert running.left_s == pytest.approx(150.0)
    # one at a time: 150 s, then three interrupted and one waiting as long as the finished run took
    assert status.left_s == pytest.approx(150.0 + 4 * 100.0)
    text = as_text(status)
    assert "1 done, 1 running, 1 failed, 3 interrupted, 1 waiting; about 9 min left" in text
    assert "failed b-s0-3: ValueError: no luck <b>" in text


def test_json_says_the_same(tmp_path, capsys):
    study(tmp_path, ["a-s0-1"])
    with run_lock(run_folder(tmp_path, "a-s0-1", step=50, seconds=5.0)):
        assert main([str(tmp_path), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["running"] == [{"run_id": "a-s0-1", "step": 50, "steps": 100, "left_s": 5.0}]
    assert found["left_s"] == 5.0


def test_runs_without_a_study_are_told_too(tmp_path):
    run_folder(tmp_path, "a-s0-1", done=1.0)
    (status,) = statuses(tmp_path)
    assert (status.total, status.done, status.left_s) == (1, 1, 0.0)
    assert "finished" in as_text(status)


def test_a_study_that_is_still_loading_has_no_time_left(tmp_path):
    study(tmp_path, ["a-s0-1"])
    hold(run_folder(tmp_path, "a-s0-1"))
    assert "time left unknown yet" in as_text(statuses(tmp_path)[0])


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"rows": 3}', '{"rows": [3, {"run_id": "../../etc"}]}', "[" * 9999]
)
def test_a_study_file_of_anything_is_one_line(tmp_path, capsys, content):
    folder = tmp_path / "studies" / "x"
    folder.mkdir(parents=True)
    (folder / "study.json").write_text(content)
    with pytest.raises(SystemExit, match="2"):
        main([str(tmp_path)])
    assert capsys.readouterr().err.count("\n") == 1


def test_a_folder_without_runs_is_named(tmp_path, capsys):
    for path in (tmp_path, tmp_path / "no"):
        with pytest.raises(SystemExit, match="2"):
            main([str(path)])
        assert str(path) in capsys.readouterr().err


def newly_imported(module):
    """Top-level names of the modules that an import of `module` loads, without the standard library's."""
    code = f"import sys; before = set(sys.modules); import {module}; print(*(set(sys.modules) - before))"
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    return {name.partition(".")[0] for name in process.stdout.split()} - sys.stdlib_module_names


def test_status_imports_nothing_heavy():
    assert not {"torch", "pandas", "numpy", "pyarrow"} & newly_imported("ablations.status_command")


@pytest.mark.parametrize("module", ["reports.layout", "reports.run_state"])
def test_layout_and_state_need_the_standard_library_only(module):
    assert newly_imported(module) == {"reports"}


def test_the_schema_re_exports_every_name_of_the_layout():
    names = [name for name in vars(layout) if name.isupper()]
    assert len(names) > 40
    assert {name: getattr(schema, name) for name in names} == {name: getattr(layout, name) for name in names}


def test_many_runs_are_counted(tmp_path):
    names = [f"v{n % 9}-s{n}-{n:08x}" for n in range(200)]
    study(tmp_path, names)
    for number, name in enumerate(names[:150]):
        run_folder(tmp_path, name, done=60.0 if number % 10 else None, error=None if number % 10 else "x")
    (status,) = statuses(tmp_path)
    assert (status.done, len(status.failed), status.waiting) == (135, 15, 50)
