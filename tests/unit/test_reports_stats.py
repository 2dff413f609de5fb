from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as sps

from reports.stats import (
    AVERAGE,
    NEW_PHOTOGRAPHS,
    TASK_AVERAGE,
    THESE_IMAGES,
    Analysis,
    Scores,
    collect,
    means,
)
from tests.support.simulated_studies import image_rows as rows
from tests.support.simulated_studies import simulated_study

LEVELS = {"noise-15": 30.0, "noise-25": 27.0, "noise-50": 24.0, "rain": 20.0}


def study(*, variants: int = 4, seeds: int = 3, scenes: int = 12, crops: int = 1, seed: int = 0) -> Scores:
    rng = np.random.default_rng(seed)
    return simulated_study(rng, gains_db=(0.3, *[0.0] * (variants - 1)), seeds=seeds, scenes=scenes, crops=crops)


def values_of(scores: Scores, variant: str) -> np.ndarray:
    """(S, I) of a study with one condition."""
    return scores.values[variant][..., 0]


def test_two_averages():
    scores = collect(rows({("a", 0, c, "x1"): v for c, v in LEVELS.items()}))
    table = means(scores)
    assert table.at["a", AVERAGE] == pytest.approx((30 + 27 + 24 + 20) / 4)
    assert table.at["a", TASK_AVERAGE] == pytest.approx((27.0 + 20.0) / 2)
    assert table.at["input", AVERAGE] == table.at["input", TASK_AVERAGE] == pytest.approx(10.0)
    assert scores.averages == (AVERAGE, TASK_AVERAGE)
    assert Analysis(scores=scores).estimate("a").value == pytest.approx(25.25)


@pytest.mark.parametrize("conditions", [("rain", "haze"), ("noise-15", "noise-50"), ("noise-25",)])
def test_one_average_stands_for_both_where_they_are_equal(conditions):
    assert collect(rows({("a", 0, c, "x1"): 20.0 for c in conditions})).averages == (AVERAGE,)


def test_a_balanced_design_agrees_with_the_analysis_of_variance_by_hand():
    """Two variants, equal seeds and one crop a scene: mean squares of the crossed table, worked out cell by cell."""
    scores = study(variants=2, seeds=4, scenes=7)
    a, b = values_of(scores, "v0"), values_of(scores, "v1")
    n_seeds, n_scenes = a.shape
    ms_runs, ms_rest = [], []
    for y in (a, b):
        of_run, of_scene = y.mean(axis=1), y.mean(axis=0)
        ms_runs.append(n_scenes * of_run.var(ddof=1))
        rest = y - of_run[:, None] - of_scene[None, :] + y.mean()
        ms_rest.append((rest**2).sum() / ((n_seeds - 1) * (n_scenes - 1)))
    gap = a.mean(axis=0) - b.mean(axis=0)
    of_images = max(gap.var(ddof=1) / n_scenes - sum(ms_rest) / (n_seeds * n_scenes), 0.0)
    found = Analysis(scores=scores)
    components = found._components(AVERAGE)
    weights = {"v0": 1.0, "v1": -1.0}
    assert [r.variance * n_scenes for r in components.runs.values()] == pytest.approx(ms_runs)
    assert components.image_variance(weights).variance == pytest.approx(of_images)
    moderated = components.moderated.variances.sum() / n_seeds
    e = found.difference("v0", "v1")
    assert e.value == pytest.approx(gap.mean())
    assert e.se**2 == pytest.approx(moderated + of_images)
    assert found.contrast(weights, question=THESE_IMAGES).se ** 2 == pytest.approx(moderated)
    half = float(sps.t.isf(0.025, e.df)) * e.se
    assert (e.low, e.high) == pytest.approx((e.value - half, e.value + half))
    assert e.p == pytest.approx(2 * float(sps.t.sf(abs(e.value) / e.se, e.df)))


def test_the_squared_standard_error_is_that_of_repeated_studies():
    """Brute force: 3,000 studies drawn alike; variance of the estimates against the mean squared standard error."""
    design = {"seeds": 3, "scenes": 10, "crops": 2, "seed_sd": 0.2, "scene_sd": 0.3, "rest_sd": 0.3}
    weights = {"v0": 0.5, "v1": 0.5, "v2": -1.0}
    estimates, squares = [], []
    for n in range(3000):
        scores = simulated_study(np.random.default_rng([3, n]), gains_db=(0.0,) * 3, **design)
        e = Analysis(scores=scores).contrast(weights)
        estimates.append(e.value)
        squares.append(e.se**2)
    assert np.mean(squares) == pytest.approx(np.var(estimates), rel=0.08)
    truth = 1.5 * (0.2**2 / 3 + 0.3**2 / 10 + 0.3**2 / (3 * 20))
    assert np.mean(squares) == pytest.approx(truth, rel=0.04)


def uneven_study(rng: np.random.Generator) -> Scores:
    """Two conditions: 8 photographs of rain alone, 6 of haze alone, 10 of both; one to four crops of each."""
    strata = [(0, (1, 0))] * 8 + [(1, (0, 1))] * 6 + [(2, (1, 1))] * 10
    scene = np.arange(len(strata)).repeat(rng.integers(1, 5, len(strata)))
    known = np.array([conditions for _, conditions in strata], dtype=bool)[scene]
    of_scene = rng.normal(0, 3, (len(strata), 2)) + rng.normal(0, 0.4, (3, 1, len(strata), 2))
    of_run = rng.normal(0, 0.12, (3, 3, 1, 1)) + rng.normal(0, 0.3, (3, 3, len(strata), 1))
    y = 25 + (of_scene + of_run)[:, :, scene] + rng.normal(0, 0.3, (3, 3, len(scene), 2))
    return Scores(
        metric="psnr_db", conditions=("rain", "haze"), values={f"v{k}": np.where(known, x, np.nan) for k, x in enumerate(y)},
        inputs=np.where(known, 10.0, np.nan), seeds=dict.fromkeys(("v0", "v1", "v2"), (0, 1, 2)), scene=scene,
        stratum=np.array([h for h, _ in strata])[scene], dropped=0,
    )  # fmt: skip


@pytest.mark.parametrize("column", [AVERAGE, "rain"])
def test_so_it_is_with_strata_and_unequal_numbers_of_crops(column):
    """As above, photographs and their numbers of crops drawn anew each time; a contrast and a variant's own mean."""
    gaps, means_of = [], []
    for n in range(2000):
        analysis = Analysis(scores=uneven_study(np.random.default_rng([7, n])))
        gaps.append(analysis.difference("v0", "v1", column))
        means_of.append(analysis.estimate("v0", column))
    for found in (gaps, means_of):
        assert np.mean([e.se**2 for e in found]) == pytest.approx(np.var([e.value for e in found]), rel=0.12)
    assert 0.035 <= np.mean([e.excludes_zero for e in gaps]) <= 0.065


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
    hits = 0
    for trial in range(1000):
        scores = simulated_study(np.random.default_rng([4, trial]), gains_db=(0.1, 0.0), **design)
        gap = Analysis(scores=scores).difference("v0", "v1")
        hits += gap.low <= 0.1 <= gap.high
    assert 0.92 <= hits / 1000 <= 0.99


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 99),
    scale=st.sampled_from([0.1, 3.0]),
    shift=st.floats(-5, 5),
    question=st.sampled_from([NEW_PHOTOGRAPHS, THESE_IMAGES]),
)
def test_what_must_not_matter_does_not(seed, scale, shift, question):
    """Unit, a constant on all scores, the order of images and of seeds; the sign turns with the contrast."""
    scores = study(seed=seed, crops=2)
    weights = {"v0": 1.0, "v1": -0.5, "v2": -0.5}
    base = Analysis(scores=scores).contrast(weights, question=question)

    def again(change) -> tuple[float, ...]:
        own = replace(scores, values={v: change(y) for v, y in scores.values.items()})
        e = Analysis(scores=own).contrast(weights, question=question)
        return e.value, e.se, e.df

    same = (base.value, base.se, base.df)
    assert again(lambda y: scale * y) == pytest.approx((scale * base.value, scale * base.se, base.df), rel=1e-6)
    assert again(lambda y: y + shift) == pytest.approx(same, rel=1e-6)
    assert again(lambda y: y[::-1]) == pytest.approx(same, rel=1e-6)
    order = np.random.default_rng(seed).permutation(scores.n_images)
    moved = replace(scores, values={v: y[:, order] for v, y in scores.values.items()}, scene=scores.scene[order])
    e = Analysis(scores=moved).contrast(weights, question=question)
    assert (e.value, e.se, e.df) == pytest.approx(same, rel=1e-6)
    turned = Analysis(scores=scores).contrast({v: -w for v, w in weights.items()}, question=question)
    assert (turned.low, turned.high, turned.p) == pytest.approx((-base.high, -base.low, base.p))


def test_difficulty_of_photographs_cancels_in_a_contrast():
    """Photographs differ by 3 dB; a contrast does not know of it, a mean's own interval does."""
    analysis = Analysis(scores=study(scenes=40))
    harder = replace(
        analysis.scores, values={v: y + 7.0 * (np.arange(40)[:, None] % 2) for v, y in analysis.scores.values.items()}
    )
    gap, again = (a.difference("v0", "v1") for a in (analysis, Analysis(scores=harder)))
    assert gap.se == pytest.approx(again.se)
    assert gap.se < 0.3 * analysis.estimate("v0").se


def test_crops_of_a_photograph_are_one_unit():
    """Each image twice is no more data; weights by unequal numbers of crops are the means' own."""
    scores = study(scenes=9)
    twice = replace(
        scores,
        values={v: y.repeat(2, axis=1) for v, y in scores.values.items()},
        inputs=scores.inputs.repeat(2, axis=0),
        scene=scores.scene.repeat(2),
        stratum=scores.stratum.repeat(2),
    )
    one, two = (Analysis(scores=s).difference("v0", "v1") for s in (scores, twice))
    assert (two.value, two.se, two.df) == pytest.approx((one.value, one.se, one.df))
    kept = np.r_[0:3, 4:18]  # the second photograph has one crop now
    uneven = replace(
        twice,
        values={v: y[:, kept] for v, y in twice.values.items()},
        inputs=twice.inputs[kept],
        scene=twice.scene[kept],
        stratum=twice.stratum[kept],
    )
    shifted = replace(uneven, values={v: y + 100.0 for v, y in uneven.values.items()})
    low, high = (Analysis(scores=s).estimate("v0").se for s in (uneven, shifted))
    assert high == pytest.approx(low), "more crops of a photograph must not turn level into spread"


def test_a_photograph_of_two_test_sets_is_one_unit():
    values = {
        (v, s, c, f"{k}"): 20.0 + len(v) * k + s for v in ("a", "bb") for s in (0, 1) for c in ("rain", "haze") for k in range(5)
    }  # fmt: skip
    frame = rows(values, scene=lambda image: image)
    frame["dataset"] = frame["condition"].map({"rain": "one", "haze": "other"})
    scores = collect(frame)
    assert scores.n_scenes == 5
    assert Analysis(scores=scores)._components(AVERAGE).units.df.tolist() == [4]


def test_strata_are_drawn_within():
    """Two conditions with photographs of their own: the variance is the sum of the strata's, none between them."""
    rng = np.random.default_rng(0)
    values = {
        (v, s, c, f"{c}{k}"): rng.normal(20.0 + 5 * (v == "b") * (c == "rain"), 1.0)
        for v in "ab" for s in (0, 1, 2) for c in ("rain", "haze") for k in range(6)
    }  # fmt: skip
    analysis = Analysis(scores=collect(rows(values, scene=lambda image: image)))
    parts = [analysis._components(c).image_variance({"b": 1.0, "a": -1.0}).variance for c in ("rain", "haze", AVERAGE)]
    own = [analysis._components(c) for c in ("rain", "haze", AVERAGE)]
    gaps = [c.units.variances(c.runs["b"].contributions - c.runs["a"].contributions).sum() for c in own]
    assert gaps[2] == pytest.approx((gaps[0] + gaps[1]) / 4)
    assert all(p >= 0 for p in parts)
    assert analysis.difference("b", "a").value == pytest.approx(2.5, abs=0.8)


def test_a_photograph_alone_in_its_stratum_gives_its_images_as_units():
    values = {
        (v, s, c, f"{c}{k}"): 20.0 + len(v) + 0.1 * k * len(v) + 0.01 * s * k
        for v in ("a", "bb") for s in (0, 1) for c, n in (("rain", 1), ("haze", 3)) for k in range(n)
    }  # fmt: skip
    analysis = Analysis(scores=collect(rows(values, scene=lambda image: image[0])))
    assert analysis.difference("bb", "a").value == pytest.approx(1.05, abs=0.01)
    assert analysis._components("haze").units.df.tolist() == [2]
    assert analysis.difference("bb", "a", "rain").df_images == 0
    assert not np.isnan(analysis.estimate("a").low)


def test_one_seed_leaves_the_runs_out_and_says_so():
    analysis = Analysis(scores=study(seeds=1))
    e = analysis.difference("v0", "v1")
    assert (e.n_seeds, e.seed_share, e.df_seeds) == (1, 0.0, 0.0)
    assert e.low < e.value < e.high
    here = analysis.contrast({"v0": 1.0, "v1": -1.0}, question=THESE_IMAGES)
    assert here.value == e.value
    assert np.isnan([here.low, here.high, here.p]).all()


@pytest.mark.parametrize("rounding_db", [0.0, 1e-6], ids=["one processor", "several processors"])
def test_a_method_without_training_has_no_variance_over_runs_and_moderates_nobody(rounding_db):
    scores = study()
    still = scores.values["v0"][:1].repeat(3, axis=0) + rounding_db * np.arange(3)[:, None, None]
    with_it = Analysis(
        scores=replace(scores, values=scores.values | {"still": still}, seeds=scores.seeds | {"still": (0, 1, 2)})
    )
    without = Analysis(scores=scores)
    assert with_it.difference("v1", "v2") == without.difference("v1", "v2")
    here = with_it.contrast({"still": 1.0}, question=THESE_IMAGES)
    assert here.se == 0
    assert here.low == here.high == pytest.approx(float(still.mean()))
    assert with_it.contrast({"still": 1.0, "v1": -1.0}).df < np.inf
    assert with_it.difference("v1", "still").se > 0


def test_few_seeds_that_agree_by_chance_are_held_to_the_other_variants():
    scores = study(variants=9)
    y = scores.values["v1"]
    lucky = replace(scores, values=scores.values | {"v1": y - y.mean(axis=(1, 2), keepdims=True) + y.mean()})
    wobble = np.array([-1e-3, 0.0, 1e-3])[:, None, None]
    lucky = replace(lucky, values=lucky.values | {"v1": lucky.values["v1"] + wobble})
    components = Analysis(scores=lucky)._components(AVERAGE)
    own = components.runs["v1"].variance
    assert components.moderated.variances[1] > 20 * own
    assert components.moderated.df[1] <= 18


def test_a_variant_without_a_condition_has_no_average():
    values = {(v, s, c, f"{k}1"): 20.0 + s for v in "ab" for s in (0, 1) for c in ("rain", "haze") for k in "pq"}
    values = {k: v for k, v in values.items() if (k[0], k[2]) != ("b", "haze")}
    scores = collect(rows(values))
    table = means(scores)
    assert table[AVERAGE].isna()["b"]
    assert table.at["a", "haze"] == 20.5
    e = Analysis(scores=scores).difference("a", "b")
    assert np.isnan([e.value, e.low, e.p]).all()
    assert Analysis(scores=scores).difference("a", "b", "rain").value == 0


def test_runs_can_be_left_out():
    scores = study()
    fewer = scores.drop_runs({"v1": {0}, "v2": {0, 1, 2}})
    assert fewer.seeds == {"v0": (0, 1, 2), "v1": (1, 2), "v3": (0, 1, 2)}
    assert fewer.values["v1"] == pytest.approx(scores.values["v1"][1:])


def test_a_variant_and_itself():
    e = Analysis(scores=study()).difference("v1", "v1")
    assert (e.value, e.low, e.high, e.p, e.n_seeds) == (0, 0, 0, 1, 3)


def test_unknown_words_are_refused():
    analysis = Analysis(scores=study())
    with pytest.raises(ValueError, match="Unknown column 'snow'"):
        analysis.estimate("v0", "snow")
    with pytest.raises(ValueError, match="Unknown question 'why'"):
        analysis.contrast({"v0": 1.0}, question="why")
