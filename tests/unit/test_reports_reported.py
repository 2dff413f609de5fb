from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

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
from reports.reported.checks import mean_and_tolerance
from reports.reported.printed import COLUMNS, parse
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
    assert reported_rows("3-task")[0].source == THREE.paper_source
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
