"""Where crops of a test image lie."""

from __future__ import annotations

import numpy as np
import pytest

from ablations.harness.extremes import most_different_box
from ablations.harness.samples import crop_boxes, densest_box, overlap


def image(height, width, *places):
    """Black, with noise of 40 px a side at (top, left, strength)."""
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    rng = np.random.default_rng(0)
    for top, left, strength in places:
        pixels[top : top + 40, left : left + 40] = rng.integers(0, strength, (40, 40, 3))
    return pixels


def test_crops_are_where_most_changes_and_do_not_overlap():
    first, second = crop_boxes(image(320, 480, (20, 30, 250), (60, 60, 100), (250, 400, 120)))
    assert first[2:] == second[2:] == (96, 96)
    assert first[0] <= 20 < first[0] + 96
    assert second[0] + 96 >= 290
    assert second[1] + 96 >= 440
    assert not overlap(first, second)


@pytest.mark.parametrize(("side", "expected"), [(320, 96), (200, 96), (128, 64), (96, 48)])
def test_crops_are_smaller_where_two_have_no_room(side, expected):
    for seed in range(3):
        pixels = np.random.default_rng(seed).integers(0, 255, (side, side, 3), dtype=np.uint8)
        boxes = crop_boxes(pixels)
        assert len(boxes) == 2
        assert boxes[0][2:] == boxes[1][2:]
        assert boxes[0][2] <= expected
        assert not overlap(*boxes)


def test_an_image_without_room_for_two_has_one_crop():
    assert crop_boxes(image(44, 40, (0, 0, 250))) == ((0, 0, 44, 40),)


def test_the_densest_box_is_on_a_grid_and_apart_from_another():
    energy = np.zeros((100, 100))
    energy[52:60, 52:60] = 1
    energy[0, 0] = 1
    assert densest_box(energy, 20) == (40, 40, 20, 20)
    assert densest_box(energy, 20, excluded_box=(40, 40, 20, 20)) == (0, 0, 20, 20)
    assert densest_box(energy, 80, excluded_box=(20, 20, 80, 80)) is None


def test_the_crop_of_a_pair_is_where_it_differs_most():
    second = image(256, 256, (200, 10, 250))
    top, left, height, width = most_different_box(np.zeros_like(second), second)
    assert top <= 200 <= 240 <= top + height
    assert left <= 10 <= 50 <= left + width
    assert (height, width) == (96, 96)
