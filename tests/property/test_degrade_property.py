"""What holds for every seed and every size."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.degrade import degrade, shake_kernel
from datasets.tasks import CONDITIONS, Task, noise

seeds = st.integers(0, 2**63 - 1)
sides = st.integers(1, 40)


@settings(max_examples=80, deadline=None)
@given(seed=seeds)
def test_a_shake_kernel_is_a_centred_average(seed):
    kernel = shake_kernel(np.random.default_rng(seed)).astype(np.float64)
    side = kernel.shape[0]
    assert kernel.shape == (side, side)
    assert side % 2 == 1
    assert 3 <= side <= 41
    assert kernel.min() >= 0
    assert abs(kernel.sum() - 1) < 1e-5
    axis = np.arange(side) - side // 2
    # the centroid lies in the middle: blurring doesn't shift the picture
    assert abs((kernel.sum(1) * axis).sum()) < 1e-4
    assert abs((kernel.sum(0) * axis).sum()) < 1e-4
    assert kernel.max() < 0.9  # it does blur


@settings(max_examples=80, deadline=None)
@given(seed=seeds, height=sides, width=sides, condition=st.sampled_from(CONDITIONS))
def test_every_size_gives_whole_levels_of_the_same_size(seed, height, width, condition):
    clean = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, height, width))).float() / 255
    degraded = degrade(clean, condition, seed)
    assert degraded.shape == clean.shape
    assert torch.isfinite(degraded).all()
    levels = (degraded.double() * 255).round()
    assert torch.equal(degraded, (levels / 255).float())
    assert 0 <= levels.min() <= levels.max() <= 255


@settings(max_examples=40, deadline=None)
@given(seed=seeds, level=st.integers(0, 255))
def test_haze_and_blur_keep_flat_images_flat(seed, level):
    clean = torch.full((3, 24, 24), level / 255)
    for condition in CONDITIONS:
        if condition.task is Task.BLUR:
            assert torch.equal(degrade(clean, condition, seed), clean)
        if condition.task is Task.HAZE:
            hazy = degrade(clean, condition, seed, torch.full((24, 24), 0.5))
            assert (hazy == hazy[:, :1, :1]).all()


@settings(max_examples=40, deadline=None)
@given(seed=seeds, sigma_255=st.integers(1, 80))
def test_noise_grows_in_proportion_to_its_level(seed, sigma_255):
    clean = torch.full((3, 8, 8), 0.5)
    small, large = (degrade(clean, noise(s), seed) * 255 - 127.5 for s in (1, sigma_255))
    inside = (large.abs() < 126) & (small.abs() < 126)
    # truncation may move each by up to one level
    assert ((large - sigma_255 * small)[inside].abs() <= sigma_255 + 1).all()
