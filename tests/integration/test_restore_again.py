"""`python -m ablations.restore` into a folder that holds something: going on, refusing, and what is passed over."""

import json

import pytest
from PIL import Image

from ablations.harness.evaluating.pretrained import PretrainedModel
from ablations.restore import main
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


def test_an_interrupted_folder_goes_on(capsys, folder, tmp_path, ffdnet, monkeypatch):
    for number in range(4):
        Image.fromarray(pixels(20, 30, 3, seed=number)).save(folder / f"{number}.png")
    whole, out = tmp_path / "whole", tmp_path / "out"
    assert call(capsys, folder, *ffdnet, "--out", whole)[0] == 0
    restored = PretrainedModel.restore
    done: list[object] = []

    def counted(self, images, condition):
        done.append(images)
        return restored(self, images, condition)

    def interrupted(self, images, condition):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(images)
        return restored(self, images, condition)

    monkeypatch.setattr(PretrainedModel, "restore", interrupted)
    code, _, err = call(capsys, folder, *ffdnet, "--out", out)
    assert code == 130
    assert "the same command does the rest" in err
    with (out / "restored.jsonl").open("a") as record:
        record.write('{"name": "2.png", "cut sho')  # power went
    (out / "1.png").unlink()  # named, and not written
    monkeypatch.setattr(PretrainedModel, "restore", counted)
    code, said, err = call(capsys, folder, *ffdnet, "--out", out)
    assert (code, err) == (0, "")
    assert "1 restored before, 3 to go." in said
    assert len(done) == 2 + 3
    for number in range(4):
        assert (out / f"{number}.png").read_bytes() == (whole / f"{number}.png").read_bytes()
    code, said, _ = call(capsys, folder, *ffdnet, "--out", out)
    assert (code, len(done)) == (0, 5)
    assert "4 restored before, 0 to go." in said


def test_outputs_made_otherwise_need_force(capsys, folder, tmp_path, ffdnet):
    for number in range(2):
        Image.fromarray(pixels(20, 30, 3, seed=number)).save(folder / f"{number}.png")
    out = tmp_path / "out"
    assert call(capsys, folder, *ffdnet, "--out", out)[0] == 0
    first = (out / "0.png").read_bytes()
    code, _, err = call(capsys, folder, *ffdnet[:-1], "noise-50", "--out", out)
    assert code == 2
    assert "0.png and 1 more exist already, made by another degradation (noise-25, not noise-50)" in err
    assert err.count("\n") == 1
    code, _, err = call(capsys, folder, *IDENTITY, "--out", out)
    assert (code, "made by another model (ffdnet, not identity)" in err) == (2, True)
    assert (out / "0.png").read_bytes() == first
    Image.fromarray(pixels(20, 30, 3, seed=9)).save(folder / "0.png")  # another picture of that name
    code, _, err = call(capsys, folder, *ffdnet, "--out", out)
    assert (code, "0.png exists already, of another picture or changed since" in err) == (2, True)
    assert call(capsys, folder, *ffdnet[:-1], "noise-50", "--out", out, "--force")[0] == 0
    lines = [json.loads(line) for line in (out / "restored.jsonl").read_text().splitlines()]
    assert [line["terms"]["degradation"] for line in lines[-2:]] == ["noise-50"] * 2


def test_files_of_other_formats_are_counted(capsys, folder, tmp_path):
    Image.fromarray(pixels(20, 30, 3)).save(folder / "a.png")
    for name in ("1.heic", "2.HEIC", "3.dng"):
        (folder / name).write_bytes(b"x")
    (folder / "inner").mkdir()
    (folder / "inner/4.heic").write_bytes(b"x")  # inner folders are not restored
    code, said, _ = call(capsys, folder, *IDENTITY, "--out", tmp_path / "out")
    assert code == 0
    assert "3 files in unsupported formats skipped (.dng 1, .heic 2); read are .png, .jpg" in said
    (folder / "a.png").unlink()
    code, _, err = call(capsys, folder, *IDENTITY, "--out", tmp_path / "other")
    assert (code, "skipped (.dng 1, .heic 2)" in err) == (2, True)
