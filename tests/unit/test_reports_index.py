from __future__ import annotations

import re
from dataclasses import replace

import pytest

from reports import schema
from reports.__main__ import main
from reports.document import Interval
from reports.pages.index import build_index, read_study_row
from tests.support.fake_runs import FakeStudy, gamma_study, write_runs

EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A runs folder with three studies: one done in part and with a report, one named to do harm, one broken."""
    root = tmp_path_factory.mktemp("runs")
    folder = write_runs(root, gamma_study(pictures=False, not_run=(("dfpir_g50", 1),)))
    (folder / schema.REPORT_FILE).write_text("made earlier")
    write_runs(root / "other", FakeStudy(effect_db={"alone": 0.0}, seeds=(0,), pictures=False))
    next((root / "other").glob("alone-*")).rename(root / "alone-s0-00000000")
    evil = write_runs(root, FakeStudy(effect_db={"a": 0.0}, seeds=(0,), pictures=False, name=f"x&{EVIL[1:-1]}"))
    text = (evil / schema.STUDY_FILE).read_text().replace("Perturbation factor", EVIL)
    (evil / schema.STUDY_FILE).write_text(text)
    broken = root / schema.STUDIES_FOLDER / "broken-smoke-x"
    broken.mkdir()
    (broken / schema.STUDY_FILE).write_text("{")
    return root


def test_the_index_lists_every_study(root):
    page = build_index(root).read_text(encoding="utf-8")
    assert len(re.findall(r'<th scope="row"', page)) == 3
    assert '<a href="gamma_sweep-smoke-synthetic/report.html">' in page
    assert "12 of 14" in page
    assert "1 failed, 1 missing" in page
    assert "study.json is not JSON" in page
    assert "no report yet" in page
    assert "1 run belongs to no study above." in page


def test_the_line_holds_the_verdict_of_the_runs(root):
    line = read_study_row(root / schema.STUDIES_FOLDER / "gamma_sweep-smoke-synthetic", root)
    assert re.search(r"(\d of|any of the) 6 planned contrasts", line.headline)
    assert line.verdict == "some"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", line.date)
    assert line.budget == "smoke"
    assert line.report == "studies/gamma_sweep-smoke-synthetic/report.html"


def test_names_from_outside_are_escaped_and_nothing_is_fetched(root):
    page = build_index(root).read_text(encoding="utf-8")
    assert EVIL not in page
    assert "&lt;img src=x" in page
    assert page.count("<script>") == 1
    assert "default-src 'none'" in page
    assert not re.search(r"https?://|@import|url\(", page)


def test_studies_of_mixed_protocols_show_why(tmp_path):
    study = FakeStudy(effect_db={"a": 0.0}, seeds=(0,), pictures=False)
    write_runs(tmp_path, study)
    folder = write_runs(tmp_path, replace(study, effect_db={"a": 0.0, "b": 0.1}, not_run=(("b", 0),)))
    other = tmp_path / "elsewhere"
    write_runs(other, replace(study, effect_db={"b": 0.1}, protocol="y-255"))
    next(other.glob("b-*")).rename(tmp_path / next(other.glob("b-*")).name)
    assert "Refusing to mix protocols" in read_study_row(folder, tmp_path).problem


def test_command_line(root, tmp_path, capsys, monkeypatch):
    assert main(["--all", str(root), "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "index.html")
    monkeypatch.chdir(tmp_path)
    for arguments, said in (
        (["index"], "runs: no such folder"),
        (["index", str(tmp_path)], "no study in it"),
    ):
        assert main(arguments) == 2
        err = capsys.readouterr().err
        assert said in err
        assert err.count("\n") == 1


def test_a_verdict_is_a_few_words_beside_the_seeds_and_images(root):
    page = build_index(root).read_text(encoding="utf-8")
    line = read_study_row(root / schema.STUDIES_FOLDER / "gamma_sweep-smoke-synthetic", root)
    n_differing = sum(result.differs for result in line.results)
    assert 0 < n_differing < len(line.results)
    assert f"{n_differing} of {len(line.results)} contrasts significant" in page
    assert f">1\N{EN DASH}2 \N{MULTIPLICATION SIGN} {line.n_images}<" in page
    assert line.n_images > 1


def test_seeds_are_those_that_finished(tmp_path):
    """Three seeds are planned; one variant has two of them, the other one."""
    plan = FakeStudy(
        effect_db={"a": 0.0, "b": 0.1}, seeds=(0, 1, 2), not_run=(("a", 2), ("b", 1), ("b", 2)), pictures=False
    )
    folder = write_runs(tmp_path, plan)
    line = read_study_row(folder, tmp_path)
    assert (line.seeds, line.n_planned_seeds) == ((1, 2), 3)
    page = build_index(tmp_path).read_text(encoding="utf-8")
    assert f">1\N{EN DASH}2 \N{MULTIPLICATION SIGN} {line.n_images} <" in page
    assert "3 seeds planned" in page


def test_bars_have_a_scale(root):
    """The largest of 1, 2 or 5 times a power of ten within the limit, both ways."""
    bars = {limit: Interval(value=0.1, low=0.0, high=0.2, limit=limit).ticks for limit in (4.36, 0.2, 1.0)}
    assert bars[4.36] == ((28, "\N{MINUS SIGN}2"), (50, "0"), (72, "+2"))
    assert [label for _, label in bars[0.2]] == ["\N{MINUS SIGN}0.2", "0", "+0.2"]
    assert [label for _, label in bars[1.0]] == ["\N{MINUS SIGN}1", "0", "+1"]
    page = build_index(root).read_text(encoding="utf-8")
    assert re.search(r'<text x="50" y="23">0</text><text x="\d+" y="23">\+[\d.]+</text>', page)
