from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from reports.paired import hedges_gz, rank_biserial, scene_differences, wilcoxon
from reports.pairs import PAIR_COLUMNS, holm, pairs, pairs_frame
from reports.stats import Bootstrap, collect
from tests.support.simulated_studies import image_rows, simulated_study


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([float("nan"), 0.01]) == pytest.approx([1.0, 0.02])
    assert holm([]) == []


def test_units_are_scenes_averaged_over_seeds_crops_and_tasks():
    # scene p: two crops, the noise levels together weigh as much as rain; scene q: rain alone
    gains = {("noise-15", "p1"): 1.0, ("noise-50", "p1"): 3.0, ("rain", "p1"): 6.0, ("noise-15", "p2"): 0.0, ("noise-50", "p2"): 0.0,
             ("rain", "p2"): 0.0, ("rain", "q1"): 5.0}  # fmt: skip
    values = {("b", s, c, i): 20.0 for s in (0, 1) for c, i in gains}
    values |= {("a", s, c, i): 20.0 + gain + (0.5 if s else -0.5) for s in (0, 1) for (c, i), gain in gains.items()}
    values |= {("a", 7, c, i): 90.0 for c, i in gains}  # a seed that b lacks
    found = scene_differences(collect(image_rows(values)), "a", "b")
    assert found == pytest.approx([((2.0 + 6.0) / 2 + 0.0) / 2, 5.0])


def test_wilcoxon_needs_six_scenes():
    assert math.isnan(wilcoxon(np.ones(5)))
    assert wilcoxon(np.arange(1.0, 7.0)) == pytest.approx(2 / 2**6)  # of 64 signs, the two extremes
    assert wilcoxon(np.zeros(8)) == 1.0


def test_rank_biserial_by_hand():
    assert rank_biserial(np.array([1.0, 2.0, 3.0])) == 1.0
    assert rank_biserial(np.array([-1.0, 2.0, 3.0, 0.0])) == pytest.approx((5 - 1) / 6)
    assert rank_biserial(np.array([-1.0, -2.0, -0.5])) == -1.0
    assert math.isnan(rank_biserial(np.array([-1.0, -2.0])))
    assert math.isnan(rank_biserial(np.zeros(3)))


def test_hedges_correction_takes_the_bias_out():
    rng = np.random.default_rng(0)
    draws = rng.normal(0.5, 1.0, (20000, 6))
    uncorrected = np.mean(draws.mean(axis=1) / draws.std(axis=1, ddof=1))
    assert uncorrected > 0.58
    assert np.mean([hedges_gz(d) for d in draws]) == pytest.approx(0.5, abs=0.02)
    assert math.isnan(hedges_gz(np.ones(9)))
    assert math.isnan(hedges_gz(np.array([1.0, 2.0])))


def test_pairs_hold_everything_and_turn_round():
    scores = simulated_study(np.random.default_rng(0), gains_db=(0.0, 1.0, 0.5), scenes=20)
    found = pairs(Bootstrap(scores=scores, resamples=300))
    assert [(p.first, p.second) for p in found] == [("v1", "v2"), ("v1", "v0"), ("v2", "v0")]
    for p in found:
        assert p.p_holm >= p.estimate.p
        assert p.p_wilcoxon_holm >= p.p_wilcoxon
        assert p.mdd_holm > p.mdd > 0
        assert (p.n_scenes, p.n_images, p.estimate.n_seeds) == (20, 40, 3)
        assert p.effect_gz > 0
    turned = found[1].against("v1")
    assert (turned.first, turned.second) == ("v0", "v1")
    assert turned.estimate.value == -found[1].estimate.value
    assert (turned.estimate.low, turned.estimate.high) == (-found[1].estimate.high, -found[1].estimate.low)
    assert (turned.effect_gz, turned.rank_biserial) == (-found[1].effect_gz, -found[1].rank_biserial)
    assert turned.against("v1") == turned
    assert turned.mdd == found[1].mdd


def test_pairs_csv_has_its_columns_even_without_a_pair():
    scores = simulated_study(np.random.default_rng(0), gains_db=(0.0, 1.0))
    frame = pairs_frame(pairs(Bootstrap(scores=scores, resamples=100)))
    assert tuple(frame.columns) == tuple(pairs_frame([]).columns) == PAIR_COLUMNS
    assert frame.loc[0, "first"] == "v1"
    assert frame.loc[0, "difference_db"] > 0
    assert frame["seeds_needed"].dtype == pd.Int64Dtype()
