"""`python -m ablations.restore`: what survives in a file, what is refused, tiles, and the guess."""

import io
import json

import numpy as np
import pytest
import torch
from PIL import Image

import ablations.harness.evaluating.degradation_classifier as guessing
from ablations.checkpoint_options import RestoreOptions
from ablations.flags import flag_name, iter_options
from ablations.harness.evaluating.degradation_classifier import (
    ClassifierNetwork,
    load_or_train_classifier,
    split_into_views,
    train_network,
    view_boxes,
)
from ablations.harness.evaluating.pretrained import PretrainedModel
from ablations.harness.evaluating.specialists import SPECIALISTS
from ablations.harness.restoring.image_files import encode_png16, read_image_file
from ablations.restore import main
from datasets.sources.embedded import load_embedded
from tests.support.command_lines import call_of
from tests.support.restoring import drawn_ffdnet, pixels

IDENTITY = ("--model", "identity", "--degradation", "haze")


call = call_of(main)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


@pytest.fixture
def ffdnet(tmp_path):
    return drawn_ffdnet(tmp_path / "ffdnet.pt")


def test_the_flags_are_these():
    flags = {flag_name(name) for name, _ in iter_options(RestoreOptions())}
    assert flags == {
        "--images", "--version", "--model", "--weights", "--config", "--degradation", "--out", "--tile", "--text-encoder",
        "--codes", "--device", "--force", "--use", "--data", "--root", "--runs",
    }  # fmt: skip


def test_help_states_the_rules(capsys):
    code, out, _ = call(capsys, "--help")
    assert code == 0
    for word in ("65535", "alpha", "Grey images", "never overwritten", "guess"):
        assert word in " ".join(out.split())


@pytest.mark.parametrize(
    ("name", "mode"),
    [("a.png", "RGB"), ("a.png", "RGBA"), ("a.png", "L"), ("a.png", "LA"), ("a.bmp", "RGB"), ("a.tif", "RGB"),
     ("a.tiff", "RGBA"), ("a.webp", "RGB"), ("a.ppm", "RGB"), ("A.PNG", "RGB")],
)  # fmt: skip
def test_eight_bit_files_come_back_as_they_were(capsys, folder, tmp_path, name, mode):
    bands = len(Image.new(mode, (1, 1)).getbands())
    array = pixels(41, 37, bands) if bands > 1 else pixels(41, 37)
    Image.fromarray(array).save(folder / name, **({"lossless": True} if name.endswith("webp") else {}))
    code, out, _ = call(capsys, folder, *IDENTITY, "--out", tmp_path / "out")
    assert code == 0
    with Image.open(tmp_path / "out" / name) as after:
        assert after.mode == mode
        assert np.array_equal(np.asarray(after), array)
    assert ("alpha kept untouched" in out) == (mode in ("RGBA", "LA"))
    assert ("written grey" in out) == (mode in ("L", "LA"))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_sixteen_bits_survive(capsys, folder, tmp_path, channels):
    array = pixels(33, 45, channels, kind=np.uint16)
    (folder / "deep.png").write_bytes(encode_png16(array, b"a profile"))
    code, out, _ = call(capsys, folder / "deep.png", *IDENTITY, "--out", tmp_path / "out")
    assert code == 0
    assert "16 bits" in out
    after = read_image_file(tmp_path / "out" / "deep.png")
    assert after.colours.dtype == np.uint16
    assert after.profile == b"a profile"
    colours = array[..., :1].repeat(3, -1) if channels < 3 else array[..., :3]
    assert np.array_equal(after.colours, colours)
    assert (after.alpha is None) == (channels in (1, 3))
    assert after.alpha is None or np.array_equal(after.alpha, array[..., -1])
    with Image.open(tmp_path / "out" / "deep.png") as image:  # another reader takes it for a picture, too
        assert image.size == (45, 33)


def test_alpha_and_depth_survive_a_model_that_changes_colours(capsys, folder, tmp_path, ffdnet):
    array = pixels(40, 50, 4, kind=np.uint16)
    (folder / "deep.png").write_bytes(encode_png16(array))
    assert call(capsys, folder, *ffdnet, "--out", tmp_path / "out")[0] == 0
    after = read_image_file(tmp_path / "out" / "deep.png")
    assert np.array_equal(after.alpha, array[..., 3])
    assert not np.array_equal(after.colours, array[..., :3])
    assert len(np.unique(after.colours % 257)) > 1, "levels between those of 8 bits"


def test_palette_and_orientation(capsys, folder, tmp_path):
    Image.fromarray(pixels(20, 30, 3)).quantize(16).save(folder / "palette.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    smooth = np.linspace(0, 255, 40 * 24 * 3).reshape(40, 24, 3).astype(np.uint8)
    Image.fromarray(smooth).save(folder / "turned.jpg", exif=exif, quality=100)
    code, out, _ = call(capsys, folder, *IDENTITY, "--out", tmp_path / "out")
    assert code == 0
    assert "palette written as RGB" in out
    assert "turned upright" in out
    with Image.open(tmp_path / "out/palette.png") as after, Image.open(folder / "palette.png") as before:
        assert np.array_equal(np.asarray(after), np.asarray(before.convert("RGB")))
    with Image.open(tmp_path / "out/turned.jpg") as after:
        assert after.size == (40, 24)
        assert after.getexif().get(0x0112, 1) == 1


def test_broken_files_are_named_and_the_others_done(capsys, folder, tmp_path):
    Image.fromarray(pixels(20, 30, 3)).save(folder / "good.png")
    buffer = io.BytesIO()
    Image.fromarray(pixels(64, 64, 3)).save(buffer, format="PNG")
    (folder / "cut.png").write_bytes(buffer.getvalue()[:3000])
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.jpg").write_text("no image")
    (folder / "deep.png").write_bytes(encode_png16(pixels(20, 20, 3, kind=np.uint16))[:-900])
    Image.new("CMYK", (20, 20)).save(folder / "print.jpg")
    missing = folder / "missing.png"
    code, out, err = call(capsys, folder, missing, *IDENTITY, "--out", tmp_path / "out")
    assert code == 1
    assert err == ""
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"good.png", "restored.jsonl"}
    for name in ("cut.png", "empty.png", "text.jpg", "deep.png", "print.jpg", "missing.png"):
        assert f"{name}: " in out.partition("6 of 7 images were not restored")[2]
    assert "colour model CMYK" in out
    assert "no such file" in out


def test_nothing_is_written_over(capsys, folder, tmp_path):
    source = folder / "a.png"
    Image.fromarray(pixels(20, 30, 3)).save(source)
    before = source.read_bytes()
    code, _, err = call(capsys, source, *IDENTITY, "--out", folder, "--force")
    assert code == 2
    assert "inputs are never written over" in err
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.png").write_text("mine")
    code, _, err = call(capsys, source, *IDENTITY, "--out", out)
    assert code == 2
    assert "say --force" in err
    assert (out / "a.png").read_text() == "mine"
    assert call(capsys, source, *IDENTITY, "--out", out, "--force")[0] == 0
    assert np.array_equal(np.asarray(Image.open(out / "a.png")), np.asarray(Image.open(source)))
    # a link to an input is that input
    (out / "a.png").unlink()
    (out / "a.png").symlink_to(source)
    assert call(capsys, source, *IDENTITY, "--out", out, "--force")[0] == 2
    assert source.read_bytes() == before


def test_two_inputs_of_one_name(capsys, tmp_path):
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
        Image.fromarray(pixels(20, 30, 3)).save(tmp_path / name / "a.png")
    code, _, err = call(capsys, tmp_path / "x", tmp_path / "y", *IDENTITY, "--out", tmp_path / "out")
    assert code == 2
    assert "would both be written" in err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("--degradation", "hase"), "Unknown condition 'hase'"),
        (("--degradation", "rain"), "ffdnet serves noise"),
        (("--tile", "20"), "--tile 20: 64 pixels or more"),
        (("--tile", "x"), "--tile"),
        (("--model", "ffdnett"), "Did you mean 'ffdnet'?"),
        (("--model", "prenet"), "does not fit the model"),
        (("--weights", "no.pt"), "No weights file at no.pt"),
        (("--device", "gpu"), "Unknown device 'gpu'"),
        (("--bogus",), "unrecognized arguments"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(capsys, folder, tmp_path, ffdnet, change, message):
    Image.fromarray(pixels(20, 30, 3)).save(folder / "a.png")
    code, _, err = call(capsys, folder, *ffdnet, "--out", tmp_path / "out", *change)
    assert code == 2
    assert message in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_tiles_give_the_whole_images_result(capsys, folder, tmp_path, ffdnet):
    smooth = np.kron(pixels(12, 40, 3), np.ones((8, 8, 1), dtype=np.uint8))
    Image.fromarray(smooth).save(folder / "wide.png")
    code, out, _ = call(capsys, folder, *ffdnet, "--out", tmp_path / "tiled", "--tile", 256)
    assert code == 0
    assert "tiles of 256" in out
    code, out, _ = call(capsys, folder, *ffdnet, "--out", tmp_path / "whole")
    assert code == 0
    assert "whole" in out
    tiled, whole = (np.asarray(Image.open(tmp_path / name / "wide.png")).astype(int) for name in ("tiled", "whole"))
    assert np.abs(tiled - whole).max() <= 1  # a value on the edge between two levels may fall to either side
    assert (tiled != whole).mean() < 1e-4


def test_tiles_shrink_with_the_free_memory(capsys, folder, tmp_path, ffdnet, monkeypatch):
    monkeypatch.setattr("ablations.harness.restoring.restore_command.free_bytes", lambda device: 10_000_000)
    Image.fromarray(pixels(300, 200, 3)).save(folder / "a.png")
    code, out, _ = call(capsys, folder, *ffdnet, "--out", tmp_path / "out")
    assert code == 0
    assert "tiles of 1" in out


@pytest.fixture(scope="module")
def bundle():
    return load_embedded()


def test_the_guess_is_trained_once_judged_and_labelled(capsys, folder, tmp_path, monkeypatch, bundle):
    monkeypatch.setattr(
        "ablations.harness.restoring.restore_command.load_or_train_classifier",
        lambda b, runs: load_or_train_classifier(b, runs, steps=4),
    )
    item = bundle.eval_items("test", [bundle.conditions[2]], limit=1)[0]
    Image.fromarray(item.degraded).save(folder / "noisy.png")
    auto = ("--model", "identity", "--degradation", "auto", "--runs", tmp_path / "runs")
    code, first, _ = call(capsys, folder, *auto, "--out", tmp_path / "one")
    assert code == 0
    assert "noisy.png: noise-50, a guess (" in first
    assert "guessed by a classifier" in first
    (weights,) = (tmp_path / "runs/guess").glob("*.safetensors")
    record = json.loads(weights.with_suffix(".json").read_text())
    assert record["parameters"] <= 100_000
    assert list(record["confusion"]) == [c.name for c in bundle.conditions]
    assert {sum(row.values()) for row in record["confusion"].values()} == {16}
    monkeypatch.setattr(guessing, "train_network", lambda *arguments: pytest.fail("trained twice"))
    code, second, _ = call(capsys, folder, *auto, "--out", tmp_path / "two")
    assert code == 0
    assert second == first


@pytest.fixture
def guess_of(monkeypatch, tmp_path, bundle):
    """A classifier that gives every image these scores, of noise-15, -25, -50, rain, haze, blur and lowlight."""

    def use(*scores):
        model = ClassifierNetwork(7)
        monkeypatch.setattr(model, "forward", lambda image: torch.tensor([scores]))
        path = tmp_path / "x.safetensors"
        guesser = guessing.DegradationClassifier(
            model=model, conditions=bundle.conditions, data="", confusion={}, path=path
        )
        monkeypatch.setattr(
            "ablations.harness.restoring.restore_command.load_or_train_classifier", lambda *arguments: guesser
        )

    return use


def test_a_guess_that_the_model_does_not_serve_is_said(capsys, folder, tmp_path, ffdnet, guess_of):
    guess_of(3.0, 2.0, 1.0, 0.0, 0.0, 0.0, 9.0)
    Image.fromarray(pixels(40, 40, 3)).save(folder / "a.png")
    code, out, _ = call(capsys, folder, *ffdnet, "--degradation", "auto", "--out", tmp_path / "out")
    assert code == 0
    assert "a.png: noise-15, a guess" in out
    assert "does not serve lowlight, which it looks like" in out


def test_noise_guesses_the_level_alone(capsys, folder, tmp_path, guess_of):
    guess_of(1.0, 2.0, 3.0, 0.0, 0.0, 0.0, 9.0)
    Image.fromarray(pixels(40, 40, 3)).save(folder / "a.png")
    code, out, _ = call(capsys, folder, "--model", "identity", "--degradation", "noise", "--out", tmp_path / "out")
    assert code == 0
    assert "a.png: noise-50, a guess" in out
    assert "since noise was asked for, not lowlight, which it looks like" in out
    torch.save(SPECIALISTS["prenet"][0]().network.state_dict(), tmp_path / "prenet.pt")
    prenet = ("--model", "prenet", "--weights", tmp_path / "prenet.pt")
    code, _, err = call(capsys, folder, *prenet, "--degradation", "noise", "--out", tmp_path / "other")
    assert code == 2
    assert "serves rain" in err


CPU_MEMORY = "[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory: you tried to allocate 9"


@pytest.mark.parametrize("error", [RuntimeError(CPU_MEMORY), MemoryError(), torch.OutOfMemoryError("CUDA")])
def test_tiles_are_halved_where_memory_runs_out(capsys, folder, tmp_path, monkeypatch, error):
    whole, most = PretrainedModel.restore, [200]

    def restore(self, images, condition):
        if max(images.shape[-2:]) > most[0]:
            raise error
        return whole(self, images, condition)

    monkeypatch.setattr(PretrainedModel, "restore", restore)
    monkeypatch.setattr("ablations.harness.restoring.restore_command.bytes_per_pixel", lambda restore: 1.0)
    array = pixels(500, 400, 3)
    Image.fromarray(array).save(folder / "a.png")
    code, out, _ = call(capsys, folder, *IDENTITY, "--out", tmp_path / "out")
    assert code == 0
    assert "tiles of 125" in out
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out/a.png")), array)
    most[0] = 10
    code, out, _ = call(capsys, folder, *IDENTITY, "--out", tmp_path / "other")
    assert code == 1
    assert "memory does not hold a tile of" in out
    assert not (tmp_path / "other/a.png").exists()


def test_the_classifier_is_the_same_every_time(bundle):
    first, second = (train_network(bundle, steps=3).state_dict() for _ in range(2))
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("size", [(1, 1), (5, 300), (128, 128), (129, 400), (3000, 2000)])
def test_views_lie_inside_images_of_any_size(size):
    for rows, columns in view_boxes(*size):
        assert 0 <= rows.start < rows.stop <= size[0]
        assert 0 <= columns.start < columns.stop <= size[1]
    model = ClassifierNetwork(7).eval()
    for view in split_into_views(torch.rand(1, 3, *size))[:2]:
        assert model(view).isfinite().all()


@pytest.mark.slow
def test_what_the_whole_training_reaches(bundle, tmp_path):
    assert load_or_train_classifier(bundle, tmp_path).accuracy > 0.8
