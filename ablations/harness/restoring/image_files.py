"""A user's own image files: decoded with their alpha and profile, encoded under the same name and format.

The rules are the table "Restore" of docs/released_weights.md. Greyscale is restored as RGB with equal channels, and
written as BT.601 luma of the result. JPEG is written at quality 95 without chroma subsampling, WebP without loss.
"""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from datasets.readers import MAX_PIXELS, ImageRefused, extra_frames, quiet_decoding, sample_bits

FORMATS = {
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".bmp": "BMP", ".tif": "TIFF", ".tiff": "TIFF", ".webp": "WEBP",
    ".ppm": "PPM",
}  # fmt: skip
_OPTIONS: dict[str, dict[str, Any]] = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"lossless": True}}
_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # channels -> PNG's number


@dataclass(frozen=True, kw_only=True)
class DecodedImage:
    """A decoded image file."""

    colours: NDArray[Any]  # (H, W, 3) uint8 or uint16, RGB
    alpha: NDArray[Any] | None  # (H, W) of the same type, or None
    grey: bool  # whether the file is greyscale
    profile: bytes | None  # the ICC profile, or None
    notes: tuple[str, ...]  # conversions, for the user

    @property
    def max_value(self) -> int:
        """The value of full brightness: 255 or 65535."""
        return int(np.iinfo(self.colours.dtype).max)

    def crop(self, rows: slice, columns: slice) -> Float[Tensor, "1 3 h w"]:
        """A crop of it as float32 in [0, 1]."""
        levels = self.colours[rows, columns].transpose(2, 0, 1).astype(np.float32) / np.float32(self.max_value)
        return torch.from_numpy(levels)[None]

    def quantize(self, image: Float[Tensor, "3 h w"]) -> NDArray[Any]:
        """Restored pixels, clipped and rounded to the file's bit depth: (H, W, 3)."""
        levels = image.clamp(0, 1).permute(1, 2, 0).double().numpy() * self.max_value
        return np.asarray(np.rint(levels), dtype=self.colours.dtype)


def read_image_file(path: Path) -> DecodedImage:
    """Decode a file by the rules above.

    Raises:
        ImageRefused: no rule fits, or the file is broken.
    """
    if not path.is_file():
        raise ImageRefused(path, "no such file" if not path.exists() else "not a file")
    if path.suffix.lower() not in FORMATS:
        raise ImageRefused(path, f"ends in {path.suffix!r}; one of {', '.join(FORMATS)} is needed")
    try:
        with quiet_decoding(), Image.open(path, formats=tuple(dict.fromkeys(FORMATS.values()))) as image:
            _require_supported(path, image)
            return _decode_16bit(path, image) if sample_bits(path, image) == 16 else _decode_8bit(path, image)
    except ImageRefused:
        raise
    except Exception as error:  # decoders raise half a dozen types for broken bodies
        raise ImageRefused(path, f"broken or no image ({type(error).__name__}: {error})") from error


def encode_image_file(path: Path, picture: DecodedImage, colours: NDArray[Any]) -> bytes:
    """The file's bytes: restored colours (H, W, 3) with the image's alpha and profile, in the format of the suffix."""
    channels = [_luma(colours)[..., None]] if picture.grey else [colours]
    if picture.alpha is not None:
        channels.append(picture.alpha[..., None])
    pixels = np.concatenate(channels, axis=-1) if len(channels) > 1 else channels[0]
    if pixels.dtype == np.uint16:
        return encode_png16(pixels, picture.profile)
    kind = FORMATS[path.suffix.lower()]
    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[pixels.shape[-1]]
    image = Image.fromarray(pixels[..., 0] if mode == "L" else pixels)
    buffer = io.BytesIO()
    profile = {"icc_profile": picture.profile} if picture.profile and kind not in ("BMP", "PPM") else {}
    image.save(buffer, format=kind, **_OPTIONS.get(kind, {}), **profile)
    return buffer.getvalue()


def _luma(colours: NDArray[Any]) -> NDArray[Any]:
    """(H, W, 3) to (H, W), a few rows at a time: in float64 a large picture takes eight times its own memory."""
    grey = np.empty(colours.shape[:2], dtype=colours.dtype)
    for top in range(0, len(grey), 256):
        grey[top : top + 256] = np.rint(colours[top : top + 256] @ _LUMA)
    return grey


def encode_png16(pixels: NDArray[np.uint16], profile: bytes | None = None) -> bytes:
    """(H, W, 1 to 4) uint16 as a PNG file: Pillow writes no 16-bit colour."""
    height, width, channels = pixels.shape
    rows = np.ascontiguousarray(pixels.astype(">u2")).view(np.uint8).reshape(height, -1)
    # each line minus the one above: the filter that photographs gain from at the least cost
    previous_rows = np.concatenate([np.zeros_like(rows[:1]), rows[:-1]])
    filtered = np.concatenate([np.full((height, 1), 2, np.uint8), rows - previous_rows], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 16, _COLOUR_TYPES[channels], 0, 0, 0)
    chunks = [_chunk(b"IHDR", header)]
    if profile:
        chunks.append(_chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(profile)))
    return b"".join([_SIGNATURE, *chunks, _chunk(b"IDAT", zlib.compress(filtered.tobytes(), 6)), _chunk(b"IEND", b"")])


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _require_supported(path: Path, image: Image.Image) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ImageRefused(path, f"{width}x{height} is over {MAX_PIXELS // 1_000_000} megapixels")
    extra_frames(path, image)
    if image.format != "PNG" and (image.mode.startswith(("I", "F")) or sample_bits(path, image) > 8):
        raise ImageRefused(path, f"more than 8 bits a sample (mode {image.mode}); save it as an 8- or 16-bit PNG")
    if image.mode in ("CMYK", "YCbCr", "LAB", "HSV"):
        raise ImageRefused(path, f"colour model {image.mode}; save it as RGB")
    kind = "JPEG" if image.format == "MPO" else image.format
    if kind != FORMATS[path.suffix.lower()]:
        raise ImageRefused(path, f"is a {image.format} file under the name of another kind; rename it")


def _decode_8bit(path: Path, image: Image.Image) -> DecodedImage:
    notes = [f"first of {frames + 1} pictures of an MPO file"] if (frames := extra_frames(path, image)) else []
    profile = image.info.get("icc_profile")
    image.load()
    if image.getexif().get(0x0112, 1) not in (0, 1):
        image = ImageOps.exif_transpose(image)
        notes.append("turned upright")
    grey = image.mode in ("1", "L", "LA", "La")
    has_alpha = image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info
    if image.mode in ("P", "PA"):
        notes.append("palette written as RGB")
    if grey:
        notes.append("grey restored as RGB, written grey")
    if has_alpha:
        notes.append("alpha kept untouched")
    pixels = np.array(image.convert("RGBA" if has_alpha else "RGB"), dtype=np.uint8)
    alpha = np.ascontiguousarray(pixels[..., 3]) if has_alpha else None
    colours = np.ascontiguousarray(pixels[..., :3])
    return DecodedImage(colours=colours, alpha=alpha, grey=grey, profile=profile, notes=tuple(notes))


def _decode_16bit(path: Path, image: Image.Image) -> DecodedImage:
    """A 16-bit PNG, with any number of channels."""
    from torchvision.io import ImageReadMode, decode_png  # type: ignore[import-untyped]

    coded = torch.frombuffer(bytearray(path.read_bytes()), dtype=torch.uint8)
    pixels = decode_png(coded, mode=ImageReadMode.UNCHANGED).permute(1, 2, 0).numpy()
    if pixels.dtype != np.uint16:
        raise ImageRefused(path, "a 16-bit PNG that decodes to another depth; save it as 8-bit PNG")
    channels = pixels.shape[-1]
    alpha = np.ascontiguousarray(pixels[..., -1]) if channels in (2, 4) else None
    grey = channels in (1, 2)
    colours = np.repeat(pixels[..., :1], 3, axis=-1) if grey else np.ascontiguousarray(pixels[..., :3])
    notes = ["16 bits"]
    notes += ["grey restored as RGB, written grey"] if grey else []
    notes += ["alpha kept untouched"] if alpha is not None else []
    profile = image.info.get("icc_profile")
    return DecodedImage(colours=colours, alpha=alpha, grey=grey, profile=profile, notes=tuple(notes))
