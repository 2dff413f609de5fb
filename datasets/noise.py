"""Noisy test images, drawn the way a protocol draws them.

No function here reads or changes numpy's global random state: the released test programs call `np.random.seed(0)` and
draw from the global generator, and `np.random.RandomState(0)` is that generator, bit for bit and frozen by numpy's
compatibility promise.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from datasets.seeding import stable_seed

if TYPE_CHECKING:
    from datasets.protocols import Protocol

_PART_PIXELS = 1 << 20


@dataclass(frozen=True, kw_only=True)
class NoisyItem:
    """One noisy test image."""

    index: int  # place of the image in the sequence given
    sigma_255: int  # standard deviation of the noise, 0..255 scale.
    # (3, H, W) float32, nominal range [0, 1]; outside it where the protocol does not clip
    degraded: Float[Tensor, "3 H W"]
    clean: Float[Tensor, "3 H W"]  # (3, H, W) float32 in [0, 1], cropped as the protocol crops


@dataclass(frozen=True, kw_only=True)
class NoisyPixels:
    """One noisy test image as files hold pixels."""

    index: int  # place of the image in the sequence given
    sigma_255: int  # standard deviation of the noise, 0..255 scale.
    # (H, W, 3) uint8; float32, nominal range [0, 1], where the protocol does not bring it to 8 bits
    degraded: NDArray[np.uint8] | NDArray[np.float32]
    clean: NDArray[np.uint8]  # (H, W, 3) uint8, cropped as the protocol crops


def noisy_inputs(
    protocol: Protocol, clean_images: Sequence[Tensor | NDArray[np.uint8]], sigmas_255: Sequence[int] | None = None
) -> Iterator[NoisyItem]:
    """`noisy_pixels` as tensors of floats, which take four times the memory."""
    for item in noisy_pixels(protocol, clean_images, sigmas_255):
        yield NoisyItem(
            index=item.index, sigma_255=item.sigma_255, degraded=_to_tensor(item.degraded), clean=_to_tensor(item.clean)
        )


def noisy_pixels(
    protocol: Protocol, clean_images: Sequence[Tensor | NDArray[np.uint8]], sigmas_255: Sequence[int] | None = None
) -> Iterator[NoisyPixels]:
    """Each clean image at each sigma, cropped and made noisy by the protocol's rule.

    Images are visited in the order given, which a protocol with one stream of noise makes part of the number
    (`Protocol.sort_names` sorts file names). The sequence may load lazily: one image is asked for at a time. A sigma
    that is left out of such a stream is drawn and thrown away, so the noise of the others stays what it is.

    Args:
        protocol: the rules.
        clean_images: 8-bit images: uint8 arrays (H, W, 3), or tensors (3, H, W), uint8 or float in [0, 1].
        sigmas_255: which of the protocol's sigmas to yield; all by default.

    Raises:
        ValueError: an image that isn't 8-bit RGB, or a sigma the protocol's stream does not draw.
    """
    requested_sigmas = protocol.noise.sigmas_255 if sigmas_255 is None else tuple(sigmas_255)
    ordered = protocol.noise.depends_on_order
    absent = [sigma for sigma in requested_sigmas if ordered and sigma not in protocol.noise.sigmas_255]
    if absent:
        protocol_sigmas = ", ".join(map(str, protocol.noise.sigmas_255))
        raise ValueError(
            f"Protocol {protocol.label} draws sigma {protocol_sigmas} only, not {absent[0]}; `suite` takes any."
        )
    last = max((protocol.noise.sigmas_255.index(sigma) for sigma in requested_sigmas), default=-1) if ordered else 0
    visited = protocol.noise.sigmas_255[: last + 1] if ordered else requested_sigmas
    generator = _generator(protocol)
    for sigma in visited:
        if protocol.noise.seeding == "stream-per-sigma":
            generator = _generator(protocol)
        for index, image in enumerate(clean_images):
            levels = _crop_levels(protocol, image)
            if not ordered:
                generator = _generator(protocol, levels, sigma)
            if sigma in requested_sigmas:
                yield _noisy_image(protocol, index, sigma, levels, generator)
            else:
                for rows in _row_blocks(levels):
                    generator.standard_normal(rows.shape)


def content_hash(levels: NDArray[np.uint8]) -> str:
    """Hex digest of an image's (H, W, 3) 8-bit pixels and size: its identity whatever it is called."""
    digest = hashlib.blake2b(str(levels.shape).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(levels).data)
    return digest.hexdigest()


def _generator(
    protocol: Protocol, levels: NDArray[np.uint8] | None = None, sigma_255: int | None = None
) -> np.random.RandomState:
    """The generator as it stands before an image (`per-image`, `content`) or before a whole stream."""
    if levels is not None and protocol.noise.seeding in ("content", "files"):
        seed = stable_seed("evaluation noise", content_hash(levels), sigma_255)
        return np.random.RandomState([seed & 0xFFFFFFFF, seed >> 32])
    return np.random.RandomState(protocol.noise.seed or 0)


def _crop_levels(protocol: Protocol, image: Tensor | NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The image as (H, W, 3) uint8, cut to the protocol's size."""
    tensor = image if isinstance(image, Tensor) else torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)
    if tensor.dim() != 3 or tensor.shape[0] != 3:
        raise ValueError(f"Noise is defined on RGB images, got shape {tuple(image.shape)}.")
    if tensor.dtype != torch.uint8:
        scaled = tensor.detach().cpu().double() * 255.0
        if (
            bool((scaled - scaled.round()).abs().max() > 1e-3)
            or bool(scaled.min() < -0.5)
            or bool(scaled.max() > 255.5)
        ):
            raise ValueError("Protocols put noise on 8-bit images: values must be multiples of 1/255 in [0, 1].")
        tensor = scaled.round().to(torch.uint8)
    return protocol.crop(tensor.cpu()).permute(1, 2, 0).contiguous().numpy()


def _noisy_image(
    protocol: Protocol, index: int, sigma: int, levels: NDArray[np.uint8], generator: np.random.RandomState
) -> NoisyPixels:
    """One image's noise, some rows at a time: in float64 a photograph takes eight times its own memory."""
    rule = protocol.noise
    degraded = np.empty(levels.shape, dtype=np.uint8 if rule.clip and rule.quantise != "none" else np.float32)
    top = 0
    for rows in _row_blocks(levels):
        place = slice(top, top + len(rows))
        top += len(rows)
        noise = generator.standard_normal(rows.shape)  # randn and normal(0, 1) are these very numbers
        degraded[place] = _add_noise(protocol, sigma, rows, noise)
    return NoisyPixels(index=index, sigma_255=sigma, degraded=degraded, clean=levels)


def _row_blocks(levels: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """The image's rows in parts of about a megapixel; drawn part by part, a stream of noise is the same."""
    rows = max(1, _PART_PIXELS // levels.shape[1])
    yield from (levels[top : top + rows] for top in range(0, len(levels), rows))


def _add_noise(
    protocol: Protocol, sigma: int, levels: NDArray[np.uint8], noise: NDArray[np.float64]
) -> NDArray[np.uint8] | NDArray[np.float32]:
    if protocol.noise.quantise == "none" and not protocol.noise.clip:
        # Restormer's arithmetic: float32 image, noise scaled before it is added.
        return (levels.astype(np.float32) / np.float32(255.0) + noise * (sigma / 255.0)).astype(np.float32)
    noisy = levels + noise * sigma
    if protocol.noise.clip:
        noisy = np.clip(noisy, 0, 255)
    if protocol.noise.quantise == "round":
        noisy = np.rint(noisy)
    elif protocol.noise.quantise == "truncate":
        noisy = np.trunc(noisy)
    if protocol.noise.clip and protocol.noise.quantise != "none":
        return noisy.astype(np.uint8)
    return noisy.astype(np.float32) / np.float32(255.0)


def _to_tensor(image: NDArray[np.uint8] | NDArray[np.float32]) -> Float[Tensor, "3 H W"]:
    planes = np.ascontiguousarray(image.transpose(2, 0, 1), dtype=np.float32)
    return torch.from_numpy(planes / np.float32(255.0) if image.dtype == np.uint8 else planes)
