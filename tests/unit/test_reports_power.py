"""False alarms, power and the minimum detectable difference, checked on simulated studies with three seeds.

The simulations draw 200 resamples each instead of the reports' 2,000, for time; the standard error's own noise that this
adds (5 %) makes them harder to pass, not easier.
"""

from __future__ import annotations

import gc
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats as sps
from statsmodels.stats.power import TTestPower

from reports.estimate import Estimate, Variances, degrees_of_freedom, estimate, pooled_degrees
from reports.pairs import Pair, pairs
from reports.power import MOST_SEEDS, minimum_detectable_difference, power_of, quadratic_mean, seeds_needed
from reports.stats import Bootstrap, Scores
from tests.support.simulated_studies import simulated_study

RESAMPLES = 200
STUDIES = 200
# Were the true rate 5 %, more alarms than this would come in 1 of 100 repetitions of the whole simulation.
MOST_ALARMS = int(sps.binom.ppf(0.99, STUDIES, 0.05))

# Seeds' luck beside the images' noise: most of the spread with many photographs, as in a benchmark; moderate; next to none.
SEEDS_DOMINATE = {"scenes": 68, "crops": 1, "shuffle": True}
MIXED = {"scenes": 12, "crops": 2, "shuffle": True}
IMAGES_DOMINATE = {"scenes": 12, "crops": 2, "seed_sd": 0.01, "scene_sd": 0.3}
FAMILIES = [(SEEDS_DOMINATE, 2), (MIXED, 2), (IMAGES_DOMINATE, 2), (SEEDS_DOMINATE, 6), (MIXED, 6)]


@pytest.fixture(autouse=True)
def _no_garbage_collection(monkeypatch):
    """statsmodels' multipletests collects garbage at each call: 0.1 s a study, most of the simulations' time."""
    monkeypatch.setattr(gc, "collect", lambda *_: 0)


def _pairs(scores: Scores, seed: int) -> list[Pair]:
    return pairs(Bootstrap(scores=scores, resamples=RESAMPLES, seed=seed))


@pytest.mark.parametrize(("design", "variants"), FAMILIES)
def test_equal_variants_are_rarely_called_different(design, variants):
    """Share of studies that call any pair distinguishable, over the family of 1 or 15 pairs: at most about 5 %."""
    alarms = 0
    for number in range(STUDIES):
        rng = np.random.default_rng([variants, number])
        scores = simulated_study(rng, gains_db=(0.0,) * variants, **design)
        alarms += any(p.distinguishable for p in _pairs(scores, number))
    assert alarms <= MOST_ALARMS


def test_a_large_true_difference_is_found():
    """4 dB, eighty times the seeds' luck, among six variants: each of 20 studies finds it against all five others."""
    for number in range(20):
        rng = np.random.default_rng(number)
        scores = simulated_study(rng, gains_db=(4.0, 0.0, 0.0, 0.0, 0.0, 0.0), scenes=68, crops=1, seed_sd=0.05)
        apart = {(p.first, p.second) for p in _pairs(scores, number) if p.distinguishable}
        assert apart >= {("v0", f"v{k}") for k in range(1, 6)}


@pytest.mark.parametrize(
    "design",
    [
        pytest.param({"scenes": 68, "crops": 1}, id="seeds-dominate"),
        pytest.param({"scenes": 24, "crops": 1, "seed_sd": 0.01, "scene_sd": 0.3}, id="images-dominate"),
    ],
)
def test_the_minimum_detectable_difference_has_the_power_it_promises(design):
    """Where the truth is the MDD of such studies (quadratic mean of 100), 70 to 90 % of 300 new studies find it.

    A single study's MDD rests on its own standard error, which with three seeds is often far off; its square is not
    biased, hence the quadratic mean.
    """
    trial = [simulated_study(np.random.default_rng([1, n]), gains_db=(0.0, 0.0), **design) for n in range(100)]
    truth = quadratic_mean([_pairs(scores, n)[0].mdd for n, scores in enumerate(trial)])
    found = 0
    for number in range(300):
        scores = simulated_study(np.random.default_rng([2, number]), gains_db=(truth, 0.0), **design)
        pair = _pairs(scores, number)[0]
        found += pair.distinguishable and pair.first == "v0"
    assert 0.7 <= found / 300 <= 0.9


def test_power_agrees_with_statsmodels():
    """Ten units with SD 1: the standard error is 1 / sqrt(10) with 9 degrees of freedom."""
    theirs = TTestPower()
    mine = power_of(0.9, se=10**-0.5, df=9, alpha=0.05)
    assert mine == pytest.approx(theirs.power(effect_size=0.9, nobs=10, alpha=0.05), abs=1e-3)
    known = Estimate(value=0.0, low=0.0, high=0.0, se=10**-0.5, df=9, p=1.0, n_seeds=3, seed_share=0.0, df_images=9)
    expected = theirs.solve_power(nobs=10, alpha=0.05, power=0.8)
    assert minimum_detectable_difference(known) == pytest.approx(expected, abs=1e-3)


def test_the_minimum_detectable_difference_grows_with_what_is_asked():
    e = estimate(0.0, Variances(total=0.01, seeds=0.009, images=0.001, n_seeds=3, df_images=67))
    plain = minimum_detectable_difference(e)
    assert e.se * sps.t.isf(0.025, e.df) < plain < minimum_detectable_difference(e, alpha=0.05 / 21)
    assert plain < minimum_detectable_difference(e, power=0.95)
    assert minimum_detectable_difference(replace(e, se=2 * e.se)) == pytest.approx(2 * plain)
    # infinitely many degrees of freedom: the normal distribution's 1.96 + 0.84
    assert minimum_detectable_difference(replace(e, df=math.inf)) == pytest.approx(e.se * 2.802, rel=1e-3)
    assert minimum_detectable_difference(replace(e, se=0.0)) == 0.0
    assert math.isnan(minimum_detectable_difference(replace(e, n_seeds=1)))


def test_seeds_needed_is_the_first_number_with_that_power():
    e = estimate(0.2, Variances(total=0.01, seeds=0.0096, images=0.0004, n_seeds=3, df_images=67))
    needed = seeds_needed(e)
    assert needed is not None
    assert needed > 3

    def with_seeds(n: int) -> float:
        seeds, images = 0.0096 * 3 / n, 0.0004
        more = estimate(0.2, Variances(total=seeds + images, seeds=seeds, images=images, n_seeds=n, df_images=67))
        return power_of(0.2, se=more.se, df=more.df, alpha=0.05)

    assert with_seeds(needed - 1) < 0.8 <= with_seeds(needed)
    corrected = seeds_needed(e, alpha=0.05 / 15)
    assert corrected is not None
    assert corrected > needed
    assert seeds_needed(replace(e, value=0.2, n_seeds=1)) is None
    # where photographs make the spread, seeds don't help
    assert seeds_needed(replace(e, seed_share=0.0)) is None
    assert seeds_needed(replace(e, value=0.001)) is None
    assert MOST_SEEDS == 50


def test_degrees_of_freedom():
    assert degrees_of_freedom(1.0, 2, 67) == pytest.approx(2)
    assert degrees_of_freedom(0.0, 2, 67) == pytest.approx(67)
    assert degrees_of_freedom(0.5, 2, 2) == pytest.approx(4)
    assert degrees_of_freedom(0.5, 2, 0) == pytest.approx(2)
    assert math.isnan(degrees_of_freedom(0.5, 0, 0))


def test_pooled_degrees_are_those_of_the_pooled_variance():
    """By simulation: the neighbours' mean of a pair's seed variance scatters as chi squared with these degrees does."""
    rng = np.random.default_rng(0)
    variants, seeds, draws = 6, 3, 20000
    variances = rng.normal(0, 1, (draws, variants, seeds)).var(axis=2, ddof=1)
    pooled = 0.5 * variances[:, :2].sum(axis=1) + variances[:, 2:].mean(axis=1)
    assert pooled.mean() == pytest.approx(2.0, rel=0.02)
    assert 2 * pooled.mean() ** 2 / pooled.var() == pytest.approx(4 * 2 / (0.5 + 1 / 4), rel=0.05)
    assert pooled_degrees(variants) * 2 <= (variants - 1) * (seeds - 1)
    assert pooled_degrees(3) == 2


def test_luck_with_one_pair_is_not_taken_for_certainty():
    """A pair whose seeds agree by chance is held to the spread of the study's other pairs of its variants."""
    others = [Variances(total=0.01, seeds=0.0095, images=0.0005, n_seeds=3, df_images=67)] * 8
    lucky = Variances(total=0.0006, seeds=0.0001, images=0.0005, n_seeds=3, df_images=67)
    alone, held = estimate(0.1, lucky), estimate(0.1, lucky, neighbours=[lucky, *others], n_variants=6)
    assert held.se > 3 * alone.se
    assert held.p > alone.p
    unlucky = Variances(total=0.1, seeds=0.0995, images=0.0005, n_seeds=3, df_images=67)
    assert estimate(0.1, unlucky, neighbours=[unlucky, *others], n_variants=6).se == estimate(0.1, unlucky).se
    untrained = Variances(total=0.0005, seeds=0.0, images=0.0005, n_seeds=3, df_images=67)
    assert estimate(0.1, untrained, neighbours=[untrained, *others], n_variants=6) == estimate(0.1, untrained)


def test_three_seeds_of_six_variants_find_what_three_seeds_of_two_do_not():
    """Knowing the seeds' spread from the whole study lowers the minimum detectable difference."""
    design = {"scenes": 68, "crops": 1}
    few = [_pairs(simulated_study(np.random.default_rng(n), gains_db=(0.0,) * 2, **design), n) for n in range(20)]
    many = [_pairs(simulated_study(np.random.default_rng(n), gains_db=(0.0,) * 6, **design), n) for n in range(20)]
    two, six = (quadratic_mean([p.mdd for found in studies for p in found]) for studies in (few, many))
    assert six < 0.8 * two
