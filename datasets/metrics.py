"""PSNR and SSIM on batches, on any device, equal to scikit-image's.

Shape legend: B images, C channels, H x W pixels. Images are RGB (or one channel of luma) with nominal range [0, 1];
nothing is clipped or rounded here, because whether that is done belongs to a protocol (`datasets.protocols`).
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

# Each window is one row of taps (the filter is separable) and whether the covariance is the sample's, n / (n - 1).
SSIM_WINDOWS = ("uniform7", "gaussian11", "gaussian11-sample")
_CACHED_PIXELS = 24_000  # of a float64 map: a few fit the second-level cache, and PyTorch starts no threads for them
_ALIASES = {"gaussian-skimage": "gaussian11-sample"}


def psnr_db(
    restored: Float[Tensor, "B C H W"],
    clean: Float[Tensor, "B C H W"],
    data_range: float = 1.0,
    dtype: torch.dtype = torch.float64,
) -> Float[Tensor, " B"]:
    """Peak signal-to-noise ratio of each image, in dB: 10 log10(data_range^2 / mean squared error over C, H, W).

    Equal images give +inf, as they do in scikit-image.

    Args:
        restored: images to judge.
        clean: their references.
        data_range: the largest value less the smallest an image may hold.
        dtype: precision of the sum; float64 unless speed matters more than the ninth digit.

    Raises:
        ValueError: shapes differ or are not (B, C, H, W).
    """
    _check(restored, clean)
    error = (restored.to(dtype) - clean.to(dtype)).square_().mean(dim=(1, 2, 3))
    return 10.0 * torch.log10(data_range**2 / error)


def pooled_psnr_db(psnrs_db: Float[Tensor, " N"]) -> float:
    """PSNR of the mean squared error over images, from the images' own PSNRs (dB); nan for no image.

    Never above the mean of the PSNRs (Jensen's inequality); the two differ by half a dB on CBSD68.
    """
    if len(psnrs_db) == 0:
        return math.nan
    return -10.0 * float(torch.log10((10.0 ** (-psnrs_db.double() / 10.0)).mean()))


def ssim(
    restored: Float[Tensor, "B C H W"],
    clean: Float[Tensor, "B C H W"],
    window: str = "uniform7",
    data_range: float = 1.0,
    dtype: torch.dtype = torch.float64,
) -> Float[Tensor, " B"]:
    """Structural similarity of each image: mean over channels and valid window positions, K1 = 0.01, K2 = 0.03.

    Windows:
        uniform7: scikit-image's default, a 7x7 box with the sample covariance.
        gaussian11: 11x11 Gaussian of sigma 1.5 with the population covariance: Wang et al. 2004, their MATLAB code,
            pytorch_msssim, scikit-image with `gaussian_weights=True, use_sample_covariance=False`.
        gaussian11-sample: the same with the sample covariance: scikit-image with `gaussian_weights=True` alone.

    Args:
        restored: images to judge.
        clean: their references.
        window: one of `SSIM_WINDOWS`.
        data_range: the largest value less the smallest an image may hold.
        dtype: float64 agrees with scikit-image to 1e-8; float32 to about 1e-5 (variances are differences of squares).

    Raises:
        ValueError: shapes differ, are not (B, C, H, W) or are smaller than the window; or an unknown window.
    """
    _check(restored, clean)
    taps, norm = _taps(window)
    size, (height, width) = len(taps), restored.shape[-2:]
    if min(height, width) < size:
        raise ValueError(f"SSIM with window {window!r} needs images of at least {size}x{size}, got {height}x{width}.")
    x, y = restored.to(dtype).flatten(0, 1), clean.to(dtype).flatten(0, 1)
    # A CPU is many times faster on parts that stay in its cache; a GPU wants everything at once.
    cpu = x.device.type == "cpu"
    planes, rows = (1, max(size, _CACHED_PIXELS // width)) if cpu else (len(x), height)
    one = partial(_ssim_sum, rows=rows, taps=taps, norm=norm, data_range=data_range)
    parts = x.split(planes), y.split(planes)
    if cpu and torch.get_num_threads() > 1:  # the parts are too small for PyTorch's own threads
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            sums = torch.cat(list(pool.map(one, *parts)))
    else:
        sums = torch.cat([one(*pair) for pair in zip(*parts, strict=True)])
    means = sums / ((height - size + 1) * (width - size + 1))
    return means.unflatten(0, restored.shape[:2]).mean(dim=1)


def to_y(rgb: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 1 H W"]:
    """Luma of ITU-R BT.601 in studio swing, as MATLAB's rgb2ycbcr gives it: [0, 1] maps onto [16, 235] / 255.

    Raises:
        ValueError: not three channels.
    """
    if rgb.dim() != 4 or rgb.shape[1] != 3:
        raise ValueError(f"to_y needs images of shape (B, 3, H, W), got {tuple(rgb.shape)}.")
    weights = torch.tensor([65.481, 128.553, 24.966], dtype=torch.float64) / 255.0
    weighted = rgb * weights.to(rgb)[None, :, None, None]
    return weighted.sum(dim=1, keepdim=True) + 16.0 / 255.0


def _taps(window: str) -> tuple[list[float], float]:
    """The window's one-dimensional taps, summing to 1, and the factor from population to sample covariance."""
    window = _ALIASES.get(window, window)
    if window not in SSIM_WINDOWS:
        raise ValueError(f"Unknown SSIM window {window!r}. Known: {', '.join(SSIM_WINDOWS)}.")
    if window == "uniform7":
        return [1.0 / 7.0] * 7, 49.0 / 48.0
    raw = [math.exp(-0.5 * (offset / 1.5) ** 2) for offset in range(-5, 6)]
    return [tap / sum(raw) for tap in raw], 121.0 / 120.0 if window == "gaussian11-sample" else 1.0


def _ssim_sum(
    x: Tensor, y: Tensor, rows: int, taps: list[float], norm: float, data_range: float
) -> Float[Tensor, " N"]:
    """SSIM of each of the (N, H, W) planes, summed over valid window positions, `rows` rows of windows at a time."""
    rim = len(taps) - 1
    total = x.new_zeros(len(x))
    for top in range(0, x.shape[1] - rim, rows):
        part = slice(top, top + rows + rim)
        total += _ssim_map(x[:, part], y[:, part], taps, norm, data_range).sum(dim=(1, 2))
    return total


def _ssim_map(x: Tensor, y: Tensor, taps: list[float], norm: float, data_range: float) -> Tensor:
    """SSIM at each valid window position of (N, H, W) planes. In place where it can: memory traffic is the time."""
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    mean_x, mean_y = _valid_filter(x, taps), _valid_filter(y, taps)
    product, squares = mean_x * mean_y, (mean_x * mean_x).addcmul_(mean_y, mean_y)
    cov = _valid_filter(x * y, taps).sub_(product).mul_(2 * norm).add_(c2)
    # The two variances are only ever added, so their squares can be filtered together.
    variances = _valid_filter((x * x).addcmul_(y, y), taps).sub_(squares).mul_(norm).add_(c2)
    return product.mul_(2).add_(c1).mul_(cov).div_(squares.add_(c1).mul_(variances))


def _valid_filter(maps: Tensor, taps: list[float]) -> Tensor:
    """Filter (N, H, W) with the separable window, valid positions only."""
    return _filter_along(_filter_along(maps, taps, 1), taps, 2)


def _filter_along(maps: Tensor, taps: list[float], dim: int) -> Tensor:
    """The symmetric filter along one axis as shifted sums: exact, and faster in float64 than a convolution."""
    last, middle = len(taps) - 1, len(taps) // 2
    count = maps.shape[dim] - last
    if taps == [taps[0]] * 7:  # a box of seven from sums of two: fewer passes over the map
        twos = maps.narrow(dim, 0, count + 4) + maps.narrow(dim, 1, count + 4)
        out = twos.narrow(dim, 0, count) + twos.narrow(dim, 2, count)
        return out.add_(twos.narrow(dim, 4, count)).add_(maps.narrow(dim, 6, count)).mul_(taps[0])
    out = maps.narrow(dim, middle, count) * taps[middle]
    for shift in range(middle):
        out.add_(maps.narrow(dim, shift, count) + maps.narrow(dim, last - shift, count), alpha=taps[shift])
    return out


def _check(restored: Tensor, clean: Tensor) -> None:
    if restored.shape != clean.shape or restored.dim() != 4:
        raise ValueError(
            f"Need two image batches of one shape (B, C, H, W), got {tuple(restored.shape)} and {tuple(clean.shape)}."
        )
