"""Contact sheets: degraded images over their clean partners, on one PNG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from datasets.catalog.finder import LocalDataset, Pair
from datasets.readers import ImageRefused, read_rgb

CELL, MARGIN, LABEL = 192, 6, 16
_PAPER, _INK, _FAULT = (255, 255, 255), (30, 30, 30), (180, 30, 30)


def contact_sheet(dataset: LocalDataset, count: int = 12, columns: int = 6) -> Image.Image:
    """A sheet of images spread evenly over the set; each degraded image stands above its clean one.

    A file that does not decode leaves its reason in its cell.

    Args:
        dataset: the set.
        count: images to show, at most.
        columns: images in a row.

    Raises:
        ValueError: count or columns below 1, or the set has no images.
    """
    if count < 1 or columns < 1:
        raise ValueError(f"A contact sheet needs count and columns of at least 1, got {count} and {columns}.")
    if not dataset.pairs:
        raise ValueError(f"{dataset.spec.title} has no images to show.")
    pairs = _spread(dataset.pairs, count)
    rows = -(-len(pairs) // columns)
    images_per_cell = 2 if dataset.spec.paired else 1
    cell_height = images_per_cell * (CELL + MARGIN) + LABEL
    sheet = Image.new(
        "RGB", (columns * (CELL + MARGIN) + MARGIN, rows * (cell_height + MARGIN) + MARGIN + LABEL), _PAPER
    )
    draw = ImageDraw.Draw(sheet)
    head = f"{dataset.spec.title}: {len(pairs)} of {len(dataset.pairs)} images"
    draw.text((MARGIN, 3), head + (", degraded above clean" if dataset.spec.paired else ""), fill=_INK)
    for index, pair in enumerate(pairs):
        left = MARGIN + index % columns * (CELL + MARGIN)
        top = MARGIN + LABEL + index // columns * (cell_height + MARGIN)
        for path in ([pair.degraded] if pair.degraded else []) + [pair.clean]:
            _place(sheet, draw, path, left, top)
            top += CELL + MARGIN
        draw.text((left, top), pair.name[-30:], fill=_INK)
    return sheet


def save_contact_sheet(dataset: LocalDataset, path: Path, count: int = 12, columns: int = 6) -> Path:
    """Write `contact_sheet` as a PNG, atomically, and give back its path."""
    if path.is_dir() or path.suffix.lower() != ".png":
        what = "that is a folder" if path.is_dir() else "only PNG is written"
        raise ValueError(f"--out {path}: {what}; name a file that ends in .png.")
    sheet = contact_sheet(dataset, count, columns)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    try:
        sheet.save(temporary, format="PNG")
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return path


def _spread(pairs: Sequence[Pair], count: int) -> list[Pair]:
    count = min(count, len(pairs))
    return [pairs[index * len(pairs) // count] for index in range(count)]


def _place(sheet: Image.Image, draw: ImageDraw.ImageDraw, path: Path, left: int, top: int) -> None:
    try:
        image = Image.fromarray(read_rgb(path))
    except ImageRefused as refusal:
        draw.rectangle((left, top, left + CELL, top + CELL), outline=_FAULT)
        words = f"{path.name}: {refusal.reason}"
        lines = [words[start : start + 28] for start in range(0, min(len(words), 196), 28)]
        draw.multiline_text((left + 4, top + 4), "\n".join(lines), fill=_FAULT)
        return
    image.thumbnail((CELL, CELL), Image.Resampling.LANCZOS)
    sheet.paste(image, (left + (CELL - image.width) // 2, top + (CELL - image.height) // 2))
