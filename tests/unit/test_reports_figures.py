from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest

from reports.artifacts import Probes
from reports.figures import crops, orders, style, tsne
from reports.load import load
from reports.separation import points, separation
from reports.stats import Bootstrap, collect
from tests.support.fake_runs import CONDITIONS, FakeStudy, gamma_study, write_runs


def probes(apart: float) -> Probes:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 60)
    features = rng.normal(0, 1, (180, 8)) + apart * rng.normal(0, 1, (3, 8))[labels]
    return Probes(
        conditions=("rain", "haze", "blur"), features={"latent": features.astype(np.float32)},
        feature_condition=labels, pooling={}, orders={},
    )  # fmt: skip


def test_separation_of_known_features():
    mixed, apart = (separation(*points(probes(a), "latent")) for a in (0.0, 10.0))
    assert mixed is not None
    assert apart is not None
    assert mixed.purity_interval[0] < mixed.chance + 0.06
    assert abs(mixed.silhouette) < 0.05
    assert apart.purity > 0.95
    assert apart.silhouette > 0.4
    assert apart.purity_interval[0] <= apart.purity <= apart.purity_interval[1]


def test_points_are_even_over_conditions():
    x, labels = points(probes(1.0), "latent", most=30)
    assert x.shape[0] == 30
    assert np.bincount(labels).tolist() == [10, 10, 10]


def test_order_measures_by_hand():
    order = np.array([[2, 0, 1], [2, 0, 1], [1, 0, 2]])
    assert orders.ranks(order)[0].tolist() == [1, 2, 0]
    assert orders.rank_correlation(order)[0] == pytest.approx([1, 1, -1])
    assert orders.equal_share(order)[0] == pytest.approx([1, 1, 1 / 3])


def test_equal_orders_are_told_once(tmp_path):
    write_runs(tmp_path, gamma_study(failed=(), effect_db={"dfpir_g50": 0, "dfpir_g90": 0, "restormer": 0}, aliases={}))
    groups = orders.groups(load([tmp_path]))
    assert [g.runs for g in groups] == [
        (("dfpir_g50", 0), ("dfpir_g90", 0)),
        (("dfpir_g50", 1), ("dfpir_g90", 1)),
    ]


def test_crops_choose_one_image_that_all_have(tmp_path):
    write_runs(tmp_path, FakeStudy(effect_db={f"v{n:02d}": 0.0 for n in range(11)}, seeds=(0,), patches=2))
    table = crops.arrange(load([tmp_path]))
    assert len(table.variants) == crops.MOST_VARIANTS
    assert table.left_out == ("v09", "v10")
    assert tuple(table.rows) == CONDITIONS


def test_figures_leave_matplotlib_as_it_was(tmp_path):
    write_runs(tmp_path, gamma_study(pictures=False))
    study = load([tmp_path])
    before = mpl.rcParams.copy()
    from reports.build import draw_all

    drawn = draw_all(study, Bootstrap(scores=collect(study.images())), tmp_path / "figures")
    assert drawn.problems == {}
    assert mpl.rcParams == before
    assert tsne.measure(study) == []


def test_names_do_no_harm_to_matplotlib():
    assert style.plain("$x_$") == r"\$x_\$"
    assert style.plain("_hidden") == " _hidden"
    assert len(style.short("x" * 50)) == 18


def test_colours_differ(tmp_path):
    write_runs(tmp_path, gamma_study(pictures=False))
    study = load([tmp_path])
    assert len(set(style.variant_colours(study).values())) == len(study.variants)
    assert len({(style.condition_colour(c), style.condition_marker(c)) for c in CONDITIONS}) == 7
