"""`python -m ablations.run`: flags, listings, plans, errors."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ablations.run import main
from ablations.run_options import known_flags
from tests.support.command_lines import call_of

ROOT = Path(__file__).resolve().parents[2]


call = call_of(main)


def test_the_flags_are_these():
    settings = ("--recipe.", "--model.", "--evaluation.")  # their names are their dataclasses'
    assert {flag for flag in known_flags() if not flag.startswith(settings)} == {
        "--version", "--list", "--variants", "--only", "--seeds", "--budget", "--data", "--text-encoder", "--out",
        "--device", "--jobs", "--launcher", "--ray-address", "--slurm", "--gpus", "--hang-after", "--log", "--root", "--protocol",
        "--exclude-leaks", "--tasks", "--checkpoint", "--force", "--dry-run", "--early-look", "--report-only", "--precision",
        "--names",
        "--kernels", "--compile", "--cuda-graphs", "--checkpointing",
        "--split", "--skip-bad", "--metrics",
    }  # fmt: skip


def test_listings(capsys):
    code, out, _ = call(capsys, "--list")
    assert code == 0
    assert "gamma_sweep" in out
    assert "components" in out
    code, out, _ = call(capsys, "--list", "--names")
    assert code == 0
    assert {"components", "gamma_sweep", "interference", "all_in_one_vs_single"} <= set(out.split())
    code, out, _ = call(capsys, "--variants")
    assert code == 0
    assert re.search(r"dfpir +31\.105 +41\.4", out)
    assert re.search(r"restormer +26\.127 +38\.7", out)
    assert "same model as" in " ".join(out.split())


def test_a_study_and_a_pattern_are_listed(capsys):
    code, out, _ = call(capsys, "--list", "gamma_sweep")
    assert code == 0
    assert "  dfpir_g100  (reference)" in out
    assert "planned contrasts: each variant against dfpir_g100" in out
    assert "components" not in out
    code, out, _ = call(capsys, "--list", "components")
    assert code == 0
    assert re.search(r"planned contrasts:\n  \w+: ", out)
    for arguments in (["--variants", "DFPIR_g*"], ["gamma_sweep", "--variants", "*_g[0-9]*"]):
        code, out, _ = call(capsys, *arguments)
        assert code == 0
        assert "dfpir_g50 " in out
        assert "restormer " not in out
    code, _, err = call(capsys, "--variants", "zz*")
    assert (code, err.count("\n")) == (2, 1)
    assert "'zz*': no variant matches." in err


def test_only_takes_patterns_in_any_case(capsys, tmp_path):
    flags = ("--dry-run", "--budget", "smoke", "--out", tmp_path)
    code, out, _ = call(capsys, "gamma_sweep", "--only", "DFPIR_G[57]0", "dfpir_g7*", *flags)
    assert code == 0
    assert re.findall(r"^dfpir_g\d+", out, re.MULTILINE)[:2] == ["dfpir_g50", "dfpir_g70"]
    assert "dfpir_g90" not in out


def test_dry_run_prints_ids_and_writes_nothing(capsys, tmp_path):
    code, out, _ = call(capsys, "gamma_sweep", "--dry-run", "--out", tmp_path / "runs", "--seeds", 0, 1)
    assert code == 0
    assert len(re.findall(r"dfpir_g\d+-s[01]-[0-9a-f]{8}\tto run", out)) == 8  # the short form of a small budget
    assert not (tmp_path / "runs").exists()


@pytest.mark.usefixtures("blank_figures")
def test_a_report_of_what_is_finished_starts_no_run(capsys, smoke_runs, tmp_path):
    flags = ("gamma_sweep", "--budget", "smoke", "--seeds", 0, 1, "--report-only", "--out", tmp_path)
    code, _, err = call(capsys, *flags)
    assert (code, err.count("\n")) == (2, 1)
    assert f"No run of gamma_sweep with these options is finished in {tmp_path}" in err
    runs = sorted(path.parent for path in smoke_runs.glob("*/DONE"))
    for run in runs:
        shutil.copytree(run, tmp_path / run.name)
    code, out, _ = call(capsys, *flags)
    assert code == 0
    assert re.search(r"^dfpir_g50 .* 1 of 2$", out, re.MULTILINE)
    assert re.search(r"^dfpir_g70 .*not run.* 0 of 2$", out, re.MULTILINE)
    (study,) = (tmp_path / "studies").iterdir()
    command = json.loads((study / "study.json").read_text(encoding="utf-8"))["command"]
    assert command == f"python -m ablations.run gamma_sweep --seeds 0 1 --budget smoke --out {tmp_path}"
    assert re.search(r"Interim analysis: 2 of \d+ planned runs are finished", (study / "table.md").read_text("utf-8"))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*(run.name for run in runs), "studies"])


@pytest.mark.parametrize(
    ("words", "seeds"),
    [(["1", "1"], "1"), (["0-2"], "012"), (["0,1,2"], "012"), (["2", "0-1,1"], "201")],
)
def test_seeds_are_counted_once_in_any_notation(capsys, tmp_path, words, seeds):
    code, out, _ = call(capsys, "gamma_sweep", "--only", "dfpir_g50", "--dry-run", "--out", tmp_path, "--seeds", *words)
    assert code == 0
    assert "".join(re.findall(r"dfpir_g50-s(\d)-[0-9a-f]{8}\tto run", out)) == seeds


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gamma_swep"], "Unknown study 'gamma_swep'. Did you mean 'gamma_sweep'?"),
        (["gamma_sweep", "--only", "dfpir_g9"], "Did you mean 'dfpir_g90'?"),
        (["gamma_sweep", "--budget", "dmeo"], "Did you mean 'demo'?"),
        (["gamma_sweep", "--text-encoder", "clipp"], "Did you mean 'clip'?"),
        (["gamma_sweep", "--device", "gpu"], "Unknown device 'gpu'"),
        (["gamma_sweep", "--seeds", "-1"], "--seeds"),
        (["gamma_sweep", "--seeds", "one"], "'one' is no seed"),
        (["gamma_sweep", "--seeds", "auto"], "'auto' is no seed: whole numbers from 0 to 2147483647 are"),
        (["gamma_sweep", "--seeds", "0", "auto"], "'auto' is no seed"),
        (["gamma_sweep", "--seeds", "1.5"], "'1.5' is no seed"),
        (["gamma_sweep", "--seeds", "\N{SUPERSCRIPT TWO}"], "is no seed"),
        (["gamma_sweep", "--seeds", "0,,1"], "'0,,1' is no seed"),
        (["gamma_sweep", "--seeds", "4-0"], "'4-0': a range of seeds goes up"),
        (["gamma_sweep", "--seeds", "0-2000000000"], "at most 10,000"),
        (["gamma_sweep", "--jobs", "0"], "'0' runs at once"),
        (["gamma_sweep", "--data", "/no/such/folder"], "'embedded', 'bsds', 'paper' or the path of a folder"),
        (["gamma_sweep", "--out", __file__], "a folder is needed"),
        (["gamma_sweep", "--protocol", "all"], "--protocol all goes with --data paper"),
        (["gamma_sweep", "--data", "paper"], "--data paper needs --root"),
        (["gamma_sweep", "--launcher", "slrum"], "Unknown launcher 'slrum'. Did you mean 'slurm'?"),
        (["gamma_sweep", "--ray-address", "auto"], "--ray-address goes with --launcher ray, not with local."),
        (["gamma_sweep", "--gpus", "0.5"], "--gpus goes with --launcher ray or slurm"),
        (["gamma_sweep", "--log", "tensorbord"], "Did you mean 'tensorboard'?"),
        (["gamma_sweep", "--gpus", "1.5"], "'1.5' GPUs: a fraction from 0 to 1"),
        (["gamma_sweep", "--hang-after", "nan"], "'nan' minutes"),
        (["--bogus"], "unrecognized arguments: --bogus"),
        ([], "a study is needed"),
        (["gamma_sweep", "--precision", "bf61"], "Did you mean 'bf16'?"),
        (["gamma_sweep", "--precision", "tf32", "--device", "cpu"], "--precision tf32: the cpu has no TF32"),
        (["gamma_sweep", "--kernels", "tritn"], "Unknown kernels 'tritn'. Did you mean 'triton'?"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(capsys, arguments, message):
    code, _, err = call(capsys, *arguments)
    assert code == 2
    assert message in err
    assert err.count("\n") == 1
    assert "Traceback" not in err


def test_a_folder_of_images_as_data(capsys, tmp_path):
    rng = np.random.default_rng(0)
    for number in range(4):
        Image.fromarray(rng.integers(0, 256, (48, 40, 3), dtype=np.uint8)).save(tmp_path / f"{number}.png")
    code, out, _ = call(capsys, "components", "--data", tmp_path, "--dry-run", "--budget", "smoke")
    assert code == 0
    assert "restormer-s0-" in out
    (tmp_path / "broken.png").write_bytes(b"not an image")
    code, _, err = call(capsys, "components", "--data", tmp_path, "--dry-run", "--budget", "smoke")
    assert code == 2
    assert "broken.png" in err
