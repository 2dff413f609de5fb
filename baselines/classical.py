"""References that need no training: the input itself, and one classical method for each degradation.

They tell at once whether a trained model earns its cost. All work on the CPU, an image at a time,
on float RGB in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from scipy import ndimage
from skimage import exposure, restoration
from torch import Tensor, nn

from baselines.base import Images
from baselines.registry import Baseline, register
from datasets.tasks import CONDITIONS, Condition, Task

Picture = Float[np.ndarray, "h w 3"]
Plane = Float[np.ndarray, "h w"]

HAZE_PATCH, HAZE_KEPT, HAZE_LEAST = 15, 0.95, 0.1
GUIDE_RADIUS, GUIDE_EPS = 30, 1e-3
BLUR_SIGMA_PX, BLUR_BALANCE = 1.5, 0.3  # strongly regularised, since the kernel is a guess


def non_local_means(image: Picture, sigma_255: float) -> Picture:
    """Non-local means (Buades, Coll, Morel, CVPR 2005) for noise of a known level."""
    sigma = sigma_255 / 255
    restored: Picture = restoration.denoise_nl_means(
        image, patch_size=5, patch_distance=6, h=0.7 * sigma, sigma=sigma, fast_mode=True, channel_axis=-1
    )
    return restored


def dark_channel_prior(image: Picture) -> Picture:
    """Haze removal by the dark channel prior (He, Sun, Tang, CVPR 2009), transmission refined by a guided filter."""
    dark = ndimage.minimum_filter(image.min(-1), HAZE_PATCH)
    count = max(dark.size // 1000, 1)
    candidates = image.reshape(-1, 3)[np.argpartition(dark.ravel(), -count)[-count:]]
    airlight = candidates[candidates.sum(-1).argmax()].clip(1 / 255)
    transmission = 1 - HAZE_KEPT * ndimage.minimum_filter((image / airlight).min(-1), HAZE_PATCH)
    transmission = guided_filter(image.mean(-1), transmission).clip(HAZE_LEAST, 1)[..., None]
    restored: Picture = (image - airlight) / transmission + airlight
    return restored


def guided_filter(guide: Plane, values: Plane) -> Plane:
    """Smooths `values` along the edges of `guide` (He, Sun, Tang, ECCV 2010)."""

    def mean(x: Plane) -> Plane:
        means: Plane = ndimage.uniform_filter(x, 2 * GUIDE_RADIUS + 1)
        return means

    mean_guide, mean_values = mean(guide), mean(values)
    slope = (mean(guide * values) - mean_guide * mean_values) / (mean(guide * guide) - mean_guide**2 + GUIDE_EPS)
    offset = mean_values - slope * mean_guide
    filtered: Plane = mean(slope) * guide + mean(offset)
    return filtered


def clahe(image: Picture) -> Picture:
    """Contrast-limited adaptive histogram equalisation (Zuiderveld, 1994) of the brightness."""
    restored: Picture = exposure.equalize_adapthist(image, clip_limit=0.02)
    return restored


def wiener(image: Picture) -> Picture:
    """Wiener deconvolution with a small Gaussian kernel: the true motion is not known."""
    radius = round(3 * BLUR_SIGMA_PX)
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / BLUR_SIGMA_PX) ** 2)
    kernel = np.outer(taps, taps) / taps.sum() ** 2
    # deconvolution wraps around the border, so the picture is mirrored there first
    margin = 4 * radius
    padded = np.pad(image, ((margin, margin), (margin, margin), (0, 0)), mode="symmetric")
    deconvolve: Callable[..., Plane] = restoration.wiener  # scikit-image is not annotated
    restored = np.stack([deconvolve(padded[..., c], kernel, BLUR_BALANCE, clip=False) for c in range(3)], -1)
    return restored[margin:-margin, margin:-margin]


def restore_picture(image: Picture, condition: Condition) -> Picture:
    """The classical restoration for a condition; rain, for which no library has one, is returned as it is."""
    if condition.task is Task.NOISE:
        assert condition.sigma_255 is not None
        return non_local_means(image, condition.sigma_255)
    methods: dict[Task, Callable[[Picture], Picture]] = {
        Task.HAZE: dark_channel_prior,
        Task.BLUR: wiener,
        Task.LOWLIGHT: clahe,
    }
    method = methods.get(condition.task)
    return image if method is None else method(image)


class Identity(nn.Module):
    """The degraded image itself. Any `code` is ignored."""

    def forward(self, image: Images, code: Tensor | None = None) -> Images:
        return image


class Classical(nn.Module):
    """One classical method a condition.

    Call it as `model(image, code)`: image (B, 3, H, W), RGB in [0, 1], any size; code (B,) int64, each image's row in
    `datasets.tasks.CONDITIONS`. Returns the restored images in [0, 1], with no gradient.

    Raises:
        ValueError: no code, or one of another shape or type.
    """

    def forward(self, image: Images, code: Tensor | None = None) -> Images:
        if code is None or code.shape != (len(image),) or code.is_floating_point():
            raise ValueError(
                f"The classical reference needs ({len(image)},) whole numbers, each image's row in CONDITIONS; got "
                f"{None if code is None else tuple(code.shape)}."
            )
        pictures = image.detach().permute(0, 2, 3, 1).double().cpu().numpy().clip(0, 1)
        restored = [
            restore_picture(picture, CONDITIONS[int(row)]) for picture, row in zip(pictures, code.tolist(), strict=True)
        ]
        return torch.from_numpy(np.stack(restored)).permute(0, 3, 1, 2).clamp(0, 1).to(image)


register(
    Baseline(
        name="identity",
        label="Identity",
        make=Identity,
        paper="",
        licence="none needed",
        notes="What a restoration has to beat.",
        params_m_published=0.0,
        gmacs_published=0.0,
        trained=False,
    )
)
register(
    Baseline(
        name="classical",
        label="Classical filters",
        make=Classical,
        paper="Non-local means (CVPR 2005), dark channel prior (CVPR 2009), CLAHE (1994), Wiener deconvolution",
        year=2009,
        licence="BSD-3-Clause (scikit-image, SciPy)",
        needs="condition",
        notes="Given the degradation, for noise its level too. Rain is returned as it is: no library has a method for "
        "it. Blur is deconvolved with a small Gaussian, since the true motion is not known.",
        params_m_published=0.0,
        trained=False,
    )
)
