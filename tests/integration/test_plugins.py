"""Models and studies from other packages: their code is part of a run's identity, and a broken one harms no other."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

import baselines
from ablations.models import BaselineConfig
from dfpir.plugins import plugins_behind

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
    path = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
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
    assert suite == "0.1.0"
    (plugin,) = identity["plugins"]
    assert plugins == [plugin]
    assert {key: plugin[key] for key in ("module", "distribution", "version")} == {
        "module": "mylab.net",
        "distribution": "mylab",
        "version": "1.2",
    }
    assert len(plugin["sha256"]) == 64
    (lab / "mylab/net.py").write_text(MODEL.replace("self.layer(image)", "self.layer(image) * 0"))
    edited = asked(lab)[0]
    assert edited != identity
    (lab / "mylab-1.2.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: mylab\nVersion: 1.3\n")
    assert asked(lab)[0]["plugins"][0]["version"] == "1.3"
    (lab / "mylab/losses.py").write_text(LOSS)
    told = MODEL.replace('licence="MIT"', 'licence="MIT", objective=loss')
    (lab / "mylab/net.py").write_text("from mylab.losses import loss\n" + told)
    assert [plugin["module"] for plugin in asked(lab)[0]["plugins"]] == ["mylab.net", "mylab.losses"]


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
