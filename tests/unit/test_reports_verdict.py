from __future__ import annotations

import re

import numpy as np
import pytest

from reports.stats import Bootstrap, collect
from reports.verdict import Verdict, verdict
from reports.wording import listed, named, show, show_p, show_seeds, show_size, signed
from tests.support.simulated_studies import image_rows, simulated_study

MINUS, DASH = "\N{MINUS SIGN}", "\N{EN DASH}"


def verdict_of(*gains_db: float, reference: str | None = "v0", **design: float) -> Verdict:
    settings = {"scenes": 40, "crops": 1, "seed_sd": 0.02, "scene_sd": 0.02, "rest_sd": 0.05, **design}
    scores = simulated_study(np.random.default_rng(5), gains_db=gains_db, **settings)
    return verdict(Bootstrap(scores=scores, resamples=400), reference=reference)


def test_the_report_opens_with_each_variant_against_the_reference():
    found = verdict_of(0.0, 3.0, 3.01, 0.0)
    first = found.sentences[0]
    pair = found.against_reference[0]
    assert first.startswith(
        f"{pair.first} {MINUS} v0: {show(pair.estimate)} over 3 seeds, 40 images; not distinguishable from "
    )
    assert {pair.first, pair.other("v0")} <= {"v1", "v2"}
    assert first.endswith(f"not distinguishable from {({'v1', 'v2'} - {pair.first}).pop()}.")
    assert [p.second for p in found.against_reference] == ["v0"] * 3
    assert [p.estimate.value for p in found.against_reference] == sorted(
        (p.estimate.value for p in found.against_reference), reverse=True
    )
    last = next(s for s in found.sentences if s.startswith(f"v3 {MINUS} v0"))
    assert last.endswith("not distinguishable from v0.")
    assert found.ranks == "some"


def test_the_budget_says_what_it_cannot_tell():
    found = verdict_of(0.0, 0.02, 0.0, seed_sd=0.1)
    text = " ".join(found.sentences)
    assert found.ranks == "none"
    assert "This budget can't tell any variant from v0" in text
    assert "the observed differences are smaller than what it can find" in text
    sizes = [p.mdd for p in found.pairs]
    assert (
        f"With 3 seeds and 40 images this study finds differences from {show_size(np.sqrt(np.mean(np.square(sizes))))} dB up"
        in text
    )
    assert "80% power, two-sided test at 5%; quadratic mean of 3 pairs" in text
    assert "once corrected for 3 comparisons from" in text
    assert "To find differences as large as the observed ones, corrected for 3 comparisons, would take" in text
    assert re.search(r"would take (about \d+|more than 50) seeds", text)
    # the headline already says that nothing is distinguishable
    assert found.sentences[0].endswith("over 3 seeds, 40 images.")
    assert all(abs(p.estimate.value) < p.mdd for p in found.pairs)


def test_lost_in_the_correction():
    """Two variants alone differ; among many comparisons the same difference no longer counts, and this is said."""
    for seed in range(50):
        scores = simulated_study(
            np.random.default_rng(seed), gains_db=(0.0, 0.3, 0.0, 0.0), scenes=40, crops=1, seed_sd=0.05
        )
        found = verdict(Bootstrap(scores=scores, resamples=300), reference="v0")
        pair = next(p for p in found.against_reference if p.first == "v1")
        if pair.estimate.excludes_zero and not pair.distinguishable:
            assert "v1 differs from v0 only before the correction for 6 comparisons." in found.sentences
            return
    pytest.fail("no such study among 50")


def test_many_variants_stay_readable():
    found = verdict_of(0.0, *(2.0 + 0.5 * k for k in range(8)), *[0.0] * 7)
    assert len(found.pairs) == 120
    assert len(found.against_reference) == 15
    lines = [s for s in found.sentences if f" {MINUS} v0: " in s]
    assert len(lines) == 6
    rest = next(s for s in found.sentences if "more variants against v0" in s)
    assert rest == "9 more variants against v0: 2 better, 7 not distinguishable (table “Against the reference”)."
    assert max(map(len, found.sentences)) < 320
    assert len(found.sentences) < 16


def test_two_variants_and_no_reference():
    apart = verdict_of(0.0, 3.0)
    assert apart.headline.startswith("The two variants are distinguishable")
    assert apart.sentences[0] == f"v1 {MINUS} v0: {show(apart.pairs[0].estimate)} over 3 seeds, 40 images."
    assert not any("highest mean" in s for s in apart.sentences)
    free = verdict_of(0.0, 3.0, reference=None)
    assert free.against_reference == ()
    assert "v1 has the highest mean" in free.sentences[0]
    unsure = verdict_of(0.0, 0.0, reference=None, seed_sd=0.3)
    best = unsure.pairs[0]
    assert f"This budget can't tell {best.second} from {best.first}" in " ".join(unsure.sentences)


def test_a_reference_without_scores_is_named():
    found = verdict_of(0.0, 3.0, reference="restormer")
    assert "The reference, restormer, lacks a finished run" in found.sentences[0]
    assert "v1 has the highest mean" in found.sentences[1]


def test_identical_variants_are_not_distinguishable():
    rng = np.random.default_rng(0)
    values = {("a", s, "rain", f"{c}1"): rng.normal(25, 1) for s in (0, 1) for c in "pqrs"}
    values |= {("b", s, c, i): x for (_, s, c, i), x in values.items()}
    found = verdict(Bootstrap(scores=collect(image_rows(values))), reference="a")
    assert not found.pairs[0].distinguishable
    assert found.ranks == "none"
    assert found.headline.startswith("The two variants are not distinguishable")
    assert "b scores exactly as a does." in found.sentences
    assert not any("would take" in s or "this study finds" in s for s in found.sentences)
    assert "Two seeds hardly measure training luck" in found.sentences[-1]


def test_a_clear_winner_is_called():
    rng = np.random.default_rng(3)
    values = {
        (v, s, "rain", f"{c}{k}"): 25 + shift + rng.normal(0, 0.02)
        for v, shift in (("best", 2.0), ("mid", 1.0), ("ref", 0.0))
        for s in (0, 1, 2)
        for c in "pqrstuvw"
        for k in (0, 1)
    }
    found = verdict(Bootstrap(scores=collect(image_rows(values))), reference="ref")
    assert found.ranks == "all"
    assert found.headline.startswith("3 of the 3 pairs")
    assert found.sentences[0].startswith(f"best {MINUS} ref: +")
    assert found.sentences[0].endswith("over 3 seeds, 16 images; distinguishable from every other variant.")
    assert "best has the highest mean" in found.sentences[2]
    assert "better than the second at 95%" in found.sentences[2]
    assert found.pairs[0].p_wilcoxon_holm < 0.05
    assert not any("can't" in s for s in found.sentences)


def test_one_seed_ranks_nothing():
    values = {(v, 0, "rain", f"{c}1"): 25.0 + (v == "a") + 0.01 * n for v in "abc" for n, c in enumerate("pqrstu")}
    found = verdict(Bootstrap(scores=collect(image_rows(values))))
    assert found.ranks == "none"
    assert "The ranking means nothing yet" in found.headline
    assert "2 of the 3 pairs differ" in found.headline
    assert "not of the variants" in found.sentences[0]
    assert not any("this study finds" in s for s in found.sentences)
    against = verdict(Bootstrap(scores=collect(image_rows(values))), reference="b")
    assert against.sentences[0] == f"a {MINUS} b: +1.00 dB [+1.00, +1.00] over 1 seed, 6 images."
    pair = {k: v for k, v in values.items() if k[0] != "c"}
    assert "As trained models, the two differ at 95%" in verdict(Bootstrap(scores=collect(image_rows(pair)))).headline


def test_words_for_one_seed_missing_parts_and_harm():
    values = {("a", 0, "rain", "p1"): 9.0, ("a", 0, "rain", "q1"): 9.5, ("b", 0, "rain", "p1"): 12.0}
    scores = collect(image_rows(values))
    assert scores.dropped == 1  # q1, which b lacks
    text = " ".join(verdict(Bootstrap(scores=scores)).sentences)
    assert "Below the degraded input on average: a" in text
    assert "Worse than the degraded input: a on rain" in text
    assert "one seed has no measure of training luck" in text
    assert "1 scene and 1 image " in text
    assert "1 score was left out" in text
    worse = {k: v - 10 for k, v in values.items()}
    assert "these models do not restore" in " ".join(verdict(Bootstrap(scores=collect(image_rows(worse)))).sentences)
    only = {k: v for k, v in values.items() if k[0] == "a"}
    assert "nothing to rank" in verdict(Bootstrap(scores=collect(image_rows(only)))).headline
    assert "No run is finished" in verdict(Bootstrap(scores=collect(image_rows(values).iloc[:0]))).headline


def test_show_has_true_minus_signs_and_no_negative_zero():
    rows = image_rows({(v, 0, "rain", f"{s}1"): 20.0 for v in "ab" for s in "pq"})
    assert show(Bootstrap(scores=collect(rows)).difference("a", "b")) == "0.00 dB [0.00, 0.00]"
    assert [signed(v) for v in (0.25, -0.25, -0.001, float("nan"))] == ["+0.25", f"{MINUS}0.25", "0.00", DASH]


def test_show_p_sizes_and_seeds():
    assert [show_p(p) for p in (0.0004, 0.0213, 1.0, float("nan"))] == ["< 0.001", "0.021", "1.000", DASH]
    assert [show_size(s) for s in (0.0014, 0.014, 0.314, float("nan"))] == ["0.001", "0.01", "0.31", DASH]
    found = verdict_of(0.0, 3.0, 0.0001)
    assert {show_seeds(p) for p in found.pairs if p.distinguishable} == {DASH}
    near = next(p for p in found.pairs if not p.distinguishable)
    assert show_seeds(near) in {"> 50", str(near.seeds_needed)}


def test_where_wilcoxons_test_cannot_be_passed_it_is_said():
    assert verdict_of(0.0, 1.0).wilcoxon_remark == ""
    assert verdict_of(0.0, 1.0, scenes=5).wilcoxon_remark == "Wilcoxon's test needs 6 scenes; here are 5."
    few = verdict_of(0.0, *range(1, 6), scenes=8)
    assert few.wilcoxon_remark == "With 8 scenes and 15 comparisons Wilcoxon's corrected p can't fall below 0.117."
    assert min(p.p_wilcoxon_holm for p in few.pairs) == pytest.approx(15 / 2**7)


def test_what_no_pair_has_needs_no_column():
    whole = verdict_of(0.0, 1.0)
    assert whole.has_wilcoxon
    assert whole.has_power
    assert not verdict_of(0.0, 1.0, scenes=5).has_wilcoxon
    one_seed = image_rows({(v, 0, "rain", f"{s}1"): 20.0 + n for n, v in enumerate("ab") for s in "pqr"})
    assert not verdict(Bootstrap(scores=collect(one_seed))).has_power


def test_lists_of_names():
    assert [listed(list(names)) for names in ("a", "ab", "abc")] == ["a", "a and b", "a, b and c"]
    assert [named(list(names)) for names in ("abcd", "abcdef")] == ["a, b, c and d", "a, b, c and 3 more"]
