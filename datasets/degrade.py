"""Degradations made on the fly, each from a seed: noise, rain, haze, motion blur, low light, and registered ones.

Random numbers are drawn by numpy from the seed, so that a seed gives the same degradation on every device (up to the
rounding of float32). Results lie on the 8-bit grid, as images from files do.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from datasets.tasks import Condition, Task
from datasets.transfer import to_device_async

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
    degraded = torch.empty_like(clean).unsqueeze(0)
    degrade_rows(degraded, clean.unsqueeze(0), [0], [condition], [seed], [depth])
    return degraded.squeeze(0)


def degrade_rows(
    degraded: Float[Tensor, "b 3 h w"],
    clean: Float[Tensor, "b 3 h w"],
    rows: Sequence[int],
    conditions: Sequence[Condition],
    seeds: Sequence[int],
    depths: Sequence[Depth | None] | None = None,
) -> None:
    """`degrade` of some rows of a batch, the same bits: a task's rows one after the other, their FFTs at once.

    Args:
        degraded: (B, 3, H, W) float32, written to; rows that are not to be made hold multiples of 1/255 in [0, 1].
        clean: (B, 3, H, W) RGB float32 in [0, 1], on any device.
        rows: which to make.
        conditions: of each row of the batch.
        seeds: of each row of the batch.
        depths: of each row of the batch, or None for none.
    """
    rows_of: dict[Task, list[int]] = defaultdict(list)
    for row in rows:
        rows_of[conditions[row].task].append(row)
    for task, task_rows in rows_of.items():
        rngs = [np.random.default_rng(seeds[row]) for row in task_rows]
        images = [clean[row] for row in task_rows]
        if task.degrade is not None:
            strengths = [conditions[row].strength for row in task_rows]
            images_out = [
                task.degrade(x, rng, strength) for x, rng, strength in zip(images, rngs, strengths, strict=True)
            ]
        elif task is Task.NOISE:
            sigmas = [cast(float, conditions[row].sigma_255) for row in task_rows]
            images_out = [add_noise(x, sigma, rng) for x, sigma, rng in zip(images, sigmas, rngs, strict=True)]
        elif task is Task.HAZE:
            row_depths = [_depth_of(clean[row], depths[row] if depths is not None else None) for row in task_rows]
            images_out = [add_haze(x, depth, rng) for x, depth, rng in zip(images, row_depths, rngs, strict=True)]
        else:
            images_out = _DEGRADERS[task](images, rngs)
        for row, image in zip(task_rows, images_out, strict=True):
            degraded[row] = image
    if rows:
        degraded.clamp_(0, 1).mul_(255).round_().div_(255)  # what lies on the 8-bit grid stays as it is, to the bit


def add_noise(clean: Image, sigma_255: float, rng: np.random.Generator) -> Image:
    """Clean * 255 + N(0, 1) * sigma, clipped to 0..255 and truncated to whole levels: the field's protocol."""
    levels = _normal(rng, clean.shape, clean.device).mul_(sigma_255).add_(clean * 255)
    return levels.clamp_(0, 255).floor_().div_(255)


def add_rain(clean: Image, rng: np.random.Generator, *, amount: float = 1.0) -> Image:
    """O = B + R, clipped: one to three layers of parallel bright streaks R over the scene B (Yang et al., CVPR 2017).

    Streaks are sparse impulses drawn out along the layer's direction, those that begin outside the picture included;
    layers differ a little in angle and length. `amount` multiplies the usual number of streaks.
    """
    return _rain([clean], [rng], amount=amount)[0]


def _rain(images: Sequence[Image], rngs: Sequence[np.random.Generator], *, amount: float = 1.0) -> list[Image]:
    """`add_rain` of each image; all are on one device."""
    layers_by_image = [
        list(_layers(x.shape[-2], x.shape[-1], rng, amount)) for x, rng in zip(images, rngs, strict=True)
    ]
    layers = [layer for image_layers in layers_by_image for layer in image_layers]
    device = images[0].device
    drops = [to_device_async(layer.drops, device) for layer in layers]
    convolved = iter(_convolve(drops, [to_device_async(layer.kernel, device) for layer in layers]))
    rainy = []
    for image, image_layers in zip(images, layers_by_image, strict=True):
        height, width = image.shape[-2:]
        for layer in image_layers:
            radius = layer.kernel.shape[-1] // 2
            streaks = next(convolved)[:, radius : radius + height, radius : radius + width].clamp(0, 1)
            image = image + streaks.mul_(layer.strength)
        rainy.append(image)
    return rainy


@dataclass(frozen=True, kw_only=True)
class _Layer:
    """Parallel streaks."""

    drops: Tensor  # (1, H + 2 r, W + 2 r), where they begin
    kernel: Tensor  # (2 r + 1, 2 r + 1), what each looks like
    strength: float  # how bright they are


def _layers(height: int, width: int, rng: np.random.Generator, amount: float) -> Iterator[_Layer]:
    angle = rng.uniform(-25, 25)
    for _ in range(int(rng.integers(1, 4))):
        length, thickness = rng.uniform(11, 33), rng.uniform(0.45, 0.9)
        kernel = _streak(length, angle + rng.uniform(-4, 4), thickness)
        radius = kernel.shape[-1] // 2
        size = (height + 2 * radius, width + 2 * radius)
        drops = (rng.random(size) < amount * rng.uniform(0.001, 0.0028)) * rng.uniform(0.35, 1.0, size)
        strength = rng.uniform(0.12, 0.38)
        yield _Layer(drops=torch.from_numpy(drops).float().unsqueeze(0), kernel=kernel, strength=strength)


def add_haze(clean: Image, depth: Depth, rng: np.random.Generator) -> Image:
    """J t + A (1 - t) with t = exp(-beta d): atmospheric scattering, as RESIDE is made (Li et al., TIP 2019).

    Airlight A lies in [0.75, 1], nearly white; beta lies in [0.3, 1.1] for depths d in [0, 1], which gives inputs of 12
    to 24 dB like RESIDE's outdoor set.
    """
    airlight = rng.uniform(0.75, 1.0) + rng.uniform(-0.02, 0.02, 3)
    transmission = torch.exp(-rng.uniform(0.3, 1.1) * depth)
    colour = to_device_async(torch.from_numpy(airlight).float().clamp(0, 1), clean.device)[:, None, None]
    return (clean * transmission).add_(colour * (1 - transmission))


def add_motion_blur(clean: Image, rng: np.random.Generator) -> Image:
    """The image convolved with the path of a shaking camera; borders are reflected."""
    return _blur([clean], [rng])[0]


def _blur(images: Sequence[Image], rngs: Sequence[np.random.Generator]) -> list[Image]:
    kernels = [torch.from_numpy(shake_kernel(rng)) for rng in rngs]
    return _convolve(images, [to_device_async(kernel, x.device) for kernel, x in zip(kernels, images, strict=True)])


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


def shake_kernel(rng: np.random.Generator, *, steps: int = 96) -> NDArray[np.float32]:
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
    return np.asarray(kernel / kernel.sum(), dtype=np.float32)


def _streak(length: float, angle_deg: float, thickness: float) -> Float[Tensor, "k k"]:
    """A soft bright line through the middle, peak one, `angle_deg` from the vertical."""
    axis = _axis(math.ceil(length / 2) + 2)
    sine, cosine = axis * math.sin(math.radians(angle_deg)), axis * math.cos(math.radians(angle_deg))
    along, across = sine + cosine[:, None], cosine - sine[:, None]
    ends = torch.from_numpy((length / 2 - np.abs(along)) / 0.7).sigmoid_()
    return ends.mul_(torch.from_numpy(-0.5 * np.square(across / thickness)).exp_())


@lru_cache(maxsize=64)
def _axis(radius: int) -> NDArray[np.float32]:
    """Rows or columns of a square kernel, counted from its middle."""
    return np.arange(-radius, radius + 1, dtype=np.float32)


def _convolve(
    images: Sequence[Float[Tensor, "c h w"]], kernels: Sequence[Float[Tensor, "k k"]]
) -> list[Float[Tensor, "c h w"]]:
    """Same-size convolution of each image with its kernel, borders reflected, by FFT: kernels cost the same.

    Images and kernels of one size are transformed at once, since an FFT's plan costs as much as a small FFT. The way
    back is one by one: there some sizes round otherwise in a batch.
    """
    places: dict[tuple[torch.Size, int], list[int]] = defaultdict(list)
    for place, (image, kernel) in enumerate(zip(images, kernels, strict=True)):
        places[image.shape, kernel.shape[-1]].append(place)
    convolved: dict[int, Tensor] = {}
    for ((channels, height, width), side), same in places.items():
        radius = side // 2
        mode = "reflect" if radius < min(height, width) else "replicate"
        padded = F.pad(torch.stack([images[place] for place in same]), (radius,) * 4, mode=mode)
        size = [n + 2 * radius for n in padded.shape[-2:]]
        planes = padded.new_zeros(len(same), channels + 1, *size)
        planes[:, :channels, : height + 2 * radius, : width + 2 * radius] = padded
        planes[:, channels, :side, :side] = torch.stack([kernels[place] for place in same])
        start = 2 * radius
        for place, spectra in zip(same, torch.fft.rfft2(planes), strict=True):
            full = torch.fft.irfft2(spectra[:channels] * spectra[channels], s=size)
            convolved[place] = full[:, start : start + height, start : start + width]
    return [convolved[place] for place in range(len(images))]


def _depth_of(clean: Image, depth: Depth | None) -> Depth:
    """The depth given, or a plane that recedes upwards."""
    if depth is not None:
        return to_device_async(depth, clean.device)
    height, width = clean.shape[-2:]
    return torch.linspace(1.0, 0.2, height, device=clean.device).unsqueeze(1).expand(height, width)


def _normal(rng: np.random.Generator, shape: torch.Size, device: torch.device) -> Tensor:
    return to_device_async(torch.from_numpy(rng.standard_normal(tuple(shape), dtype=np.float32)), device)


def _darken_all(images: Sequence[Image], rngs: Sequence[np.random.Generator]) -> list[Image]:
    return [darken(image, rng) for image, rng in zip(images, rngs, strict=True)]


_DEGRADERS: dict[Task, Callable[[Sequence[Image], Sequence[np.random.Generator]], list[Image]]] = {
    Task.RAIN: _rain,
    Task.BLUR: _blur,
    Task.LOWLIGHT: _darken_all,
}
