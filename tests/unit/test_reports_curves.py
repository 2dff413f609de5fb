from __future__ import annotations

from dataclasses import replace

from reports.figures import curves
from reports.load import load
from tests.support.fake_runs import write_runs
from tests.support.figures import small_study


def test_losses_of_comparators_share_no_axis_with_l1(tmp_path):
    write_runs(tmp_path / "runs", small_study())
    study = load([tmp_path / "runs"])
    l1 = curves.draw(study, tmp_path / "l1")
    assert l1 is not None
    assert "objectives of their own" not in l1.caption
    comparator = {"identity": {"model": {"baseline": "nafnet", "settings": {}}}}
    mixed = replace(
        study, runs={k: replace(r, spec=comparator) if n == 0 else r for n, (k, r) in enumerate(study.runs.items())}
    )
    drawn = curves.draw(mixed, tmp_path / "mixed")
    assert drawn is not None
    assert "objectives of their own" in drawn.caption
    assert drawn.png.read_bytes() != l1.png.read_bytes()
