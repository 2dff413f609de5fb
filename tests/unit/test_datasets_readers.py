"""Image reading rules: what is converted, what is refused and with which words."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from datasets.readers import ImageRefused, is_image_name, read_image, read_rgb, read_size, unread_formats_note

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (12, 17, 3), dtype=np.uint8)


def saved(folder: Path, name: str, image: Image.Image, **options: Any) -> Path:
    path = folder / name
    image.save(path, **options)
    return path


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "ppm"])
def test_lossless_rgb_is_read_as_it_is(tmp_path, suffix):
    path = saved(tmp_path, f"a.{suffix}", Image.fromarray(RGB))
    assert np.array_equal(read_rgb(path), RGB)
    assert read_size(path) == (12, 17)
    assert read_image(path).notes == ()


def test_greyscale_palette_bilevel_and_opaque_alpha_are_converted(tmp_path):
    image = Image.fromarray(RGB)
    grey = saved(tmp_path, "grey.png", image.convert("L"))
    assert np.array_equal(read_rgb(grey), np.repeat(np.asarray(image.convert("L"))[..., None], 3, axis=2))
    assert read_image(grey).notes == ("greyscale converted to RGB",)
    palette = image.convert("P", palette=Image.Palette.ADAPTIVE)
    assert np.array_equal(read_rgb(saved(tmp_path, "p.png", palette)), np.asarray(palette.convert("RGB")))
    bilevel = image.convert("1")
    assert set(np.unique(read_rgb(saved(tmp_path, "1.png", bilevel)))) <= {0, 255}
    opaque = image.convert("RGBA")
    assert np.array_equal(read_rgb(saved(tmp_path, "rgba.png", opaque)), RGB)
    assert read_image(tmp_path / "rgba.png").notes == ("opaque alpha channel dropped",)


def test_exif_rotation_is_applied(tmp_path):
    image = Image.fromarray(RGB)
    exif = image.getexif()
    exif[0x0112] = 6
    path = saved(tmp_path, "turned.png", image, exif=exif)
    assert read_rgb(path).shape == (17, 12, 3)
    assert read_size(path) == (17, 12)
    assert np.array_equal(read_rgb(path), np.rot90(RGB, k=-1))
    assert read_image(path).notes == ("turned upright (EXIF orientation 6)",)


def sixteen_bit_rgb(path: Path) -> None:
    """Pillow can't write one, so a PNG's depth byte is patched: the reader must refuse before it decodes."""
    Image.fromarray(RGB).save(path)
    data = bytearray(path.read_bytes())
    data[24] = 16
    import zlib

    data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4, "big")
    path.write_bytes(data)


def refused_files(folder: Path) -> dict[str, tuple[Path, str]]:
    image = Image.fromarray(RGB)
    transparent = image.convert("RGBA")
    transparent.putalpha(128)
    whole = saved(folder, "whole.png", Image.fromarray(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)))
    (folder / "truncated.png").write_bytes(whole.read_bytes()[:600])
    jpeg = saved(folder, "whole.jpg", Image.fromarray(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)))
    (folder / "truncated.jpg").write_bytes(jpeg.read_bytes()[: jpeg.stat().st_size // 2])
    (folder / "empty.png").touch()
    (folder / "text.png").write_text("not an image")
    sixteen_bit_rgb(folder / "deep.png")
    (folder / "folder.png").mkdir()
    (folder / "loop.png").symlink_to(folder / "loop.png")
    (folder / "a.png").symlink_to(folder / "b.png")
    (folder / "b.png").symlink_to(folder / "a.png")
    (folder / "gone.png").symlink_to(folder / "nowhere.png")
    os.mkfifo(folder / "pipe.png")
    deep_grey = Image.fromarray(RNG.integers(0, 65535, (8, 8), dtype=np.uint16))
    frames = [Image.fromarray(RGB), Image.fromarray(RGB[::-1].copy())]
    frames[0].save(folder / "frames.tif", save_all=True, append_images=frames[1:])
    return {
        "transparent": (saved(folder, "t.png", transparent), "transparent"),
        "cmyk": (saved(folder, "cmyk.jpg", image.convert("CMYK")), "colour model CMYK"),
        "grey16": (saved(folder, "grey16.png", deep_grey), "more than 8 bits"),
        "float": (saved(folder, "float.tif", Image.fromarray(np.zeros((4, 4), np.float32))), "more than 8 bits"),
        "rgb16": (folder / "deep.png", "more than 8 bits"),
        "truncated png": (folder / "truncated.png", "broken or truncated"),
        "truncated jpg": (folder / "truncated.jpg", "broken or truncated"),
        "empty": (folder / "empty.png", "zero bytes"),
        "text": (folder / "text.png", "not an image"),
        "missing": (folder / "nothing.png", "no such file"),
        "folder": (folder / "folder.png", "not a regular file"),
        "pipe": (folder / "pipe.png", "not a regular file"),
        "self loop": (folder / "loop.png", "loops"),
        "loop of two": (folder / "a.png", "loops"),
        "dangling": (folder / "gone.png", "link to a file that isn't there"),
        "frames": (folder / "frames.tif", "2 frames"),
    }


def test_what_no_rule_covers_is_refused_with_name_and_reason(tmp_path):
    for what, (path, reason) in refused_files(tmp_path).items():
        with pytest.raises(ImageRefused) as caught:
            read_rgb(path)
        assert reason in caught.value.reason, what
        assert str(path) in str(caught.value), what


def test_a_refusal_survives_a_process_border(tmp_path):
    refusal = pickle.loads(pickle.dumps(ImageRefused(tmp_path / "a.png", "empty")))
    assert (refusal.path, refusal.reason) == (tmp_path / "a.png", "empty")


def test_huge_headers_are_refused_without_decoding(tmp_path):
    path = tmp_path / "bomb.ppm"
    path.write_bytes(b"P6 60000 60000 255\n")
    with pytest.raises(ImageRefused, match="megapixels"):
        read_rgb(path)


def test_names():
    assert is_image_name(Path("a.PNG"))
    assert is_image_name(Path("ü ß'.jpeg"))
    assert not is_image_name(Path("._a.png"))
    assert not is_image_name(Path("a.png.txt"))


def deep_files(folder: Path) -> list[Path]:
    """Sixteen bits a sample in every shape that Pillow reads as eight without a word (F2)."""
    tifffile = pytest.importorskip("tifffile")
    deep = RNG.integers(0, 65536, (16, 24, 4), dtype=np.uint16)
    shapes = {
        "rgb.tif": (deep[..., :3], {"photometric": "rgb"}),
        "twelve.tif": (deep[..., :3] >> 4, {"photometric": "rgb"}),
        "rgba.tif": (deep, {"photometric": "rgb", "extrasamples": ["unassalpha"]}),
        "planar.tiff": (deep[..., :3].transpose(2, 0, 1).copy(), {"photometric": "rgb", "planarconfig": "separate"}),
        "deflate.tif": (deep[..., :3], {"photometric": "rgb", "compression": "zlib"}),
    }
    for name, (pixels, options) in shapes.items():
        tifffile.imwrite(folder / name, pixels, **options)
    colours = deep[..., :3].astype(">u2").tobytes()
    (folder / "binary.ppm").write_bytes(b"P6\n# made by hand 255\n24 16\n65535\n" + colours)
    (folder / "twelve.ppm").write_bytes(b"P6 24 16 4095\n" + (deep[..., :3] >> 4).astype(">u2").tobytes())
    (folder / "words.ppm").write_text("P3\n2 1\n65535\n" + " ".join(map(str, [0, 9000, 65535] * 2)))
    return sorted(path for path in folder.iterdir() if path.suffix in (".tif", ".tiff", ".ppm"))


def test_deep_colour_is_refused_by_name_and_never_cut(tmp_path):
    files = deep_files(tmp_path)
    assert len(files) == 8
    for path in files:
        for read in (read_rgb, read_size):
            with pytest.raises(ImageRefused, match="more than 8 bits") as caught:
                read(path)
            assert str(path) in str(caught.value)


def test_shallow_ppm_and_tiff_are_read(tmp_path):
    (tmp_path / "odd.ppm").write_bytes(b"P6\n#c 65535\n1 1\n255\n\x01\x02\x03")
    assert read_rgb(tmp_path / "odd.ppm").tolist() == [[[1, 2, 3]]]
    path = saved(tmp_path, "plain.tif", Image.fromarray(RGB))
    assert np.array_equal(read_rgb(path), RGB)


def test_of_an_mpo_file_the_first_picture_is_read(tmp_path):
    """F19: phones and drones write MPO under .jpg."""
    first, thumb = Image.fromarray(np.full((32, 48, 3), 200, np.uint8)), Image.new("RGB", (8, 8))
    first.save(tmp_path / "phone.jpg", format="MPO", save_all=True, append_images=[thumb])
    image = read_image(tmp_path / "phone.jpg")
    assert image.pixels.shape == (32, 48, 3)
    assert abs(int(image.pixels.mean()) - 200) <= 2
    assert image.notes == ("first of 2 pictures of an MPO file",)


def test_formats_that_are_passed_over_are_counted(tmp_path):
    for name in ("a.heic", "b.HEIC", "sub/c.dng", "._d.gif", "e.txt", "f.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert unread_formats_note(tmp_path) == "3 files in unsupported formats skipped (.dng 1, .heic 2)"
