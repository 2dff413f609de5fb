"""Empirical Bayes moderation of variances, against its published properties and against simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from reports.empirical_bayes import fit_prior, moderate_variances, trigamma_inverse


@given(st.floats(1e-3, 1e3))
def test_the_inverse_of_the_trigamma_function(x):
    assert trigamma_inverse(float(special.polygamma(1, x))) == pytest.approx(x, rel=1e-6)


@pytest.mark.parametrize(("df_prior", "variance_prior"), [(4.0, 0.02), (20.0, 3.0)])
def test_the_prior_that_variances_were_drawn_from_is_found(df_prior, variance_prior):
    """limma's hierarchical model with 400,000 variances of three runs each."""
    rng = np.random.default_rng(0)
    true = df_prior * variance_prior / rng.chisquare(df_prior, 400_000)
    df = np.full(len(true), 2.0)
    found = fit_prior(true * rng.chisquare(2, len(true)) / 2, df)
    assert found == pytest.approx((df_prior, variance_prior), rel=0.1)


def test_variances_that_scatter_no_more_than_equal_ones_are_pooled():
    variances, df = np.array([1.0, 1.1, 0.9, 1.05]), np.array([2.0, 2.0, 2.0, 7.0])
    found = moderate_variances(variances, df)
    assert math.isinf(found.df_prior)
    assert found.variances == pytest.approx([variances @ df / 13] * 4)
    assert found.df.tolist() == [13.0] * 4
    assert found.df_pooled == 13.0


def test_shrinkage_by_hand():
    """Posterior mean and degrees of freedom, no more of these than the study has."""
    variances, df = np.array([0.01, 0.02, 0.03, 5.0, 0.0001]), np.full(5, 2.0)
    found = moderate_variances(variances, df)
    assert 0 < found.df_prior < math.inf
    expected = (found.df_prior * found.variance_prior + 2 * variances) / (found.df_prior + 2)
    assert found.variances == pytest.approx(expected)
    assert found.df == pytest.approx([min(found.df_prior + 2, 10)] * 5)


@pytest.mark.parametrize("variances", [[], [0.3]])
def test_without_others_nothing_is_moderated(variances):
    found = moderate_variances(np.array(variances), np.full(len(variances), 2.0))
    assert found.df_prior == 0
    assert found.variances.tolist() == variances
    assert found.df.tolist() == [2.0] * len(variances)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(1e-6, 1e3), min_size=2, max_size=12), st.sampled_from([1e-3, 7.0, 1e4]))
def test_moderation_keeps_order_and_range_and_follows_the_unit(variances, scale):
    values, df = np.array(variances), np.full(len(variances), 2.0)
    found, scaled = moderate_variances(values, df), moderate_variances(scale * values, df)
    assert scaled.variances == pytest.approx(scale * found.variances, rel=1e-6)
    assert (np.diff(found.variances[np.argsort(values)]) >= -1e-12).all()
    assert found.variances.max() <= max(values.max(), found.variance_prior) * (1 + 1e-9)
    assert found.variances.min() >= min(values.min(), found.variance_prior) * (1 - 1e-9)
