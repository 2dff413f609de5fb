"""PSNR and SSIM of colour images of 481 x 321 pixels, against scikit-image on one image at a time."""

from __future__ import annotations

import numpy as np
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from ablations.bench.measurement import Line, line, rate
from datasets.metrics import psnr_db, ssim

_IMAGES = 8
_SIZE = (321, 481)


def run(device: torch.device, repeats: int) -> list[Line]:
    """Reference, ours, and the largest difference between the two."""
    rng = np.random.default_rng(0)
    clean = rng.random((_IMAGES, *_SIZE, 3), dtype=np.float64)
    noisy = np.clip(clean + rng.normal(0, 0.1, clean.shape), 0, 1)
    first, second = (torch.from_numpy(x).permute(0, 3, 1, 2).contiguous().to(device) for x in (noisy, clean))
    found: dict[str, list[float]] = {}

    def reference() -> int:
        found["psnr"] = [peak_signal_noise_ratio(c, n, data_range=1.0) for c, n in zip(clean, noisy, strict=True)]
        found["ssim"] = [
            structural_similarity(c, n, data_range=1.0, channel_axis=-1) for c, n in zip(clean, noisy, strict=True)
        ]
        return _IMAGES

    def ours() -> int:
        found["our psnr"] = psnr_db(first, second).tolist()
        found["our ssim"] = ssim(first, second).tolist()
        return _IMAGES

    base = line("metrics: scikit-image, one image at a time, CPU", "images/s", rate(reference, repeats))
    mine = line(f"metrics: ours, a batch, {device.type}", "images/s", rate(ours, repeats), base.value)
    gap_db = max(abs(a - b) for a, b in zip(found["psnr"], found["our psnr"], strict=True))
    gap = max(abs(a - b) for a, b in zip(found["ssim"], found["our ssim"], strict=True))
    return [
        base,
        mine,
        line("same answers: largest difference of PSNR", "dB", [gap_db]),
        line("same answers: largest difference of SSIM", "1", [gap]),
    ]
