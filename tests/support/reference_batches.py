"""The training rows and degradations as they were first written, one sample at a time: what the data path must equal."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from datasets.bundle import DataBundle, serves, to_float
from datasets.seeding import stable_seed
from datasets.tasks import Condition, Task


def batch(bundle: DataBundle, conditions, seeds, patch: int) -> tuple[Tensor, Tensor]:
    """What `DataBundle.batch` returned."""
    rows = [row(bundle, condition, seed, patch) for condition, seed in zip(conditions, seeds, strict=True)]
    degraded, clean = (torch.stack(images) for images in zip(*rows, strict=True))
    return degraded, clean


def row(bundle: DataBundle, condition: Condition, seed: int, patch: int) -> tuple[Tensor, Tensor]:
    """A scan of all samples, a crop, its flips, and the degradation of one image."""
    rng = np.random.default_rng(seed)
    samples = [s for s in bundle.train if serves(s, condition)]
    sample = samples[int(rng.integers(len(samples)))]
    height, width = sample.clean.shape[:2]
    top, left = (int(rng.integers(0, max(n - patch, 0) + 1)) for n in (height, width))
    flips = tuple(axis for axis in (0, 1) if rng.integers(2))

    def patch_of(image: np.ndarray) -> np.ndarray:
        short = [(0, max(0, patch - n)) for n in image.shape[:2]] + [(0, 0)] * (image.ndim - 2)
        if any(after for _, after in short):
            image = np.pad(image, short, mode="symmetric")
        return np.ascontiguousarray(np.flip(image[top : top + patch, left : left + patch], flips))

    target = to_float(patch_of(sample.clean))
    if sample.degraded is not None:
        return to_float(patch_of(sample.degraded)), target
    depth = None if sample.depth is None else torch.from_numpy(patch_of(sample.depth))
    return degrade(target, condition, stable_seed("degrade", seed), depth), target


def degrade(clean: Tensor, condition: Condition, seed: int, depth: Tensor | None = None) -> Tensor:
    """`datasets.degrade.degrade`."""
    rng = np.random.default_rng(seed)
    if condition.task is Task.NOISE:
        assert condition.sigma_255 is not None
        levels = clean * 255 + _normal(rng, clean.shape) * condition.sigma_255
        return levels.clamp(0, 255).floor() / 255
    if condition.task is Task.HAZE:
        return _to_grid(_haze(clean, _plane(clean) if depth is None else depth, rng))
    makers = {Task.RAIN: _rain, Task.BLUR: _blur, Task.LOWLIGHT: _darken}
    return _to_grid(makers[condition.task](clean, rng))


def _rain(clean: Tensor, rng: np.random.Generator) -> Tensor:
    height, width = clean.shape[-2:]
    angle = rng.uniform(-25, 25)
    out = clean
    for _ in range(int(rng.integers(1, 4))):
        length, thickness = rng.uniform(11, 33), rng.uniform(0.45, 0.9)
        kernel = _streak(length, angle + rng.uniform(-4, 4), thickness)
        radius = kernel.shape[-1] // 2
        size = (height + 2 * radius, width + 2 * radius)
        drops = (rng.random(size) < 1.0 * rng.uniform(0.001, 0.0028)) * rng.uniform(0.35, 1.0, size)
        drop_map = torch.from_numpy(drops).float()
        layer = _convolve(drop_map.unsqueeze(0), kernel)
        streaks = layer[:, radius : radius + height, radius : radius + width].clamp(0, 1)
        out = out + streaks * rng.uniform(0.12, 0.38)
    return out


def _haze(clean: Tensor, depth: Tensor, rng: np.random.Generator) -> Tensor:
    airlight = rng.uniform(0.75, 1.0) + rng.uniform(-0.02, 0.02, 3)
    transmission = torch.exp(-rng.uniform(0.3, 1.1) * depth)
    colour = torch.from_numpy(airlight).float().clamp(0, 1)[:, None, None]
    return clean * transmission + colour * (1 - transmission)


def _blur(clean: Tensor, rng: np.random.Generator) -> Tensor:
    kernel = torch.from_numpy(_shake(rng))
    return _convolve(clean, kernel)


def _darken(clean: Tensor, rng: np.random.Generator) -> Tensor:
    exposure = math.exp(rng.uniform(math.log(1 / 40), math.log(1 / 8)))
    light = clean.clamp(0, 1) ** 2.2 * exposure
    shot, read = rng.uniform(2e-5, 1.2e-4), rng.uniform(2e-4, 1e-3)
    noise = _normal(rng, clean.shape) * (shot * light + read**2).sqrt()
    return (light + noise).clamp(0, 1) ** (rng.uniform(0.95, 1.15) / 2.2)


def _shake(rng: np.random.Generator) -> np.ndarray:
    reach = rng.uniform(4.0, 11.0)
    turns = np.cumsum(rng.normal(0, 0.12, 96)) + np.cumsum(rng.random(96) < 0.02) * rng.normal(0, 1.2)
    heading = rng.uniform(0, 2 * np.pi) + turns
    speed = np.exp(np.cumsum(rng.normal(0, 0.08, 96)))
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


def _streak(length: float, angle_deg: float, thickness: float) -> Tensor:
    radius = math.ceil(length / 2) + 2
    axis = torch.arange(-radius, radius + 1, dtype=torch.float32)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    sine, cosine = math.sin(math.radians(angle_deg)), math.cos(math.radians(angle_deg))
    along, across = x * sine + y * cosine, x * cosine - y * sine
    ends = torch.sigmoid((length / 2 - along.abs()) / 0.7)
    return ends * torch.exp(-0.5 * (across / thickness) ** 2)


def _convolve(image: Tensor, kernel: Tensor) -> Tensor:
    height, width = image.shape[-2:]
    radius = kernel.shape[-1] // 2
    mode = "reflect" if radius < min(height, width) else "replicate"
    padded = F.pad(image.unsqueeze(0), (radius,) * 4, mode=mode).squeeze(0)
    size = [n + 2 * radius for n in padded.shape[-2:]]
    product = torch.fft.rfft2(padded, s=size) * torch.fft.rfft2(kernel, s=size)
    start = 2 * radius
    return torch.fft.irfft2(product, s=size)[..., start : start + height, start : start + width]


def _plane(clean: Tensor) -> Tensor:
    height, width = clean.shape[-2:]
    return torch.linspace(1.0, 0.2, height).unsqueeze(1).expand(height, width)


def _normal(rng: np.random.Generator, shape: torch.Size) -> Tensor:
    return torch.from_numpy(rng.standard_normal(tuple(shape), dtype=np.float32))


def _to_grid(image: Tensor) -> Tensor:
    return (image.clamp(0, 1) * 255).round() / 255
