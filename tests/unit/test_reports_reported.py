from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reports import schema
from reports.build import build_report
from reports.reported import (
    AVERAGE_COLUMN,
    SETTINGS,
    VARIANT_OF_METHOD,
    compare,
    flags,
    method_of,
    protocol_for,
    reported_rows,
    sources,
)
from reports.reported.cells import COLUMNS, parse
from reports.reported.checks import mean_and_tolerance
from reports.reported.show import reported_latex, reported_markdown
from reports.reported.table import reported_table
from reports.rows import compact
from reports.study import Entry, Run, Status, Study
from tests.support.fake_runs import FakeStudy, write_runs
from tests.support.shared import shared

GOLDEN = Path(__file__).parents[1] / "golden" / "reports"
THREE = SETTINGS["3-task"]
HEAD = ",".join(COLUMNS)
EVIL = "50%_<script>alert(1)</script>|&"


def rows_of(*lines: str, setting=THREE, known=("A", "B")):
    return parse("\n".join([HEAD, *lines]) + "\n", setting, known)


def row_of(values: list[str], *, method="M", source="A", metric="psnr_db"):
    """Lines of one row of the 3-task table, the average last."""
    return [
        f"3-task,{method},2024,{name},{value if metric == 'psnr_db' else '20'},{value if metric == 'ssim' else ''},,{source},"
        for name, value in zip(THREE.column_names, values, strict=True)
    ]


def test_all_cells_are_there():
    counts = {name: sum(len(r.cells) for r in reported_rows(name)) for name in SETTINGS}
    assert counts == {"3-task": 212, "5-task": 247, "single-task": 0}
    assert {r.source for name in SETTINGS for r in reported_rows(name)} == set(sources())
    assert reported_rows("3-task")[0].source == THREE.home
    dfpir = next(r for r in reported_rows("5-task") if r.method == "DFPIR")
    assert dfpir.cells["GoPro"].psnr_db == Decimal("28.82")


@pytest.mark.shared
def test_the_files_are_the_collected_cells_line_for_line():
    collected = shared("reported_results.csv").read_text(encoding="utf-8").splitlines()
    folder = Path(__file__).parents[2] / "reports" / "paper"
    own = [line for s in SETTINGS.values() for line in (folder / s.file).read_text().splitlines()[1:]]
    assert sorted(own) == sorted(collected[1:])
    assert next(csv.reader(collected)) == list(COLUMNS)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("5-task,M,2024,Rain100L,30,,,A,", "setting '5-task' does not belong here"),
        ("3-task,M,2024,Rain10OL,30,,,A,", "Did you mean 'Rain100L'"),
        ("3-task,M,2024,Rain100L,thirty,,,A,", "psnr_db 'thirty' is no number"),
        ("3-task,M,2024,Rain100L,NaN,,,A,", "must lie above 0"),
        ("3-task,M,2024,Rain100L,30,1.2,,A,", "at most 1"),
        ("3-task,M,2024,Rain100L,,,,A,", "neither PSNR nor SSIM"),
        ("3-task,M,24,Rain100L,30,,,A,", "is no year"),
        ("3-task,M,2024,Rain100L,30,,,nobody,", "is not in sources.csv"),
        ("3-task, ,2024,Rain100L,30,,,A,", "no method"),
        ("3-task,M,2024,Rain100L,30,,A", "9 fields"),
        ("3-task,M,2024,Rain100L,30,,,A,,more", "9 fields"),
    ],
)
def test_wrong_lines_are_refused_with_their_place(line, message):
    with pytest.raises(ValueError, match=message) as error:
        rows_of(line)
    assert str(error.value).startswith("three_task.csv, line 2: ")


def test_cells_of_a_row_must_agree_and_stand_once():
    with pytest.raises(ValueError, match=r"line 3: M, Rain100L, 'A' stands in three_task.csv, line 2 already"):
        rows_of("3-task,M,2024,Rain100L,30,,,A,", "3-task,M,2024,Rain100L,31,,,A,")
    with pytest.raises(ValueError, match="year and parameters differ"):
        rows_of("3-task,M,2024,Rain100L,30,,1,A,", "3-task,M,2024,SOTS-outdoor,31,,2,A,")
    with pytest.raises(ValueError, match="the columns must be"):
        parse("a,b\n", THREE, ())


@pytest.mark.parametrize(
    ("average", "flagged"), [("30.00", False), ("30.01", False), ("29.99", False), ("30.02", True), ("29.98", True)]
)
def test_a_planted_wrong_average_is_flagged(average, flagged):
    found = flags(rows_of(*row_of(["30.00"] * 5 + [average])))
    assert [f.kind for f in found] == (["average"] if flagged else [])
    if flagged:
        assert average in found[0].message
        assert "30.000" in found[0].message
        assert "source: A" in found[0].message


def test_rounding_explains_one_unit_and_coarser_prints_more():
    mean, tolerance = mean_and_tolerance([Decimal("0.930"), Decimal("0.940")], Decimal("0.935"))
    assert (mean, tolerance) == (Decimal("0.935"), Decimal("0.001"))
    assert mean_and_tolerance([Decimal("30.0"), Decimal("31.00")], Decimal("30.5"))[1] == Decimal("0.0775")
    ssim = flags(rows_of(*row_of(["0.900"] * 5 + ["0.902"], metric="ssim")))
    assert [f.kind for f in ssim] == ["average"]
    assert "SSIM" in ssim[0].message


def test_an_average_without_its_cells_can_not_be_checked():
    lines = row_of(["30.00"] * 5 + ["33.00"])
    found = flags(rows_of(*lines[1:]))
    assert [(f.kind, f.dataset) for f in found] == [("unchecked", AVERAGE_COLUMN)]


def test_conflicts_show_both_values_with_their_sources():
    found = flags(
        rows_of(
            "3-task,M,2024,Rain100L,30.00,0.90,10,A,",
            "3-task,M,2024,Rain100L,30.40,,12.5,B,a re-run",
            "3-task,N,2024,Rain100L,30.00,0.90,28.77,A,",
            "3-task,N,2024,Rain100L,30.0,0.903,29,B,",
        )
    )
    assert [(f.kind, f.method, f.sources) for f in found] == [
        ("conflict", "M", ("A", "B")),
        ("parameters", "M", ("A", "B")),
    ]
    assert found[0].message == "Rain100L is 30.00 / 0.90 in A; 30.40 / - in B (a re-run)."
    assert "10 M in A (3-task); 12.5 M in B" in str(found[1])


def test_the_flags_of_the_collected_numbers():
    found = flags()
    kinds = pd.Series([f.kind for f in found]).value_counts().to_dict()
    assert kinds == {"conflict": 29, "unchecked": 9, "average": 7, "parameters": 2}
    assert [(f.setting, f.method) for f in found if f.kind == "average"] == [
        ("3-task", "DL"), ("3-task", "MEASNet"), ("3-task", "BaryIR-Restormer"), ("3-task", "Restormer"),
        ("3-task", "Restormer"), ("5-task", "MIRAGE-S"), ("5-task", "PIP-Restormer"),
    ]  # fmt: skip
    restormer = [f for f in found if f.kind == "conflict" and f.method == "Restormer"]
    assert {f.dataset for f in restormer} == set(THREE.column_names)
    assert all(len(f.sources) == 3 for f in restormer)


@pytest.mark.parametrize(
    ("psnr_db", "ssim", "reproduced"),
    [
        (31.87, 0.980, True),
        (31.85, 0.9805, True),
        (31.89, 0.9795, True),
        (31.8499, 0.980, False),
        (31.8901, 0.980, False),
        (31.87, 0.98051, False),
        (31.87, 0.97949, False),
    ],
)
def test_tolerances_include_their_edges(psnr_db, ssim, reproduced):
    cell = compare("DFPIR 3-task", {"SOTS-outdoor": (psnr_db, ssim)})[0]
    assert (cell.dataset, cell.source, cell.reproduced) == ("SOTS-outdoor", "DFPIR paper, Table 1", reproduced)
    assert cell.verdict == ("reproduced" if reproduced else "not reproduced")
    assert cell.psnr_db.difference == pytest.approx(psnr_db - 31.87)


def test_compare_shows_every_source_and_what_was_not_measured():
    cells = compare("  dfpir   3-TASK ", {"Rain100L": (np.float64(38.65), np.float64(0.982))})
    assert {c.source for c in cells} == {"DFPIR paper, Table 1", "paper note UniLDiff paper"}
    said = {(c.source, c.dataset): c.verdict for c in cells}
    assert said["DFPIR paper, Table 1", "Rain100L"] == "reproduced"
    assert said["DFPIR paper, Table 1", "SOTS-outdoor"] == "not measured"
    assert said["paper note UniLDiff paper", AVERAGE_COLUMN] == "not measured"


def test_compare_averages_like_the_papers():
    measured = {c.name: (30.0 + k, 0.9) for k, c in enumerate(THREE.columns)}
    average = next(c for c in compare("DFPIR 3-task", measured) if c.dataset == AVERAGE_COLUMN)
    assert average.psnr_db.measured == 32.0
    assert average.psnr_db.difference == -0.88


def test_a_metric_that_is_not_printed_is_not_judged():
    cell = compare("F2D-Net 3-task", {"Rain100L": (37.62, 0.5)})[1]
    assert (cell.ssim.reported, cell.ssim.difference, cell.ssim.reproduced) == (None, None, None)
    assert cell.reproduced is True


def test_one_model_under_two_names():
    assert compare("InstructIR 5-task", {}) == compare("InstructIR-5D 5-task", {})
    assert {c.source for c in compare("InstructIR 5-task", {})} == {"DFPIR paper, Table 2", "InstructIR paper Table 2"}


@pytest.mark.parametrize(
    ("name", "measured", "message"),
    [
        ("DFPRI 3-task", {}, "Did you mean 'DFPIR 3-task'"),
        ("DFPIR 4-task", {}, "Did you mean 'DFPIR [35]-task'"),
        ("DFPIR", {}, "No reported numbers are called 'DFPIR'"),
        ("zzz", {}, r"Write METHOD SETTING.*3-task, 5-task.*Restormer"),
        ("Restormer single-task", {}, "No numbers are recorded for the setting 'single-task'"),
        ("DFPIR 3-task", {"SOTS": (30.0, 0.9)}, "no column 'SOTS'"),
        ("DFPIR 3-task", {"rain100l": (30.0, 0.9)}, "Did you mean 'Rain100L'"),
        ("DFPIR 3-task", {"GoPro": (30.0, 0.9)}, "no column 'GoPro'"),
        ("DFPIR 3-task", {"Rain100L": (float("nan"), 0.9)}, "only finite numbers"),
    ],
)
def test_compare_refuses_what_it_does_not_know(name, measured, message):
    with pytest.raises(ValueError, match=message):
        compare(name, measured)


def test_methods_and_their_protocols():
    assert method_of(("dfpir_g90", "dfpir")) == "DFPIR"
    assert method_of(("dfpir_g50",)) is None
    printed = {r.name for s in SETTINGS for r in reported_rows(s)}
    assert set(VARIANT_OF_METHOD) <= printed
    assert protocol_for("3-task", "Restormer") == "allinone"
    assert protocol_for("5-task", "InstructIR-5D") == "instructir"
    with pytest.raises(ValueError, match="Did you mean '3-task'"):
        protocol_for("3-tasks", "DFPIR")


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
        rows=compact(pd.concat(frames, ignore_index=True)), command="",
    )  # fmt: skip


def _frame(run_id, variant, column, metric, value, data, protocol):
    names = [f"{column.dataset}/{k}" for k in range(len(value))]
    return pd.DataFrame(
        {
            "run_id": run_id, "variant": variant, "seed": 0, "dataset": column.dataset if data == "paper" else data,
            "protocol": protocol, "task": schema.task_of(column.condition), "condition": column.condition,
            "image": names, "scene": names, "seen": "", "metric": metric, "value": value, "input_value": value / 2,
        }
    )  # fmt: skip


@cache
def on_field_sets():
    return reported_table(measured_study(), "3-task")


@pytest.mark.parametrize(
    ("name", "render"), [("reported_3_task.md", reported_markdown), ("reported_3_task.tex", reported_latex)]
)
def test_golden(name, render):
    """Set UPDATE_GOLDEN=1 to write the files anew, and read the difference before committing it."""
    text = render(on_field_sets())
    path = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_groups_stay_apart_and_rank_by_themselves():
    table = on_field_sets()
    assert [g.kind for g in table.groups] == ["reported", "measured", "difference", "reported"]
    assert len(table.blocks) == 1
    for group in table.groups:
        wanted = {"reported": "reported: ", "measured": "measured", "difference": "reported: "}[group.kind]
        assert all(line.aside.startswith(wanted) for line in group.lines)
        ranks = [line.cells[0].numbers[0].rank for line in group.lines if line.cells[0].numbers]
        assert ranks.count(1) == (0 if group.kind == "difference" else 1)
    dfpir = table.groups[1].lines[1]
    assert [n.text for n in dfpir.cells[0].numbers] == ["31.87", "0.980"]
    assert dfpir.aside == "measured: 1 seed; budget synthetic-test-only (200 steps); 31.10 M parameters"
    assert table.groups[1].lines[0].is_input
    assert table.warnings == ()


def test_differences_only_for_methods_that_papers_print():
    lines = on_field_sets().groups[2].lines
    assert [line.label for line in lines] == ["dfpir − DFPIR"] * 2 + ["restormer − Restormer"] * 3  # noqa: RUF001
    assert "reproduced: all 6" in lines[0].aside
    assert [n.text for n in lines[0].cells[0].numbers] == ["0.000", "0.0000"]
    assert lines[1].cells[0].instead == "not printed"
    assert "VLU-Net repo image" in lines[3].aside


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"data": "embedded"}, "Reported and measured numbers are on different images"),
        ({"protocol": "suite-v1"}, "the reported numbers belong to allinone"),
        ({"max_side": 128}, "cut to 128 pixels a side"),
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


def test_other_images_have_other_columns():
    table = reported_table(measured_study(data="embedded"), "3-task")
    assert [[g.kind for g in block] for block in table.blocks] == [["reported"], ["measured"], ["reported"]]
    assert table.groups[1].heads == ("Haze", "Rain", "Noise σ=15", "Noise σ=25", "Noise σ=50", "Average")  # noqa: RUF001
    # A folder that bears a test set's name is still somebody's folder.
    assert reported_table(measured_study(data="cbsd68"), "3-task").groups[1].heads[0] == "Haze"


def test_protocols_never_share_a_group():
    one, two = measured_study(variants=("dfpir",)), measured_study(variants=("dfpir",), protocol="suite-v1")
    both = replace(one, rows=compact(pd.concat([one.rows, two.rows], ignore_index=True)))
    titles = [g.title for g in reported_table(both, "3-task").groups if g.kind == "measured"]
    assert [t.split(",")[0] for t in titles] == [
        "Measured here: protocol allinone-v1",
        "Measured here: protocol suite-v1",
    ]


def test_without_reported_rows_or_runs_the_table_says_so():
    single = reported_table(measured_study(), "single-task")
    assert [g.kind for g in single.groups] == ["measured"]
    assert "single_task.csv is empty" in single.warnings[0]
    assert {c.instead for c in single.groups[0].lines[1].cells[5:]} == {"not run"}
    study = measured_study()
    failed = {k: replace(r, status=Status.FAILED) for k, r in study.runs.items()}
    nothing = replace(study, runs=failed, rows=study.rows.iloc[:0])
    assert "none is measured" in reported_table(nothing, "3-task").warnings[0]


def test_names_are_escaped():
    table = on_field_sets()
    latex, markdown = reported_latex(table), reported_markdown(table)
    assert r"50\%\_\textless{}script\textgreater{}" in latex
    assert r"50%_\<script\>alert(1)\</script\>\|&" in markdown
    for line in latex.splitlines():
        if line.endswith(r"\\") and "multicolumn" not in line:
            assert line.replace(r"\&", "").count("&") == 7


def _with_reported(root: Path, setting: str) -> Path:
    folder = write_runs(root, FakeStudy(effect_db={"dfpir": 0.1, EVIL: 0.0}, seeds=(0,), pictures=False))
    plan = json.loads((folder / schema.STUDY_FILE).read_text())
    (folder / schema.STUDY_FILE).write_text(json.dumps({**plan, "reported": setting}))
    return folder


def test_a_section_of_the_report(tmp_path):
    folder = _with_reported(tmp_path, "5-task")
    page = build_report([folder]).read_text()
    assert page.count('id="reported"') == 1
    assert '<a href="#reported">' in page
    assert "Reported and measured numbers are on different images" in page
    assert "<script>alert" not in page
    assert "DFPIR paper, Table 2" in (folder / "table.md").read_text()
    assert r"\textit{Reported in the DFPIR paper, Table 2" in (folder / "table.tex").read_text()
    _with_reported(tmp_path, "6-task")
    with pytest.raises(ValueError, match="Unknown setting '6-task'"):
        build_report([folder])


def test_torch_is_never_imported():
    names = "torch torchvision ablations dfpir datasets baselines"
    code = f"import sys, reports.reported, reports.reported.show; print([m for m in {names.split()!r} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.strip() == "[]"


def test_the_flags_can_be_printed():
    found = subprocess.run(
        [sys.executable, "-m", "reports.reported"], capture_output=True, text=True, check=True, timeout=60
    )
    assert found.stdout.count("\n[") == len(flags())
    assert "212 cells in 38 rows" in found.stdout
