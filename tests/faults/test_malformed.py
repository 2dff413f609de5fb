"""Malformed command lines, specs and run folders: an error in one line, nothing written, nothing executed."""

import contextlib
import io
import json
import random
from dataclasses import fields

import pytest

from ablations.cli import exit_code_of
from ablations.harness.run_status import last_step, status_of
from ablations.run_options import parse_arguments
from ablations.status import main as status_main
from datasets.readers import ImageRefused, read_rgb
from dfpir import DFPIRConfig
from reports.load import load
from reports.run_state import Status
from tests.property.test_datasets_fuzz import broken, seeds
from tests.support.read_run import read_run

VALUES: list[object] = [
    None, True, -1, 0, 1e308, 10**400, float("nan"), "", "x", "../../x", "/etc/passwd", "a\0b", "<script>", "\ud800",
    [], [[]], {}, {"a": 1}, [None], "9" * 5000, {"__class__": "os.system"},
]  # fmt: skip


def mutated(value, rng):
    """The same JSON with something of it replaced, dropped or renamed."""
    if isinstance(value, dict) and value and rng.random() < 0.8:
        value = dict(value)
        key = rng.choice(list(value))
        what = rng.random()
        if what < 0.2:
            del value[key]
        elif what < 0.3:
            value[key + rng.choice(["x", "\0"])] = value.pop(key)
        else:
            value[key] = mutated(value[key], rng)
        return value
    if isinstance(value, list) and value and rng.random() < 0.7:
        value = list(value)
        index = rng.randrange(len(value))
        value[index] = mutated(value[index], rng)
        return value
    return rng.choice(VALUES)


def put(path, content):
    path.unlink(missing_ok=True)  # to write over a file waits for the disk on some systems
    path.write_bytes(content)


def as_bytes(value, rng):
    content = bytearray(json.dumps(value).encode("utf-8", "surrogatepass"))
    if rng.random() < 0.2 and content:
        del content[rng.randrange(len(content)) :]
    if rng.random() < 0.1 and content:
        content[rng.randrange(len(content))] = rng.randrange(256)
    return bytes(content)


SPEC = {
    "schema": 1, "run_id": "a-s0-1", "variant": "a", "seed": 0, "identity": {}, "protocol": "suite-v1",
    "model": {"config": {"gamma": 0.5}, "params": 3, "macs": 4, "macs_px": 128},
    "data": {"name": "embedded", "checksum": "x", "description": "d", "sets": [], "exclude_leaks": False},
    "budget": {"name": "demo", "phases": [{"steps": 3}]}, "text_encoder": "minilm", "precision": "fp32",
}  # fmt: skip
FILES = {
    "spec.json": SPEC,
    "summary.json": {"status": "done", "steps": 3, "train_wall_s": 1.0, "eval_wall_s": 1.0, "oom_splits": 0},
    "DONE": {"finished_at": "2026-01-01", "files": {"spec.json": "0" * 64}},
    "ERROR.json": {"type": "ValueError", "message": "m", "traceback": "t", "at": "now", "step": 3},
    "env.json": {"commit": "c", "dirty": False, "packages": {"torch": "2"}, "device": "cpu"},
}
STUDY = {
    "schema": 1, "study": "s", "title": "t", "question": "q", "budget": {"name": "demo", "steps": 3}, "data": {},
    "text_encoder": {"name": "minilm", "note": ""}, "axis": {"name": "gamma", "values": {"a": 0.5}}, "reference": "a",
    "rows": [{"variant": "a", "seed": 0, "run_id": "a-s0-1", "alias_of": None, "note": ""}], "command": "c",
    "contrasts": [{"name": "n", "label": "l", "weights": {"a": 1.0, "b": -1.0}}],
}  # fmt: skip
ROW = {"step": 1, "loss": 0.5, "lr": 1e-3, "images_per_s": 3.0, "wall_s": 1.0}


def test_a_run_folder_of_anything_is_a_run_with_a_status(tmp_path, tries):
    rng = random.Random(0)
    run = tmp_path / "a-s0-1"
    run.mkdir()
    for name, content in FILES.items():
        (run / name).write_text(json.dumps(content))
    for _ in range(tries("malformed run folders", 150, 4000)):
        name = rng.choice(list(FILES))
        put(run / name, as_bytes(mutated(FILES[name], rng), rng))
        put(run / "train.jsonl", as_bytes(mutated(ROW, rng), rng))
        found = read_run(run)
        assert found.status is not Status.DONE
        last_step(run)
        status_of(run)
        put(run / name, json.dumps(FILES[name]).encode())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a-s0-1"]


def test_a_study_file_of_anything_is_told_or_refused_in_one_line(tmp_path, tries):
    rng = random.Random(1)
    folder = tmp_path / "runs" / "studies" / "s"
    folder.mkdir(parents=True)
    refused = 0
    for _ in range(tries("malformed study files", 100, 3000)):
        put(folder / "study.json", as_bytes(mutated(STUDY, rng), rng))
        with contextlib.suppress(ValueError):
            load([folder])
        out, err = io.StringIO(), io.StringIO()
        code: object
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = status_main([str(tmp_path / "runs"), "--json"])
            except SystemExit as ended:
                code = ended.code
        refused += code == 2
        assert (code, err.getvalue().count("\n")) in ((0, 0), (2, 1))
    assert refused
    assert [p.name for p in (tmp_path / "runs").rglob("*") if p.is_file()] == ["study.json"]


def test_an_image_of_anything_is_read_or_refused_by_its_name(tmp_path, tries):
    rng, files = random.Random(3), seeds()
    refused = 0
    for number in range(tries("malformed images", 120, 2000)):
        suffix, body = files[number % len(files)]
        path = tmp_path / f"{number}{suffix}"
        path.write_bytes(broken(rng, body))
        try:
            assert read_rgb(path).ndim == 3
        except ImageRefused as refusal:
            refused += 1
            named = refusal.path == path and "\n" not in str(refusal)
        else:
            named = True
        assert named
        path.unlink()
    assert refused
    assert not list(tmp_path.iterdir())


def test_a_config_of_anything_is_taken_or_refused_in_one_line(tries):
    rng, whole = random.Random(4), {f.name: getattr(DFPIRConfig(), f.name) for f in fields(DFPIRConfig)}
    said = []
    for _ in range(tries("malformed configs", 120, 1000)):
        given = dict(whole)
        given[rng.choice(list(whole))] = rng.choice(VALUES)
        try:
            DFPIRConfig(**given)
        except (ValueError, TypeError) as error:
            said.append(str(error))
    assert said
    assert not any("\n" in each for each in said)


WORDS = [
    "--seeds", "--jobs", "--budget", "--only", "--launcher", "--slurm", "--gpus", "--hang-after", "--root", "--out",
    "--device", "--data", "--force", "--dry-run", "--bogus", "--", "-1", "0", "nan", "1e999", "²", "x\ny", "$(id)", "",
    "; rm -rf", "--jobs=", "--gpus=1.5", "../..", "\udcff", "9" * 5000, "gamma_sweep", "--list=1", "-h=", "--no",
    "--recipe.steps", "--model.dim", "--model.gamma", "--evaluation.limit", "--recipe.mixture", "--recipe.stesp",
]  # fmt: skip


def test_a_command_line_of_anything_is_taken_or_refused_in_one_line(tries, monkeypatch):
    rng = random.Random(2)
    refused = 0
    for _ in range(tries("malformed command lines", 200, 3000)):
        words = [rng.choice(WORDS) for _ in range(rng.randrange(1, 6))]
        err = io.StringIO()
        with contextlib.redirect_stderr(err):
            try:
                exit_code_of(lambda: len(parse_arguments(words).images.data))  # noqa: B023
                continue
            except SystemExit as ended:
                code = ended.code
        refused += 1
        assert code == 2, words
        assert err.getvalue().startswith("error: "), words
        assert err.getvalue().count("\n") == 1, words
    assert refused


@pytest.mark.parametrize("flag", ["--out", "--data", "--root"])
def test_a_path_of_odd_characters_is_one_line(flag, capsys):
    from ablations.run import main

    for value in ("a\0b", "x" * 5000):
        with pytest.raises(SystemExit, match="2"):
            main(
                ["gamma_sweep", "--dry-run", "--data", "paper", flag, value]
                if flag != "--data"
                else ["gamma_sweep", flag, value]
            )
        assert capsys.readouterr().err.count("\n") == 1
