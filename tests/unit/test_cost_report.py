"""The report of a table of costs: PSNR by name and size, the page, what is refused."""

import json
import math
import re

import pandas as pd
import pytest

from reports.__main__ import main as report_main
from reports.cost_report import build_report
from reports.costs import COST_COLUMNS, ModelQuality, load_study_of, qualities, read_costs, write_costs
from reports.files import write_json
from tests.support.fake_runs import gamma_study, run_id_of, write_done_marker, write_runs


def made_up(**changes):
    """A table with a measured variant, one that no study ran, and a comparator that can't be built."""
    empty = {c.name: "" if c.dtype == "str" else math.nan for c in COST_COLUMNS}
    shared_facts = {"budget": "demo", "device": "cpu: made up", "threads": 1.0, "at": "2025-01-01T00:00:00+00:00"}
    rows = []
    for at, (model, kind) in enumerate(
        (("dfpir_g90", "variant"), ("restormer", "variant"), ("<b>x</b>", "comparator"))
    ):
        for phase, precision in (("count", ""), ("forward", "fp32"), ("training step", "fp32")):
            row = empty | shared_facts | {"model": model, "kind": kind, "phase": phase, "precision": precision}
            row |= {"size_px": 64.0, "batch": 2.0, "macs_note": "", "latency_note": "not measured: <i>because</i>"}
            if kind == "variant":
                row |= {"params": 1000.0 + at, "params_trained": 900.0, "macs": 2e9, "macs_convolutions": 1.8e9,
                        "macs_implementation": 1.9e9, "macs_counter": "dfpir.count", "latency_note": ""}  # fmt: skip
            if kind == "variant" and phase != "count":
                row |= {"latency_ms": 5.0 + at, "latency_low_ms": 4.0, "latency_high_ms": 9.0, "latency_repeats": 3.0}
                row |= {"reference_ms": 2.0 + at}
            rows.append(row | changes)
    return pd.DataFrame(rows)


def study_with_sizes(tmp_path, params):
    """A made-up study whose runs' models have these many parameters."""
    study = gamma_study(effect_db={"dfpir_g90": 0.2, "restormer": -0.3}, failed=(), aliases={}, pictures=False)
    folder = write_runs(tmp_path / "runs", study)
    for variant, number in params.items():
        for seed in study.seeds:
            run = tmp_path / "runs" / run_id_of(variant, seed)
            spec = json.loads((run / "spec.json").read_text())
            spec["model"]["params"] = number
            write_json(run / "spec.json", spec)
            write_done_marker(run)
    return folder


def test_psnr_is_matched_by_name_and_size_and_never_made_up(tmp_path):
    study = load_study_of(study_with_sizes(tmp_path, {"dfpir_g90": 1000, "restormer": 5}))
    found = qualities(made_up(), study)
    assert 10 < found["dfpir_g90"].psnr_db < 40
    assert "seed(s)" in found["dfpir_g90"].hover
    assert found["restormer"].instead == "not run at this size"
    assert math.isnan(found["restormer"].psnr_db)
    assert found["<b>x</b>"] == ModelQuality()
    assert found["<b>x</b>"].instead == "not run"
    other_name = made_up().replace({"model": {"dfpir_g90": "dfpir"}}).assign(aliases="dfpir_g90;dfpir_g95")
    assert qualities(other_name, study)["dfpir"].psnr_db == found["dfpir_g90"].psnr_db


def test_page_tables_and_figures(tmp_path):
    table = write_costs(made_up(dirty="yes"), tmp_path / "cpu-demo.csv")
    page = build_report(table, study=study_with_sizes(tmp_path, {"dfpir_g90": 1000, "restormer": 1001}))
    text = page.read_text()
    assert "<b>x</b>" not in text
    assert "<i>because</i>" not in text
    assert "&lt;b&gt;x" in text
    assert "default-src 'none'" in text
    assert not re.search(r"(?:src|href)=\"(?!data:|#)", text)
    assert "uncommitted changes" in text
    assert "The machine was not idle" in text
    assert text.count('class="sortable"') == 3
    for name in ("psnr_cost", "time_macs"):
        assert all((page.parent / "figures" / f"{name}.{end}").stat().st_size > 1000 for end in ("png", "svg", "pdf"))
    markdown = (page.parent / "table.md").read_text()
    assert "not measured" in markdown
    assert r"\<b\>x" in markdown
    latex = (page.parent / "table.tex").read_text()
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") == 3
    assert r"dfpir\_g90" in latex


def test_without_a_study_there_is_no_psnr(tmp_path):
    page = build_report(write_costs(made_up(), tmp_path / "cpu-demo.csv"))
    assert "No PSNR: no study was given" in page.read_text()
    assert not (page.parent / "figures" / "psnr_cost.png").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [("a,b\n1,2\n", "column 'model' is missing"), ("", "not a table of costs"), (b"\xff\xfe\x00", "not a table")],
)
def test_other_files_are_refused_in_one_line(content, message, tmp_path, capsys):
    path = tmp_path / "x.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert report_main(["costs", str(path)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.strip().splitlines()) == 1
    assert report_main(["costs", str(tmp_path / "none.csv")]) == 2


def test_tables_of_two_devices_are_not_mixed(tmp_path):
    both = pd.concat([made_up(), made_up(device="cuda: other")])
    with pytest.raises(ValueError, match="mix devices"):
        read_costs(write_costs(both, tmp_path / "x.csv"))


def test_a_table_survives_the_disk(tmp_path):
    frame = made_up()
    pd.testing.assert_frame_equal(
        read_costs(write_costs(frame, tmp_path / "x.csv")), frame[[c.name for c in COST_COLUMNS]]
    )
