"""Degradations made on the fly: noise, rain, haze, motion blur and low light, each from a seed.

Random numbers are drawn by numpy from the seed, so that a seed gives the same degradation on every device (up to the
rounding of float32). Results lie on the 8-bit grid, as images from files do.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from datasets.tasks import Condition, Task
from datasets.transfer import sent

Image = Float[Tensor, "3 h w"]
Depth = Float[Tensor, "h w"]


def degrade(clean: Image, condition: Condition, seed: int, depth: Depth | None = None) -> Image:
    """A degraded copy of an image.

    Args:
        clean: (3, H, W) RGB float32 in [0, 1], on any device.
        condition: what to do.
        seed: of everything random; the same seed and image give the same result.
        depth: (H, W) in [0, 1], 1 = farthest; used by haze, which takes a plane that recedes upwards without it.

    Returns:
        (3, H, W) float32, multiples of 1/255 in [0, 1].
    """
    rng = np.random.default_rng(seed)
    if condition.task is Task.NOISE:
        assert condition.sigma_255 is not None
        return add_noise(clean, condition.sigma_255, rng)
    if condition.task is Task.HAZE:
        return _to_grid(add_haze(clean, _plane(clean) if depth is None else sent(depth, clean.device), rng))
    makers: dict[Task, Callable[[Image, np.random.Generator], Image]] = {
        Task.RAIN: add_rain,
        Task.BLUR: add_motion_blur,
        Task.LOWLIGHT: darken,
    }
    return _to_grid(makers[condition.task](clean, rng))


def add_noise(clean: Image, sigma_255: float, rng: np.random.Generator) -> Image:
    """Clean * 255 + N(0, 1) * sigma, clipped to 0..255 and truncated to whole levels: the field's protocol."""
    levels = clean * 255 + _normal(rng, clean.shape, clean.device) * sigma_255
    return levels.clamp(0, 255).floor() / 255


def add_rain(clean: Image, rng: np.random.Generator, *, amount: float = 1.0) -> Image:
    """O = B + R, clipped: one to three layers of parallel bright streaks R over the scene B (Yang et al., CVPR 2017).

    Streaks are sparse impulses drawn out along the layer's direction, those that begin outside the picture included;
    layers differ a little in angle and length. `amount` multiplies the usual number of streaks.
    """
    height, width = clean.shape[-2:]
    angle = rng.uniform(-25, 25)
    out = clean
    for _ in range(int(rng.integers(1, 4))):
        length, thickness = rng.uniform(11, 33), rng.uniform(0.45, 0.9)
        kernel = _streak(length, angle + rng.uniform(-4, 4), thickness)
        radius = kernel.shape[-1] // 2
        size = (height + 2 * radius, width + 2 * radius)
        drops = (rng.random(size) < amount * rng.uniform(0.001, 0.0028)) * rng.uniform(0.35, 1.0, size)
        drawn = sent(torch.from_numpy(drops).float(), clean.device)
        layer = _convolve(drawn.unsqueeze(0), sent(kernel, clean.device))
        streaks = layer[:, radius : radius + height, radius : radius + width].clamp(0, 1)
        out = out + streaks * rng.uniform(0.12, 0.38)
    return out


def add_haze(clean: Image, depth: Depth, rng: np.random.Generator) -> Image:
    """J t + A (1 - t) with t = exp(-beta d): atmospheric scattering, as RESIDE is made (Li et al., TIP 2019).

    Airlight A lies in [0.75, 1], nearly white; beta lies in [0.3, 1.1] for depths d in [0, 1], which gives inputs of 12
    to 24 dB like RESIDE's outdoor set.
    """
    airlight = rng.uniform(0.75, 1.0) + rng.uniform(-0.02, 0.02, 3)
    transmission = torch.exp(-rng.uniform(0.3, 1.1) * depth)
    colour = sent(torch.from_numpy(airlight).float().clamp(0, 1), clean.device)[:, None, None]
    return (clean * transmission).add_(colour * (1 - transmission))


def add_motion_blur(clean: Image, rng: np.random.Generator) -> Image:
    """The image convolved with the path of a shaking camera; borders are reflected."""
    kernel = sent(torch.from_numpy(shake_kernel(rng)), clean.device)
    return _convolve(clean, kernel)


def darken(clean: Image, rng: np.random.Generator) -> Image:
    """Less light on the sensor, its noise, and a duller tone curve.

    In linear light (gamma 2.2) the exposure falls to between 1/40 and 1/8; shot noise has the variance of its signal,
    read noise a constant one; the picture is encoded again with an exponent a little above the display's.
    """
    exposure = math.exp(rng.uniform(math.log(1 / 40), math.log(1 / 8)))
    light = clean.clamp(0, 1) ** 2.2 * exposure
    shot, read = rng.uniform(2e-5, 1.2e-4), rng.uniform(2e-4, 1e-3)
    noise = _normal(rng, clean.shape, clean.device) * (shot * light + read**2).sqrt()
    return (light + noise).clamp(0, 1) ** (rng.uniform(0.95, 1.15) / 2.2)


def shake_kernel(rng: np.random.Generator, *, steps: int = 96) -> np.ndarray:
    """A camera-shake kernel: (K, K) float32, K odd, sum one, centroid in the middle.

    The path is a random walk whose direction turns smoothly and that now and then jerks, as in Levin et al. (CVPR
    2009); exposure is even in time, so slow stretches weigh more.
    """
    reach = rng.uniform(4.0, 11.0)
    turns = np.cumsum(rng.normal(0, 0.12, steps)) + np.cumsum(rng.random(steps) < 0.02) * rng.normal(0, 1.2)
    heading = rng.uniform(0, 2 * np.pi) + turns
    speed = np.exp(np.cumsum(rng.normal(0, 0.08, steps)))
    path = np.cumsum(np.stack([np.sin(heading), np.cos(heading)], 1) * speed[:, None], axis=0)
    path -= path.mean(0)
    path *= reach / max(float(np.abs(path).max()), 1e-9)
    radius = int(np.ceil(np.abs(path).max())) + 1
    kernel = np.zeros((2 * radius + 1, 2 * radius + 1))
    corner = np.floor(path).astype(int)
    part = path - corner
    for dy in (0, 1):
        for dx in (0, 1):
            weight = np.abs(1 - dy - part[:, 0]) * np.abs(1 - dx - part[:, 1])
            np.add.at(kernel, (corner[:, 0] + dy + radius, corner[:, 1] + dx + radius), weight)
    return (kernel / kernel.sum()).astype(np.float32)


def _streak(length: float, angle_deg: float, thickness: float) -> Float[Tensor, "k k"]:
    """A soft bright line through the middle, peak one, `angle_deg` from the vertical."""
    radius = math.ceil(length / 2) + 2
    y, x = _axes(radius)
    sine, cosine = math.sin(math.radians(angle_deg)), math.cos(math.radians(angle_deg))
    along, across = x * sine + y * cosine, x * cosine - y * sine
    ends = torch.sigmoid((length / 2 - along.abs()) / 0.7)
    return ends * torch.exp(-0.5 * (across / thickness) ** 2)


@lru_cache(maxsize=64)
def _axes(radius: int) -> tuple[Tensor, Tensor]:
    """Rows and columns of a square kernel, counted from its middle."""
    axis = torch.arange(-radius, radius + 1, dtype=torch.float32)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return y, x


def _convolve(image: Float[Tensor, "c h w"], kernel: Float[Tensor, "k k"]) -> Float[Tensor, "c h w"]:
    """Same-size convolution with reflected borders, by FFT: its cost hardly depends on the kernel."""
    height, width = image.shape[-2:]
    radius = kernel.shape[-1] // 2
    mode = "reflect" if radius < min(height, width) else "replicate"
    padded = F.pad(image.unsqueeze(0), (radius,) * 4, mode=mode).squeeze(0)
    size = [n + 2 * radius for n in padded.shape[-2:]]
    product = torch.fft.rfft2(padded, s=size) * torch.fft.rfft2(kernel, s=size)
    start = 2 * radius
    return torch.fft.irfft2(product, s=size)[..., start : start + height, start : start + width]


def _plane(clean: Image) -> Depth:
    height, width = clean.shape[-2:]
    return torch.linspace(1.0, 0.2, height, device=clean.device).unsqueeze(1).expand(height, width)


def _normal(rng: np.random.Generator, shape: torch.Size, device: torch.device) -> Tensor:
    return sent(torch.from_numpy(rng.standard_normal(tuple(shape), dtype=np.float32)), device)


def _to_grid(image: Image) -> Image:
    return image.clamp(0, 1).mul_(255).round_().div_(255)
