"""PSNR, SSIM and luma against scikit-image and MATLAB's published coefficients."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from datasets import metrics
from datasets.metrics import SSIM_WINDOWS, pooled_psnr_db, psnr_db, ssim, to_y
from datasets.protocols import PROTOCOLS, score
from datasets.tasks import Task

SKIMAGE_OPTIONS = {
    "uniform7": {},
    "gaussian11-sample": {"gaussian_weights": True},
    "gaussian11": {"gaussian_weights": True, "use_sample_covariance": False},
}


@pytest.fixture(scope="module")
def pair() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    ramp = torch.linspace(0, 1, 45, dtype=torch.float64)[None, None, None] * torch.ones(
        2, 3, 37, 1, dtype=torch.float64
    )
    clean = (ramp + 0.2 * torch.rand(ramp.shape, generator=generator, dtype=torch.float64)).clamp(0, 1)
    return (clean + 0.1 * torch.randn(clean.shape, generator=generator, dtype=torch.float64)), clean


def as_hwc(images: torch.Tensor) -> list[np.ndarray]:
    return [image.permute(1, 2, 0).numpy() for image in images]


def test_psnr_equals_skimage(pair):
    want = [peak_signal_noise_ratio(c, r, data_range=1) for r, c in zip(*map(as_hwc, pair), strict=True)]
    assert psnr_db(*pair).tolist() == pytest.approx(want, abs=1e-10)


@pytest.mark.parametrize("window", SSIM_WINDOWS)
def test_ssim_equals_skimage(pair, window):
    options = {"channel_axis": -1, "data_range": 1, **SKIMAGE_OPTIONS[window]}
    want = [structural_similarity(c, r, **options) for r, c in zip(*map(as_hwc, pair), strict=True)]
    restored, clean = pair
    assert ssim(restored, clean, window=window).tolist() == pytest.approx(want, abs=1e-10)


@pytest.mark.parametrize("window", SSIM_WINDOWS)
@pytest.mark.parametrize("size", [(16, 16), (23, 40), (150, 301)])
def test_both_ways_of_filtering_agree(window, size, monkeypatch):
    x, y = torch.rand(2, 4, *size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    taps, norm = metrics._taps(window)
    constants = metrics._Constants.of(1.0, norm, torch.float64)
    monkeypatch.setattr(metrics, "BLOCK_PIXELS", 5_000)  # several blocks of rows, the last one not full
    sums = [way(x, y, torch.float64, taps, constants) for way in (metrics._sums_by_blocks, metrics._sums_at_once)]
    torch.testing.assert_close(*sums, rtol=1e-12, atol=1e-9)


def test_a_broken_image_spoils_no_other(pair):
    restored, clean = pair
    broken = restored.clone()
    broken[0, :, 20:] = math.nan
    assert ssim(broken, clean)[0].isnan()
    assert ssim(broken, clean)[1] == ssim(restored, clean)[1]
    assert psnr_db(broken, clean).isnan().tolist() == [True, False]


def test_ssim_in_float32_is_close(pair):
    restored, clean = pair
    exact, fast = ssim(restored, clean), ssim(restored, clean, dtype=torch.float32)
    assert fast.dtype == torch.float32
    assert fast.tolist() == pytest.approx(exact.tolist(), abs=1e-5)


def test_smallest_image_of_each_window():
    for window, size in (("uniform7", 7), ("gaussian11", 11)):
        image = torch.rand(1, 3, size, size)
        assert ssim(image, image, window=window).item() == pytest.approx(1)
        with pytest.raises(ValueError, match=f"at least {size}x{size}"):
            ssim(image[..., 1:], image[..., 1:], window=window)


def test_equal_images():
    image = torch.rand(1, 3, 16, 16)
    assert psnr_db(image, image).item() == math.inf
    assert ssim(image, image).item() == pytest.approx(1)


def test_data_range_is_only_a_scale(pair):
    restored, clean = pair
    assert psnr_db(restored * 255, clean * 255, data_range=255).tolist() == pytest.approx(psnr_db(*pair).tolist())
    assert ssim(restored * 255, clean * 255, data_range=255).tolist() == pytest.approx(ssim(*pair).tolist())


def test_pooled_psnr_is_the_psnr_of_all_pixels(pair):
    restored, clean = pair
    whole = -10 * math.log10(float((restored - clean).square().mean()))
    assert pooled_psnr_db(psnr_db(*pair)) == pytest.approx(whole)
    assert math.isnan(pooled_psnr_db(torch.empty(0)))


def test_luma_equals_matlab(pair):
    clean = pair[1]
    want = np.stack([rgb2ycbcr(image)[..., 0] / 255 for image in as_hwc(clean)])
    assert to_y(clean)[:, 0].numpy() == pytest.approx(want, abs=1e-6)
    ends = to_y(torch.tensor([0.0, 1.0], dtype=torch.float64)[:, None, None, None].expand(2, 3, 1, 1))
    assert (ends.flatten() * 255).tolist() == pytest.approx([16, 235])


@pytest.mark.parametrize("shapes", [((1, 3, 8, 8), (1, 3, 8, 9)), ((3, 8, 8), (3, 8, 8))])
def test_wrong_shapes_are_refused(shapes):
    first, second = (torch.zeros(shape) for shape in shapes)
    for metric in (psnr_db, ssim):
        with pytest.raises(ValueError, match="one shape"):
            metric(first, second)


def test_unknown_window_is_refused():
    with pytest.raises(ValueError, match="uniform7, gaussian11"):
        ssim(torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 16), window="box")
    with pytest.raises(ValueError, match=r"\(B, 3, H, W\)"):
        to_y(torch.zeros(1, 1, 4, 4))


@pytest.mark.parametrize("side", [40, 1300])
def test_levels_score_as_their_floats_do(side):
    """A photograph's sums are taken in parts; whole images of 1.4 megapixels give the same bits as before."""
    drawn = np.random.default_rng(0).integers(0, 256, (2, side, side, 3), dtype=np.uint8)
    restored, clean = (torch.from_numpy(image).permute(2, 0, 1)[None] for image in drawn)
    floats = [levels.float() / 255 for levels in (restored, clean)]
    for rules in PROTOCOLS.values():
        of_levels, of_floats = score(restored, clean, rules, Task.RAIN), score(floats[0], floats[1], rules, Task.RAIN)
        for name, value in of_floats.items():
            assert torch.equal(of_levels[name], value), (rules.name, name)
    difference = (floats[0].double() - floats[1].double()).flatten()
    whole = 10 * torch.log10(1.0 / (torch.dot(difference, difference) / difference.numel()))
    assert psnr_db(*floats).item() == pytest.approx(whole.item(), abs=0 if side < 1000 else 1e-12)
