"""Figures against small pictures of them (tests/golden/figures, made by `python -m tests.support.figures`)."""

from __future__ import annotations

import pytest
from matplotlib.testing.compare import compare_images

from tests.support.figures import BASELINES, NAMES, draw, small_study

TOLERANCE = 4.0  # root mean square over pixels, of 255; fonts drawn otherwise stay below, another picture does not


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """The figures as they are drawn now."""
    return draw(small_study(), tmp_path_factory.mktemp("figures"))


@pytest.mark.parametrize("name", NAMES)
def test_figure_looks_as_it_did(drawn, name):
    assert compare_images(str(BASELINES / f"{name}.png"), str(drawn[name]), TOLERANCE) is None


def test_the_tolerance_sees_other_numbers(tmp_path):
    other = small_study(effect_db={"dfpir_g50": 0.4, "dfpir_g90": -0.3, "dfpir_g100": 0.0}, seed_sd_db=0.3)
    for name, changed in draw(other, tmp_path, ("axis_gamma", "differences_1", "moved")).items():
        assert compare_images(str(BASELINES / f"{name}.png"), str(changed), TOLERANCE) is not None, name


def test_baselines_are_small_and_all_are_used():
    files = {path.stem: path.stat().st_size for path in BASELINES.glob("*.png") if "-failed-diff" not in path.name}
    assert set(files) == set(NAMES)
    assert sum(files.values()) < 300_000
