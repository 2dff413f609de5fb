"""Models and studies from other packages: their code is part of a run's identity, and a broken one harms no other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from importlib.metadata import version
from pathlib import Path

import pytest

import baselines
from ablations.models import BaselineConfig
from dfpir.plugins import plugins_behind

ROOT = Path(__file__).parents[2]
MODEL = """
from torch import nn
from baselines import Baseline, register

class Net(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.layer = nn.Conv2d(3, 3, 1)
    def forward(self, image, code=None):
        return self.layer(image)

register(Baseline(name="labnet", make=Net, paper="", year=None, licence="MIT"))
"""
LOSS = "def loss(model, degraded, clean, code):\n    return (model(degraded, code) - clean).square().mean()\n"
ASK = """
import json, sys
from ablations.models import model_config
from ablations.harness.provenance import environment
import torch
env = environment(torch.device("cpu"))
print(json.dumps([model_config("labnet", {}).identity(), env["suite"], env["plugins"]]))
"""


@pytest.fixture
def lab(tmp_path):
    """A distribution `mylab` 1.2 with a comparator, laid out as pip installs it."""
    site = tmp_path / "site"
    (site / "mylab").mkdir(parents=True)
    (site / "mylab/__init__.py").write_text("")
    (site / "mylab/net.py").write_text(MODEL)
    (site / "mylab-1.2.dist-info").mkdir()
    (site / "mylab-1.2.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: mylab\nVersion: 1.2\n")
    (site / "mylab-1.2.dist-info/entry_points.txt").write_text("[dfpir.baselines]\nlab = mylab.net\n")
    return site


def python(site, *arguments):
    """A command in a process that has the distribution."""
    path = os.pathsep.join([str(site), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
    )


def asked(site):
    found = python(site, "-c", ASK)
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout)


def test_an_edit_or_a_new_version_is_another_run(lab):
    identity, suite, plugins = asked(lab)
    assert suite == version("dfpir-suite")
    (plugin,) = identity["plugins"]
    assert plugins == [plugin]
    assert {key: plugin[key] for key in ("package", "distribution", "version")} == {
        "package": "mylab",
        "distribution": "mylab",
        "version": "1.2",
    }
    assert len(plugin["sha256"]) == 64
    (lab / "mylab/net.py").write_text(MODEL.replace("self.layer(image)", "self.layer(image) * 0"))
    edited = asked(lab)[0]
    assert edited != identity
    (lab / "mylab-1.2.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: mylab\nVersion: 1.3\n")
    assert asked(lab)[0]["plugins"][0]["version"] == "1.3"


@pytest.mark.parametrize("init", [True, False], ids=["package", "namespace"])
def test_an_edit_of_a_helper_that_only_the_model_imports_is_another_run(lab, init):
    if not init:
        (lab / "mylab/__init__.py").unlink()
    (lab / "mylab/parts").mkdir()
    (lab / "mylab/parts/losses.py").write_text(LOSS)
    told = MODEL.replace('licence="MIT"', 'licence="MIT", objective=loss')
    (lab / "mylab/net.py").write_text("from mylab.parts.losses import loss\nimport mylab.scale\n" + told)
    (lab / "mylab/scale.py").write_text("BY = 1\n")
    before, _, installed = asked(lab)
    # below a namespace, which distributions may share, a package with an __init__.py would stand for itself
    assert [plugin["package"] for plugin in before["plugins"]] == ["mylab"] + ([] if init else ["mylab.parts"])
    assert installed == before["plugins"][:1]
    for unused in ("mylab/notes.txt", "mylab/__pycache__/x.py", "mylab/.git/x.py", "beside.py"):
        (lab / unused).parent.mkdir(exist_ok=True)
        (lab / unused).write_text("1")
    assert asked(lab)[0] == before
    (lab / "mylab/scale.py").write_text("BY = 2\n")
    edited = asked(lab)[0]
    assert edited != before
    (lab / "mylab/scale.py").rename(lab / "mylab/scaling.py")
    (lab / "mylab/net.py").write_text("from mylab.parts.losses import loss\nimport mylab.scaling\n" + told)
    assert asked(lab)[0] not in (before, edited)


def test_an_editable_installation_is_hashed_where_it_lies(lab, tmp_path):
    source = tmp_path / "checkout/src"
    source.mkdir(parents=True)
    (lab / "mylab").rename(source / "mylab")
    # .pth files are read in site-packages alone: this does what theirs would
    (lab / "sitecustomize.py").write_text(f"import sys; sys.path.append({str(source)!r})\n")
    before = asked(lab)[0]
    (plugin,) = before["plugins"]
    assert (plugin["package"], plugin["distribution"], plugin["version"]) == ("mylab", "mylab", "1.2")
    (source / "mylab/helper.py").write_text("")
    assert asked(lab)[0] != before


def test_a_module_in_no_package_is_its_file(lab):
    (lab / "mylab/net.py").rename(lab / "labnet.py")
    points = lab / "mylab-1.2.dist-info/entry_points.txt"
    points.write_text("[dfpir.baselines]\nlab = labnet\n")
    before = asked(lab)[0]
    assert [(plugin["package"], plugin["distribution"]) for plugin in before["plugins"]] == [("labnet", "mylab")]
    (lab / "other.py").write_text("")
    assert asked(lab)[0] == before
    (lab / "labnet.py").write_text(MODEL + "# edited\n")
    assert asked(lab)[0] != before


def test_a_scripts_own_comparator_is_the_same_run_in_the_processes_that_it_starts(tmp_path):
    script = tmp_path / "mine.py"
    script.write_text(
        MODEL
        + """
import multiprocessing
from ablations.models import model_config

def identity():
    return model_config("labnet", {}).identity()

if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        there = pool.apply(identity)
    here = identity()
    assert here == there, (here, there)
    assert here["plugins"][0]["package"] == "__main__" and here["plugins"][0]["sha256"], here
"""
    )
    found = python(tmp_path, str(script))
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize("name", baselines.list_models())
def test_the_suites_own_models_keep_their_identity(name):
    row = baselines.describe(name)
    assert plugins_behind(row.make, row.objective) == []
    assert set(BaselineConfig(name=name).identity()) == {"baseline", "settings"}


@pytest.mark.slow
def test_the_table_of_comparators_has_a_row_for_one_without_published_sizes(lab):
    found = python(lab, "-m", "baselines")
    assert found.returncode == 0, found.stderr
    assert "| labnet | - | 0.0 |" in found.stdout
    assert "- **labnet**: no notes" in found.stdout


@pytest.mark.parametrize("group", ["dfpir.studies", "dfpir.variants", "dfpir.baselines"])
def test_a_broken_plugin_is_named_in_one_line_and_the_rest_works(lab, group):
    (lab / "mylab/broken.py").write_text("import nosuchmodule\n")
    points = lab / "mylab-1.2.dist-info/entry_points.txt"
    points.write_text(f"[{group}]\nbad = mylab.broken\n")
    found = python(lab, "-m", "ablations.run", "--list")
    assert found.returncode == 0, found.stderr
    assert "gamma_sweep" in found.stdout
    if group == "dfpir.studies":
        assert found.stderr == (
            "warning: plug-in mylab 1.2 (mylab.broken) is left out: ModuleNotFoundError: No module named "
            "'nosuchmodule'\n"
        )
    code = "import dfpir, baselines, ablations.registry as r; dfpir.list_models(), baselines.list_models(), list(r.STUDIES)"
    found = python(lab, "-c", code)
    assert found.returncode == 0
    assert found.stderr.count("\n") == 1
    assert "plug-in mylab 1.2 (mylab.broken) is left out" in found.stderr


def test_the_readmes_script_runs_as_printed(tmp_path):
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    start = next(at for at, line in enumerate(lines) if "`python mine.py --budget smoke`" in line) + 1
    end = next(
        at for at in range(start, len(lines)) if lines[at] and at > start + 1 and not lines[at].startswith("    ")
    )
    (tmp_path / "mine.py").write_text(textwrap.dedent("\n".join(lines[start:end])) + "\n", encoding="utf-8")
    found = python(
        tmp_path, str(tmp_path / "mine.py"), "--budget", "smoke", "--dry-run", "--out", str(tmp_path / "runs")
    )
    assert found.returncode == 0, found.stderr
    assert "my_variant" in found.stdout
