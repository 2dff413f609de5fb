from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reports import schema
from reports.build import build_report
from reports.files import write_text
from reports.load import load
from reports.measures import load_measures
from reports.stats import AVERAGE
from tests.support.fake_measures import write_measures
from tests.support.fake_runs import FakeStudy, gamma_study, run_id_of, write_runs

SECTIONS = (
    "learning",
    "prompts",
    "precision",
    "interference",
    "information",
    "mechanism",
    "levels",
    "mixed",
    "routing",
)
LABELS = {"dfpir_g90": "DFPIR, 0.9", "dfpir_g100": "DFPIR, no mask", "restormer": "Restormer"}
EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The report of a small study with every measure: (folder, page)."""
    root = tmp_path_factory.mktemp("runs")
    effects = {EVIL: 0.1, "dfpir_g90": 0.2, "dfpir_g100": 0.0, "restormer": -0.3}
    study = gamma_study(
        effect_db=effects, failed=((EVIL, 1),), pictures=False, aliases={"dfpir_g95": ("dfpir_g90", "")}
    )
    folder = write_runs(root, study)
    write_measures(root, study)
    plan = json.loads((folder / "study.json").read_text(encoding="utf-8"))
    write_text(folder / "study.json", json.dumps({**plan, "labels": LABELS}))
    return folder, build_report([folder]).read_text(encoding="utf-8")


def sections_of(page: str) -> list[str]:
    return re.findall(r'<section id="measure-([a-z]+)"', page)


def test_the_page_has_every_measure(whole):
    folder, page = whole
    assert sorted(sections_of(page)) == sorted(SECTIONS)
    assert "could not be" not in page
    for name in SECTIONS:
        assert len(pd.read_csv(folder / "measures" / f"{name}.csv")) > 1
    for figure in (
        "prompts", "interference_pairs", "interference_progress", "information_levels", "mechanism", "levels",
    ):  # fmt: skip
        for kind in ("png", "svg", "pdf"):
            assert (folder / "figures" / f"{figure}.{kind}").stat().st_size > 1000
        assert f"figures/{figure}.pdf" in page
    assert all(len(alt) > 60 for alt in re.findall(r'<img class="[a-z]+" src="[^"]+" alt="([^"]*)"', page))
    assert "Settings: draws of images 4." in page
    assert EVIL not in page
    assert "&lt;img src=x" in page[page.index('id="measure-prompts"') :]


def test_variants_are_shown_by_their_labels_and_stored_by_their_names(whole):
    folder, page = whole
    shown = page[page.index('<section id="measure-learning"') : page.index('<section id="appendix"')]
    for name in LABELS:
        assert not re.search(rf"\b{name}\b", re.sub(r"<script.*?</script>|data:[^\"]*", "", shown, flags=re.DOTALL))
        for path in (folder / "figures").glob("*.svg"):  # whose comments hold the texts that are drawn
            assert not re.search(rf"\b{name}\b", path.read_text(encoding="utf-8")), path.name
    assert "In DFPIR, 0.9" in shown or "DFPIR, no mask" in re.sub(r"<t[hd].*?</t[hd]>", "", shown)
    assert "DFPIR, no mask</th>" in shown
    assert "dfpir_g100" in set(pd.read_csv(folder / "measures" / "interference.csv")["variant"])


def test_ids_are_unique_and_captions_exist(whole):
    page = whole[1]
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'aria-describedby="([^"]+)"', page)) <= set(ids)


def test_csv_holds_what_the_table_says(whole):
    frame = pd.read_csv(whole[0] / "measures" / "prompts.csv")
    right = frame[frame["condition"] == frame["prompt"]]
    assert right["value_db"].to_numpy() == pytest.approx(0)
    mean = frame[(frame["prompt"] == "another task") & (frame["condition"] == AVERAGE)]
    assert set(mean["variant"]) == {EVIL, "dfpir_g90", "dfpir_g100"}  # restormer is blind
    assert (mean["ci_low_db"] < mean["value_db"]).all()


@pytest.mark.usefixtures("blank_figures")
def test_runs_without_measures_show_none(tmp_path):
    folder = write_runs(tmp_path, FakeStudy(effect_db={"a": 0.0}, seeds=(0,), pictures=False))
    page = build_report([folder]).read_text()
    assert sections_of(page) == ["learning"], "which every study has"
    assert [path.name for path in (folder / "measures").iterdir()] == ["learning.csv"]


@pytest.mark.usefixtures("blank_figures")
def test_a_damaged_table_is_named_and_the_rest_stands(tmp_path):
    study = FakeStudy(effect_db={"a": 0.0, "b": 0.0}, seeds=(0,), pictures=False)
    folder = write_runs(tmp_path, study)
    write_measures(tmp_path, study, ("levels", "mixed"))
    torn = tmp_path / run_id_of("a", 0) / schema.MEASURES_FOLDER
    (torn / "mixed.parquet").write_bytes(b"PAR1 no parquet")
    (torn / "horoscope.parquet").write_bytes(b"")
    write_text(torn / "prompts.error.json", '{"type": "RuntimeError", "message": "out of <memory>"}')
    page = build_report([folder]).read_text()
    assert sections_of(page) == ["learning", "levels", "mixed", "problems"]
    assert f"mixed of {run_id_of('a', 0)} is left out: mixed.parquet" in page
    assert f"horoscope of {run_id_of('a', 0)}: no measure that this version knows." in page
    assert f"prompts of {run_id_of('a', 0)} could not be taken: RuntimeError: out of &lt;memory&gt;" in page
    assert "Measured on 1 of 2 finished runs" in page


def one_run(root: Path) -> tuple[FakeStudy, Path]:
    study = FakeStudy(effect_db={"a": 0.0}, seeds=(0,), pictures=False)
    write_runs(root, study)
    write_measures(root, study, ("interference",))
    return study, root / run_id_of("a", 0)


def test_rows_that_occur_twice_and_infinite_numbers_are_refused(tmp_path):
    _, run = one_run(tmp_path)
    table, metadata = schema.read_measure(run, "interference")
    schema.write_measure(pd.concat([table, table.head(1)]), run, "interference", metadata=metadata)
    assert "a row occurs twice" in load_measures(load([tmp_path])).problems[0]
    schema.write_measure(table.assign(norm_a=np.inf), run, "interference", metadata=metadata)
    assert "column 'norm_a' holds an infinite value" in load_measures(load([tmp_path])).problems[0]


def test_a_table_without_rows_does_not_apply(tmp_path):
    _, run = one_run(tmp_path)
    table, metadata = schema.read_measure(run, "interference")
    schema.write_measure(table.head(0), run, "interference", metadata=metadata)
    found = load_measures(load([tmp_path]))
    assert found.tables == {}
    assert found.problems == ()


def test_different_settings_and_test_sets_are_told(tmp_path):
    study = FakeStudy(effect_db={"a": 0.0, "b": 0.0}, seeds=(0,), pictures=False)
    write_runs(tmp_path, study)
    write_measures(tmp_path, study, ("mixed",))
    run = tmp_path / run_id_of("b", 0)
    table, _ = schema.read_measure(run, "mixed")
    both = pd.concat([table, table.assign(dataset="other")])
    schema.write_measure(both, run, "mixed", metadata={"settings": '{"draws": 8, "run": "x"}'})
    found = load_measures(load([tmp_path]))
    assert "mixed was taken with different settings in different runs: draws 4, 8." in found.problems
    assert any(
        p.startswith("mixed of rain+noise-25 was measured on synthetic-test-only, other") for p in found.problems
    )
    assert set(found.tables["mixed"]["dataset"]) == {"synthetic-test-only"}


def test_the_made_up_measures_have_every_pair_of_tasks(tmp_path):
    _, run = one_run(tmp_path)
    table, _ = schema.read_measure(run, "interference")
    pairs = {(a, b) for a, b in zip(table["task_a"], table["task_b"], strict=True) if a != b}
    assert pairs == set(combinations(schema.TASK_ORDER, 2))
