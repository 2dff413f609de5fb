"""Thousands of malformed files: each is read or refused with its name; nothing crashes, hangs or goes unmentioned."""

from __future__ import annotations

import io
import random
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image

from datasets.check import check_root
from datasets.fetch import FetchError, unpack
from datasets.readers import ImageRefused, read_rgb, read_size

COUNT = 2400


def seeds() -> list[tuple[str, bytes]]:
    """Small valid files of every format and colour model, to be broken."""
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, (9, 11, 3), dtype=np.uint8))
    kinds: list[tuple[str, Image.Image, str, dict[str, object]]] = [
        (".png", image, "PNG", {}),
        (".png", image.convert("P"), "PNG", {}),
        (".png", image.convert("LA"), "PNG", {}),
        (".png", Image.fromarray(rng.integers(0, 65535, (5, 5), dtype=np.uint16)), "PNG", {}),
        (".jpg", image, "JPEG", {}),
        (".jpg", image.convert("CMYK"), "JPEG", {}),
        (".jpg", image, "JPEG", {"progressive": True}),
        (".bmp", image, "BMP", {}),
        (".tif", image, "TIFF", {}),
        (".tif", image, "TIFF", {"compression": "tiff_lzw"}),
        (".webp", image, "WEBP", {"lossless": True}),
        (".ppm", image, "PPM", {}),
    ]
    files = []
    for suffix, each, kind, options in kinds:
        buffer = io.BytesIO()
        each.save(buffer, kind, **options)  # type: ignore[arg-type]
        files.append((suffix, buffer.getvalue()))
    return files


def broken(random_: random.Random, body: bytes) -> bytes:
    """One of the ways in which files break."""
    way = random_.randrange(6)
    if way == 0:
        return body[: random_.randrange(len(body))]
    if way == 1:
        at = random_.randrange(len(body))
        return body[:at] + random_.randbytes(random_.randrange(1, 40)) + body[at:]
    if way == 2:
        return random_.randbytes(random_.randrange(60)) + body[random_.randrange(len(body)) :]
    if way == 3:
        return body[: len(body) // 2] + bytes(len(body) - len(body) // 2)
    changed = bytearray(body)
    # Headers are where sizes, depths and offsets stand: break them as often as the rest.
    reach = min(len(body), 64) if way == 4 else len(body)
    for _ in range(random_.randrange(1, 8)):
        changed[random_.randrange(reach)] = random_.randrange(256)
    return bytes(changed)


def test_every_malformed_file_is_read_or_refused(tmp_path):
    random_, files = random.Random(0), seeds()
    read = refused = named = 0
    for number in range(COUNT):
        suffix, body = files[number % len(files)]
        path = tmp_path / f"{number}{suffix}"
        path.write_bytes(broken(random_, body))
        try:
            pixels = read_rgb(path)
        except ImageRefused as refusal:
            named += bool(refusal.path == path and refusal.reason)
            refused += 1
        else:
            assert pixels.dtype == np.uint8
            assert pixels.ndim == 3
            assert pixels.shape[2] == 3
            assert read_size(path) == pixels.shape[:2]
            read += 1
        path.unlink()
    assert (read + refused, named) == (COUNT, refused)
    assert refused > COUNT / 3
    assert read > 50


def test_a_check_of_broken_files_mentions_each(tmp_path):
    random_, files = random.Random(1), seeds()
    folder = tmp_path / "Urban100"
    folder.mkdir()
    names = [
        *(f"img_{number:03d}" for number in range(1, 101)),
        "ü ß",
        "-rf",
        "a'b\"c",
        "%s{}",
        "x" * 200,
        "\U0001f327",
    ]
    unreadable = set()
    for number, name in enumerate(names):
        suffix, body = files[number % len(files)]
        path = folder / f"{name}{suffix}"
        path.write_bytes(broken(random_, body) if number % 3 else body)
        try:
            read_rgb(path)
        except ImageRefused:
            unreadable.add(str(path))
    report = check_root(tmp_path)
    (each,) = report.sets
    assert each.found == len(names)
    assert {problem.subject for problem in each.problems if problem.kind == "refused"} == unreadable
    assert len([problem for problem in each.problems if problem.kind == "extra"]) == 6
    assert not each.whole


def archives() -> list[tuple[str, bytes]]:
    made = []
    for suffix, mode in ((".tar", "w"), (".tgz", "w:gz")):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode=mode) as file:  # type: ignore[call-overload]
            for name in ("a/1.jpg", "a/2.jpg"):
                info = tarfile.TarInfo(name)
                info.size = 300
                file.addfile(info, io.BytesIO(bytes(range(100)) * 3))
        made.append((suffix, buffer.getvalue()))
    return made


def test_broken_archives_never_write_outside_their_folder(tmp_path):
    random_, files = random.Random(2), archives()
    refused = 0
    for number in range(300):
        suffix, body = files[number % len(files)]
        path = tmp_path / f"{number}{suffix}"
        path.write_bytes(broken(random_, body))
        out = tmp_path / "out" / str(number)
        try:
            written = unpack(path, out)
        except FetchError:
            refused += 1
        else:
            assert all(file.parent == out and file.is_file() and not file.is_symlink() for file in written)
        path.unlink()
    assert 30 < refused < 300
    assert sorted(each.name for each in tmp_path.iterdir()) == ["out"]


def test_paths_are_never_mistaken(tmp_path: Path) -> None:
    """A file called like an option, a format string or a glob is a file."""
    for name in ("--help.png", "*.png", "[a].png", "{0}.png", "a\nb.png"):
        path = tmp_path / name
        Image.new("RGB", (3, 2)).save(path, "PNG")
        assert read_rgb(path).shape == (2, 3, 3)
