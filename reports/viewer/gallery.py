"""The images that the page lets a reader compare pixel by pixel, as data: URIs of the runs' own PNG crops."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from reports import schema
from reports.artifacts import Crop, Sample, first_of, load_samples
from reports.figures.errors import error_of, scale_end
from reports.formatting import format_quantity
from reports.labels import condition_label, in_sentence
from reports.messages import join_texts, message
from reports.study import Study

MAX_CHARACTERS = 8_000_000
MAX_SIDE_PX = 1024
_SCORED = ("degraded", "restored")

Key = tuple[str, str]
"""(condition, image)."""


@dataclass(frozen=True, kw_only=True)
class Zoom:
    """One crop of an image: its alternative text and its PNG as a data: URI."""

    alt: str
    uri: str


@dataclass(frozen=True, kw_only=True)
class GalleryImage:
    """A scene's picture: `kind` is "degraded", "restored" or "clean"; `psnr_db` of the complete test image.

    `zooms` are crops of it, one for each of the scene's sizes. `is_lead`: restored by the variant that the study is
    about.
    """

    kind: str
    label: str
    zooms: tuple[Zoom, ...]
    psnr_db: float | None = None
    is_lead: bool = False

    @property
    def psnr_text(self) -> str:
        """The PSNR as the page prints it, "" where there is none."""
        return "" if self.psnr_db is None else f"{self.psnr_db:.2f} dB"


@dataclass(frozen=True, kw_only=True)
class Overview:
    """The complete degraded image, compressed for display; `boxes` (top, left, height, width) are its zooms.

    Width and height are those of the test image, in the pixels of the boxes.
    """

    alt: str
    uri: str
    width: int
    height: int
    boxes: tuple[tuple[int, int, int, int], ...]

    @property
    def text_px(self) -> int:
        """Height of the boxes' numbers, in the pixels of the boxes."""
        return max(self.width, self.height) // 18


@dataclass(frozen=True, kw_only=True)
class GalleryScene:
    """One test image under one condition: degraded first, then by every method, then clean.

    `sizes` are (width, height) of each zoom in pixels; older runs have no overview.
    """

    title: str
    sizes: tuple[tuple[int, int], ...]
    images: tuple[GalleryImage, ...]
    overview: Overview | None = None

    @property
    def gain_db(self) -> float:
        """PSNR of the lead, else of the best method, less the degraded input's; 0 where one of them is not known."""
        scores = {
            kind: [s.psnr_db for s in self.images if s.kind == kind and s.psnr_db is not None] for kind in _SCORED
        }
        if not all(scores.values()):
            return 0.0
        lead = [image.psnr_db for image in self.images if image.is_lead and image.psnr_db is not None]
        return max(lead or scores["restored"]) - max(scores["degraded"])

    @property
    def n_characters(self) -> int:
        """Characters of all its data: URIs."""
        pictures = [zoom.uri for image in self.images for zoom in image.zooms]
        return sum(map(len, pictures)) + (len(self.overview.uri) if self.overview else 0)


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """Every scene that the page has room for, by condition.

    Attributes:
        scenes: by condition.
        remarks: what is left out and why.
        error_end: where the scale of absolute errors ends, in grey levels of 255.
    """

    scenes: tuple[GalleryScene, ...] = ()
    remarks: tuple[str, ...] = ()
    error_end: float = 0.0

    @property
    def has_overviews(self) -> bool:
        """Whether a scene shows its complete image."""
        return any(scene.overview for scene in self.scenes)


def gallery(study: Study, *, max_characters: int = MAX_CHARACTERS) -> Gallery:
    """Crops of each variant's first finished run that has any, the first image of every condition before the second.

    Args:
        study: whose runs hold samples.
        max_characters: characters that all data: URIs together may have.
    """
    firsts = first_of(study, load_samples)
    samples_of = {v: {(s.condition, s.image): s for s in reversed(samples)} for v, (_, samples) in firsts.items()}
    keys = sorted({key for samples in samples_of.values() for key in samples}, key=_sort_key)
    rank: dict[Key, int] = {}
    for condition, image in keys:
        rank[condition, image] = sum(c == condition for c, _ in rank)
    scenes: dict[Key, GalleryScene] = {}
    mismatches: dict[str, None] = {}
    errors: list[np.ndarray] = []
    characters_left, n_left_out = max_characters, 0
    for key in sorted(keys, key=lambda k: rank[k]):
        reader = _GallerySceneReader(study, key)
        scene = reader.read({v: s[key] for v, s in samples_of.items() if key in s})
        mismatches.update(dict.fromkeys(reader.mismatches))
        if scene is None:
            continue
        if scene.n_characters > characters_left:
            n_left_out += 1
            continue
        characters_left -= scene.n_characters
        scenes[key] = scene
        errors += reader.errors
    remarks = []
    if n_left_out:
        images = format_quantity(n_left_out, "image")
        remarks.append(message("{images} left out to keep the page small; the runs' samples hold them.", images=images))
    remarks += [
        message("Left out where its crop is not of the same input, or is no PNG: {name}.", name=name)
        for name in mismatches
    ]
    return Gallery(
        scenes=tuple(scenes[key] for key in keys if key in scenes),
        remarks=tuple(remarks),
        error_end=scale_end(errors) if errors else 0.0,
    )


def _sort_key(key: Key) -> tuple[object, Key]:
    return schema.condition_sort_key(key[0]), key


class _GallerySceneReader:
    """Makes a scene of the samples of one image.

    Attributes:
        mismatches: the variants whose crop does not belong beside the first one's.
        errors: absolute errors of every restored crop, each (H, W) in grey levels of 255.
    """

    def __init__(self, study: Study, key: Key) -> None:
        self.study = study
        self.label = condition_label(key[0])
        self.names = {"condition": self.label, "image": key[1]}
        self.mismatches: list[str] = []
        self.errors: list[np.ndarray] = []

    def read(self, samples: dict[str, Sample]) -> GalleryScene | None:
        """The scene; None where no variant's crops can be read."""
        n_zooms = 2 if all(sample.second for sample in samples.values()) else 1
        first: list[_Pngs] | None = None
        images: list[GalleryImage] = []
        for variant, sample in samples.items():
            pngs = [_read_pngs(crop) for crop in (sample, sample.second)[:n_zooms] if crop is not None]
            crops = [each for each in pngs if each is not None]
            if len(crops) < n_zooms or (first is not None and not _same_input(crops, first)):
                self.mismatches.append(variant)
                continue
            if first is None:
                first, first_sample = crops, sample
                images.append(self._degraded(crops, sample))
            images.append(self._restored(crops, sample, variant))
            self.errors += [error_of(_pixels(each.restored), _pixels(each.clean)) for each in crops]
        if first is None:
            return None
        alt = message("{condition}, image {image}: clean", **self.names)
        images.append(
            GalleryImage(kind="clean", label=message("clean"), zooms=_zooms(alt, [each.clean for each in first]))
        )
        return GalleryScene(
            title=join_texts([self.label, self.names["image"]], " · "),
            sizes=tuple(each.size for each in first),
            images=tuple(images),
            overview=self._overview(first_sample, n_zooms),
        )

    def _degraded(self, crops: Sequence[_Pngs], sample: Sample) -> GalleryImage:
        alt = message(
            "{condition}, image {image}: degraded by {degradation}, PSNR {psnr:.2f} dB",
            **self.names, degradation=in_sentence(self.label), psnr=sample.input_psnr_db,
        )  # fmt: skip
        zooms = _zooms(alt, [each.degraded for each in crops])
        return GalleryImage(kind="degraded", label=message("degraded"), zooms=zooms, psnr_db=sample.input_psnr_db)

    def _restored(self, crops: Sequence[_Pngs], sample: Sample, variant: str) -> GalleryImage:
        name = self.study.label(variant)
        alt = message(
            "{condition}, image {image}: restored by {variant}, PSNR {psnr:.2f} dB",
            **self.names, variant=name, psnr=sample.psnr_db,
        )  # fmt: skip
        is_lead = variant in self.study.featured[:1]
        zooms = _zooms(alt, [each.restored for each in crops])
        return GalleryImage(kind="restored", label=name, zooms=zooms, psnr_db=sample.psnr_db, is_lead=is_lead)

    def _overview(self, sample: Sample, n_zooms: int) -> Overview | None:
        if sample.display is None or sample.image_size is None:
            return None
        content = sample.display.read_bytes()
        if _size(content, "WEBP") == (0, 0):
            return None
        height, width = sample.image_size
        boxes = [crop.box for crop in (sample, sample.second)[:n_zooms] if crop is not None]
        alt = message("{condition}, image {image}: the complete degraded image", **self.names)
        return Overview(alt=alt, uri=_uri(content, "webp"), width=width, height=height, boxes=tuple(boxes))


@dataclass(frozen=True, kw_only=True)
class _Pngs:
    """The files' bytes of one crop, and their common (width, height)."""

    degraded: bytes
    restored: bytes
    clean: bytes
    size: tuple[int, int]


def _read_pngs(crop: Crop) -> _Pngs | None:
    """The files where all are PNGs of one reasonable size; else None."""
    degraded, restored, clean = (path.read_bytes() for path in (crop.degraded, crop.restored, crop.clean))
    sizes = {_size(content, "PNG") for content in (degraded, restored, clean)}
    if len(sizes) > 1 or (0, 0) in sizes:
        return None
    return _Pngs(degraded=degraded, restored=restored, clean=clean, size=sizes.pop())


def _same_input(crops: Sequence[_Pngs], first: Sequence[_Pngs]) -> bool:
    return [(c.degraded, c.clean) for c in crops] == [(c.degraded, c.clean) for c in first]


def _zooms(alt: str, contents: Sequence[bytes]) -> tuple[Zoom, ...]:
    """Zooms of PNG files; those after the first say so."""
    alts = [alt, *(message("{alt}; second crop", alt=alt) for _ in contents[1:])]
    return tuple(Zoom(alt=text, uri=_uri(content, "png")) for text, content in zip(alts, contents, strict=True))


def _size(content: bytes, file_format: str) -> tuple[int, int]:
    """Width and height in pixels; (0, 0) for what is not of the format or is too large for a crop."""
    try:
        with Image.open(io.BytesIO(content), formats=(file_format,)) as picture:
            picture.load()
            return picture.size if max(picture.size) <= MAX_SIDE_PX else (0, 0)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return 0, 0


def _pixels(content: bytes) -> np.ndarray:
    """(H, W, 3) uint8 of a PNG that can be read."""
    with Image.open(io.BytesIO(content), formats=("PNG",)) as picture:
        return np.asarray(picture.convert("RGB"))


def _uri(content: bytes, subtype: str) -> str:
    return f"data:image/{subtype};base64," + base64.b64encode(content).decode("ascii")
