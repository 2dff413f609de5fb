"""The built wheel in an environment of its own, away from the checkout: commands, templates, catalogue."""

import json
import os
import re
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.support.fake_runs import gamma_study, write_runs

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def commands(tmp_path_factory):
    """The folder of an environment's commands; our packages come from the wheel, all others from this environment."""
    place = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", place]
    source = place / "source"
    subprocess.run(["git", "clone", "--quiet", "--depth", "1", ROOT.as_uri(), source], check=True, timeout=120)
    subprocess.run([*build, source], check=True, timeout=300, cwd=place)
    (wheel,) = place.glob("*.whl")
    home = place / "env"
    venv.create(home, with_pip=False, symlinks=True)
    paths = sysconfig.get_paths(scheme="venv", vars={"base": str(home), "platbase": str(home)})
    python = Path(paths["scripts"]) / "python"
    install = ["-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel]
    subprocess.run([sys.executable, *install], check=True, timeout=300, cwd=place)
    # once pip has seen an empty environment: this one's libraries, but not the checkout that is installed there
    others = Path(paths["purelib"]) / "others.pth"
    others.write_text(f"import sys; sys.path.append({sysconfig.get_paths()['purelib']!r})\n")
    return Path(paths["scripts"]), Path(paths["purelib"])


def execute(folder, *words):
    """Run a program in a folder that is no checkout; returns what it printed."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    process = subprocess.run(
        [*map(str, words)], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


def run(commands, folder, *words):
    """Run our command's module with the environment's Python."""
    return execute(folder, commands[0] / "python", "-m", *words)


@pytest.mark.parametrize("script", ["dfpir-run", "dfpir-report", "dfpir-evaluate", "dfpir-restore", "dfpir-data"])
def test_console_scripts_start(commands, tmp_path, script):
    path = commands[0] / script
    assert re.fullmatch(r"dfpir-suite \d\S*\n", execute(tmp_path, path, "--version"))
    assert "--version" in execute(tmp_path, path, "--help")


def test_all_console_scripts_are_tested(commands):
    assert sorted(path.name for path in commands[0].glob("dfpir*")) == [
        "dfpir-data", "dfpir-evaluate", "dfpir-report", "dfpir-restore", "dfpir-run",
    ]  # fmt: skip


def test_our_packages_come_from_the_wheel(commands, tmp_path):
    ours = "ablations, baselines, datasets, dfpir, reports"
    code = f"import {ours}, json; print(json.dumps([module.__file__ for module in ({ours})]))"
    done = subprocess.run(
        [commands[0] / "python", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=120
    )
    assert all(Path(file).is_relative_to(commands[1]) for file in json.loads(done.stdout))


def test_a_report_in_both_languages(commands, tmp_path):
    folder = write_runs(tmp_path / "runs", gamma_study(seeds=(0,), failed=(), pictures=False))
    assert "report.zh.html" in run(commands, tmp_path, "reports", "study", folder, "--lang", "zh")
    assert "结果" in (folder / "report.zh.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in (folder / "report.html").read_text(encoding="utf-8")
    assert "cells in 38 rows" in run(commands, tmp_path, "reports", "reported")


def test_studies_data_and_comparators_are_listed(commands, tmp_path):
    assert "gamma_sweep" in run(commands, tmp_path, "ablations.run", "--list")
    assert "gopro-test" in run(commands, tmp_path, "datasets", "list")
    assert "amir" in run(commands, tmp_path, "baselines")
