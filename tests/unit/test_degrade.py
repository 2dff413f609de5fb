"""Each degradation against a transcription of its formula by other means, or against what its physics demands."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from datasets.degrade import add_haze, add_noise, add_rain, darken, degrade, shake_kernel
from datasets.sources.embedded import load_embedded
from datasets.tasks import CONDITIONS, Condition, Task, noise

RAIN, HAZE, BLUR, LOWLIGHT = (Condition(task=t) for t in (Task.RAIN, Task.HAZE, Task.BLUR, Task.LOWLIGHT))


def image(height: int = 40, width: int = 56, seed: int = 0) -> Tensor:
    """Smooth colours with some texture, on the 8-bit grid, away from black and white."""
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.random((3, height, width)), (0, 3, 3))
    pixels = 128 + 400 * (smooth - 0.5) + 20 * (rng.random((3, height, width)) - 0.5)
    return torch.from_numpy(np.clip(np.rint(pixels), 5, 250).astype(np.float32) / np.float32(255))


def flat(level: int, height: int = 64, width: int = 64) -> Tensor:
    return torch.full((3, height, width), level / 255)


def psnr_db(one: np.ndarray, other: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean((one.astype(np.float64) - other) ** 2) / 255**2))


def levels_of(tensor: Tensor) -> np.ndarray:
    return np.rint(tensor.numpy().astype(np.float64) * 255).astype(np.int64)


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda c: c.name)
def test_results_are_8_bit_levels_and_the_input_is_left_alone(condition):
    clean = image()
    before = clean.clone()
    degraded = degrade(clean, condition, 3)
    assert torch.equal(clean, before)
    assert degraded.dtype == torch.float32
    assert degraded.shape == clean.shape
    levels = levels_of(degraded)
    assert levels.min() >= 0
    assert levels.max() <= 255
    assert np.array_equal(degraded.numpy(), levels.astype(np.float32) / np.float32(255))


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda c: c.name)
def test_a_seed_decides_everything(condition):
    clean = image()
    first = degrade(clean, condition, 11)
    np.random.seed(5)  # noqa: NPY002
    torch.manual_seed(5)
    assert torch.equal(first, degrade(clean, condition, 11))
    assert not torch.equal(first, degrade(clean, condition, 12))
    assert not torch.equal(first, clean)


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda c: c.name)
def test_global_generators_are_neither_read_nor_moved(condition):
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002
    expected = torch.rand(1), np.random.rand()  # noqa: NPY002
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002
    degrade(image(), condition, 1)
    assert (torch.rand(1), np.random.rand()) == expected  # noqa: NPY002


@pytest.mark.parametrize("sigma_255", [15, 25, 50])
def test_noise_is_the_protocols_formula(sigma_255):
    clean = image(33, 47)
    normal = np.random.default_rng(9).standard_normal((3, 33, 47), dtype=np.float32)
    expected = np.clip(levels_of(clean) + normal.astype(np.float64) * sigma_255, 0, 255).astype(np.uint8)
    assert np.array_equal(levels_of(degrade(clean, noise(sigma_255), 9)), expected)


def test_noise_is_truncated_and_has_the_stated_spread():
    noisy = levels_of(add_noise(flat(127, 256, 256), 20, np.random.default_rng(1)))
    # truncation lowers the mean by half a level and adds the variance 1/12 of rounding
    assert noisy.mean() == pytest.approx(126.5, abs=0.2)
    assert noisy.std() == pytest.approx(np.sqrt(400 + 1 / 12), rel=0.01)
    channels = noisy.reshape(3, -1)
    assert np.abs(np.corrcoef(channels) - np.eye(3)).max() < 0.02


def test_noise_is_clipped_at_both_ends():
    black, white = (levels_of(degrade(flat(level), noise(50), 2)) for level in (0, 255))
    assert (black == 0).mean() == pytest.approx(0.5, abs=0.03)  # half of the draws are negative
    assert (white == 255).mean() == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("seed", range(6))
def test_haze_without_distance_leaves_the_image(seed):
    clean = image()
    assert torch.equal(degrade(clean, HAZE, seed, torch.zeros(clean.shape[1:])), clean)


@pytest.mark.parametrize("seed", range(6))
def test_haze_attenuates_exponentially_and_evenly_over_channels(seed):
    one, other = torch.full((3, 4, 4), 0.2), torch.full((3, 4, 4), 0.7)

    def transmission(depth: float) -> Tensor:
        far = torch.full((4, 4), depth)
        hazy = [add_haze(x, far, np.random.default_rng(seed)) for x in (one, other)]
        return (hazy[1] - hazy[0]) / 0.5

    near, far = transmission(0.3), transmission(0.6)
    assert torch.allclose(far, near**2, atol=1e-5)
    assert near.std() < 1e-5
    assert 0 < float(far.mean()) < float(near.mean()) < 1


@pytest.mark.parametrize("seed", range(6))
def test_haze_at_a_great_distance_is_bright_nearly_grey_airlight(seed):
    far = torch.full((40, 56), 1e4)
    hazy = add_haze(image(), far, np.random.default_rng(seed))
    airlight = hazy[:, 0, 0]
    assert torch.allclose(hazy, airlight[:, None, None].expand_as(hazy))
    assert airlight.min() >= 0.7
    assert airlight.max() <= 1
    assert airlight.max() - airlight.min() < 0.12


def test_haze_thickens_with_distance():
    clean = flat(40)
    depth = torch.linspace(0, 1, 64)[:, None].expand(64, 64)
    rows = degrade(clean, HAZE, 4, depth).mean((0, 2))
    assert (rows.diff() >= -1e-6).all()
    assert rows[-1] - rows[0] > 0.1


@pytest.mark.parametrize("seed", range(8))
def test_rain_only_brightens_and_adds_grey_light(seed):
    dark = flat(30, 96, 96)
    added = degrade(dark, RAIN, seed) - dark
    assert added.min() >= 0
    assert (added - added.mean(0)).abs().max() < 0.05
    assert 0.005 < (added.mean(0) > 0.04).float().mean() < 0.5  # lines, not a veil


def test_rain_cannot_brighten_white():
    assert torch.equal(degrade(flat(255), RAIN, 1), flat(255))


def test_rain_falls_within_forty_degrees_of_the_vertical_and_in_many_directions():
    angles_deg = []
    for seed in range(12):
        streaks = add_rain(flat(20, 160, 160), np.random.default_rng(seed)).mean(0).numpy()
        dy, dx = np.gradient(ndimage.gaussian_filter(streaks, 0.7))
        # the dominant gradient is across the streaks: half the angle of the structure tensor
        angles_deg.append(np.degrees(0.5 * np.arctan2(2 * (dx * dy).sum(), (dx**2 - dy**2).sum())))
    assert np.abs(angles_deg).max() < 40
    assert np.std(angles_deg) > 3


def test_blur_is_a_mirrored_convolution_with_the_seeds_kernel():
    clean = image()
    for seed in range(5):
        kernel = shake_kernel(np.random.default_rng(seed)).astype(np.float64)
        expected = [ndimage.convolve(channel, kernel, mode="mirror") for channel in clean.numpy().astype(np.float64)]
        difference = degrade(clean, BLUR, seed).numpy() * 255 - np.stack(expected) * 255
        assert np.abs(difference).max() <= 0.5 + 1e-2  # rounding to whole levels, and float32


def test_blur_leaves_flat_images_alone_also_small_ones():
    for side in (1, 2, 5, 64):
        assert torch.equal(degrade(flat(77, side, side), BLUR, 0), flat(77, side, side))


def test_low_light_is_darker_noisy_and_keeps_the_order_of_brightness():
    rng_seed = 3
    means = [float(darken(flat(level, 128, 128), np.random.default_rng(rng_seed)).mean()) for level in (40, 120, 220)]
    assert means == sorted(means)
    assert means[-1] < 0.5
    noisy = levels_of(degrade(flat(220, 128, 128), LOWLIGHT, rng_seed))
    assert noisy.std() > 0.3


def test_low_light_noise_grows_with_the_signal_in_linear_light():
    spread = []
    for level in (90, 250):
        dark = darken(flat(level, 256, 256), np.random.default_rng(8)).double()
        spread.append(float((dark**2.2).std()))
    assert spread[1] > 1.2 * spread[0]


BANDS_DB = {
    "noise-15": (24.5, 25.8),
    "noise-25": (20.0, 21.8),
    "noise-50": (14.5, 16.5),
    "rain": (23.0, 29.0),  # Rain100L 25.5
    "haze": (12.0, 24.0),  # SOTS-outdoor 14.7 to 23.7 on five pairs
    "blur": (20.0, 28.0),  # GoPro 24 to 25
    "lowlight": (7.0, 13.0),  # LOL 7.8
}


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda c: c.name)
def test_inputs_score_like_those_of_the_public_sets(condition):
    items = load_embedded().eval_items("test", [condition], max_side=160)
    mean_db = np.mean([psnr_db(item.degraded, item.clean) for item in items])
    low, high = BANDS_DB[condition.name]
    assert low < mean_db < high
