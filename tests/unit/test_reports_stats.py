from __future__ import annotations

import numpy as np
import pytest

from reports.stats import AVERAGE, Bootstrap, collect, means
from tests.support.simulated_studies import image_rows as rows
from tests.support.simulated_studies import simulated_study


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
        scores = simulated_study(rng, gains_db=(0.1, 0.0), **design)
        gap = Bootstrap(scores=scores, resamples=400, seed=trial).difference("v0", "v1")
        hits += gap.low <= 0.1 <= gap.high
    assert hits / trials >= 0.92


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
    scores = simulated_study(np.random.default_rng(0), gains_db=(0.0, 0.0), scenes=300)
    first, second = (Bootstrap(scores=scores).difference("v0", "v1") for _ in range(2))
    assert first == second
