"""Any folder of images as data: split by content, degraded on the fly."""

from __future__ import annotations

from pathlib import Path

from datasets.corpus import DataBundle, Pixels, Sample
from datasets.embedded import smooth_depth
from datasets.noise import content_hash
from datasets.readers import ImageRefused, is_image_name, read_rgb
from datasets.seeding import stable_seed

_SMALLEST = 32
_SHOWN = 20


def load_folder(path: str | Path) -> DataBundle:
    """The images under a folder: about 80 % to train on, 10 % to validate, 10 % to test, at least one each.

    Sides are chosen by the images' content, so that a picture stays on its side when others are added and a copy under
    another name never ends on the other side.

    Raises:
        ValueError: no such folder, fewer than three different images, or files that can't be used: all of them named.
    """
    root = Path(path)
    if not root.is_dir():
        raise ValueError(f"{root} is no folder: give one that holds images.")
    samples = _read(root)
    if len(samples) < 3:
        raise ValueError(
            f"{root} holds {len(samples)} different images; three are needed: to train, to validate and to test."
        )
    test, val, train = _split(samples)
    return DataBundle(
        name=root.resolve().name or "folder",
        description=f"{len(train)} images to train on, {len(val)} to validate, {len(test)} to test, from the folder "
        f"{root.resolve().name}; all degradations synthetic",
        train=tuple(train),
        val=tuple(val),
        test=tuple(test),
    )


def _split(samples: list[Sample]) -> tuple[list[Sample], list[Sample], list[Sample]]:
    """Test, validation and training images: a tenth, a tenth and the rest of the range of the content's hash.

    Where a part would stay empty it takes an image from the fullest one: only then can a later image move another.
    """
    parts: tuple[list[Sample], list[Sample], list[Sample]] = ([], [], [])
    for sample in sorted(samples, key=_place):
        parts[min(int(_place(sample) * 10), 2)].append(sample)
    for part in parts:
        if not part:
            part.append(max(parts, key=len).pop(0))
    return parts


def _place(sample: Sample) -> float:
    """Where the image's content falls in [0, 1)."""
    return stable_seed("split", content_hash(sample.clean)) / 2**63


def _read(root: Path) -> list[Sample]:
    """One sample for each different image; problems are reported together."""
    problems: list[str] = []
    found: dict[str, Sample] = {}
    for path in sorted(p for p in root.rglob("*") if is_image_name(p) and not p.is_dir()):
        try:
            pixels = read_rgb(path)
        except ImageRefused as refused:
            problems.append(f"{path.relative_to(root)}: {refused.reason}")
            continue
        if min(pixels.shape[:2]) < _SMALLEST:
            problems.append(f"{path.relative_to(root)}: {pixels.shape[1]}x{pixels.shape[0]}, under {_SMALLEST} px")
            continue
        found.setdefault(content_hash(pixels), _sample(path.relative_to(root).as_posix(), pixels))
    if problems:
        more = f" and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise ValueError(
            f"{len(problems)} files of {root} can't be used: {'; '.join(problems[:_SHOWN])}{more}. Mend or move them."
        )
    return list(found.values())


def _sample(name: str, pixels: Pixels) -> Sample:
    return Sample(name=name, scene=name, clean=pixels, depth=smooth_depth(pixels), source=name)
