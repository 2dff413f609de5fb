"""A trained network below a method without training is marked where its numbers stand."""

from __future__ import annotations

import json

import pytest

from reports.build import build_report
from tests.support.fake_runs import FakeStudy, write_done_marker, write_runs


@pytest.mark.usefixtures("blank_figures")
@pytest.mark.parametrize(("gain_db", "is_below"), [(-1.0, True), (1.0, False)])
def test_networks_below_a_method_without_training_are_said_and_marked(tmp_path, gain_db, is_below):
    fake = FakeStudy(effect_db={"classical": 0.0, "weak": gain_db, "strong": 3.0}, seeds=(0, 1), pictures=False)
    folder = write_runs(tmp_path, fake)
    for path in tmp_path.glob("*-s*-*"):
        spec = json.loads((path / "spec.json").read_text())
        spec["model"]["params_trained"] = 0 if spec["variant"] == "classical" else 1000
        (path / "spec.json").write_text(json.dumps(spec))
        write_done_marker(path)
    page = build_report([folder]).read_text(encoding="utf-8")
    said = "Below classical, a method without training, in the average over the columns: weak."
    assert (said in page) is is_below
    assert page.count('<span class="alias">below classical</span>') == 2 * is_below, "once for each metric"
    assert (said in (folder / "table.md").read_text()) is is_below
