"""PSNR and SSIM of colour images of 481 x 321 pixels, against scikit-image on one image at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from skimage import metrics as skimage_metrics

from ablations.bench.measurement import Measurement, measure_rate, summarize
from datasets.metrics import psnr_db, ssim

peak_signal_noise_ratio: Callable[..., float] = skimage_metrics.peak_signal_noise_ratio
structural_similarity: Callable[..., float] = skimage_metrics.structural_similarity

_IMAGES = 8
_SIZE = (321, 481)


def run(device: torch.device, repeats: int) -> list[Measurement]:
    """Reference, suite, and their largest differences."""
    rng = np.random.default_rng(0)
    clean = rng.random((_IMAGES, *_SIZE, 3), dtype=np.float64)
    noisy = np.clip(clean + rng.normal(0, 0.1, clean.shape), 0, 1)
    noisy_tensor, clean_tensor = (
        torch.from_numpy(x).permute(0, 3, 1, 2).contiguous().to(device) for x in (noisy, clean)
    )
    scores: dict[str, list[float]] = {}

    def compute_reference() -> int:
        scores["psnr"] = [peak_signal_noise_ratio(c, n, data_range=1.0) for c, n in zip(clean, noisy, strict=True)]
        scores["ssim"] = [
            structural_similarity(c, n, data_range=1.0, channel_axis=-1) for c, n in zip(clean, noisy, strict=True)
        ]
        return _IMAGES

    def compute_suite() -> int:
        scores["our psnr"] = psnr_db(noisy_tensor, clean_tensor).tolist()
        scores["our ssim"] = ssim(noisy_tensor, clean_tensor).tolist()
        return _IMAGES

    released = summarize(
        "metrics: scikit-image, one image at a time, CPU", "images/s", measure_rate(compute_reference, repeats)
    )
    suite = summarize(
        f"metrics: ours, a batch, {device.type}", "images/s", measure_rate(compute_suite, repeats), released.value
    )
    gap_db = max(abs(a - b) for a, b in zip(scores["psnr"], scores["our psnr"], strict=True))
    gap = max(abs(a - b) for a, b in zip(scores["ssim"], scores["our ssim"], strict=True))
    return [
        released,
        suite,
        summarize("same answers: largest difference of PSNR", "dB", [gap_db]),
        summarize("same answers: largest difference of SSIM", "1", [gap]),
    ]
