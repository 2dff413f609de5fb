"""A package of somebody else's adds one of each, by entry points alone; and what it can't change."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from reports.schema import IMAGE_COLUMNS, METRIC_PREFIX, SSIM, TABLE_COLUMNS, read_images, read_measure
from tests.support.pair_folders import picture, write

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "tests/plugin_package"
RUN = ("-m", "ablations.run", "my_study", "--budget", "minute")
IDS = """
import json
from ablations.budgets import BUDGETS
from ablations.harness.launch import LAUNCHERS
from ablations.measures.registry import MEASURES
from ablations.metrics import METRICS
from datasets.protocols import PROTOCOLS
from datasets.tasks import TASKS
from tests.support.tiny_study import tiny_plan
registries = BUDGETS, METRICS, PROTOCOLS, TASKS, MEASURES, LAUNCHERS
print(json.dumps([[s.run_id for s in tiny_plan().specs], [list(r) for r in registries]]))
"""
DIGESTS = """
from dataclasses import replace
from tests.support.tiny_study import tiny_plan
spec = tiny_plan().specs[0]
print(replace(spec, protocol="cropped-v1").digest, spec.digest)
"""


@pytest.fixture
def site(tmp_path):
    """The package, laid out as pip installs it."""
    folder = tmp_path / "site"
    shutil.copytree(PACKAGE / "mylab", folder / "mylab", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "mylab-1.0.dist-info").mkdir()
    (folder / "mylab-1.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: mylab\nVersion: 1.0\n")
    text = (PACKAGE / "pyproject.toml").read_text(encoding="utf-8")
    groups = re.findall(r'\[project\.entry-points\."(.+?)"\]\n(\w+) = "(.+?)"\n', text)
    assert len(groups) == text.count("entry-points")
    points = "".join(f"[{group}]\n{name} = {module}\n" for group, name, module in groups)
    (folder / "mylab-1.0.dist-info/entry_points.txt").write_text(points)
    return folder


def python(site, *arguments):
    path = os.pathsep.join([*([str(site)] if site else []), str(ROOT)])
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
    )


def printed(site, *arguments):
    done = python(site, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_it_adds_to_every_registry_and_changes_no_run_of_others(site):
    (with_ids, found), (ids, usual) = (json.loads(printed(where, "-c", IDS)) for where in (site, None))
    assert with_ids == ids
    own = [["minute"], ["mae"], ["cropped"], ["jpeg"], ["clipped"], ["serial"]]
    assert [sorted(set(a) - set(b)) for a, b in zip(found, usual, strict=True)] == own


def test_the_rules_of_its_protocol_are_part_of_a_run(site):
    cropped, own = printed(site, "-c", DIGESTS).split()
    path = site / "mylab/protocols.py"
    path.write_text(path.read_text().replace("crop_multiple=4", "crop_multiple=8"))
    edited, same = printed(site, "-c", DIGESTS).split()
    assert edited != cropped
    assert same == own


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--metrics", "mea"), "Unknown metric 'mea'. Did you mean 'mae'?"),
        (("--budget", "minutes"), "Unknown budget 'minutes'. Did you mean 'minute'?"),
        (("--tasks", "jpg"), "Unknown task 'jpg'. Did you mean 'jpeg'?"),
        (("--launcher", "seriel"), "Unknown launcher 'seriel'. Did you mean 'serial'?"),
    ],
)
def test_a_mistyped_name_of_its_own_is_told_in_one_line(site, tmp_path, words, said):
    done = python(site, *RUN, *words, "--dry-run", "--out", tmp_path / "runs")
    assert (done.returncode, done.stderr) == (2, f"error: {said}\n")


@pytest.mark.parametrize("group", ["metrics", "budgets", "protocols", "tasks", "measures", "launchers"])
def test_a_broken_one_is_named_and_the_rest_works(site, group):
    (site / f"mylab/{group}.py").write_text("import nosuchmodule\n")
    done = python(site, "-c", IDS)
    assert done.returncode == 0
    assert done.stderr.count("\n") == 1
    assert f"plug-in mylab 1.0 (mylab.{group}) is left out: ModuleNotFoundError" in done.stderr


def test_the_documented_code_is_the_packages():
    text = (ROOT / "docs/extending.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    files = [path.read_text(encoding="utf-8") for path in sorted((PACKAGE / "mylab").glob("[!_]*.py"))]
    assert sorted(blocks) == sorted(files)
    toml = re.findall(r"```toml\n(.*?)```", text, flags=re.DOTALL)
    assert [block in (PACKAGE / "pyproject.toml").read_text() for block in toml] == [True]


def test_the_code_of_its_task_is_part_of_the_runs_on_it_alone(site, tmp_path):
    def planned():
        lines = [
            printed(site, *RUN, "--only", "dfpir_g100", "--tasks", *tasks, "--dry-run", "--out", tmp_path).splitlines()
            for tasks in (("noise",), ("noise", "jpeg"))
        ]
        return [next(line.split("\t")[2] for line in part if line.startswith("dfpir_g100\t")) for part in lines]

    noise, both = planned()
    path = site / "mylab/tasks.py"
    path.write_text(path.read_text().replace("quality=strength", "quality=strength + 1"))
    noise_again, edited = planned()
    assert noise_again == noise
    assert edited != both


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--text-encoder", "minilm"), "The stored minilm codes are of the paper's sentences, and 'JPEG compression"),
        (("--budget", "paper"), "--tasks jpeg: the paper budget samples the released code's lists"),
        (("--only", "tinynet", "--tasks", "rain", "jepg"), "Unknown task 'jepg'. Did you mean 'jpeg'?"),
    ],
)
def test_where_its_task_can_not_go_one_line_says_what_does(site, tmp_path, words, said):
    done = python(site, *RUN, *words, "--dry-run", "--out", tmp_path / "runs")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"error: {said}")


def test_the_help_lists_what_is_registered(site):
    text = " ".join(printed(site, "-m", "ablations.run", "--help").replace("│", " ").split())
    assert "local, ray, slurm, torchrun or serial (default: local)" in text
    assert "noise, rain, haze, blur, lowlight, jpeg (default" in text
    assert "smoke, demo, small, quick, paper, minute (default: demo)" in text
    text = " ".join(printed(site, "-m", "ablations.restore", "--help").replace("│", " ").split())
    assert "rain, haze, blur, lowlight, jpeg-10, jpeg-30; auto" in text


@pytest.mark.slow
def test_its_study_makes_a_report_that_shows_all_of_it(site, tmp_path):
    out = tmp_path / "runs"
    printed(site, *RUN, "--launcher", "serial", "--out", out)
    folder = out / "studies/my_study-minute-embedded"
    table = (folder / "table.md").read_text(encoding="utf-8")
    assert "PSNR (dB) / SSIM / MAE (lower is better). Protocol" in table
    assert "| Noise \N{GREEK SMALL LETTER SIGMA}=50 | JPEG, quality 10 | JPEG, quality 30 | Average" in table
    for name in ("dfpir_g93", "dfpir_g100", "tinynet"):
        row = next(line for line in table.splitlines() if line.startswith(f"| {name} "))
        assert len(re.findall(r"\| \d+\.\d\d / \d\.\d{3} / 0\.\d{4} ", row)) == 7, row
    means = pd.read_csv(folder / "means.csv").query("metric == 'mae' and condition == 'jpeg-10'")
    rows = read_images(folder / "table.parquet", columns=TABLE_COLUMNS, metrics=["mae"])
    asked = rows.query("metric == 'mae' and condition == 'jpeg-10'").groupby("variant")["value"].mean()
    assert means.set_index("variant")["mean"].to_dict() == pytest.approx(asked.to_dict())
    for place in (folder, tmp_path / "elsewhere"):
        # the second is made without the package: what was declared stands in the study's own files
        if place != folder:
            printed(None, "-m", "reports", folder, "--out", place)
        page = (place / "report.html").read_text(encoding="utf-8")
        for shown in ("MAE (lower is better)", "JPEG, quality 10", "Values out of range", "PSNR by condition"):
            assert shown in page, shown
        for figure in ("differences_1", "tsne"):  # drawn by another process, and by the first
            assert "#56b4e9" in (place / f"figures/{figure}.svg").read_text(encoding="utf-8").lower(), figure
        assert (place / "measures/clipped.csv").read_text(encoding="utf-8").count("jpeg-10") == 3
    assert "#56b4e9" in (folder / "figures/bars.svg").read_text(encoding="utf-8").lower()
    assert "no package that is installed here registers it" in page

    run = next(out.glob("dfpir_g93-s0-*"))
    flags = ("--weights", run, "--tasks", "jpeg-10", "--limit", "1", "--device", "cpu")
    printed(site, "-m", "ablations.evaluate", "dfpir_g93", *flags, "--out", tmp_path / "scores")
    printed(None, "-m", "reports", "evaluation", tmp_path / "scores")
    assert "JPEG, quality 10" in (tmp_path / "scores/evaluation.html").read_text(encoding="utf-8")
    scores, _ = read_measure(run, f"{METRIC_PREFIX}mae")
    assert list(scores.columns) == [column.name for column in IMAGE_COLUMNS]
    keys = ["condition", "image", "protocol", "scene"]
    assert sorted(map(tuple, scores[keys].to_numpy())) == sorted(
        map(tuple, read_images(run / "images.parquet").loc[lambda t: t["metric"] == SSIM, keys].to_numpy())
    )


@pytest.mark.slow
def test_another_formula_scores_its_runs_again_and_trains_nothing(site, tmp_path):
    command = (*RUN, "--only", "dfpir_g93", "--tasks", "noise", "--out", tmp_path)
    printed(site, *command)
    run = next(tmp_path.glob("dfpir_g93-s0-*"))
    scores, _ = read_measure(run, f"{METRIC_PREFIX}mae")
    done = (run / "DONE").stat().st_mtime_ns
    path = site / "mylab/metrics.py"
    path.write_text(path.read_text().replace(".mean()", ".mean() * 2"))
    printed(site, *command)
    again, _ = read_measure(run, f"{METRIC_PREFIX}mae")
    assert again["value"].to_list() == pytest.approx((2 * scores["value"]).to_list())
    assert (run / "DONE").stat().st_mtime_ns == done


@pytest.mark.slow
def test_a_run_on_the_fields_sets_is_scored_by_its_protocol(site, tmp_path):
    for number in range(5):
        write(tmp_path / "root/BSD400" / f"{number}.png", picture(number, 66))
        write(tmp_path / "root/CBSD68" / f"{number}.png", picture(20 + number, 66))
    data = ("--data", "paper", "--root", tmp_path / "root", "--protocol", "cropped")
    printed(site, *RUN, "--only", "tinynet", "--tasks", "noise", *data, "--out", tmp_path / "runs")
    table = next((tmp_path / "runs/studies").glob("*/table.md")).read_text(encoding="utf-8")
    assert "protocol cropped-v1" in table
