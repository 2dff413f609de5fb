"""PSNR and SSIM on batches, on any device, equal to scikit-image's.

Shape legend: B images, C channels, H x W pixels. Images are RGB (or one channel of luma) with nominal range [0, 1];
nothing is clipped or rounded here, because whether that is done belongs to a protocol (`datasets.protocols`). Levels of
8-bit images (uint8) stand for themselves divided by 255, and become floats a few rows at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

# Each window is one row of taps (the filter is separable) and whether the covariance is the sample's, n / (n - 1).
SSIM_WINDOWS = ("uniform7", "gaussian11", "gaussian11-sample")
_BAND = 16  # filtered values of one band product: fewer waste calls, more waste multiplications by nought
# of a block: a fifth would fit the second-level cache, but threads meet in Python between calls, and fewer calls win
BLOCK_PIXELS = 160_000
_WHOLE_VALUES, _PART_VALUES = 1 << 22, 1 << 19  # an error's sum: images up to 1.4 megapixels at once, 4 MB of larger
_T = TypeVar("_T")
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
    if restored.device.type == "cpu":  # image by image: the differences of one stay in the cache
        error = torch.stack([_mean_square(*pair, dtype) for pair in zip(restored, clean, strict=True)])
    else:
        error = (as_floats(restored).to(dtype) - as_floats(clean).to(dtype)).square_().mean(dim=(1, 2, 3))
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
    sums = _sums_by_blocks if restored.device.type == "cpu" else _sums_at_once
    totals = sums(restored.flatten(0, 1), clean.flatten(0, 1), dtype, taps, _Constants.of(data_range, norm, dtype))
    means = totals / ((height - size + 1) * (width - size + 1))
    return torch.unflatten(means, 0, restored.shape[:2]).mean(dim=1)


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


def as_floats(image: Tensor) -> Tensor:
    """8-bit levels as float32 in [0, 1]; floats as they are."""
    return image.float().div_(255) if image.dtype == torch.uint8 else image


def _mean_square(first: Tensor, second: Tensor, dtype: torch.dtype) -> Tensor:
    """Of the differences of two (C, H, W) images, some rows at a time: a photograph takes 300 MB in float64."""
    rows = max(1, _PART_VALUES // max(1, first.shape[0] * first.shape[2]))
    rows = max(1, first.shape[1]) if first.numel() <= _WHOLE_VALUES else rows
    total = torch.zeros((), dtype=dtype)
    for restored_rows, clean_rows in zip(
        torch.split(first, rows, dim=1), torch.split(second, rows, dim=1), strict=True
    ):
        # one copy, laid out as it is summed
        difference = as_floats(restored_rows).to(dtype, copy=True, memory_format=torch.contiguous_format)
        difference = difference.sub_(as_floats(clean_rows)).flatten()
        total += torch.dot(difference, difference)
    return total / first.numel()


def _taps(window: str) -> tuple[list[float], float]:
    """The window's one-dimensional taps, summing to 1, and the factor from population to sample covariance."""
    window = _ALIASES.get(window, window)
    if window not in SSIM_WINDOWS:
        raise ValueError(f"Unknown SSIM window {window!r}. Known: {', '.join(SSIM_WINDOWS)}.")
    if window == "uniform7":
        return [1.0 / 7.0] * 7, 49.0 / 48.0
    raw = [math.exp(-0.5 * (offset / 1.5) ** 2) for offset in range(-5, 6)]
    return [tap / sum(raw) for tap in raw], 121.0 / 120.0 if window == "gaussian11-sample" else 1.0


@dataclass(frozen=True, kw_only=True)
class _Constants:
    """SSIM's constants where they cost no pass of their own: added as products are formed, before and after filtering.

    With p = mean x * mean y, s = mean x^2 + mean y^2 and the window's means of xy and xx + yy,
    SSIM = 4 (p + c1/2) (mean xy - p + c2/2n) / ((s + c1) (mean (xx + yy) - s + c2/n)), n being `norm` of `_taps`.
    """

    product: Tensor
    squares: Tensor
    filtered_product: Tensor
    filtered_squares: Tensor

    @classmethod
    def of(cls, data_range: float, norm: float, dtype: torch.dtype) -> _Constants:
        c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2 / norm
        values = (c1 / 2, c1, (c1 + c2) / 2, c1 + c2)
        names = ("product", "squares", "filtered_product", "filtered_squares")
        # tensors of no dimension may stay on the CPU beside operands on a GPU
        return cls(**{name: torch.tensor(value, dtype=dtype) for name, value in zip(names, values, strict=True)})


def _ssim_map(x: Tensor, y: Tensor, filtered: Callable[[Tensor], Tensor], constants: _Constants) -> Tensor:
    """A quarter of SSIM at each place of `filtered`'s result. In place where it can: memory traffic is the time."""
    mean_x, mean_y = filtered(x), filtered(y)
    cov = filtered(torch.addcmul(constants.filtered_product, x, y))
    # The two variances are only ever added, so their squares can be filtered together.
    variances = filtered(torch.addcmul(constants.filtered_squares, x, x).addcmul_(y, y))
    product = torch.addcmul(constants.product, mean_x, mean_y)
    squares = torch.addcmul(constants.squares, mean_x, mean_x).addcmul_(mean_y, mean_y)
    cov.sub_(product)
    variances.sub_(squares)
    return product.mul_(cov).div_(squares.mul_(variances))


def _sums_at_once(
    x: Tensor, y: Tensor, dtype: torch.dtype, taps: list[float], constants: _Constants
) -> Float[Tensor, " N"]:
    """SSIM of each of the (N, H, W) planes, summed over valid window positions: what suits a GPU."""
    first, second = as_floats(x).to(dtype), as_floats(y).to(dtype)
    quarter = _ssim_map(first, second, partial(_valid_filter, taps=taps), constants)
    return quarter.sum(dim=(1, 2)).mul_(4)


def _valid_filter(maps: Tensor, taps: list[float]) -> Tensor:
    """Filter (N, H, W) with the separable window, valid positions only."""
    return _filter_along(_filter_along(maps, taps, 1), taps, 2)


def _filter_along(maps: Tensor, taps: list[float], dim: int) -> Tensor:
    """The symmetric filter along one axis as shifted sums: exact in any dtype and under any setting of products."""
    last, middle = len(taps) - 1, len(taps) // 2
    count = maps.shape[dim] - last
    out = maps.narrow(dim, middle, count) * taps[middle]
    for shift in range(middle):
        out.add_(maps.narrow(dim, shift, count) + maps.narrow(dim, last - shift, count), alpha=taps[shift])
    return out


def _sums_by_blocks(
    x: Tensor, y: Tensor, dtype: torch.dtype, taps: list[float], constants: _Constants
) -> Float[Tensor, " N"]:
    """The same on a CPU: blocks of rows, filtered by products with a band matrix.

    Such a product reads and writes a map once for each axis, where shifted sums do it once for every tap or two.
    """
    band = _band_matrix(taps, dtype)
    sums = _map_threads(lambda plane: _sum_by_blocks(plane, band, constants), list(zip(x, y, strict=True)))
    return torch.stack(sums).mul_(4)


def _sum_by_blocks(plane: tuple[Tensor, Tensor], band: Tensor, constants: _Constants) -> Float[Tensor, ""]:
    rim, (height, width) = band.shape[1] - _BAND, plane[0].shape
    down, across = height - rim, width - rim
    columns = math.ceil(across / _BAND)
    max_rows = max(1, BLOCK_PIXELS // (columns * _BAND) // _BAND) * _BAND
    rows = math.ceil(down / math.ceil(down / max_rows) / _BAND) * _BAND
    block = torch.zeros(2, rows + rim, columns * _BAND + rim, dtype=band.dtype)
    total = torch.zeros((), dtype=band.dtype)
    for top in range(0, down, rows):
        count = min(rows, down - top)
        for target, source in zip(block, plane, strict=True):
            target[: count + rim, :width].copy_(as_floats(source[top : top + count + rim]))
            target[count + rim :].zero_()  # a NaN further up would spread through the products
        quarter = _ssim_map(block[0], block[1], partial(_band_filter, band=band), constants)[:, :count]
        total += quarter[:-1].sum() + quarter[-1, :, : across - (columns - 1) * _BAND].sum()
    return total


def _map_threads(work: Callable[[_T], Tensor], parts: list[_T]) -> list[Tensor]:
    """`work` of each part, as many parts at once as PyTorch has threads, and each on one of them.

    Such blocks are slower on PyTorch's own threads than on one. New threads take the number of threads that is
    set as they begin: hence it is set here, and set back.
    """
    threads = torch.get_num_threads()
    if min(threads, len(parts)) < 2:
        return [work(part) for part in parts]
    inference, grad = torch.is_inference_mode_enabled(), torch.is_grad_enabled()

    def run(part: _T) -> Tensor:
        with torch.inference_mode(inference), torch.set_grad_enabled(grad):
            return work(part)

    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(min(threads, len(parts))) as pool:
            return list(pool.map(run, parts))
    finally:
        torch.set_num_threads(threads)


def _band_matrix(taps: list[float], dtype: torch.dtype) -> Tensor:
    """(_BAND, _BAND + rim): times so many values in a row it gives _BAND filtered ones."""
    band = torch.zeros(_BAND, _BAND + len(taps) - 1, dtype=dtype)
    for shift, tap in enumerate(taps):
        band.diagonal(shift).fill_(tap)
    return band


def _band_filter(block: Tensor, band: Tensor) -> Float[Tensor, "columns rows band"]:
    """Filter a (rows + rim, columns * _BAND + rim) block; stripes of _BAND columns come one after another."""
    size = band.shape[1]
    strips = block.unfold(0, size, _BAND).transpose(1, 2)
    downwards = torch.bmm(band.expand(len(strips), -1, -1), strips).flatten(0, 1)
    stripes = downwards.unfold(1, size, _BAND).transpose(0, 1)
    return torch.bmm(stripes, band.T.expand(len(stripes), -1, -1))


def _check(restored: Tensor, clean: Tensor) -> None:
    if restored.shape != clean.shape or restored.dim() != 4:
        raise ValueError(
            f"Need two image batches of one shape (B, C, H, W), got {tuple(restored.shape)} and {tuple(clean.shape)}."
        )
