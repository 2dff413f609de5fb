"""The strip below a study's headline: what limits how far its numbers can be interpreted."""

from __future__ import annotations

from dataclasses import replace

from reports.convergence import TaskConvergence
from reports.load import load
from reports.pages.chips import chips
from tests.support.fake_runs import FakeStudy, write_runs


def test_unfinished_training_and_diverged_runs_are_counted(tmp_path):
    write_runs(tmp_path, FakeStudy(effect_db={"a": 0.0, "b": -30.0}, seeds=(0, 1), pictures=False))
    study = replace(load([tmp_path]), labels={"b": "B, blind"})
    learning = [
        TaskConvergence(variant=v, task="rain", gain_db=2.0, last_tenth_db=last, steps_to_3_db=10.0)
        for v, last in (("a", 0.0), ("b", 0.5))
    ]
    warnings = [chip.text for chip in chips(study, learning) if chip.is_warning]
    assert warnings[-2:] == ["1 of 2 variants not past the plateau", "2 runs diverged: B, blind"]
    calm = [chip.text for chip in chips(replace(study, rows=study.rows[study.rows["variant"] == "a"]), learning[:1])]
    assert not any("plateau" in text or "diverged" in text for text in calm)
