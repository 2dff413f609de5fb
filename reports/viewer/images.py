"""The images that the page lets a reader compare pixel by pixel, as data: URIs of the runs' own PNG crops."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from reports import schema
from reports.artifacts import Sample, load_samples
from reports.formatting import format_quantity
from reports.labels import condition_label, in_sentence
from reports.messages import joined, message
from reports.study import Study

MOST_CHARACTERS = 8_000_000
MOST_SIDE_PX = 1024
_SCORED = ("degraded", "restored")


@dataclass(frozen=True, kw_only=True)
class Shot:
    """One picture of a scene: `kind` is "degraded", "restored" or "clean"; `psnr_db` of the whole test image."""

    kind: str
    label: str
    alt: str
    uri: str
    psnr_db: float | None = None

    @property
    def told(self) -> str:
        """The PSNR as the page prints it, "" where there is none."""
        return "" if self.psnr_db is None else f"{self.psnr_db:.2f} dB"


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One crop of a test image under one condition: degraded first, then by every method, then clean."""

    title: str
    width: int
    height: int
    shots: tuple[Shot, ...]

    @property
    def gain_db(self) -> float:
        """The best method's PSNR less the degraded input's; 0 where one of them is not known."""
        known = {kind: [s.psnr_db for s in self.shots if s.kind == kind and s.psnr_db is not None] for kind in _SCORED}
        return max(known["restored"]) - max(known["degraded"]) if all(known.values()) else 0.0


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """Every scene that the page has room for, by condition; `remarks` say what is left out and why."""

    scenes: tuple[Scene, ...] = ()
    remarks: tuple[str, ...] = ()


def gallery(study: Study, *, most: int = MOST_CHARACTERS) -> Gallery:
    """Crops of each variant's first finished run that has any, the first image of every condition before the second.

    Args:
        study: whose runs hold samples.
        most: characters that all data: URIs together may have.
    """
    found = _samples(study)
    every = {key for samples in found.values() for key in samples}
    keys = sorted(every, key=lambda k: (schema.condition_sort_key(k[0]), k))
    place: dict[tuple[str, str], int] = {}
    for condition, image in keys:
        place[condition, image] = sum(c == condition for c, _ in place)
    made: dict[tuple[str, str], Scene] = {}
    odd: dict[str, None] = {}
    room, too_many = most, 0
    for key in sorted(keys, key=lambda k: place[k]):
        scene, differing = _scene(study, key, {v: s[key] for v, s in found.items() if key in s})
        odd.update(dict.fromkeys(differing))
        if scene is None:
            continue
        size = sum(len(shot.uri) for shot in scene.shots)
        if size > room:
            too_many += 1
            continue
        room -= size
        made[key] = scene
    remarks = []
    if too_many:
        images = format_quantity(too_many, "image")
        remarks.append(message("{images} left out to keep the page small; the runs' samples hold them.", images=images))
    remarks += [message("Left out where its crop is not of the same input, or is no PNG: {name}.", name=n) for n in odd]
    return Gallery(scenes=tuple(made[k] for k in keys if k in made), remarks=tuple(remarks))


def _samples(study: Study) -> dict[str, dict[tuple[str, str], Sample]]:
    """Variant -> (condition, image) -> crop."""
    found: dict[str, dict[tuple[str, str], Sample]] = {}
    for variant in study.variants:
        for run in study.done_runs_of(variant):
            samples = load_samples(run)
            if samples:
                found[variant] = {(s.condition, s.image): s for s in reversed(samples)}
                break
    return found


def _scene(study: Study, key: tuple[str, str], samples: dict[str, Sample]) -> tuple[Scene | None, list[str]]:
    """The scene, and the variants whose crop does not belong beside the first one's."""
    condition, image = key
    label = condition_label(condition)
    where = {"condition": label, "image": image}
    shots: list[Shot] = []
    ends: tuple[bytes, bytes] | None = None
    size = (0, 0)
    clean_uri, odd = "", []
    for variant, sample in samples.items():
        pictures = _pngs((sample.degraded, sample.restored, sample.clean))
        if pictures is None or (ends is not None and (pictures[0], pictures[2]) != ends):
            odd.append(variant)
            continue
        degraded, restored, clean = pictures
        if ends is None:
            ends, size, clean_uri = (degraded, clean), _size(degraded), _uri(clean)
            shots.append(
                Shot(
                    kind="degraded", label=message("degraded"), uri=_uri(degraded), psnr_db=sample.input_psnr_db,
                    alt=message(
                        "{condition}, image {image}: degraded by {degradation}, PSNR {psnr:.2f} dB",
                        **where, degradation=in_sentence(label), psnr=sample.input_psnr_db,
                    ),
                )
            )  # fmt: skip
        shots.append(
            Shot(
                kind="restored", label=study.label(variant), uri=_uri(restored), psnr_db=sample.psnr_db,
                alt=message(
                    "{condition}, image {image}: restored by {variant}, PSNR {psnr:.2f} dB",
                    **where, variant=study.label(variant), psnr=sample.psnr_db,
                ),
            )
        )  # fmt: skip
    if not shots:
        return None, odd
    shots.append(
        Shot(
            kind="clean",
            label=message("clean"),
            uri=clean_uri,
            alt=message("{condition}, image {image}: clean", **where),
        )
    )
    return Scene(title=joined([label, image], " · "), width=size[0], height=size[1], shots=tuple(shots)), odd


def _pngs(paths: Iterable[Path]) -> tuple[bytes, ...] | None:
    """The files' bytes where all are PNGs of one reasonable size; else None."""
    contents = tuple(path.read_bytes() for path in paths)
    sizes = {_size(content) for content in contents}
    return contents if len(sizes) == 1 and (0, 0) not in sizes else None


def _size(content: bytes) -> tuple[int, int]:
    """Width and height in pixels; (0, 0) for what is no PNG or is too large for a crop."""
    try:
        with Image.open(io.BytesIO(content), formats=("PNG",)) as picture:
            picture.load()
            return picture.size if max(picture.size) <= MOST_SIDE_PX else (0, 0)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return 0, 0


def _uri(content: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(content).decode("ascii")
