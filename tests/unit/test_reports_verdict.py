from __future__ import annotations

import re

import numpy as np
import pytest

from reports.divergence import find_diverged
from reports.formatting import (
    format_estimate,
    format_magnitude,
    format_p,
    format_seeds_needed,
    format_signed,
    format_size,
    list_names,
)
from reports.input_gain import input_gain_sentences, task_gains
from reports.messages import join_and
from reports.power import quadratic_mean
from reports.stats import Analysis, Scores, collect
from reports.study import Contrast
from reports.verdict import MAX_CONTRASTS, Verdict, verdict
from tests.support.simulated_studies import image_rows, simulated_study

MINUS, DASH = "\N{MINUS SIGN}", "\N{EN DASH}"


def against(reference: str, *variants: str) -> tuple[Contrast, ...]:
    return tuple(
        Contrast(name=v, label=f"{v} {MINUS} {reference}", weights={v: 1.0, reference: -1.0}) for v in variants
    )


def verdict_of(
    *gains_db: float, planned: tuple[Contrast, ...] | None = None, seed: int = 5, **design: float
) -> Verdict:
    settings = {"scenes": 40, "crops": 1, "seed_sd": 0.02, "scene_sd": 0.02, "rest_sd": 0.05, **design}
    scores = simulated_study(np.random.default_rng(seed), gains_db=gains_db, **settings)
    every = against("v0", *(f"v{k}" for k in range(1, len(gains_db))))
    return verdict(Analysis(scores=scores), every if planned is None else planned)


def scores_by_task(gains: dict[str, dict[str, float]], *, seeds: int = 3, sd: float = 0.03) -> Scores:
    """Scores of variants with these gains over an input of 10 dB, by condition."""
    rng = np.random.default_rng(1)
    return collect(
        image_rows({
            (v, s, c, f"{k}1"): 10.0 + gain + rng.normal(0, sd)
            for v, by_condition in gains.items() for s in range(seeds) for c, gain in by_condition.items()
            for k in "pqrstuvwxyz"
        })
    )  # fmt: skip


def test_the_report_opens_with_the_planned_contrasts():
    found = verdict_of(0.0, 3.0, 0.0)
    first, second = found.contrasts.in_column()
    estimate = format_estimate(first.simultaneous)
    assert found.headline == (
        f"1 of 2 planned contrasts differs from zero at 95%, by PSNR. Significant: v1 {MINUS} v0: {estimate}."
    )
    assert found.sentences[0] == f"v1 {MINUS} v0: {format_estimate(first.simultaneous)}."
    assert found.sentences[1] == f"v2 {MINUS} v0: {format_estimate(second.simultaneous)}, not significant."
    assert found.outcome == "some"
    assert first.simultaneous.low < first.estimate.low


def test_what_was_not_shown_is_never_said_to_be_nothing():
    found = verdict_of(0.0, 0.0, 0.0, seed_sd=0.3, seed=6)
    assert found.headline == "No significant difference in any of the 2 planned contrasts at 95%, by PSNR."
    assert found.outcome == "none"
    assert not re.search(r"\b[Nn]one differ|\bnot differ\b", " ".join(found.sentences))
    one = verdict_of(0.0, 0.0, seed_sd=0.3)
    assert one.headline == "The planned contrast does not differ significantly from zero at 95%, by PSNR."


def test_what_the_study_could_have_found_is_at_the_adjusted_level():
    found = verdict_of(0.0, 0.02, 0.0, 0.01, seed_sd=0.1)
    sizes = [t.mdd for t in found.contrasts.in_column()]
    said = next(s for s in found.sentences if s.startswith("Minimum detectable"))
    assert said == (
        "Minimum detectable difference of a planned contrast of the column average, with 3 seeds and 40 images: "
        f"{format_size(quadratic_mean(sizes))} dB (80% power, two-sided test at 5%/3; quadratic mean of 3 contrasts, "
        f"{format_size(min(sizes))} to {format_size(max(sizes))} dB)."
    )
    assert found.has_power


def test_an_average_that_hides_a_trade_is_called_one():
    gains = {
        "ref": {"noise-15": 9.0, "noise-25": 9.0, "haze": 1.0},
        "new": {"noise-15": 5.0, "noise-25": 5.0, "haze": 4.0},
    }
    found = verdict(Analysis(scores=scores_by_task(gains)), against("ref", "new"))
    assert found.headline == (
        "The planned contrast differs from zero at 95%, by PSNR averaged over the columns; the average hides a "
        "trade-off between tasks."
    )
    assert re.fullmatch(
        rf"new {MINUS} ref: {MINUS}1\.\d\d dB \[.*\]; the average hides a trade-off: \+(2\.9|3\.0)\d dB on haze, "
        rf"{MINUS}(3\.9|4\.0)\d dB on noise\.",
        found.sentences[0],
    )


def test_tasks_speak_where_the_average_does_not():
    rng = np.random.default_rng(0)
    gains = {v: {"noise-25": 5.0 + (v == "new") * 0.5, "rain": 5.0} for v in ("ref", "new", "other")}
    scores = scores_by_task(gains)
    for v, y in scores.values.items():
        y[:, :, 1] += rng.normal(0, 3.0, (3, 1)) * (v != "absent")
    found = verdict(Analysis(scores=scores), against("ref", "new"))
    said = "new . ref: .* dB \\[.*\\], not significant; significant by task: \\+0\\.\\d\\d dB on noise\\."
    assert re.fullmatch(said, found.sentences[0])


def test_many_contrasts_stay_readable():
    found = verdict_of(0.0, *(2.0 + 0.5 * k for k in range(8)), *[0.0] * 7)
    assert len(found.pairs) == 120
    assert len([s for s in found.sentences if f" {MINUS} v0: " in s]) == MAX_CONTRASTS
    rest = next(s for s in found.sentences if "more planned contrasts" in s)
    assert rest == "7 more planned contrasts: 7 not significant (table “Planned contrasts”)."
    assert max(map(len, found.sentences)) < 320
    assert len(found.sentences) < 16


def test_without_a_plan_nothing_is_tested():
    found = verdict_of(0.0, 3.0, planned=())
    assert found.headline.startswith("No contrast was planned")
    assert found.outcome == "nothing"
    top = found.pairs[0]
    assert found.sentences[0] == (
        f"v1 has the highest column average, {format_estimate(top.estimate)} against v0 (unadjusted; selected as the "
        "largest, so not a test)."
    )


def test_contrasts_that_wait_are_named():
    absent = Contrast(name="x", label="told", weights={"v1": 1.0, "told_restormer": -1.0})
    same = Contrast(name="y", label="twice", weights={})
    found = verdict_of(0.0, 3.0, planned=(*against("v0", "v1"), absent, same))
    assert "Not estimable yet: told; unfinished: told_restormer." in found.sentences
    assert "Nothing to estimate, one model under several names: twice." in found.sentences
    assert found.headline == "The planned contrast differs from zero at 95%, by PSNR; 2 more wait for their runs."
    nothing = verdict_of(0.0, 3.0, planned=(absent,))
    assert nothing.headline.startswith("No planned contrast can be estimated yet")


def test_equal_scores_do_not_differ():
    rng = np.random.default_rng(0)
    values = {("a", s, "rain", f"{c}1"): rng.normal(25, 1) for s in (0, 1) for c in "pqrs"}
    values |= {("b", s, c, i): x for (_, s, c, i), x in values.items()}
    found = verdict(Analysis(scores=collect(image_rows(values))), against("a", "b"))
    assert found.contrasts.in_column()[0].estimate.value == 0
    assert found.outcome == "none"
    assert "Two seeds estimate seed-to-seed variance poorly" in found.sentences[-1]


def test_one_seed_ranks_nothing():
    values = {(v, 0, "rain", f"{c}1"): 25.0 + (v == "a") + 0.01 * n for v in "abc" for n, c in enumerate("pqrstu")}
    found = verdict(Analysis(scores=collect(image_rows(values))), against("b", "a", "c"))
    assert found.outcome == "none"
    assert found.headline == (
        "Not a ranking: every comparison has one seed, so no difference can be separated from seed-to-seed variance. "
        "As trained models, 1 of 2 planned contrasts differs from zero at 95% on such photographs. "
        f"Namely: a {MINUS} b: +1.00 dB [+1.00, +1.00]."
    )
    assert found.sentences[0] == f"a {MINUS} b: +1.00 dB [+1.00, +1.00]."
    assert not found.has_power
    assert not any(s.startswith("Minimum detectable") for s in found.sentences)
    assert verdict(Analysis(scores=collect(image_rows(values)))).headline.endswith("seed-to-seed variance.")


def under_way(seeds):
    """Variants that are 1 dB apart, with as many seeds finished as given."""
    values = {
        (v, s, "rain", f"{c}1"): 25.0 + k + 0.01 * n * (s + 1)
        for k, (v, count) in enumerate(seeds.items()) for s in range(count) for n, c in enumerate("pqrstu")
    }  # fmt: skip
    return verdict(Analysis(scores=collect(image_rows(values))), against("a", "b", "c"))


def test_a_second_seed_of_a_variant_alone_judges_nothing():
    found = under_way({"a": 2, "b": 1, "c": 1})  # each contrast has a variant with one seed
    assert found.headline.startswith("Not a ranking: every comparison has one seed")


def test_a_contrast_of_one_seed_says_that_it_is_not_judged_beside_one_that_is():
    found = under_way({"a": 2, "b": 2, "c": 1})
    assert not found.headline.startswith("Not a ranking")
    assert "one seed" not in found.sentences[0]
    assert found.sentences[1].endswith("], one seed: not tested.")


def test_nothing_to_compare():
    values = {("a", 0, "rain", "p1"): 9.0, ("a", 0, "rain", "q1"): 9.5}
    only = verdict(Analysis(scores=collect(image_rows(values))))
    assert only.headline == "Only one variant has finished runs: there is nothing to compare."
    none = verdict(Analysis(scores=collect(image_rows(values).iloc[:0])), against("b", "a"))
    assert none.headline == "No run is finished: there is nothing to compare yet."
    assert not any("nothing to rank" in s for s in none.sentences)


def test_limits_are_said():
    values = {("a", 0, "rain", "p1"): 12.0, ("a", 0, "rain", "q1"): 9.5, ("b", 0, "rain", "p1"): 12.0}
    text = " ".join(verdict(Analysis(scores=collect(image_rows(values)))).sentences)
    assert "With one seed, seed-to-seed variance cannot be estimated" in text
    assert "1 scene and 1 image, " in text
    assert "With so few scenes (1)" in text
    assert "1 score was left out" in text


@pytest.mark.parametrize("sunk", [0.0, 2.0])
def test_diverged_runs_stay_and_are_named(sunk):
    gains = {"ref": {"rain": 1.0, "haze": 3.0}, "new": {"rain": 2.0, "haze": 4.0}}
    scores = scores_by_task(gains)
    scores.values["new"][0] -= 4.0 * (sunk > 0)
    lost = find_diverged(scores, {})
    found = verdict(Analysis(scores=scores), against("ref", "new"), diverged=lost)
    said = [s for s in found.sentences if s.startswith(("Diverged", "Without them"))]
    if not sunk:
        assert (lost, said, found.without_diverged) == ((), [], None)
        return
    assert re.match(
        rf"Diverged, more than 1 dB below the degraded input on a task it was trained on: new seed 0 "
        rf"\({MINUS}(1\.9|2\.0)\d dB on rain\)\. All numbers here include these runs\.",
        said[0],
    )
    assert said[1] == (
        f"Without them the verdict changes for new {MINUS} ref (column average), new {MINUS} ref (rain) and "
        f"new {MINUS} ref (haze) (contrasts.csv)."
    )
    assert found.without_diverged is not None
    assert all(t.differs for t in found.without_diverged.in_column())
    assert not any(t.differs for t in found.contrasts.in_column())


def test_what_is_restored_task_by_task():
    gains = {
        "a": {"noise-15": 0.01, "rain": 0.02, "haze": 3.0, "blur": 0.0, "lowlight": 0.13},
        "b": {"noise-15": -0.02, "rain": -0.7, "haze": 4.0, "blur": 1.0, "lowlight": 3.0},
    }
    scores = scores_by_task(gains, sd=0.0)
    assert task_gains(scores)["b", "rain"] == pytest.approx(-0.7)
    assert input_gain_sentences(scores) == [
        "Every variant is better than its input by PSNR, by at least 0.5 dB, on haze.",
        "No variant improves noise (gain within 0.05 dB).",
        "No variant improves rain: it is unchanged or worse.",
        "Better than its input by less than 0.5 dB: a on low light (+0.13 dB).",
        "Output equals the input (gain within 0.05 dB): a on rain and a on motion blur.",
        f"Worse than its input: b on rain ({MINUS}0.70 dB).",
    ]
    assert (
        input_gain_sentences(collect(image_rows({}).reindex(columns=image_rows({("a", 0, "rain", "p"): 1.0}).columns)))
        == []
    )


def test_show_has_true_minus_signs_and_no_negative_zero():
    rows = image_rows({(v, 0, "rain", f"{s}1"): 20.0 for v in "ab" for s in "pq"})
    assert format_estimate(Analysis(scores=collect(rows)).difference("a", "b")) == "0.00 dB [0.00, 0.00]"
    assert [format_signed(v) for v in (0.25, -0.25, -0.001, float("nan"))] == ["+0.25", f"{MINUS}0.25", "0.00", DASH]


def test_show_p_sizes_and_seeds():
    assert [format_p(p) for p in (0.0004, 0.0213, 1.0, float("nan"))] == ["< 0.001", "0.021", "1.000", DASH]
    assert [format_size(s) for s in (0.0014, 0.014, 0.314, float("nan"))] == ["0.001", "0.01", "0.31", DASH]
    assert [format_magnitude(n) for n in (31_104_761, 1500, 12, None, "x")] == ["31.10 M", "1.50 k", "12", "", ""]
    found, near = verdict_of(0.0, 3.0, 0.0001).contrasts.in_column()
    assert format_seeds_needed(found) == DASH
    assert format_seeds_needed(near) in {"> 50", str(near.seeds_needed)}


def test_lists_of_names():
    assert [join_and(list(names)) for names in ("a", "ab", "abc")] == ["a", "a and b", "a, b and c"]
    assert [list_names(list(names)) for names in ("abcd", "abcdef")] == ["a, b, c and d", "a, b, c and 3 more"]
