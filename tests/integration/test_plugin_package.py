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

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "tests/plugin_package"
RUN = ("-m", "ablations.run", "my_study", "--budget", "minute")
IDS = """
import json
from ablations.budgets import BUDGETS
from ablations.metrics import METRICS
from datasets.protocols import PROTOCOLS
from tests.support.tiny_study import tiny_plan
print(json.dumps([[s.run_id for s in tiny_plan().specs], [list(r) for r in (BUDGETS, METRICS, PROTOCOLS)]]))
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
    assert [sorted(set(a) - set(b)) for a, b in zip(found, usual, strict=True)] == [["minute"], ["mae"], ["cropped"]]


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
    ],
)
def test_a_mistyped_name_of_its_own_is_told_in_one_line(site, tmp_path, words, said):
    done = python(site, *RUN, *words, "--dry-run", "--out", tmp_path / "runs")
    assert (done.returncode, done.stderr) == (2, f"error: {said}\n")


@pytest.mark.parametrize("group", ["metrics", "budgets", "protocols"])
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
    assert re.search(r"```toml\n(.*?)```", text, flags=re.DOTALL)[1] in (PACKAGE / "pyproject.toml").read_text()


@pytest.mark.slow
def test_its_study_makes_a_report_that_shows_all_of_it(site, tmp_path):
    out = tmp_path / "runs"
    printed(site, *RUN, "--out", out)
    folder = out / "studies/my_study-minute-embedded"
    table = (folder / "table.md").read_text(encoding="utf-8")
    assert "PSNR (dB) / SSIM / MAE (lower is better). Protocol" in table
    for name in ("dfpir_g93", "dfpir_g100", "tinynet"):
        row = next(line for line in table.splitlines() if line.startswith(f"| {name} "))
        assert re.search(r"\| \d+\.\d\d / \d\.\d{3} / 0\.\d{4} \|", row), row
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "MAE (lower is better)" in page
    rows = read_images(folder / "table.parquet", columns=TABLE_COLUMNS, metrics=["mae"])
    means = pd.read_csv(folder / "means.csv").query("metric == 'mae' and condition == 'noise-25'")
    asked = rows.query("metric == 'mae' and condition == 'noise-25'").groupby("variant")["value"].mean()
    assert means.set_index("variant")["mean"].to_dict() == pytest.approx(asked.to_dict())

    run = next(out.glob("dfpir_g93-s0-*"))
    scores, _ = read_measure(run, f"{METRIC_PREFIX}mae")
    assert list(scores.columns) == [column.name for column in IMAGE_COLUMNS]
    keys = ["condition", "image", "protocol", "scene"]
    assert sorted(map(tuple, scores[keys].to_numpy())) == sorted(
        map(tuple, read_images(run / "images.parquet").loc[lambda t: t["metric"] == SSIM, keys].to_numpy())
    )

    # another formula scores the run again, from its weights: nothing is trained
    done = {path: path.stat().st_mtime_ns for path in out.glob("*/DONE")}
    path = site / "mylab/metrics.py"
    path.write_text(path.read_text().replace(".mean()", ".mean() * 2"))
    printed(site, *RUN, "--out", out, "--only", "dfpir_g93")
    again, _ = read_measure(run, f"{METRIC_PREFIX}mae")
    assert again["value"].to_list() == pytest.approx((2 * scores["value"]).to_list())
    assert {path: path.stat().st_mtime_ns for path in done} == done
