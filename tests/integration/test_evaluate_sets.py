"""`python -m ablations.evaluate --data`: images seen in training apart, printed numbers beside measured ones, own folders."""

import json

import numpy as np
import pytest
from PIL import Image

from reports.schema import read_images
from tests.support.evaluations import call, picture


@pytest.fixture
def root(tmp_path):
    """Rain100L's layout with three pairs, the second of which stands in BSD400."""
    for folder in ("Rain100L/degraded", "Rain100L/clean", "BSD400"):
        (tmp_path / "root" / folder).mkdir(parents=True)
    for number in (1, 2, 3):
        clean = picture(number)
        Image.fromarray(clean).save(tmp_path / f"root/Rain100L/clean/{number}.png")
        Image.fromarray((clean // 2 + 60).astype(np.uint8)).save(tmp_path / f"root/Rain100L/degraded/{number}.png")
    for seed in (2, 9):
        Image.fromarray(picture(seed)).save(tmp_path / f"root/BSD400/{seed}000.png")
    return tmp_path / "root"


def test_seen_and_unseen_images_apart(capsys, root, tmp_path):
    code, out, err = call(capsys, "identity", "--data", "paper", "--root", root, "--json", "--out", tmp_path / "out")
    assert code == 0
    assert "looking for the test images among the 2 photographs of bsd400" in err
    means = {row["part"]: row for row in json.loads(out)["means"]}
    assert {part: row["images"] for part, row in means.items()} == {"all": 3, "seen": 1, "unseen": 2}
    total = sum(means[part]["psnr_db"] * means[part]["images"] for part in ("seen", "unseen"))
    assert means["all"]["psnr_db"] == pytest.approx(total / 3)
    rows = read_images(tmp_path / "out/images.parquet")
    assert set(rows.loc[rows["seen"] == "seen", "image"]) == {"rain100l-test/2"}
    assert set(rows["protocol"]) == {"allinone-v1"}


def test_printed_numbers_beside_measured_ones(capsys, root):
    arguments = ("identity", "--data", "paper", "--root", root, "--reported", "DFPIR 3-task")
    code, out, _ = call(capsys, *arguments)
    assert code == 0
    assert "Not compared, not the whole set: Rain100L: 3 of 100 images." in out
    code, out, _ = call(capsys, *arguments, "--protocol", "suite")
    assert code == 0
    assert "belong to protocol allinone: not comparable" in out


def test_folders_of_pairs_and_of_clean_images(capsys, tmp_path):
    for folder in ("degraded", "clean"):
        (tmp_path / "pairs" / folder).mkdir(parents=True)
        Image.fromarray(picture(1)).save(tmp_path / "pairs" / folder / "a.png")
    code, _, err = call(capsys, "identity", "--data", tmp_path / "pairs")
    assert code == 2
    assert "say with --tasks" in err
    code, out, _ = call(capsys, "identity", "--data", tmp_path / "pairs", "--tasks", "blur", "--json")
    assert code == 0
    (row,) = json.loads(out)["means"]
    assert row["psnr_db"] is None, "a perfect image's PSNR is infinite, which JSON can't say"
    (tmp_path / "clean").mkdir()
    for seed in (1, 2):
        Image.fromarray(picture(seed)).save(tmp_path / f"clean/{seed}.png")
    code, out, _ = call(capsys, "identity", "--data", tmp_path / "clean", "--json")
    assert code == 0
    assert [row["images"] for row in json.loads(out)["means"]] == [2] * 7
    (tmp_path / "clean/broken.png").write_text("no image")
    code, _, err = call(capsys, "identity", "--data", tmp_path / "clean")
    assert code == 2
    assert "broken.png" in err
