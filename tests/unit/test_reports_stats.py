from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from reports.stats import AVERAGE, Bootstrap, Scores, collect, means
from reports.verdict import holm, pairs, show, verdict, wilcoxon


def rows(values: dict[tuple[str, int, str, str], float], *, scene=lambda image: image[0]) -> pd.DataFrame:
    """Rows from (variant, seed, condition, image) -> PSNR; an image's scene is its first letter."""
    return pd.DataFrame(
        [
            {
                "run_id": f"{v}-{s}", "variant": v, "seed": s, "dataset": "d", "protocol": "p", "task": c.split("-")[0],
                "condition": c, "image": i, "scene": scene(i), "seen": "", "metric": "psnr_db", "value": x, "input_value": 10.0,
            }
            for (v, s, c, i), x in values.items()
        ]
    )  # fmt: skip


def simulated(rng, *, seeds, scenes, crops, truth, seed_sd, scene_sd, rest_sd) -> Scores:
    """A variant "a" that is `truth` better than "b", with random effects of seed, scene and the rest."""
    gap = truth + rng.normal(0, seed_sd, (seeds, 1, 1)) + rng.normal(0, scene_sd, (1, scenes, 1)).repeat(crops, axis=1)
    gap = gap + rng.normal(0, rest_sd, (seeds, scenes * crops, 1))
    number = tuple(range(seeds))
    return Scores(
        metric="psnr_db",
        conditions=("rain",),
        values={"a": gap, "b": np.zeros_like(gap)},
        inputs=np.zeros(gap.shape[1:]),
        seeds={"a": number, "b": number},
        scene=np.arange(scenes).repeat(crops),
        stratum=np.zeros(scenes * crops, dtype=int),
        dropped=0,
    )


def test_average_takes_noise_levels_first():
    levels = {"noise-15": 30.0, "noise-25": 27.0, "noise-50": 24.0, "rain": 20.0}
    table = means(collect(rows({("a", 0, c, "x1"): v for c, v in levels.items()})))
    assert table.at["a", AVERAGE] == pytest.approx((27.0 + 20.0) / 2)
    assert table.at["input", AVERAGE] == pytest.approx(10.0)


def test_paired_difference_is_known():
    rng = np.random.default_rng(0)
    hard = {f"{s}{k}": rng.normal(25, 5) for s in "abcdefgh" for k in range(2)}
    values = {("good", s, "rain", i): x + 0.5 + rng.normal(0, 0.05) for s in (0, 1, 2) for i, x in hard.items()}
    values |= {("base", s, "rain", i): x for s in (0, 1, 2) for i, x in hard.items()}
    boot = Bootstrap(scores=collect(rows(values)))
    gap = boot.difference("good", "base")
    exact = np.mean([values["good", s, "rain", i] - values["base", s, "rain", i] for s in (0, 1, 2) for i in hard])
    assert gap.value == pytest.approx(exact)
    assert gap.low < 0.5 < gap.high
    # Images differ by 5 dB; pairing takes that out, a mean's own interval keeps it.
    assert gap.high - gap.low < 0.2 < boot.estimate("good").high - boot.estimate("good").low
    turned = boot.difference("base", "good")
    assert (turned.low, turned.high) == pytest.approx((-gap.high, -gap.low))


@pytest.mark.parametrize(
    "design",
    [
        {"seeds": 2, "scenes": 6, "crops": 2, "seed_sd": 0.05, "scene_sd": 0.0, "rest_sd": 0.05},
        {"seeds": 3, "scenes": 6, "crops": 1, "seed_sd": 0.05, "scene_sd": 0.1, "rest_sd": 0.1},
        {"seeds": 1, "scenes": 5, "crops": 2, "seed_sd": 0.0, "scene_sd": 0.1, "rest_sd": 0.1},
        {"seeds": 5, "scenes": 10, "crops": 1, "seed_sd": 0.1, "scene_sd": 0.1, "rest_sd": 0.1},
    ],
)
def test_intervals_cover_the_truth(design):
    rng = np.random.default_rng(1)
    trials = 300
    hits = 0
    for trial in range(trials):
        scores = simulated(rng, truth=0.1, **design)
        gap = Bootstrap(scores=scores, resamples=400, seed=trial).difference("a", "b")
        hits += gap.low <= 0.1 <= gap.high
    assert hits / trials >= 0.92


def test_identical_variants_are_not_distinguishable():
    rng = np.random.default_rng(0)
    values = {("a", s, "rain", f"{c}1"): rng.normal(25, 1) for s in (0, 1) for c in "pqrs"}
    values |= {("b", s, c, i): x for (_, s, c, i), x in values.items()}
    found = verdict(Bootstrap(scores=collect(rows(values))))
    assert not found.pairs[0].distinguishable
    assert found.ranks == "none"
    assert found.headline.startswith("The two variants are not distinguishable")
    assert "can't rank them" in found.sentences[0]


def test_false_alarms_stay_rare():
    """Eight equal variants: in at least 95 % of studies no pair is called different (Holm)."""
    alarms = 0
    for trial in range(60):
        rng = np.random.default_rng(trial)
        values = {
            (v, s, "rain", f"{c}1"): 25 + rng.normal(0, 0.1) for v in "ABCDEFGH" for s in (0, 1, 2) for c in "pqrstu"
        }
        alarms += any(p.distinguishable for p in pairs(Bootstrap(scores=collect(rows(values)), resamples=300)))
    assert alarms <= 6


def test_a_clear_winner_is_called():
    rng = np.random.default_rng(3)
    values = {
        (v, s, "rain", f"{c}{k}"): 25 + shift + rng.normal(0, 0.02)
        for v, shift in (("best", 2.0), ("mid", 1.0), ("ref", 0.0))
        for s in (0, 1, 2)
        for c in "pqrstuvw"
        for k in (0, 1)
    }
    found = verdict(Bootstrap(scores=collect(rows(values))), reference="ref")
    assert found.ranks == "all"
    assert found.headline.startswith("3 of the 3 pairs")
    assert "better than the second at 95%" in found.sentences[0]
    assert found.sentences[1].startswith("Better than the reference, ref: best")
    assert found.pairs[0].p_wilcoxon < 0.05


def test_one_seed_ranks_nothing():
    values = {(v, 0, "rain", f"{c}1"): 25.0 + (v == "a") + 0.01 * n for v in "abc" for n, c in enumerate("pqrstu")}
    found = verdict(Bootstrap(scores=collect(rows(values))))
    assert found.ranks == "none"
    assert "The ranking means nothing yet" in found.headline
    assert "2 of the 3 pairs differ" in found.headline
    assert "not of the variants" in found.sentences[0]
    pair = {k: v for k, v in values.items() if k[0] != "c"}
    assert "As trained models, the two differ at 95%" in verdict(Bootstrap(scores=collect(rows(pair)))).headline


def test_words_for_one_seed_missing_parts_and_harm():
    values = {("a", 0, "rain", "p1"): 9.0, ("a", 0, "rain", "q1"): 9.5, ("b", 0, "rain", "p1"): 12.0}
    scores = collect(rows(values))
    assert scores.dropped == 1  # q1, which b lacks
    found = verdict(Bootstrap(scores=scores))
    text = " ".join(found.sentences)
    assert "Below the degraded input on average: a" in text
    assert "Worse than the degraded input: a on rain" in text
    assert "one seed has no measure of training luck" in text
    assert "1 scores were left out" in text
    only = {k: v for k, v in values.items() if k[0] == "a"}
    assert "nothing to rank" in verdict(Bootstrap(scores=collect(rows(only)))).headline
    assert "No run is finished" in verdict(Bootstrap(scores=collect(rows(values).iloc[:0]))).headline


def test_a_variant_without_a_condition_has_no_average():
    values = {(v, 0, c, f"{s}1"): 20.0 for v in "ab" for c in ("rain", "haze") for s in "pq"}
    values = {k: v for k, v in values.items() if k[:3] != ("b", 0, "haze")}
    table = means(collect(rows(values)))
    assert table[AVERAGE].isna()["b"]
    assert table.at["a", "haze"] == 20.0


def test_conditions_with_photographs_of_their_own_stay_populated():
    values = {
        (v, 0, c, f"{s}{c}"): 20.0 + len(v)
        for v in ("a", "bb")
        for c, s in (("rain", "p"), ("haze", "q"), ("haze", "r"))
    }
    boot = Bootstrap(scores=collect(rows(values, scene=lambda image: image)))
    assert boot.difference("bb", "a").value == pytest.approx(1.0)
    assert not np.isnan(boot.estimate("a").low)


def test_seeds_that_only_one_variant_has_are_left_out_of_a_difference():
    values = {("a", s, "rain", f"{c}1"): 20.0 + s for s in (0, 1) for c in "pq"}
    values |= {("b", 0, "rain", f"{c}1"): 20.0 for c in "pq"}
    gap = Bootstrap(scores=collect(rows(values))).difference("a", "b")
    assert (gap.value, gap.n_seeds) == (0.0, 1)


def test_resampling_is_repeatable_and_quick():
    scores = simulated(
        np.random.default_rng(0), seeds=3, scenes=300, crops=2, truth=0, seed_sd=0.1, scene_sd=0.1, rest_sd=0.1
    )
    first, second = (Bootstrap(scores=scores).difference("a", "b") for _ in range(2))
    assert first == second


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([float("nan"), 0.01]) == pytest.approx([1.0, 0.02])


def test_wilcoxon_needs_six_scenes():
    values = {(v, 0, "rain", f"{s}1"): 20.0 + (v == "a") for v in "ab" for s in "pqrst"}
    assert np.isnan(wilcoxon(collect(rows(values)), "a", "b"))
    values |= {(v, 0, "rain", f"{s}1"): 20.0 + (v == "a") for v in "ab" for s in "uvw"}
    assert wilcoxon(collect(rows(values)), "a", "b") < 0.05


def test_show_has_true_minus_signs_and_no_negative_zero():
    e = Bootstrap(scores=collect(rows({(v, 0, "rain", f"{s}1"): 20.0 for v in "ab" for s in "pq"}))).difference(
        "a", "b"
    )
    assert show(e) == "0.00 dB [0.00, 0.00]"
