"""Folders of the user's own: what counts as pairs, what is refused, and which side of the split everything lands on."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from ablations.data import FolderOptions, load_data, open_data
from datasets.__main__ import main
from datasets.pairs.layouts import find_pair_sets
from datasets.protocols import get_protocol
from datasets.sources.folder import load_folder
from datasets.sources.folder_split import split_by_count
from datasets.sources.paper import load_root
from datasets.tasks import Task
from datasets.test_sets.discovery import find_test_sets
from datasets.test_sets.opening import TestQuery, open_clean_images
from tests.support.pair_folders import pair, picture, write

USUAL = [
    ("degraded", "clean", None),
    ("input", "target", None),
    ("lq", "gt", None),
    ("LQ", "HQ", None),
    ("noisy", "reference", Task.NOISE),
    ("rain", "norain", Task.RAIN),
    ("Rainy", "GT", Task.RAIN),
    ("hazy", "gt", Task.HAZE),
    ("blur", "sharp", Task.BLUR),
    ("Low", "High", Task.LOWLIGHT),
]


def clean_images(folder):
    (images,) = open_clean_images(folder, TestQuery(rules=get_protocol("suite"))).sets
    return images


@pytest.fixture
def rainy(tmp_path):
    for number in range(10):
        pair(tmp_path / "mine", f"rainy/{number}.png", f"gt/{number}.png", number)
    return tmp_path / "mine"


@pytest.mark.parametrize(("bad", "good", "task"), USUAL)
def test_usual_names_are_pairs_wherever_the_folder_is_used(tmp_path, bad, good, task):
    """F1, B1: degraded images are never clean ones."""
    for number in range(3):
        pair(tmp_path, f"{bad}/{number}.png", f"{good}/{number}.png", number)
    told: Task = task or Task.RAIN
    (found,) = find_pair_sets(tmp_path, [told])
    assert (found.task, found.split, len(found.pairs)) == (told, "", 3)
    (scored,) = find_test_sets(tmp_path, told)
    assert [each.name for each in scored.images] == ["0", "1", "2"]
    if told is Task.NOISE:
        with pytest.raises(ValueError, match="noise is drawn here"):
            load_folder(tmp_path, tasks=[told])
        return
    data = load_folder(tmp_path, tasks=[told])
    assert [c.task for c in data.conditions] == [told]
    for sample in (*data.train, *data.val, *data.test):
        assert sample.degraded is not None
        assert np.array_equal(sample.degraded, sample.clean // 2 + 60)
    assert f"pairs of files, for {told.name} alone" in data.description


def test_pairs_train_on_the_files_themselves(rainy):
    data = load_folder(rainy)
    degraded, clean = data.batch(data.conditions, [1], 48)
    assert np.allclose((clean * 255 // 2 + 60).numpy(), (degraded * 255).numpy(), atol=1e-3)
    (item,) = data.eval_items("test", data.conditions)
    assert np.array_equal(item.degraded, item.clean // 2 + 60)


@pytest.mark.parametrize(
    ("bad", "good"),
    [
        ("train/{}/blur/7.png", "train/{}/sharp/7.png"),
        ("Training/blur/{}/7.png", "Training/sharp/{}/7.png"),
        ("blur/train/{}.png", "sharp/train/{}.png"),
    ],
)
def test_sequences_and_an_own_split_are_kept(tmp_path, bad, good):
    for number in range(6):
        pair(tmp_path, bad.format(f"s{number}"), good.format(f"s{number}"), number)
    test = (bad.replace("train/", "test/").replace("Training", "Test"), good.replace("train/", "test/"))
    pair(tmp_path, test[0].format("z"), test[1].replace("Training", "Test").format("z"), 77)
    data = load_folder(tmp_path)
    assert [np.array_equal(sample.clean, picture(77)) for sample in data.test] == [True]
    assert (len(data.train), len(data.val)) == (5, 1)
    assert "split as its own folders are" in data.description
    (scored,) = find_test_sets(tmp_path)
    assert len(scored.images) == 1
    assert any("6 pairs of its other parts not used" in note for note in scored.notes)


@pytest.mark.parametrize(
    ("bad", "good", "task"),
    [
        ("rain-001.png", "norain-001.png", Task.RAIN),
        ("001x2.png", "1.png", Task.RAIN),
        ("0001_0.8_0.2.jpg", "0001.png", Task.HAZE),
        ("a.webp", "A.png", Task.BLUR),
        ("low00001.png", "normal00001.png", Task.LOWLIGHT),
    ],
)
def test_documented_pairing_rules(tmp_path, bad, good, task):
    """F14: the rules of docs/datasets.md hold for folders of one's own."""
    pair(tmp_path, f"degraded/{bad}", f"clean/{good}", 1)
    (found,) = find_pair_sets(tmp_path, [task])
    assert [(p.degraded.name, p.clean.name) for p in found.pairs] == [(bad, good)]
    assert not found.unpaired_degraded


def test_a_haze_level_is_no_partner_by_guess(tmp_path):
    pair(tmp_path, "degraded/7_0.8.png", "clean/7_1.0.png", 1)
    (found,) = find_pair_sets(tmp_path, [Task.HAZE])
    assert not found.pairs
    assert [path.name for path in found.unpaired_degraded] == ["7_0.8.png"]


def test_many_degraded_images_of_one_clean_one_stay_on_one_side(tmp_path):
    for number in range(6):
        for level in range(3):
            pair(tmp_path, f"hazy/{number}_{level}.png", f"gt/{number}.png", number)
    data = load_folder(tmp_path)
    assert sum(len(side) for side in (data.train, data.val, data.test)) == 18
    assert len({sample.scene for sample in data.test}) == 1
    assert len(data.test) == 3


def test_what_is_not_used_is_counted(rainy):
    write(rainy / "gt/spare.png", picture(90))
    write(rainy / "blur_gamma/9.png", picture(91))
    data = load_folder(rainy)
    assert "1 image without a degraded partner not used (gt/spare.png)" in data.description
    assert "1 image outside of these folders not used (blur_gamma/9.png)" in data.description
    (scored,) = find_test_sets(rainy)
    assert any("gt/spare.png" in note for note in scored.notes)


def test_degraded_images_without_partner(rainy):
    write(rainy / "rainy/alone.png", picture(90))
    with pytest.raises(ValueError, match=r"1 degraded images have no clean partner \(rainy/alone.png\)"):
        load_folder(rainy)
    data = load_folder(rainy, skip_bad=True)
    assert "1 files skipped (rainy/alone.png: no clean partner)" in data.description
    (scored,) = find_test_sets(rainy)
    assert [Path(file).name for file, _ in scored.refused] == ["alone.png"]


def test_pairs_under_other_names_are_refused_everywhere(tmp_path, capsys):
    for number in range(4):
        pair(tmp_path / "odd", f"A/{number}.png", f"B/{number}.png", number)
    with pytest.raises(ValueError, match=r"A and B hold the same pictures.*input/ \+ target/"):
        load_folder(tmp_path / "odd")
    assert main(["score", str(tmp_path / "odd"), "--protocol", "suite", "--task", "noise"]) == 2
    assert "A and B hold the same pictures" in capsys.readouterr().err


def test_equal_names_alone_are_no_pairs(tmp_path):
    """Two albums that number their photographs alike, and a backup of one of them."""
    for number in range(6):
        write(tmp_path / f"rome/{number}.png", picture(number))
        write(tmp_path / f"oslo/{number}.png", picture(100 + number))
        write(tmp_path / f"backup/{number}.png", picture(number))
    data = load_folder(tmp_path)
    assert sum(len(side) for side in (data.train, data.val, data.test)) == 12
    assert "6 copies of other images left out" in data.description


def test_an_empty_side_is_named(tmp_path):
    write(tmp_path / "clean/1.png", picture(1))
    (tmp_path / "degraded").mkdir()
    for use in (load_folder, find_test_sets):
        with pytest.raises(ValueError, match="degraded holds no images, clean/ beside it does"):
            use(tmp_path)


def test_pairs_of_no_known_task_ask_for_it(tmp_path):
    for number in range(3):
        pair(tmp_path, f"lq/{number}.png", f"gt/{number}.png", number)
    with pytest.raises(ValueError, match="say with --tasks which degradation they show"):
        load_folder(tmp_path)


def test_a_told_task_that_the_names_deny_is_refused(rainy):
    with pytest.raises(ValueError, match="holds pairs of rain, by its folders' names, and none of haze"):
        load_folder(rainy, tasks=[Task.HAZE])


def test_tasks_side_by_side(tmp_path):
    for number in range(4):
        pair(tmp_path, f"derain/input/{number}.png", f"derain/target/{number}.png", number)
        pair(tmp_path, f"dehaze/input/{number}.png", f"dehaze/target/{number}.png", 50 + number)
    data = load_folder(tmp_path)
    assert [c.name for c in data.conditions] == ["rain", "haze"]
    assert len(load_folder(tmp_path, tasks=[Task.HAZE]).conditions) == 1


@pytest.mark.parametrize(("count", "want"), [(3, (1, 1, 1)), (9, (7, 1, 1)), (12, (10, 1, 1)), (50, (40, 5, 5))])
def test_plain_folders_are_split_by_count(tmp_path, count, want):
    """A3: a threshold on a hash gave 4 / 5 / 3 of twelve photographs."""
    for number in range(count):
        write(tmp_path / f"{number}.png", picture(number, 33))
    data = load_folder(tmp_path)
    assert (len(data.train), len(data.val), len(data.test)) == want
    assert "split by count, 80 / 10 / 10" in data.description


def test_another_split_is_other_data(tmp_path):
    for number in range(10):
        write(tmp_path / f"{number}.png", picture(number, 33))
    usual, other = load_folder(tmp_path), load_folder(tmp_path, split=(50, 20, 30))
    assert (len(other.train), len(other.val), len(other.test)) == (5, 2, 3)
    assert usual.checksum != other.checksum
    with pytest.raises(ValueError, match="add up to 100"):
        split_by_count(usual.train, (50, 20, 20))


def test_clean_images_keep_their_own_split_and_copies_leave_training(tmp_path):
    for number in range(6):
        write(tmp_path / f"train/{number}.png", picture(number))
    for number in (5, 8):
        write(tmp_path / f"test/{number}.png", picture(number))
    data = load_folder(tmp_path)
    assert {sample.name for sample in data.test} == {"test/5.png", "test/8.png"}
    assert len(data.train) + len(data.val) == 5
    assert "1 images left out that stand in another part, too" in data.description
    with pytest.raises(ValueError, match="of its own, which are kept"):
        load_folder(tmp_path, split=(60, 20, 20))


@pytest.mark.parametrize("side", ["degraded", "clean"])
def test_two_files_of_one_name_are_an_error_that_names_both(tmp_path, side):
    """F7: one of them was dropped without a word, and the score changed."""
    for number in range(3):
        pair(tmp_path / "own", f"degraded/{number}.png", f"clean/{number}.png", number)
    write(tmp_path / f"own/{side}/1.webp", np.zeros((48, 48, 3), np.uint8))
    for use in (lambda folder: load_folder(folder, tasks=[Task.RAIN]), find_test_sets):
        with pytest.raises(ValueError, match=rf"{side}/1.png and {side}/1.webp are two files of one name"):
            use(tmp_path / "own")


def test_two_clean_files_of_one_name(tmp_path):
    for number in range(4):
        write(tmp_path / f"{number}.png", picture(number))
    write(tmp_path / "2.webp", picture(9))
    for use in (load_folder, clean_images):
        with pytest.raises(ValueError, match=r"2.png and 2.webp are two files of one name"):
            use(tmp_path)


def test_two_files_of_one_name_in_a_known_set(tmp_path):
    for number in range(3):
        write(tmp_path / f"CBSD68/000{number}.png", picture(number))
        write(tmp_path / f"BSD400/{number}.png", picture(50 + number))
    write(tmp_path / "CBSD68/0001.jpg", picture(1))
    for use in (find_test_sets, load_root):
        with pytest.raises(ValueError, match=r"cbsd68: .*0001.png: same name as .*0001.jpg"):
            use(tmp_path)


def test_formats_that_are_not_read_are_counted(tmp_path):
    for number in range(3):
        write(tmp_path / f"{number}.png", picture(number))
    (tmp_path / "phone.heic").write_bytes(b"x")
    assert "1 files in unsupported formats skipped (.heic 1)" in load_folder(tmp_path).description


def test_bad_files_can_be_skipped_and_are_named(tmp_path):
    for number in range(4):
        write(tmp_path / f"{number}.png", picture(number))
    (tmp_path / "zz.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"zz.png: not an image .*--skip-bad"):
        load_folder(tmp_path)
    assert "1 files skipped (zz.png: not an image" in load_folder(tmp_path, skip_bad=True).description


def test_an_album_of_trains_is_no_split(tmp_path):
    for number in range(5):
        write(tmp_path / f"train/{number}.png", picture(number))
        write(tmp_path / f"boats/{number}.png", picture(50 + number))
    data = load_folder(tmp_path)
    assert (len(data.train), len(data.val), len(data.test)) == (8, 1, 1)
    assert len(clean_images(tmp_path).images) == 10


def test_training_pairs_alone_are_split_by_count(tmp_path):
    for number in range(10):
        pair(tmp_path, f"train/rainy/{number}.png", f"train/gt/{number}.png", number)
    data = load_folder(tmp_path)
    assert (len(data.train), len(data.val), len(data.test)) == (8, 1, 1)


def test_of_clean_images_with_a_split_the_test_side_is_scored(tmp_path):
    for number in range(4):
        write(tmp_path / f"train/{number}.png", picture(number))
    write(tmp_path / "test/9.png", picture(9))
    data = open_clean_images(tmp_path, TestQuery(rules=get_protocol("suite")))
    assert [each.name for each in data.sets[0].images] == ["test/9.png"]
    assert data.notes == ("test/ alone: 4 images of its other parts not used",)


def test_a_run_loads_the_same_images_again(rainy, tmp_path):
    """Split, skipped files and the told task are part of what a run knows of its data."""
    for number in range(10):
        pair(tmp_path / "lq", f"lq/{number}.png", f"gt/{number}.png", number)
    (tmp_path / "lq/lq/3.png").write_bytes(b"")
    ref, bundle = open_data(
        str(tmp_path / "lq"), folder=FolderOptions(tasks=["rain"], split=(60, 20, 20), skip_bad=True)
    )
    assert (ref.tasks, ref.split, ref.skip_bad, ref.kind) == (("rain",), (60, 20, 20), True, "folder")
    spec = SimpleNamespace(data=ref, protocol="suite-v1")
    assert load_data(spec).checksum == bundle.checksum
    usual, _ = open_data(str(rainy))
    assert (usual.tasks, usual.split) == ((), None)
    with pytest.raises(ValueError, match="--split goes with --data FOLDER"):
        open_data("embedded", folder=FolderOptions(split=(60, 20, 20)))
