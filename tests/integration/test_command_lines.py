"""Every command line: errors in one line, `--version`, no flag that is taken and does not act, names told at once."""

import json
import re
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import dfpir
from ablations.harness.evaluating.pretrained import WeightsError, _require_trained
from ablations.restore import main as restore
from ablations.run import main as run
from ablations.status_command import as_text, statuses
from datasets.tasks import condition_named
from reports.pages.setup import study_path

ROOT = Path(dfpir.__file__).resolve().parent.parent
MODULES = (
    "ablations", "ablations.run", "ablations.evaluate", "ablations.status", "ablations.efficiency", "baselines",
    "datasets", "dfpir", "reports", "reports.build",
)  # fmt: skip


@dataclass
class Started:
    """A command that ended: what it printed, and the modules that it imported."""

    returncode: int
    stdout: str
    said: list[str]
    imported: set[str]


def start(*words, cwd=ROOT) -> Started:
    command = [sys.executable, "-X", "importtime", "-m", *map(str, words)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)
    lines = done.stderr.splitlines()
    return Started(
        returncode=done.returncode,
        stdout=done.stdout,
        said=[line for line in lines if not line.startswith("import time:")],
        imported={line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")},
    )


@pytest.mark.parametrize("module", MODULES)
def test_every_command_knows_its_version_and_tells_errors_in_one_line(module):
    done = start(module, "--version")
    assert (done.returncode, done.said) == (0, [])
    assert re.fullmatch(r"dfpir-suite .*\n", done.stdout)
    done = start(module, "--vresion")
    assert done.returncode == 2
    assert len(done.said) == 1
    assert done.said[0].startswith("error: ")


@pytest.mark.parametrize("module", [f"ablations.{name}" for name in ("run", "evaluate", "restore", "efficiency")])
def test_help_is_plain_in_groups_at_80_columns_and_needs_no_torch(module, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    done = start(module, "--help")
    assert (done.returncode, done.said) == (0, [])
    assert "torch" not in done.imported
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in done.stdout
    groups = [line for line in lines if re.match(r"\W*\w+ options\b", line)]
    assert len(groups) >= 2


def flags_by_group(module):
    """Title of each group of a command's help -> its flags."""
    groups: dict[str, set[str]] = {}
    for line in start(module, "--help").stdout.splitlines():
        if title := re.match(r"\W*(\w+) options\b", line):
            flags = groups.setdefault(title[1], set())
        elif flag := re.match(r"│ (--[\w.-]+)", line):
            flags.add(flag[1])
    return groups


def test_flags_of_run_stand_in_the_group_that_says_whether_they_are_part_of_the_id():
    groups = flags_by_group("ablations.run")
    assert groups["selection"] == {"--only", "--seeds", "--budget", "--metrics"}
    assert groups["run"] == {"--tasks", "--checkpoint", "--text-encoder", "--precision"}
    assert groups["image"] == {"--data", "--split", "--skip-bad", "--root", "--exclude-leaks", "--protocol"}


@pytest.mark.parametrize("module", ["ablations.evaluate", "ablations.restore"])
def test_every_flag_but_help_stands_in_a_named_group(module):
    groups = flags_by_group(module)
    assert {"output", "image" if module == "ablations.evaluate" else "model"} <= set(groups)
    assert all(groups.values())
    assert module == "ablations.evaluate" or "--model" in groups["model"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--recipe.stesp", "5"), "unrecognized arguments: --recipe.stesp 5. Did you mean --recipe.steps?"),
        (("--buget", "demo"), "Did you mean --budget?"),
        (("--budget",), "'--budget'. Expected 1 values"),
        (("--only",), "argument --only: expected at least one VARIANT"),
        (("--split", "80", "20"), "'--split'. Expected 3 values"),
        (("--variants", "a", "b"), "argument --variants: one [PATTERN] at most, not a b"),
        (("--jobs", "many"), "argument --jobs: 'many' runs at once: a whole number from 1 to 1024, or auto"),
    ],
)
def test_a_flag_that_cant_be_read_is_one_line_without_torch(words, said):
    done = start("ablations.run", "gamma_sweep", *words)
    assert (done.returncode, len(done.said)) == (2, 1)
    assert said in done.said[0]
    assert "torch" not in done.imported


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("datasets", "scroe", "x"), "Did you mean score?"),
        (("datasets", "score", "x", "--task", "nosie"), "Unknown task 'nosie'. Did you mean 'noise'?"),
        (("reports", "study", "x", "--lang", "zhh"), "Did you mean zh?"),
        (("reports", "publish", "a", "b", "--rnus"), "Did you mean --runs?"),
    ],
)
def test_the_nearest_word_is_told(words, said):
    done = start(*words)
    assert done.returncode == 2
    assert len(done.said) == 1
    assert said in done.said[0]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("gamma_sweep", "--only", "dfpir_g5"), "'dfpir_g5' is not in study gamma_sweep. Did you mean"),
        (("gamma_sweep", "--tasks", "raim"), "Unknown task 'raim'. Did you mean 'rain'?"),
        (("--variants", "dfpir_x*"), "no variant matches"),
        (("gamma_sweep", "--variants", "restormer"), "no variant of gamma_sweep matches"),
        (("GAMMA_SWEP",), "Did you mean 'gamma_sweep'?"),
        (("gamma_sweep", "--budget", "smole"), "Unknown budget 'smole'. Did you mean"),
    ],
)
def test_names_are_told_before_torch_is_imported(words, said):
    done = start("ablations.run", *words)
    assert done.returncode == 2
    assert len(done.said) == 1
    assert said in done.said[0]
    assert "torch" not in done.imported


def test_what_there_is_needs_no_torch():
    done = start("dfpir")
    assert "dfpir.list_models" in done.stdout
    assert "torch" not in done.imported
    assert dfpir.RestorationUNet.__name__ == "RestorationUNet"
    with pytest.raises(AttributeError, match="no attribute 'zzz'"):
        _ = dfpir.zzz


def refused(capsys, main, *words):
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    assert ended.value.code == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    return err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("gamma_sweep", "--names"), "--names goes with --list"),
        (("--list", "--seeds", "1"), "--seeds: --list prints and exits"),
        (("--list", "gamma_sweep", "--names"), "--names: --list prints"),
        (("--variants", "--budget", "smoke"), "--budget: --variants prints"),
        (("gamma_sweep", "--dry-run", "--early-look"), "--dry-run, --early-look"),
        (("gamma_sweep", "--report-only", "--early-look"), "--early-look, --report-only: choose one"),
        (("gamma_sweep", "--dry-run", "--force"), "--force: --dry-run starts no run"),
        (("gamma_sweep", "--out", ""), "--out: an empty name"),
        (
            ("efficiency", "--seeds", "1", "--only", "dfpir", "--dry-run", "--data", "X"),
            "--only, --seeds, --data, --dry-run: efficiency trains nothing",
        ),
    ],
)
def test_flags_that_would_not_act_are_refused(capsys, words, said):
    assert said in refused(capsys, run, *words)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--degradation", "rain", "--data", "X"), "--data: used with --degradation auto or noise only"),
        (("--degradation", "rain", "--runs", "X"), "--runs: used with --degradation auto"),
        (("--degradation", "noise-9999"), "any whole N from 1 to 255"),
    ],
)
def test_restore_refuses_what_would_not_act(capsys, tmp_path, words, said):
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(tmp_path / "a.png")
    given = (tmp_path / "a.png", "--model", "identity", "--out", tmp_path / "out", *words)
    assert said in refused(capsys, restore, *given)
    assert not (tmp_path / "out").exists()


def test_evaluate_refuses_what_would_not_act():
    done = start("ablations.evaluate", "identity", "--guess-data", "X")
    assert (done.returncode, len(done.said)) == (2, 1)
    assert "--guess-data: used with --degradation auto only" in done.said[0]


def test_a_runs_own_settings_are_not_replaced():
    trained = json.loads(json.dumps(asdict(dfpir.variant_config("dfpir", gamma=0.5))))
    _require_trained(trained, {"gamma": 0.5, "num_blocks": (4, 6, 6, 8)})
    with pytest.raises(WeightsError, match=r"gamma=0.5, not 0.9; leave it out"):
        _require_trained(trained, {"gamma": 0.9})


def test_noise_levels_end_at_255():
    assert condition_named("noise-255").sigma_255 == 255
    for name in ("noise-256", "noise-0", "noise-" + "9" * 5000):
        with pytest.raises(ValueError, match="from 1 to 255"):
            condition_named(name)


def test_a_study_without_its_report_is_not_finished(tmp_path):
    run_folder = tmp_path / "a-s0-1"
    run_folder.mkdir()
    for name in ("spec.json", "images.parquet"):
        (run_folder / name).write_text("{}")
    (run_folder / "DONE").write_text(json.dumps({"files": {"spec.json": "", "images.parquet": ""}}))
    folder = tmp_path / "studies/s-demo"
    folder.mkdir(parents=True)
    rows = [{"variant": "a", "seed": 0, "run_id": "a-s0-1", "alias_of": None}]
    (folder / "study.json").write_text(json.dumps({"study": "s", "rows": rows}))
    said = as_text(statuses(tmp_path)[0])
    assert "measures and report to come" in said
    assert "finished" not in said
    (folder / "report.html").touch()
    assert as_text(statuses(tmp_path)[0]).endswith("finished")


@pytest.mark.parametrize(
    ("command", "folder", "said"),
    [
        ("python -m ablations.run s", "/x/runs/studies/s-demo", "runs/studies/s-demo"),
        ("python -m ablations.run s --out 'my runs'", "/x/my runs/studies/s-demo", "'my runs/studies/s-demo'"),
        ("python -m ablations.run s --out=r", "/x/r/studies/s-demo", "r/studies/s-demo"),
        ("", "copy", "copy"),
    ],
)
def test_the_page_names_its_folder_from_where_the_study_was_started(command, folder, said):
    assert study_path(SimpleNamespace(command=command, folder=Path(folder))) == said
