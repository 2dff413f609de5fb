"""Interference past the plateau, against its ceiling, without the mean colour; and tables from before these."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.stats import binomtest

from reports import schema
from reports.build import build_report
from reports.language import LANGUAGES
from reports.load import load
from reports.measures import load_measures, plateau
from reports.measures.conflicts import clopper_pearson, conflict_share, cosines_over_ceiling
from reports.measures.interference import summarize, to_frame
from reports.measures.interference_report import PLATEAU_UNKNOWN, make_pair_table, make_table, sentences
from tests.support.fake_measures import write_measures
from tests.support.fake_runs import FakeStudy, run_id_of, write_runs

TASKS = ("noise", "rain", "haze")
SINGLE_PROCESS = {"noise": 0.5, "rain": 0.8, "haze": 0.2}
PAIRS = {("noise", "rain"): 0.4, ("noise", "haze"): -0.1, ("rain", "haze"): -0.2}


def table(pairs=PAIRS, alone=SINGLE_PROCESS, variants=("m",), spread=0.01, loss="plain", seeds=range(4), draws=5):
    """Gradients at a tenth and at the end of training with cosines around those given."""
    rng = np.random.default_rng(0)
    cosines = {**pairs, **{(task, task): cosine for task, cosine in alone.items()}}
    return pd.DataFrame(
        {
            "variant": variant, "seed": seed, "run_id": f"{variant}-{seed}", "step": step, "fraction": step / 100,
            "draw": draw, "loss": loss, "group": "all", "task_a": a, "task_b": b,
            "cosine": cosine + rng.normal(0, spread), "norm_a": 1.0, "norm_b": 2.0, "n_parameters": 5,
        }
        for variant in variants
        for seed in seeds
        for step in (10, 100)
        for draw in range(draws)
        for (a, b), cosine in cosines.items()
        if a != b or draw
    )  # fmt: skip


def learned(tasks_at, variants=("m",)):
    return {f"{v}-{seed}": {step: frozenset(t) for step, t in tasks_at.items()} for v in variants for seed in range(4)}


def by_loss(frame, known=None):
    return {loss: one for loss in ("plain", "without_colour") if (one := summarize(frame, loss, learned=known))}


def said(frame, known=None):
    return sentences(by_loss(frame, known))


def is_chinese(text):
    translated = LANGUAGES["zh"].translate(text)
    return all(word not in translated for word in (" the ", " of ", " is "))


# ---- past the plateau ------------------------------------------------------------------------------------------------


def test_a_task_is_learned_where_its_gain_is_half_a_decibel():
    curves = {"noise": {10: 0.5, 20: 3.0}, "rain": {10: 0.49, 20: 0.51}, "haze": {10: -1.0, 20: np.nan}}
    found = plateau.tasks_learned_at({task: pd.Series(gains) for task, gains in curves.items()})
    assert found == {10: {"noise"}, 20: {"noise", "rain"}}
    assert plateau.tasks_learned_at({}) == {}


def test_the_last_validation_by_the_step_counts():
    rows = pd.DataFrame({"run_id": "m-0", "step": [0, 9, 10, 25, 100], "task_a": "rain", "task_b": "haze"})
    known = {"m-0": {10: frozenset({"rain"}), 20: frozenset({"rain", "haze"}), 90: frozenset({"haze"})}}
    assert list(plateau.both_learned(rows, known)) == [0, 0, 0, 1, 0]
    assert plateau.both_learned(rows, {}).isna().all()


def test_only_pairs_that_are_both_learned_count():
    known = learned({10: ["rain"], 100: ["rain", "haze"]})
    found = summarize(table(), learned=known)
    assert found.learned["m"].value == 1
    assert found.learned["m"].n_pairs == 4  # one pair in each of four models
    assert found.shares["m", "all"].value == pytest.approx(2 / 3)
    assert {at: s.value for at, s in found.progress["m"].items()} == {1.0: 1}, "at a tenth no pair is learned"
    first = said(table(), known)[0]
    assert first == (
        "In m 100% [40%, 100%] of the resolved pairs of tasks that are both learned (0.5 dB or more over the degraded "
        "input on validation images) have opposed gradients at the end of training."
    )
    assert is_chinese(first)
    assert PLATEAU_UNKNOWN not in said(table(), known)


def test_only_intervals_that_part_two_shares_make_a_most_and_a_least():
    known = learned({100: TASKS}, ("a",)) | learned({100: ["noise", "rain"]}, ("b",))
    first = said(table(variants=("a", "b")), known)[0]
    assert "0% [0%, 60%] have opposed gradients at the end of training in b and 67% [35%, 90%] in a: the" in first
    assert first.endswith("the intervals overlap, and no variant can be said to have more than another.")
    assert is_chinese(first)
    opposed = table({pair: -0.3 for pair in PAIRS}, variants=("a",), seeds=range(4))
    apart = pd.concat([opposed, table({pair: 0.3 for pair in PAIRS}, variants=("b",), seeds=range(4))])
    told = said(apart)[0]
    assert (
        "100% [74%, 100%] have opposed gradients at the end of training in a, the most, and 0% [0%, 26%] in b" in told
    )
    assert is_chinese(told)


def test_models_on_the_plateau_and_models_of_which_nothing_is_known():
    known = learned({100: ["rain"]}, ("a",))
    none, unknown = said(table(variants=("a", "b")), known)[:2]
    assert none.startswith(
        "No two tasks are learned at the end of training in a: what is measured there is the plateau"
    )
    assert unknown == "It is not known whether b left the plateau: no validation gain by task was logged."
    assert is_chinese(none)
    assert is_chinese(unknown)
    cells = make_table(by_loss(table(variants=("a", "b")), known)).rows
    assert [row.cells[1].text for row in cells] == ["no such pair", "not known"]
    both = said(table(variants=("a", "b")), known | learned({100: ["rain"]}, ("b",)))[0]
    assert both.startswith("No two tasks are learned at the end of training in any of the 2 variants: what is measured")
    assert is_chinese(both)


def test_logs_without_gains_are_said_to_tell_nothing():
    told = said(table())
    assert told[1] == PLATEAU_UNKNOWN
    assert is_chinese(PLATEAU_UNKNOWN)


@pytest.mark.parametrize("gains", [True, False])
def test_gains_are_read_from_the_training_log(tmp_path, gains):
    study = FakeStudy(effect_db={"a": 0.0}, seeds=(0,), pictures=False, gains=gains)
    folder = write_runs(tmp_path, study)
    found = plateau.learned_tasks(load([folder]))
    if not gains:
        assert found == {}
        return
    steps = found[run_id_of("a", 0)]
    assert min(steps) == 20
    assert steps[20] == {"noise", "rain", "haze", "lowlight"}
    assert steps[200] == set(schema.TASK_ORDER)


# ---- intervals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("successes", "n"), [(0, 10), (3, 10), (10, 10), (1, 1)])
def test_exact_intervals_are_those_of_scipy(successes, n):
    theirs = binomtest(successes, n).proportion_ci(0.95, method="exact")
    assert clopper_pearson(successes, n) == pytest.approx((theirs.low, theirs.high))


def test_more_draws_of_one_model_are_no_more_trials():
    rows = table(draws=20)
    rows = rows[(rows["task_a"] != rows["task_b"]) & (rows["step"] == 100)].assign(conflict=1.0)
    assert conflict_share(rows).n_pairs == 12
    assert conflict_share(rows.iloc[:0]) is None


def test_intervals_of_cosines_stay_within_their_range():
    found = summarize(table(alone={"noise": 0.99, "rain": 0.9, "haze": 0.2}, spread=0.4, draws=3, seeds=(0,)))
    for one in (found.cosines["m"]["all"], found.ceilings["m"]["all"]):
        assert -1 <= one.low <= one.value <= one.high <= 1


def test_cosines_against_their_ceilings():
    frame = table(spread=0.02, seeds=range(6))
    same = frame["task_a"] == frame["task_b"]
    found = cosines_over_ceiling(frame[~same], frame[same])["m"]
    for pair, cosine in PAIRS.items():
        ceiling = np.sqrt(SINGLE_PROCESS[pair[0]] * SINGLE_PROCESS[pair[1]])
        assert found[pair].value == pytest.approx(cosine / ceiling, abs=0.05)
        assert found[pair].low < cosine / ceiling < found[pair].high


def test_a_ceiling_that_could_be_zero_resolves_nothing():
    frame = table(alone={"noise": 0.5, "rain": 0.8, "haze": -0.05}, spread=0.06, seeds=range(6))
    found = summarize(frame)
    assert found.relative["m"]["noise", "haze"] is None
    assert found.relative["m"]["rain", "haze"] is None
    assert found.relative["m"]["noise", "rain"] is not None
    (sentence,) = (s for s in said(frame) if "ceiling" in s)
    assert sentence.startswith("Resolved are 1 of 3 pairs, those of which each task has a cosine with itself")
    assert sentence.endswith("between noise and rain in m.")
    assert is_chinese(sentence)
    row = [cell.text for cell in make_pair_table(by_loss(frame)).rows[0].cells]
    assert row[2:] == ["not resolved", "not resolved"]
    assert "(1 of 3)" in make_table(by_loss(frame)).rows[0].cells[5].text


def test_a_quotient_with_zero_in_its_interval_is_said_to_be_in_doubt():
    (sentence,) = (s for s in said(table({**PAIRS, ("noise", "haze"): 0.5, ("rain", "haze"): 0.5, ("noise", "rain"): 0.0},
                                         alone={"noise": 0.5, "rain": 0.8, "haze": 0.6}, spread=0.05, seeds=range(6))) if "ceiling" in s)  # fmt: skip
    assert sentence.endswith("between noise and rain in m, not significantly different from zero.")
    assert is_chinese(sentence)


def test_one_draw_resolves_no_ceiling():
    frame = table(draws=2, seeds=(0,))
    assert set(summarize(frame).relative["m"].values()) == {None}
    assert not any("ceiling" in sentence for sentence in said(frame))
    assert is_chinese(said(frame)[0])


# ---- without the mean colour -----------------------------------------------------------------------------------------


def test_conflicts_without_the_mean_colour_stand_beside_the_plain_ones():
    bare = table({pair: abs(cosine) for pair, cosine in PAIRS.items()}, loss="without_colour")
    both = pd.concat([table(), bare])
    found = by_loss(both)
    assert found["plain"].shares["m", "all"].value == pytest.approx(2 / 3)
    assert found["without_colour"].shares["m", "all"].value == 0
    (told,) = (each for each in sentences(found) if each.startswith("Without the mean colour error"))
    assert "image 0% [0%, 26%] of the resolved pairs of all variants conflict, with it 67% [35%, 90%]." in told
    assert is_chinese(told)
    shown = make_table(found)
    assert [row.cells[1].text for row in shown.rows] == ["training loss", "without mean colour"]
    assert set(to_frame(found)["loss"]) == {"plain", "without_colour"}


def test_a_model_whose_error_is_colour_alone_has_no_row_without_it():
    assert summarize(table(), "without_colour") is None
    assert not any("colour" in sentence for sentence in said(table()))


# ---- older tables ----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("blank_figures")
def test_tables_from_before_the_losses_are_read_as_the_plain_one(tmp_path):
    study = FakeStudy(effect_db={"a": 0.0, "b": 0.0}, seeds=(0,), pictures=False, gains=False)
    folder = write_runs(tmp_path, study)
    write_measures(tmp_path, study, ("interference",))
    for path in tmp_path.glob("*/measures/interference.parquet"):
        whole = pq.read_table(path)
        plain = whole.filter(pa.compute.equal(whole["loss"], "plain")).drop_columns(["loss"])
        pq.write_table(plain, path)
    measures = load_measures(load([folder]))
    assert measures.problems == ()
    frame = measures.tables["interference"]
    assert set(frame["loss"]) == {"plain"}
    assert set(combinations(schema.TASK_ORDER, 2)) <= set(zip(frame["task_a"], frame["task_b"], strict=True))
    page = build_report([folder]).read_text(encoding="utf-8")
    assert "not known whether these models were trained past the plateau" in page
    assert "All resolved pairs count" in page
