"""`python -m ablations.run`: flags, listings, plans, errors."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ablations.run import main, make_parser

ROOT = Path(__file__).resolve().parents[2]


def call(capsys, *arguments):
    """Exit code, standard output, standard error."""
    code: object
    try:
        code = main([str(a) for a in arguments])
    except SystemExit as ended:
        code = ended.code
    out, err = capsys.readouterr()
    return code, out, err


def test_the_flags_are_these():
    flags = {option for action in make_parser()._actions for option in action.option_strings}
    assert flags == {
        "-h", "--help", "--version", "--list", "--variants", "--only", "--seeds", "--budget", "--data", "--text-encoder", "--out",
        "--device", "--jobs", "--launcher", "--ray-address", "--slurm", "--gpus", "--hang-after", "--log", "--root", "--protocol",
        "--exclude-leaks", "--force", "--dry-run", "--early-look", "--precision", "--names",
        "--kernels", "--compile", "--cuda-graphs", "--checkpointing",
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


def test_dry_run_prints_ids_and_writes_nothing(capsys, tmp_path):
    code, out, _ = call(capsys, "gamma_sweep", "--dry-run", "--out", tmp_path / "runs", "--seeds", 0, 1)
    assert code == 0
    assert len(re.findall(r"dfpir_g\d+-s[01]-[0-9a-f]{8}\tto run", out)) == 10
    assert "same as dfpir_g90" in out
    assert not (tmp_path / "runs").exists()


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
        (["gamma_sweep", "--jobs", "0"], "'0' runs at once"),
        (["gamma_sweep", "--data", "/no/such/folder"], "'embedded', 'paper' or the path of a folder"),
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


def test_another_package_named_datasets_is_noticed(tmp_path):
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "__init__.py").write_text("")
    code = "import sys; sys.path.insert(0, sys.argv[1]); from ablations.run import main; main(['--list'])"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, cwd=ROOT, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "in place of this suite's" in done.stderr
    assert done.stderr.count("\n") == 1
