"""Metrics of which less is better: marks, order, words and captions; and what stands where there is no number."""

from dataclasses import replace

import pandas as pd
import pytest

from reports import schema
from reports.build import build_report
from reports.document import Cell, Number
from reports.document.markdown import to_markdown
from reports.input_gain import task_gains
from reports.load import load
from reports.pages.result import all_metrics, metric_table
from reports.pairs import pair_differences
from reports.reported.table import _rank_cells
from reports.tables import build_table
from reports.verdict import verdict
from tests.support.fake_runs import FakeStudy, write_runs
from tests.support.study_rows import study_rows
from tests.unit import test_reports_tables

MAE = schema.Metric(name="mae", label="MAE", unit="", digits=4, upper=1.0, higher_is_better=False)
METRICS = (*schema.METRICS, MAE)


@pytest.fixture
def study(tmp_path):
    """Three variants; each image's MAE falls as its PSNR rises."""
    fake = FakeStudy(effect_db={"best": 3.0, "second": 1.5, "third": 0.0}, seeds=(0, 1, 2), scenes=6, crops=1)
    found = load([write_runs(tmp_path, fake)])
    rows = pd.DataFrame(found.rows).astype({"metric": str})
    error = rows[rows["metric"] == schema.PSNR].assign(
        metric="mae", value=lambda t: (60 - t["value"]) / 100, input_value=lambda t: (60 - t["input_value"]) / 100
    )
    return replace(found, rows=study_rows(pd.concat([rows, error], ignore_index=True)), metrics=METRICS)


def test_the_lowest_error_is_bold(study):
    table = build_table(study)
    ranks = {row.variant: {c.numbers[2].rank for c in row.cells} for row in table.rows}
    assert ranks == {"degraded input": {0}, "best": {1}, "second": {2}, "third": {0}}
    assert all(cell.numbers[0].rank == cell.numbers[2].rank for row in table.rows for cell in row.cells)


def test_captions_name_every_metric_and_its_direction(study):
    table = build_table(study)
    assert "PSNR (dB) / SSIM / MAE (lower is better) · protocol" in to_markdown(all_metrics(table))
    assert r"\caption{MAE (lower is better) $\downarrow$." in metric_table(table, table.metrics[2]).latex


def test_the_better_is_first_and_words_say_so(study):
    analysis = study.analysis("mae")
    assert next((p.first, p.second) for p in pair_differences(analysis)) == ("best", "second")
    told = verdict(analysis).sentences
    assert any(s.startswith("best has the lowest column average, \N{MINUS SIGN}0.0") for s in told)
    assert all(gain > 0 for gain in task_gains(analysis.scores).values())


def test_an_error_above_the_inputs_is_not_marked(study):
    worse = study.rows.assign(value=study.rows["value"].where(study.rows["metric"] != "mae", study.rows["value"] + 1))
    table = build_table(replace(study, rows=worse))
    assert {c.numbers[2].rank for row in table.rows for c in row.cells} == {0}


def test_printed_numbers_of_papers_are_ranked_by_direction(monkeypatch):
    monkeypatch.setattr(schema, "METRICS", METRICS)

    def row(*texts):
        return (Cell(numbers=tuple(Number(value=float(t), text=t) for t in texts)),)

    ranked = _rank_cells([row("30.1", "0.90", "0.05"), row("29.0", "0.80", "0.04")])
    assert [[n.rank for n in cells[0].numbers] for cells in ranked] == [[1, 1, 2], [2, 2, 1]]


@pytest.mark.usefixtures("blank_figures")
def test_a_mean_of_nothing_is_a_dash_also_for_the_input(tmp_path):
    fake = FakeStudy(effect_db={"a": 1.0}, seeds=(0,), unfinished=(("a", 0),), pictures=False)
    folder = write_runs(tmp_path, fake)
    table = build_table(load([folder]))
    assert {cell.text for cell in table.rows[0].cells} == {"-"}
    assert "| 0.00" not in to_markdown(all_metrics(table))
    assert "0.00 / 0.000" not in build_report([folder], folder).read_text(encoding="utf-8")
    table = build_table(replace(test_reports_tables.study(), metrics=METRICS))  # none of its runs has the metric
    assert all(cell.numbers[2].text == "" for row in table.rows for cell in row.cells)
    assert " / -" in to_markdown(all_metrics(table))
