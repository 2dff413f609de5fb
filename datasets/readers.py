"""Reading image files: each kind of file is converted by a stated rule or refused with its name and the reason.

The rules are the table "Reading rules" of docs/datasets.md. Noise and scores are defined on 8-bit images: 16-bit and
float samples are refused, and so are colour models whose RGB depends on a profile, and transparency.
"""

from __future__ import annotations

import os
import re
import stat
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".ppm"})
OTHER_FORMATS = frozenset(
    {".avif", ".heic", ".heif", ".gif", ".jfif", ".jpe", ".jp2", ".j2k", ".jxl", ".pgm", ".pnm", ".pfm", ".tga"}
    | {".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".raf", ".rw2", ".psd", ".exr", ".hdr", ".svg", ".npy", ".mat"}
)
MAX_PIXELS = 100_000_000
_ROWS = 256  # converted at once
_FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "PPM")
_PLAIN_MODES = frozenset({"RGB", "L", "1"})
_ALPHA_MODES = frozenset({"RGBA", "LA", "PA", "RGBa", "La"})
_TIFF_BITS_TAG = 258
_PNG_DEPTH_AT = 24  # signature (8), chunk head (8), width and height (8): the bit depth of a PNG's IHDR


class ImageRefused(ValueError):
    """A file that no rule turns into an RGB image.

    Attributes:
        path: the file.
        reason: why, in words for the user.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path, self.reason = path, reason

    def __reduce__(self) -> tuple[type[ImageRefused], tuple[Path, str]]:
        """Let the error be pickled: the default would rebuild it from the joined message alone."""
        return type(self), (self.path, self.reason)


@dataclass(frozen=True, kw_only=True)
class ImageRead:
    """A decoded image."""

    pixels: NDArray[np.uint8]  # (H, W, 3) uint8 RGB
    notes: tuple[str, ...]  # conversions that were made, in words; empty for a plain 8-bit RGB file


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """The file's pixels as (H, W, 3) uint8 RGB.

    Raises:
        ImageRefused: no rule of this module turns the file into one.
    """
    return read_image(path).pixels


def read_image(path: Path) -> ImageRead:
    """Pixels and what was converted to get them.

    Raises:
        ImageRefused: no rule of this module turns the file into one.
    """
    return _open(path, decode=True)


def read_size(path: Path) -> tuple[int, int]:
    """(height, width) after turning upright, from the header alone: a truncated body goes unnoticed.

    Raises:
        ImageRefused: the header already breaks a rule.
    """
    header = _open(path, decode=False).pixels
    return header.shape[0], header.shape[1]


def is_image_name(path: Path) -> bool:
    """Whether the name looks like an image's: a known suffix, and not a hidden file such as macOS's `._1.png`."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def unread_formats_note(folder: Path, *, inner: bool = True) -> str:
    """Images in a folder and its `inner` ones in unsupported formats: `2 files ... (.heic 2)`, or nothing."""
    counts: dict[str, int] = {}
    for _, folders, files in os.walk(folder, followlinks=False):
        folders[:] = [name for name in folders if inner and not name.startswith(".")]
        for name in files:
            suffix = Path(name).suffix.lower()
            if suffix in OTHER_FORMATS and not name.startswith("."):
                counts[suffix] = counts.get(suffix, 0) + 1
    if not counts:
        return ""
    kinds = ", ".join(f"{suffix} {count}" for suffix, count in sorted(counts.items()))
    return f"{sum(counts.values())} files in unsupported formats skipped ({kinds})"


@contextmanager
def quiet_decoding() -> Iterator[None]:
    """Ignore Pillow's warnings about what it half understands (bad EXIF, huge sizes).

    Sizes have their own limit here, and a body that does not decode raises. Warning filters belong to the whole
    process: only the main thread sets them, and worker threads run inside its `quiet_decoding`.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def sample_bits(path: Path, image: Image.Image) -> int:
    """Bits a sample of an opened file, from its header: Pillow cuts 16-bit colour to 8 bits without a word."""
    if image.format == "PNG":
        with path.open("rb") as file:
            return file.read(_PNG_DEPTH_AT + 1)[-1]
    if image.format == "TIFF":
        bits: tuple[int, ...] = getattr(image, "tag_v2", {}).get(_TIFF_BITS_TAG, (8,))
        return max(bits)
    if image.format == "PPM":
        with path.open("rb") as file:
            words = re.sub(rb"#[^\n\r]*", b" ", file.read(4096)).split(maxsplit=4)
        has_depth = words[0] in (b"P2", b"P3", b"P5", b"P6") and words[3].isdigit()
        return int(words[3]).bit_length() if has_depth else 8
    return 8


def extra_frames(path: Path, image: Image.Image) -> int:
    """How many pictures an MPO file holds besides its first, which is the photograph; 0 for other kinds.

    Raises:
        ImageRefused: several frames in a file of another kind: which is meant isn't known.
    """
    frames = int(getattr(image, "n_frames", 1))
    if frames > 1 and image.format != "MPO":
        raise ImageRefused(path, f"holds {frames} frames; one is expected")
    return frames - 1


def _open(path: Path, *, decode: bool) -> ImageRead:
    _check_file(path)
    try:
        with quiet_decoding(), Image.open(path, formats=_FORMATS) as image:
            return _convert(path, image, decode=decode)
    except ImageRefused:
        raise
    except UnidentifiedImageError:
        raise ImageRefused(path, f"not an image of a known format ({', '.join(_FORMATS)})") from None
    except Image.DecompressionBombError:
        raise ImageRefused(path, f"over {MAX_PIXELS // 1_000_000} megapixels") from None
    except MemoryError:
        raise ImageRefused(path, "does not fit in memory") from None
    # Pillow's decoders raise half a dozen types for broken bodies; all of them mean the same to the user.
    except Exception as error:
        raise ImageRefused(path, f"broken or truncated ({type(error).__name__}: {error})") from None


def _check_file(path: Path) -> None:
    """Refuse what isn't a file with something in it. Never opens: a named pipe would hang."""
    try:
        status = path.stat()
    except FileNotFoundError:
        reason = "a link to a file that isn't there" if path.is_symlink() else "no such file"
        raise ImageRefused(path, reason) from None
    except (OSError, RuntimeError, ValueError) as error:
        loops = isinstance(error, RuntimeError) or "symbolic link" in str(error)
        raise ImageRefused(path, "a link that loops" if loops else f"can't be opened ({error})") from None
    if not stat.S_ISREG(status.st_mode):
        raise ImageRefused(path, "not a regular file")
    if status.st_size == 0:
        raise ImageRefused(path, "empty (zero bytes)")
    if not os.access(path, os.R_OK):
        raise ImageRefused(path, "no permission to read it")


def _convert(path: Path, image: Image.Image, *, decode: bool) -> ImageRead:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ImageRefused(path, f"{width}x{height} is over {MAX_PIXELS // 1_000_000} megapixels")
    if width == 0 or height == 0:
        raise ImageRefused(path, f"has no pixels ({width}x{height})")
    frames = extra_frames(path, image)
    mode = image.mode
    if mode.startswith(("I", "F")) or sample_bits(path, image) > 8:
        raise ImageRefused(path, f"more than 8 bits a sample (mode {mode}); save it as 8-bit RGB")
    if mode not in _PLAIN_MODES | _ALPHA_MODES | {"P"}:
        raise ImageRefused(path, f"colour model {mode}; save it as 8-bit RGB")
    orientation = image.getexif().get(0x0112, 1)
    if not decode:
        turned = orientation in (5, 6, 7, 8)
        size = (width, height) if turned else (height, width)
        return ImageRead(pixels=np.broadcast_to(np.uint8(0), (*size, 3)), notes=())
    notes = [f"first of {frames + 1} pictures of an MPO file"] if frames else []
    image.load()
    if orientation not in (0, 1):
        upright = ImageOps.exif_transpose(image)
        notes.append(f"turned upright (EXIF orientation {orientation})")
    else:
        upright = image
    rgb, converted = _to_rgb(path, upright)
    notes += converted
    return ImageRead(pixels=_pixels(rgb), notes=tuple(notes))


def _pixels(rgb: Image.Image) -> NDArray[np.uint8]:
    """(H, W, 3), some rows at a time: in one go there are two more copies of the picture."""
    pixels = np.empty((rgb.height, rgb.width, 3), dtype=np.uint8)
    for top in range(0, rgb.height, _ROWS):
        box = (0, top, rgb.width, min(top + _ROWS, rgb.height))
        pixels[box[1] : box[3]] = np.asarray(rgb.crop(box))
    return pixels


def _to_rgb(path: Path, image: Image.Image) -> tuple[Image.Image, list[str]]:
    """The image in mode RGB and what that took; refuses transparency."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image, []
    if image.mode in _ALPHA_MODES or "transparency" in image.info:
        full = image.convert("RGBA")
        lowest = full.getchannel("A").getextrema()[0]
        if lowest != 255:
            raise ImageRefused(path, "has transparent pixels; flatten it onto a background")
        return full.convert("RGB"), ["opaque alpha channel dropped"]
    kind = "palette" if image.mode == "P" else "greyscale"
    return image.convert("RGB"), [f"{kind} converted to RGB"]
