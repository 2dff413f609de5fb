"""`python -m ablations.evaluate --data`: images seen in training apart, printed numbers beside measured ones, own folders."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from datasets.protocols import get_protocol
from datasets.readers import read_rgb
from datasets.score import score_inputs
from datasets.tasks import Task, noise
from datasets.test_sets import discovery, opening
from datasets.test_sets.opening import TestQuery
from reports.schema import read_images
from tests.support.evaluations import call, picture
from tests.support.pair_folders import write


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
    assert set(rows.loc[rows["in_training_set"] == "yes", "image"]) == {"rain100l-test/2"}
    assert set(rows["protocol"]) == {"allinone-v1"}


def test_a_part_of_a_known_set_is_said_to_be_a_part(capsys, root, tmp_path):
    command = ("identity", "--data", "paper", "--root", root, "--out", tmp_path / "out")
    code, out, _ = call(capsys, *command)
    assert code == 0
    words = "rain100l-test: 3 of the set's 100 images, so means are not comparable with the complete set's"
    assert words in out
    found = json.loads((tmp_path / "out/evaluation.json").read_text())
    assert found["partial"] == {"rain100l-test": 100}
    assert words in found["data"]
    assert "3 of the set&#39;s 100 images" in (tmp_path / "out/evaluation.html").read_text()


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


@pytest.fixture
def pairs(tmp_path):
    for number in (1, 2, 3):
        write(tmp_path / f"mine/Input/{number}.png", (picture(number) // 2 + 60).astype(np.uint8))
        write(tmp_path / f"mine/Target/{number}.png", picture(number))
    return tmp_path / "mine"


def test_noise_files_need_their_level(capsys, pairs):
    code, _, err = call(capsys, "identity", "--data", pairs, "--tasks", "noise")
    assert code == 2
    assert "Noisy files are of one level: name it instead of the task, as in noise-15." in err
    code, out, _ = call(capsys, "identity", "--data", pairs, "--tasks", "noise-25", "--json")
    assert code == 0
    assert [row["images"] for row in json.loads(out)["means"]] == [3]


def test_bad_pairs_are_skipped_when_asked(capsys, pairs):
    (pairs / "Input/2.png").write_bytes(b"")
    write(pairs / "Input/9.png", picture(9))
    code, _, err = call(capsys, "identity", "--data", pairs, "--tasks", "rain")
    assert code == 2
    assert "9.png: no clean partner" in err
    assert "--skip-bad" in err
    code, out, err = call(capsys, "identity", "--data", pairs, "--tasks", "rain", "--skip-bad", "--json")
    assert code == 0
    assert [row["images"] for row in json.loads(out)["means"]] == [2]
    assert "2 files skipped" in err
    assert "2.png: empty (zero bytes)" in err


def test_bad_files_of_the_fields_sets_are_skipped_when_asked(capsys, root):
    """Broken ones, and those that are too small for the protocol."""
    (root / "Rain100L/degraded/2.png").write_bytes(b"")
    for side in ("degraded", "clean"):
        write(root / f"Rain100L/{side}/3.png", picture(3)[:9])
    code, out, err = call(
        capsys, "identity", "--data", "paper", "--root", root, "--tasks", "rain", "--skip-bad", "--json"
    )
    assert code == 0, err
    assert [row["images"] for row in json.loads(out)["means"]] == [1]
    assert "rain100l-test: 2 files skipped" in err
    assert "2.png: empty (zero bytes)" in err
    assert "crops to a multiple of 16" in err


@pytest.mark.parametrize("protocol", ["allinone", "restormer", "moceir", "y-channel"])
def test_clean_images_get_the_noise_of_each_protocol(capsys, tmp_path, protocol):
    """F15: the same numbers as `python -m datasets score FOLDER --task noise`."""
    for seed in (1, 2, 3):
        write(tmp_path / f"photos/sub/{seed}.png", picture(seed))
    code, out, err = call(capsys, "identity", "--data", tmp_path / "photos", "--protocol", protocol, "--json")
    assert code == 0, err
    means = {row["condition"]: row["psnr_db"] for row in json.loads(out)["means"]}
    query = TestQuery(rules=get_protocol(protocol), tasks=(Task.NOISE,))
    (scored,) = score_inputs(tmp_path / "photos", query)
    assert {mean.condition: mean.psnr_db for mean in scored.means()} == means
    code, _, err = call(capsys, "identity", "--data", tmp_path / "photos", "--protocol", protocol, "--tasks", "rain")
    assert code == 2
    assert "gives clean images noise alone" in err


def test_no_folder_full_of_images_holds_none(capsys, tmp_path):
    write(tmp_path / "photos/1.png", picture(1))
    code, _, err = call(capsys, "identity", "--data", "paper", "--root", tmp_path / "photos")
    assert code == 2
    assert "but 1 images" in err
    (tmp_path / "phone").mkdir()
    (tmp_path / "phone/a.heic").write_bytes(b"x")
    code, _, err = call(capsys, "identity", "--data", tmp_path / "phone")
    assert code == 2
    assert "no image in it that is read here (1 files in unsupported formats skipped (.heic 1))" in err


def test_one_clean_image_at_a_time_is_in_memory(tmp_path, monkeypatch):
    """F9: a folder was decoded whole, whatever --limit said."""
    for seed in range(6):
        write(tmp_path / f"photos/{seed}.png", picture(seed))
    decoded: list[str] = []

    def counted(path):
        decoded.append(path.name)
        return read_rgb(path)

    monkeypatch.setattr(opening, "read_rgb", counted)
    images = opening.open_clean_images(tmp_path / "photos", TestQuery(rules=get_protocol("suite")))
    assert decoded == []
    assert len(list(images.items([noise(25)], 1))) == 1
    assert decoded == ["0.png"]


def test_an_evaluation_of_a_folder_takes_memory_for_one_photograph(tmp_path):
    """F9: 300 MB a photograph of the folder, whatever --limit said. Here twelve of six megapixels: 500 MB."""
    for seed in range(12):
        write(tmp_path / f"photos/{seed}.jpg", np.array(Image.fromarray(picture(seed)).resize((3000, 2000))))
    peaks = []
    for folder in ("one", "photos"):
        if folder == "one":
            write(tmp_path / "one/0.jpg", np.array(Image.open(tmp_path / "photos/0.jpg")))
        program = (
            "import resource, sys; from ablations.evaluate import main; assert main(sys.argv[1:]) == 0; "
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
        )
        arguments = ["identity", "--data", str(tmp_path / folder), "--tasks", "noise-25", "--limit", "1"]
        done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
        peaks.append(int(done.stderr.split()[-1]) >> 10)
    assert peaks[1] < peaks[0] + 250, "MB, with twelve photographs in the folder and with one"


def test_twelve_megapixels_take_little_besides_the_libraries(tmp_path):
    """F9: 1,500 MB besides the libraries' 650."""
    write(tmp_path / "photos/0.jpg", np.array(Image.fromarray(picture(0)).resize((4000, 3000))))
    program = (
        "import resource, sys; peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss; "
        "import ablations.harness.evaluating.evaluate_command; before = peak(); from ablations.evaluate import main; "
        "assert main(sys.argv[1:]) == 0; print(peak() - before, file=sys.stderr)"
    )
    arguments = ["identity", "--data", str(tmp_path / "photos"), "--tasks", "noise-25"]
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
    assert int(done.stderr.split()[-1]) >> 10 < 500


@pytest.mark.parametrize("skip", [(), ("--skip-bad",)])
def test_pairs_that_the_limit_leaves_out_are_not_decoded(capsys, pairs, monkeypatch, skip):
    decoded = set()

    def counted(path):
        decoded.add(path.name)
        return read_rgb(path)

    monkeypatch.setattr(discovery, "read_rgb", counted)
    code, _, err = call(capsys, "identity", "--data", pairs, "--tasks", "rain", "--limit", "2", *skip)
    assert code == 0, err
    assert decoded == {"1.png", "2.png"}


def test_clean_images_that_the_limit_leaves_out_are_not_decoded_to_skip_bad_ones(capsys, tmp_path, monkeypatch):
    for seed in range(4):
        write(tmp_path / f"photos/{seed}.png", picture(seed))
    (tmp_path / "photos/0.png").write_bytes(b"not an image")
    decoded = []

    def counted(path):
        decoded.append(path.name)
        return read_rgb(path)

    monkeypatch.setattr(opening, "read_rgb", counted)
    arguments = ("identity", "--data", tmp_path / "photos", "--tasks", "rain", "--limit", "2", "--skip-bad", "--json")
    code, out, err = call(capsys, *arguments)
    assert code == 0, err
    assert [row["images"] for row in json.loads(out)["means"]] == [2]
    assert set(decoded) == {"0.png", "1.png", "2.png"}
