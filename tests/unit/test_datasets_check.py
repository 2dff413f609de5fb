"""Catalogue, layouts, pairing and the check of a root, on small made-up trees and on the real images."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets.catalog import catalog, get_dataset
from datasets.catalog.finder import find_set, find_sets
from datasets.catalog.spec import Pairing
from datasets.check import check_root
from datasets.inspection import shift_between
from datasets.leaks import overlaps, thumbnail
from datasets.tasks import PAPER_TASKS
from tests.support.pair_folders import write

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"


def picture(seed: int, height: int = 40, width: int = 60) -> np.ndarray:
    """Smooth enough that its thumbnail says what it is."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (5, 7, 3), dtype=np.uint8))
    return np.array(coarse.resize((width, height), Image.Resampling.BICUBIC))


def rain(pixels: np.ndarray, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.where(rng.random(pixels.shape[:2])[..., None] < 0.05, 255, pixels).astype(np.uint8)


def write_pairs(degraded: Path, clean: Path, names: list[tuple[str, str]]) -> None:
    for seed, (first, second) in enumerate(names):
        write(degraded / first, rain(picture(seed), seed))
        if not (clean / second).exists():
            write(clean / second, picture(seed))


def test_specs_hold_what_the_paper_trains_and_tests_on():
    specs = catalog()
    counts = {name: spec.count for name, spec in specs.items()}
    assert counts["bsd400"] + counts["wed"] == 5144
    assert (counts["rain100l-train"], counts["reside-ots"], counts["gopro-train"], counts["lol-our485"]) == (
        200,
        72135,
        2103,
        485,
    )
    tests = {"cbsd68": 68, "urban100": 100, "kodak24": 24, "mcmaster": 18, "sots-outdoor": 500, "sots-outdoor-492": 492}
    assert {name: counts[name] for name in tests} == tests
    assert (counts["rain100l-test"], counts["gopro-test"], counts["lol-eval15"]) == (100, 1111, 15)
    for columns, total in ((0, 142_431), (1, 226_621)):
        assert sum(spec.count * spec.repeats[columns] for spec in specs.values()) == total
    for spec in specs.values():
        json.dumps(spec.to_json())
        assert all(spec.count == len(names) for names in spec.expected)
        for text in (spec.licence, spec.citation, spec.homepage, spec.instructions):
            assert text
        assert all(layout.degraded or not spec.paired for layout in spec.layouts)
        assert all(archive.checksum.startswith(("md5:", "sha256:")) for archive in spec.archives)


def test_unknown_names_get_a_hint():
    with pytest.raises(ValueError, match="Did you mean 'cbsd68'"):
        get_dataset("CBSD-68")


@pytest.mark.parametrize("name", [spec.name for spec in catalog().values()])
def test_every_layout_of_every_set_is_found(tmp_path, name):
    spec = get_dataset(name)
    stems = {
        "rain100l-train": ("rain-3.png", "norain-3.png"),
        "rain100l-test": ("rain-003.png", "norain-003.png"),
        "reside-ots": ("0025_0.8_0.1.jpg", "0025.jpg"),
        "bsd400": ("2018.jpg", "2018.jpg"),
        "wed": ("00001.bmp", "00001.bmp"),
        "urban100": ("img_001_SRF_4_HR.png", "img_001_SRF_4_HR.png"),
    }.get(name, ("0001_0.8_0.2.png", "0001.png") if spec.pairing is Pairing.HAZE else ("7.png", "7.png"))
    for number, layout in enumerate(spec.layouts):
        root = tmp_path / str(number) / ("data" if number % 2 else "")
        degraded = stems[0].replace("3.", "3x2.") if "rain_data_train" in "".join(layout.degraded) else stems[0]
        for folders, file in ((layout.degraded, degraded), (layout.clean, stems[1])):
            for folder in folders[:1]:
                write(root / folder.replace("/**", "/part1").replace("*", "GOPR01") / file, picture(1))
        found = find_set(tmp_path / str(number), spec)
        assert found is not None, layout
        assert len(found.pairs) == 1, layout
        assert (found.pairs[0].degraded is not None) == spec.paired


def test_folder_names_match_in_any_case(tmp_path):
    write(tmp_path / "cbsd68" / "0000.png", picture(0))
    assert [found.spec.name for found in find_sets(tmp_path)] == ["cbsd68"]


def test_bsd400_and_wed_share_a_folder_and_are_told_apart(tmp_path):
    for name in ("2018.jpg", "100007.jpg", "00001.bmp", "04744.bmp"):
        write(tmp_path / "data" / "Train" / "Denoise" / name, picture(0))
    names = {found.spec.name: [pair.name for pair in found.pairs] for found in find_sets(tmp_path)}
    assert names == {"bsd400": ["100007", "2018"], "wed": ["00001", "04744"]}


def test_missing_images_are_named(tmp_path):
    write_pairs(
        tmp_path / "Rain100L/input", tmp_path / "Rain100L/target", [(f"{n}.png", f"{n}.png") for n in range(3, 101)]
    )
    (found,) = find_sets(tmp_path)
    assert [p.subject for p in found.problems if p.kind == "missing"] == ["1", "2"]
    assert not found.complete


def test_haze_pairs_many_to_one_and_the_492_variant_takes_the_first(tmp_path):
    names = [("0001_0.8_0.2.jpg", "0001.png"), ("0001_0.9_0.1.jpg", "0001.png"), ("0002_1_0.1.jpg", "0002.png")]
    write_pairs(tmp_path / "SOTS/outdoor/hazy", tmp_path / "SOTS/outdoor/gt", names)
    (whole,) = find_sets(tmp_path)
    assert [(pair.name, pair.clean.stem) for pair in whole.pairs] == [
        ("0001_0.8_0.2", "0001"),
        ("0001_0.9_0.1", "0001"),
        ("0002_1_0.1", "0002"),
    ]
    (variant,) = find_sets(tmp_path, ["sots-outdoor-492"])
    assert [pair.name for pair in variant.pairs] == ["0001_0.8_0.2", "0002_1_0.1"]


def test_a_list_says_which_images_count(tmp_path):
    names = [("0001_0.8_0.1.jpg", "0001.jpg"), ("0001_0.8_0.2.jpg", "0001.jpg"), ("0002_1_0.1.jpg", "0002.jpg")]
    write_pairs(tmp_path / "data/Train/Dehaze/synthetic/part1", tmp_path / "data/Train/Dehaze/original", names)
    assert len(find_sets(tmp_path)[0].pairs) == 3
    listed = tmp_path / "data_dir/hazy/hazy_outside.txt"
    listed.parent.mkdir(parents=True)
    listed.write_text(
        "synthetic/part1/0001_0.8_0.2.jpg\nsynthetic/part1/0002_1_0.1.jpg\nsynthetic/part2/0003_1_0.1.jpg\n"
    )
    (found,) = find_sets(tmp_path)
    assert [pair.name for pair in found.pairs] == ["0001_0.8_0.2", "0002_1_0.1"]
    assert [(p.kind, p.subject) for p in found.problems] == [("missing", "0003_1_0.1")]


def test_gopro_sequences_pair_within_the_sequence(tmp_path):
    for sequence in ("GOPR01", "GOPR02"):
        base = tmp_path / "GOPRO_Large/test" / sequence
        write_pairs(base / "blur", base / "sharp", [("000001.png", "000001.png")])
        write(base / "blur_gamma" / "000001.png", picture(9))
    (found,) = find_sets(tmp_path)
    assert [pair.name for pair in found.pairs] == ["GOPR01/000001", "GOPR02/000001"]
    assert all(pair.degraded and pair.degraded.parent.name == "blur" for pair in found.pairs)


def broken_root(root: Path) -> None:
    base = root / "LOL-v1/eval15"
    write_pairs(base / "low", base / "high", [(f"{n}.png", f"{n}.png") for n in (1, 22, 23, 55, 79, 111)])
    write(base / "low/146.png", rain(picture(7), 7)[:, :-1])
    write(base / "high/146.png", picture(7))
    write(base / "low/179.png", picture(30))
    write(base / "high/493.png", picture(31))
    write(base / "low/547.png", picture(32))
    (base / "high/547.png").write_bytes((base / "low/547.png").read_bytes()[:100])
    write(base / "low/665.png", rain(picture(33), 1))
    write(base / "high/665.png", picture(33))
    write(base / "high/665.bmp", picture(33))
    for first, second in ((669, 778), (778, 669)):
        write(base / f"low/{first}.png", rain(picture(second), 0))
        write(base / f"high/{first}.png", picture(first))
    write(base / "low/780.png", picture(34))
    write(base / "high/780.png", picture(34))
    (base / "high/loop.png").symlink_to(base / "high/loop.png")
    (base / "low/loop.png").symlink_to(base / "low/loop.png")
    (base / "low/.DS_Store").touch()
    (base / "low/notes.txt").touch()


def test_one_check_reports_every_problem(tmp_path):
    broken_root(tmp_path)
    report = check_root(tmp_path, workers=1)
    (each,) = report.sets
    kinds = {(problem.kind, Path(problem.subject).name) for problem in each.problems}
    assert kinds == {
        ("size", "146.png"),
        ("unpaired", "179.png"),
        ("unpaired", "493.png"),
        ("refused", "547.png"),
        ("ambiguous", "665.png"),
        ("misplaced", "669.png"),
        ("misplaced", "778.png"),
        ("misplaced", "780.png"),
        ("missing", "179"),
        ("missing", "493"),
        ("missing", "665"),
        ("missing", "748"),
        ("extra", "loop.png"),
        ("refused", "loop.png"),
    }
    assert not each.whole
    assert each.ignored == 2
    assert json.loads(json.dumps(report.to_json()))["problem_count"] == len(report.problems)


def test_a_check_by_several_processes_says_the_same(tmp_path, monkeypatch):
    broken_root(tmp_path)
    monkeypatch.setattr("datasets.inspection.SERIAL_BELOW", 1)
    serial, parallel = (check_root(tmp_path, workers=workers) for workers in (1, 2))
    assert [each.problems for each in serial.sets] == [each.problems for each in parallel.sets]


def test_no_folder_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="No folder"):
        check_root(tmp_path / "nothing")
    assert check_root(tmp_path).sets == ()


def test_thumbnails_find_re_encoded_and_cut_copies_only(tmp_path):
    photos = [picture(seed, 80, 120) for seed in range(20)]
    copies = []
    for number in (3, 7):
        path = tmp_path / f"{number}.jpg"
        Image.fromarray(photos[number][1:, 1:]).save(path, quality=80)
        copies.append(np.array(Image.open(path)))
    test = [*copies, picture(100, 80, 120), np.zeros((8, 8, 3), np.uint8)]
    thumbs = [np.stack([thumbnail(image) for image in images]) for images in (photos, test)]
    found = overlaps({"train": ([str(n) for n in range(20)], thumbs[0])}, {"test": (list("abcd"), thumbs[1])})
    assert [(each.test_image, each.train_image) for each in found] == [("a", "3"), ("b", "7")]


def test_shifts_are_measured():
    image = np.random.default_rng(0).integers(0, 256, (120, 130, 3), dtype=np.uint8)
    image = np.array(Image.fromarray(image).resize((260, 240)))
    assert shift_between(image, image)[:2] == (0, 0)
    assert shift_between(image, np.roll(image, (3, -2), axis=(0, 1)))[:2] == (3, -2)
    shifted = shift_between(image[:-4, :-4], rain(image, 0)[4:, 4:])
    assert (shifted[0], shifted[1]) == (-4, -4)
    assert shifted[2] > 2


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="the real images are not beside the project")
def test_the_leak_of_the_fields_recipe_is_found():
    report = check_root(SHARED, workers=1)
    found = {each.name: each for each in report.sets}
    assert {name: each.whole for name, each in found.items() if each.whole} == dict.fromkeys(
        ("bsd400", "bsds500-val", "cbsd68", "rain100l-test", "lol-eval15"), True
    )
    assert {each.release for each in found.values() if each.whole} == {
        None,
        "BSDS500's JPEG files, train and test",
        "the pixels of BSDS500's JPEG files",
        "the release of 320x480 crops",
        "the original release",
    }
    assert report.overlap_counts() == {
        ("rain100l-test", "bsd400"): (75, 25),
        ("cbsd68", "bsds500-val"): (68, 0),
        ("rain100l-test", "bsds500-val"): (25, 75),
    }
    assert {problem.kind for problem in report.problems} == {"count", "missing"}
    assert report.tasks == [task.name for task in PAPER_TASKS]
