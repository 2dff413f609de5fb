from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reports import schema
from reports.build import build_report
from reports.language import LANGUAGES
from reports.reported import (
    SETTINGS,
    flags,
    reported_rows,
)
from reports.reported.printed import COLUMNS
from reports.reported.table import reported_table
from reports.run_state import Status
from reports.study import Entry, Run, Study
from tests.support.fake_runs import FakeStudy, write_runs
from tests.support.study_rows import study_rows

GOLDEN = Path(__file__).parents[1] / "golden" / "reports"
THREE = SETTINGS["3-task"]
HEAD = ",".join(COLUMNS)
EVIL = "50%_<script>alert(1)</script>|&"


def measured_study(
    *, data: str = "paper", protocol: str = "allinone-v1", variants=("dfpir", "restormer", EVIL), max_side=None, short=0
) -> Study:
    """A study whose means are the DFPIR paper's Table 1, a little beside it for each further variant."""
    printed = reported_rows("3-task")[7].cells
    runs, frames = [], []
    for number, variant in enumerate(variants):
        run_id = f"v{number}-s0-00000000"
        for column in THREE.columns:
            spread = np.linspace(-1, 1, column.n_images - short)
            for metric in schema.METRICS:
                target = float(printed[column.name].value(metric.name) or 0)
                value = target + spread * 0.01 - number * 0.05 * (metric.name == schema.PSNR)
                frames.append(_frame(run_id, variant, column, metric.name, value, data, protocol))
        spec = {
            "data": {"name": data},
            "budget": {"name": "synthetic-test-only", "evaluation": {"max_side": max_side}},
            "model": {"params": 31_104_761},
        }
        runs.append(
            Run(
                path=Path(run_id), run_id=run_id, variant=variant, seed=0, status=Status.DONE, reason="", spec=spec,
                env={}, summary={"steps": 200},
            )
        )  # fmt: skip
    entries = tuple(Entry(variant=r.variant, seed=0, run_id=r.run_id) for r in runs)
    return Study(
        folder=None, name="three_task", title="Table 1", question="", budget={}, data={"name": data}, text_encoder="clip",
        axis_name="", axis_values={}, reference=None, entries=entries, runs={r.run_id: r for r in runs},
        rows=study_rows(pd.concat(frames, ignore_index=True)), command="",
    )  # fmt: skip


def _frame(run_id, variant, column, metric, value, data, protocol):
    names = [f"{column.dataset}/{k}" for k in range(len(value))]
    return pd.DataFrame(
        {
            "run_id": run_id, "variant": variant, "seed": 0, "dataset": column.dataset if data == "paper" else data,
            "protocol": protocol, "task": schema.task_of(column.condition), "condition": column.condition,
            "image": names, "scene": names, "in_training_set": "", "metric": metric, "value": value, "input_value": value / 2,
        }
    )  # fmt: skip


@cache
def on_field_sets():
    return reported_table(measured_study(), "3-task")


@pytest.mark.parametrize(("name", "format"), [("reported_3_task.md", "markdown"), ("reported_3_task.tex", "latex")])
def test_golden(name, format):
    """Set UPDATE_GOLDEN=1 to write the files anew, and read the difference before committing it."""
    text = getattr(on_field_sets(), format)
    path = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_groups_stay_apart_and_rank_by_themselves():
    table = on_field_sets()
    assert [g.kind for g in table.groups] == ["reported", "measured", "difference"]
    assert [t.is_collapsed for t in table.tables] == [False, True]
    for group in (*table.groups, table.others):
        wanted = {"reported": "reported: ", "measured": "measured", "difference": "reported: "}[group.kind]
        assert all(row.cells[-1].text.startswith(wanted) for row in group.rows)
        ranks = [row.cells[1].numbers[0].rank for row in group.rows if row.cells[1].numbers]
        assert ranks.count(1) == (group.kind == "reported")
    inputs, dfpir = table.groups[1].rows[:2]
    assert [n.text for n in dfpir.cells[1].numbers] == ["31.87", "0.980"]
    assert dfpir.cells[-1].text == "measured: 1 seed; budget synthetic-test-only (200 steps); 31.10 M parameters"
    assert inputs.is_fixed
    assert table.warnings == ()


def test_differences_only_for_methods_that_papers_print():
    rows = on_field_sets().groups[2].rows
    assert [row.cells[0].text for row in rows] == ["dfpir − DFPIR"] * 2 + ["restormer − Restormer"] * 3  # noqa: RUF001
    assert "reproduced: all 6" in rows[0].cells[-1].text
    assert [n.text for n in rows[0].cells[1].numbers] == ["0.000", "0.0000"]
    assert rows[1].cells[1].text == "not printed"
    assert "VLU-Net repo image" in rows[3].cells[-1].text


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"data": "embedded"}, "The result table's numbers can't be compared with the reported ones"),
        ({"protocol": "suite-v1"}, "the reported numbers belong to allinone"),
        ({"max_side": 128}, "cropped to 128 pixels a side"),
        ({"short": 3}, r"SOTS-outdoor \(497 of 500\)"),
        ({"variants": ("dfpir_g50",)}, "none of the measured variants is a method"),
    ],
)
def test_no_difference_where_nothing_can_be_compared(changes, reason):
    table = reported_table(measured_study(**changes), "3-task")
    assert "difference" not in [g.kind for g in table.groups]
    (warning,) = table.warnings
    assert pd.Series([warning]).str.contains(reason).all()
    assert "no difference is computed" in warning.lower()


# A folder that bears a test set's name is still somebody's folder.
@pytest.mark.parametrize("data", ["embedded", "cbsd68"])
def test_numbers_on_other_images_stay_in_the_result_table(data):
    table = reported_table(measured_study(data=data), "3-task")
    assert [g.kind for g in table.groups] == ["reported"]
    (warning,) = table.warnings
    name = "CBSD68" if data == "cbsd68" else data
    assert (
        f"other images (haze: SOTS-outdoor against {name}; rain: Rain100L against {name}; noise: CBSD68 against {name})"
        in warning
    )
    assert "the same photographs" not in warning
    assert not re.search("[a-z]{2,} [a-z]{2,}", LANGUAGES["zh"].translate(warning))


@pytest.mark.parametrize(("max_side", "cropped"), [(None, ""), (192, ", cropped to 192 pixels a side,")])
def test_the_same_photographs_are_told_from_other_images_column_by_column(max_side, cropped):
    study = measured_study(data="bsds500-val", protocol="suite-v1", max_side=max_side)
    names = study.rows["dataset"].astype(object).mask(study.rows["task"].astype(str) == "noise", "cbsd68")
    own = replace(study, rows=study.rows.assign(dataset=names), data={"name": "BSDS500", "kind": "bsds"})
    (warning,) = reported_table(own, "3-task").warnings
    assert warning == (
        "The result table's numbers can't be compared with the reported ones, and no difference is computed: other "
        "images (haze: SOTS-outdoor against BSDS500 val; rain: Rain100L against BSDS500 val); the same photographs"
        f"{cropped} with another training and protocol, suite-v1 (CBSD68)."
    )


def test_protocols_never_share_a_group():
    one, two = measured_study(variants=("dfpir",)), measured_study(variants=("dfpir",), protocol="suite-v1")
    both = replace(one, rows=study_rows(pd.concat([one.rows, two.rows], ignore_index=True)))
    titles = [g.title for g in reported_table(both, "3-task").groups if g.kind == "measured"]
    assert [t.split(",")[0] for t in titles] == [
        "Measured here: protocol allinone-v1",
        "Measured here: protocol suite-v1",
    ]


def test_without_reported_rows_or_runs_the_table_says_so():
    single = reported_table(measured_study(), "single-task")
    assert [g.kind for g in single.groups] == ["measured"]
    (warning,) = single.warnings
    assert warning.startswith("This table has no blur and no low light and no reported numbers")
    assert "single_task.csv is empty" in warning
    assert "此表没有模糊和低光照" in LANGUAGES["zh"].translate(warning)
    assert not re.search("[a-z]{2,} [a-z]{2,}", LANGUAGES["zh"].translate(warning))
    assert {c.text for c in single.groups[0].rows[1].cells[6:-1]} == {"not run"}
    study = measured_study()
    failed = {k: replace(r, status=Status.FAILED) for k, r in study.runs.items()}
    nothing = replace(study, runs=failed, rows=study.rows.iloc[:0])
    assert "none is measured" in reported_table(nothing, "3-task").warnings[0]


def test_a_method_that_cannot_be_trained_keeps_its_row_with_the_reason():
    five = reported_table(measured_study(), "5-task")
    assert "TAPE" in [row.cells[0].text for row in five.groups[0].rows]
    (note,) = (n for n in five.notes if n == "TAPE is not trained here: no code by its authors was found.")
    assert LANGUAGES["zh"].translate(note).startswith("TAPE 未在此训练")
    assert note not in reported_table(measured_study(), "3-task").notes


def test_names_are_escaped():
    table = on_field_sets()
    latex, markdown = table.latex, table.markdown
    assert r"50\%\_\textless{}script\textgreater{}" in latex
    assert r"50%_\<script\>alert(1)\</script\>\|&" in markdown
    for line in latex.splitlines():
        if line.endswith(r"\\") and "multicolumn" not in line:
            assert line.replace(r"\&", "").count("&") == 7


def test_a_paper_lists_sources_by_number():
    """The first table's heading names the source of its own rows; other rows refer to the caption's list."""
    first, others = on_field_sets().latex.split(r"\begin{table*}")[1:]
    row = next(line for line in first.splitlines() if line.startswith("AirNet"))
    assert row.endswith(r"31.20 / 0.910 &  \\")
    caption = next(line for line in others.splitlines() if line.startswith(r"\caption"))
    assert "{[}2] PromptIR repo image; {[}3] InstructIR paper Table 3;" in caption
    assert "reported:" not in caption
    row = next(line for line in others.splitlines() if line.startswith("PromptIR"))
    assert row.endswith(r"& {[}2] \\")
    alone = reported_table(measured_study(data="embedded"), "5-task").latex
    assert "Ref." not in alone.split(r"\begin{table*}")[1]


def _with_reported(root: Path, setting: str) -> Path:
    folder = write_runs(root, FakeStudy(effect_db={"dfpir": 0.1, EVIL: 0.0}, seeds=(0,), pictures=False))
    plan = json.loads((folder / schema.STUDY_FILE).read_text())
    (folder / schema.STUDY_FILE).write_text(json.dumps({**plan, "reported": setting}))
    return folder


@pytest.mark.usefixtures("blank_figures")
def test_a_section_of_the_report(tmp_path):
    folder = _with_reported(tmp_path, "5-task")
    page = build_report([folder]).read_text()
    assert page.count('id="reported"') == 1
    assert '<a href="#reported">' in page
    assert "The result table&#39;s numbers can&#39;t be compared with the reported ones" in page
    assert "<script>alert" not in page
    assert "DFPIR paper, Table 2" in (folder / "table.md").read_text()
    assert r"\textit{Reported in the DFPIR paper, Table 2" in (folder / "table.tex").read_text()
    _with_reported(tmp_path, "6-task")
    with pytest.raises(ValueError, match="Unknown setting '6-task'"):
        build_report([folder])


def test_torch_is_never_imported():
    names = "torch torchvision ablations dfpir datasets baselines"
    code = f"import sys, reports.reported, reports.reported.table; print([m for m in {names.split()!r} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.strip() == "[]"


def test_the_flags_can_be_printed():
    found = subprocess.run(
        [sys.executable, "-m", "reports", "reported"], capture_output=True, text=True, check=True, timeout=60
    )
    assert found.stdout.count("\n[") == len(flags())
    assert "212 cells in 38 rows" in found.stdout
