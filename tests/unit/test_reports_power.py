"""The minimum detectable difference and the seeds needed; false alarms and power are in test_reports_calibration.py."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats as sps
from statsmodels.stats.power import TTestPower

from reports.estimate import Estimate, VarianceComponent, degrees_of_freedom, estimate_from_components
from reports.power import MAX_SEEDS, minimum_detectable_difference, power_of, quadratic_mean, seeds_needed
from reports.stats import Analysis
from tests.support.simulated_studies import simulated_study

SOME = estimate_from_components(
    0.0, runs=VarianceComponent(variance=0.009, df=4), images=VarianceComponent(variance=0.001, df=67), n_seeds=3
)


@pytest.mark.parametrize(
    "design",
    [
        pytest.param({"scenes": 68, "crops": 1}, id="seeds-dominate"),
        pytest.param({"scenes": 24, "crops": 1, "seed_sd": 0.01, "scene_sd": 0.3}, id="images-dominate"),
    ],
)
def test_the_minimum_detectable_difference_has_the_power_it_promises(design):
    """Where the truth is the MDD of such studies (quadratic mean of 100), 75 to 85 % of 1,000 new studies find it.

    A single study's MDD rests on its own standard error, which with three seeds is often far off; its square is not
    biased, hence the quadratic mean.
    """

    def studies(stream: int, number: int, truth: float) -> list[Estimate]:
        drawn = (
            simulated_study(np.random.default_rng([stream, n]), gains_db=(truth, *[0.0] * 3), **design)
            for n in range(number)
        )
        return [Analysis(scores=scores).difference("v0", "v1") for scores in drawn]

    truth = quadratic_mean([minimum_detectable_difference(e) for e in studies(1, 100, 0.0)])
    assert 0.75 <= np.mean([e.low > 0 for e in studies(2, 1000, truth)]) <= 0.85


def test_power_agrees_with_statsmodels():
    """Ten units with SD 1: the standard error is 1 / sqrt(10) with 9 degrees of freedom."""
    theirs = TTestPower()
    mine = power_of(0.9, se=10**-0.5, df=9, alpha=0.05)
    assert mine == pytest.approx(theirs.power(effect_size=0.9, nobs=10, alpha=0.05), abs=1e-3)
    known = Estimate(value=0.0, low=0.0, high=0.0, se=10**-0.5, df=9, p=1.0, n_seeds=3, seed_share=0.0, df_images=9)
    expected = theirs.solve_power(nobs=10, alpha=0.05, power=0.8)
    assert minimum_detectable_difference(known) == pytest.approx(expected, abs=1e-3)


def test_the_minimum_detectable_difference_grows_with_what_is_asked():
    plain = minimum_detectable_difference(SOME)
    assert SOME.se * sps.t.isf(0.025, SOME.df) < plain < minimum_detectable_difference(SOME, alpha=0.05 / 6)
    assert plain < minimum_detectable_difference(SOME, power=0.95)
    assert minimum_detectable_difference(replace(SOME, se=2 * SOME.se)) == pytest.approx(2 * plain)
    # infinitely many degrees of freedom: the normal distribution's 1.96 + 0.84
    assert minimum_detectable_difference(replace(SOME, df=math.inf)) == pytest.approx(SOME.se * 2.802, rel=1e-3)
    assert minimum_detectable_difference(replace(SOME, se=0.0)) == 0.0
    assert math.isnan(minimum_detectable_difference(replace(SOME, n_seeds=1)))


def test_seeds_needed_is_the_first_number_with_that_power():
    def with_seeds(n: int) -> Estimate:
        runs = VarianceComponent(variance=0.0096 * 3 / n, df=4 * (n - 1) / 2)
        return estimate_from_components(0.2, runs=runs, images=VarianceComponent(variance=0.0004, df=67), n_seeds=n)

    e = with_seeds(3)
    needed = seeds_needed(e)
    assert needed is not None
    assert needed > 3
    power = [power_of(0.2, se=m.se, df=m.df, alpha=0.05) for m in (with_seeds(needed - 1), with_seeds(needed))]
    assert power[0] < 0.8 <= power[1]
    adjusted = seeds_needed(e, alpha=0.05 / 6)
    assert adjusted is not None
    assert adjusted > needed
    assert seeds_needed(replace(e, n_seeds=1)) is None
    # where photographs make the spread, seeds don't help
    assert seeds_needed(replace(e, seed_share=0.0)) is None
    assert seeds_needed(replace(e, value=0.001)) is None
    assert MAX_SEEDS == 50


def test_degrees_of_freedom_are_satterthwaites():
    def df(*parts: tuple[float, float]) -> float:
        return degrees_of_freedom([VarianceComponent(variance=v, df=d) for v, d in parts])

    assert df((1.0, 2), (0.0, 67)) == pytest.approx(2)
    assert df((0.0, 2), (1.0, 67)) == pytest.approx(67)
    assert df((0.5, 2), (0.5, 2)) == pytest.approx(4)
    assert df((0.5, 2), (0.5, 0)) == pytest.approx(2)
    assert df((0.0, 2), (0.0, 67)) == math.inf
    assert math.isnan(df((0.5, 0), (0.5, 0)))


def test_an_interval_at_another_level():
    wide = SOME.at_level(1 - 0.05 / 6)
    assert (wide.value, wide.se, wide.p, wide.level) == (SOME.value, SOME.se, SOME.p, 1 - 0.05 / 6)
    assert wide.high == pytest.approx(SOME.se * sps.t.isf(0.025 / 6, SOME.df))
    assert wide.at_level(0.95) == SOME
    edge = replace(SOME, value=float(SOME.se * sps.t.isf(0.02 / 6, SOME.df)))
    assert edge.at_level(1 - 0.05 / 6).excludes_zero


def test_three_seeds_of_six_variants_find_what_three_seeds_of_two_do_not():
    """Knowing the variance over runs from the whole study lowers the minimum detectable difference."""

    def typical(variants: int) -> float:
        design = {"scenes": 68, "crops": 1, "gains_db": (0.0,) * variants}
        drawn = (simulated_study(np.random.default_rng(n), **design) for n in range(50))
        return quadratic_mean([minimum_detectable_difference(Analysis(scores=s).difference("v0", "v1")) for s in drawn])

    assert typical(6) < 0.85 * typical(2)
