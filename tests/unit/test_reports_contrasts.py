"""Planned contrasts: what is declared, what is estimated, and that intervals and verdicts never disagree."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reports import schema
from reports.build import build_report
from reports.contrasts import CONTRAST_COLUMNS, contrasts_frame, estimate_contrasts, planned_contrasts
from reports.divergence import diverged_runs, drop_diverged, find_diverged
from reports.load import load
from reports.pages.contrasts import contrasts_table
from reports.pairs import PAIR_COLUMNS, pair_differences, pairs_frame
from reports.stats import AVERAGE, QUESTIONS, TASK_AVERAGE, THESE_IMAGES, Analysis, collect
from reports.study import Contrast
from reports.verdict import verdict_of
from tests.support.fake_runs import FakeStudy, write_runs
from tests.support.simulated_studies import image_rows, simulated_study

FAKE = FakeStudy(
    effect_db={"a": 0.0, "b": 1.0, "c": 0.5},
    seeds=(0, 1, 2), aliases={"b_again": ("b", "same")}, scenes=8, crops=1, pictures=False,
)  # fmt: skip
MAIN = {"name": "main", "label": "b over the others", "weights": {"b_again": 1.0, "a": -0.5, "c": -0.5}}


def against(reference: str, *variants: str) -> tuple[Contrast, ...]:
    return tuple(Contrast(name=v, label=f"{v} - {reference}", weights={v: 1.0, reference: -1.0}) for v in variants)


def declared(folder: Path, *contrasts: object, **changes: object) -> Path:
    """The study folder with these contrasts in its file."""
    path = folder / schema.STUDY_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | {"contrasts": contrasts} | changes))
    return folder


def test_what_the_study_file_declares(tmp_path):
    folder = declared(write_runs(tmp_path, FAKE), MAIN)
    (found,) = planned_contrasts(load([folder]))
    assert (found.name, found.label) == ("main", "b over the others")
    assert found.weights == {"b": 1.0, "a": -0.5, "c": -0.5}, "a second name is the model that was trained"


def test_in_what_else_the_sides_differ_stands_beside_the_number(tmp_path):
    contrast = {**MAIN, "label": "b over the others", "note": "a is told nothing"}
    other = {"name": "a_c", "label": "a over c", "weights": {"a": 1.0, "c": -1.0}}
    study = load([declared(write_runs(tmp_path, FAKE), contrast, other)])
    verdict = verdict_of(study)
    assert "] (a is told nothing)" in verdict.headline
    first, second = contrasts_table(verdict).rows
    assert (first.cells[0].below, second.cells[0].below) == (("a is told nothing",), ())


def test_without_a_declaration_each_variant_against_the_reference(tmp_path):
    folder = write_runs(tmp_path, FAKE)
    study = load([folder])
    assert planned_contrasts(study) == ()
    found = planned_contrasts(replace(study, reference="b_again"))
    assert [(c.name, c.weights) for c in found] == [("a", {"a": 1.0, "b": -1.0}), ("c", {"c": 1.0, "b": -1.0})]
    assert found[0].label == "a \N{MINUS SIGN} b"


@pytest.mark.parametrize(
    ("contrasts", "said"),
    [
        ([MAIN, MAIN], "declares the contrast 'main' twice"),
        ([MAIN | {"weights": {"a": 1.0, "b": -0.5}}], "must sum to zero"),
        ([MAIN | {"weights": {}}], "must sum to zero"),
        ([MAIN | {"weights": {"a": float("nan"), "b": 1.0}}], "must sum to zero"),
        ([{"label": "no name"}], "not the study file it should be"),
        ([MAIN | {"weights": {"a": "much"}}], "could not convert"),
    ],
)
def test_a_declaration_that_is_none_is_refused_in_one_line(tmp_path, contrasts, said):
    folder = declared(write_runs(tmp_path, FAKE), *contrasts)
    with pytest.raises(ValueError, match=said) as caught:
        load([folder])
    assert "\n" not in str(caught.value)


def test_what_waits_for_other_runs_is_told_from_what_is_no_comparison():
    scores = simulated_study(np.random.default_rng(0), gains_db=(0.0, 0.5, 0.2))
    waits = Contrast(name="w", label="w", weights={"v1": 1.0, "absent": -1.0})
    nothing = Contrast(name="n", label="n", weights={})
    found = estimate_contrasts(Analysis(scores=scores), [*against("v0", "v1", "v2"), waits, nothing])
    assert found.not_estimable == ((waits, ("absent",)), (nothing, ()))
    assert {t.contrast.name for t in found.tested} == {"v1", "v2"}
    assert {t.family for t in found.in_column()} == {4}, "the family is what was planned, not what is there yet"
    frame = contrasts_frame(found).set_index("contrast")
    assert (frame.at["w", "verdict"], frame.at["n", "verdict"]) == ("not estimable yet", "one model")
    assert frame.loc["w", ["estimate_db", "p_adjusted", "n_seeds"]].isna().all()


def test_interval_p_and_verdict_are_one_and_the_same():
    """Over many studies, near the edge included: excluded zero, adjusted p and verdict never disagree."""
    differing = 0
    for seed in range(300):
        scores = simulated_study(np.random.default_rng(seed), gains_db=(0.0, 0.1, 0.2, 0.3))
        for t in estimate_contrasts(Analysis(scores=scores), against("v0", "v1", "v2", "v3")).tested:
            assert t.simultaneous.excludes_zero == (t.p_adjusted < 0.05) == t.differs == (t.verdict == "differs")
            assert t.simultaneous.low <= t.estimate.low
            differing += t.differs
    assert 200 < differing < 1500


def test_columns_and_questions():
    conditions = ("noise-15", "noise-50", "rain")
    rng = np.random.default_rng(0)
    values = {(v, s, c, f"{k}1"): rng.normal(25, 1) for v in "ab" for s in (0, 1) for c in conditions for k in "pqrs"}
    found = estimate_contrasts(Analysis(scores=collect(image_rows(values))), against("a", "b"))
    primary = {(t.column, t.primary) for t in found.tested}
    judged, described = [AVERAGE, "noise", "rain"], [TASK_AVERAGE, "noise-15", "noise-50"]
    assert primary == {(c, True) for c in judged} | {(c, False) for c in described}
    assert {t.question for t in found.tested} == set(QUESTIONS)
    assert {t.verdict for t in found.tested if not t.primary} == {"described only"}
    assert found.tasks == ("noise", "rain")
    assert list(found.by_task(found.planned[0])) == ["noise", "rain"]
    here, anywhere = found.in_column(question=THESE_IMAGES)[0].estimate, found.in_column()[0].estimate
    assert here.value == anywhere.value
    assert here.se <= anywhere.se
    one = estimate_contrasts(
        Analysis(scores=collect(image_rows({k: v for k, v in values.items() if k[2] == "rain"}))), against("a", "b")
    )
    assert {t.column for t in one.tested} == {AVERAGE}, "one column stands once"
    assert one.tasks == ()


def test_one_seed_never_differs():
    scores = simulated_study(np.random.default_rng(0), gains_db=(0.0, 5.0), seeds=1)
    (t,) = estimate_contrasts(Analysis(scores=scores), against("v0", "v1")).in_column()
    assert t.models_differ
    assert not t.differs
    assert t.verdict == "one seed"
    assert np.isnan(t.mdd)


@pytest.mark.usefixtures("blank_figures")
def test_contrasts_csv(tmp_path):
    folder = declared(write_runs(tmp_path, FAKE), MAIN)
    build_report([folder])
    frame = pd.read_csv(folder / schema.CONTRASTS_CSV_FILE)
    assert tuple(frame.columns) == CONTRAST_COLUMNS
    row = frame[(frame["column"] == "average") & (frame["question"] == "new photographs")].iloc[0]
    assert (row["contrast"], row["family"], row["n_seeds"], row["n_scenes"], row["n_images"]) == ("main", 1, 3, 8, 8)
    assert row["estimate_db"] == pytest.approx(0.75, abs=0.1)
    assert row["verdict"] == "differs"
    assert 0 < row["p"] == pytest.approx(row["p_adjusted"])
    assert row["mdd_db"] > 0
    assert len(frame) == (2 + 5 + 3) * 2  # two averages, five tasks, three noise levels; two questions
    assert set(frame["runs"]) == {"all"}


def gains(**by_run: float) -> dict[tuple[str, int, str, str], float]:
    """Scores of runs "a0", "a1", ... on rain and noise; the input has 10 dB."""
    return {
        (run[0], int(run[1]), c, f"{k}1"): 10.0 + gain * (c == "rain") + 0.1 * n
        for run, gain in by_run.items() for c in ("noise-25", "rain") for n, k in enumerate("pqrs")
    }  # fmt: skip


def test_a_diverged_run_lies_a_decibel_below_its_input_on_a_trained_task():
    scores = collect(image_rows(gains(a0=1.0, a1=-1.4, b0=-1.1, b1=-0.9)))
    found = find_diverged(scores, {})
    assert [(d.variant, d.seed, d.task) for d in found] == [("a", 1, "rain")]
    assert found[0].gain_db == pytest.approx(-1.25)
    assert find_diverged(scores, {"a": {"noise"}}) == ()
    assert drop_diverged(scores, found).seeds == {"a": (0,), "b": (0, 1)}


def test_the_rule_knows_what_was_trained(tmp_path):
    study = FakeStudy(effect_db={"a": 0.0, "sunk": -8.3}, seeds=(0, 1), scenes=3, crops=1, pictures=False)
    folder = write_runs(tmp_path, study)
    loaded = load([folder])
    assert {(d.variant, d.task) for d in diverged_runs(loaded)} == {("sunk", "blur")}
    for identity, expected in (
        ({"recipe": None}, set()),
        ({"recipe": {}, "conditions": ["noise-50"]}, set()),
        ({"recipe": {}, "conditions": ["noise-15", "blur"]}, {("sunk", "blur")}),
    ):
        runs = {n: replace(run, spec=run.spec | {"identity": identity}) for n, run in loaded.runs.items()}
        assert {(d.variant, d.task) for d in diverged_runs(replace(loaded, runs=runs))} == expected


def test_sensitivity_rows_stand_in_the_file():
    scores = simulated_study(np.random.default_rng(0), gains_db=(0.0, 0.5))
    every = estimate_contrasts(Analysis(scores=scores), against("v0", "v1"))
    fewer = estimate_contrasts(Analysis(scores=scores.drop_runs({"v1": {2}})), against("v0", "v1"))
    frame = contrasts_frame(every, fewer)
    assert frame["runs"].tolist() == ["all", "all", "without diverged", "without diverged"]
    assert frame["n_seeds"].tolist() == [3, 3, 2, 2]


def test_all_pairs_are_a_description():
    scores = simulated_study(np.random.default_rng(0), gains_db=(0.0, 1.0, 0.5), scenes=20)
    found = pair_differences(Analysis(scores=scores))
    assert [(p.first, p.second) for p in found] == [("v1", "v2"), ("v1", "v0"), ("v2", "v0")]
    assert {(p.n_scenes, p.n_images, p.estimate.n_seeds, p.estimate.level) for p in found} == {(20, 40, 3, 0.95)}
    frame = pairs_frame(found)
    assert tuple(frame.columns) == tuple(pairs_frame([]).columns) == PAIR_COLUMNS
    assert (frame["difference_db"] > 0).all()
