"""Folders of the user's own: what counts as pairs, what is refused, and which side of the split everything lands on."""

from __future__ import annotations

import os
import re
import shutil
import sys
import weakref
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from ablations.data import load_data, open_data
from datasets.__main__ import main
from datasets.folder import load_folder, memory_limit
from datasets.folder_split import split_by_count
from datasets.pair_layouts import find_pair_sets
from datasets.paired import load_root
from datasets.readers import read_rgb
from datasets.score import sets_to_score
from datasets.tasks import Task

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


def picture(seed: int, side: int = 48) -> np.ndarray:
    coarse = Image.fromarray(np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8))
    return np.array(coarse.resize((side, side), Image.Resampling.BICUBIC))


def write(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def pair(root: Path, bad: str, good: str, seed: int) -> None:
    write(root / bad, picture(seed) // 2 + 60)
    write(root / good, picture(seed))


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
    assert (found.task, found.part, len(found.pairs)) == (told, "", 3)
    (scored,) = sets_to_score(tmp_path, told)
    assert [each.name for each in scored.pairs] == ["0", "1", "2"]
    if told is Task.NOISE:
        with pytest.raises(ValueError, match="noise is drawn here"):
            load_folder(tmp_path, tasks=[told])
        return
    data = load_folder(tmp_path, tasks=[told])
    assert [c.task for c in data.conditions] == [told]
    for sample in (*data.train, *data.val, *data.test):
        assert sample.degraded is not None
        assert np.array_equal(sample.degraded, sample.clean // 2 + 60)
    assert f"pairs of files, for {told.value} alone" in data.description


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
    (scored,) = sets_to_score(tmp_path)
    assert len(scored.pairs) == 1
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
    assert not found.unpaired


def test_a_haze_level_is_no_partner_by_guess(tmp_path):
    pair(tmp_path, "degraded/7_0.8.png", "clean/7_1.0.png", 1)
    (found,) = find_pair_sets(tmp_path, [Task.HAZE])
    assert not found.pairs
    assert [path.name for path in found.unpaired] == ["7_0.8.png"]


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
    (scored,) = sets_to_score(rainy)
    assert any("gt/spare.png" in note for note in scored.notes)


def test_degraded_images_without_partner(rainy):
    write(rainy / "rainy/alone.png", picture(90))
    with pytest.raises(ValueError, match=r"1 degraded images have no clean partner \(rainy/alone.png\)"):
        load_folder(rainy)
    data = load_folder(rainy, skip_bad=True)
    assert "1 files skipped (rainy/alone.png: no clean partner)" in data.description
    (scored,) = sets_to_score(rainy)
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
    for use in (load_folder, sets_to_score):
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


def test_images_that_do_not_fit_in_memory_are_refused_from_their_headers(tmp_path, monkeypatch):
    for number in range(3):
        write(tmp_path / f"{number}.png", picture(number, 100))
    monkeypatch.setattr("datasets.folder.memory_limit", lambda: 200_000)
    with pytest.raises(ValueError, match=r"take 0\.0 GB decoded.*smaller images"):
        load_folder(tmp_path)


@pytest.mark.parametrize("side", ["degraded", "clean"])
def test_two_files_of_one_name_are_an_error_that_names_both(tmp_path, side):
    """F7: one of them was dropped without a word, and the score changed."""
    for number in range(3):
        pair(tmp_path / "own", f"degraded/{number}.png", f"clean/{number}.png", number)
    write(tmp_path / f"own/{side}/1.webp", np.zeros((48, 48, 3), np.uint8))
    for use in (lambda folder: load_folder(folder, tasks=[Task.RAIN]), sets_to_score):
        with pytest.raises(ValueError, match=rf"{side}/1.png and {side}/1.webp are two files of one name"):
            use(tmp_path / "own")


def test_two_clean_files_of_one_name(tmp_path):
    for number in range(4):
        write(tmp_path / f"{number}.png", picture(number))
    write(tmp_path / "2.webp", picture(9))
    for use in (load_folder, lambda folder: sets_to_score(folder, Task.NOISE)):
        with pytest.raises(ValueError, match=r"2.png and 2.webp are two files of one name"):
            use(tmp_path)


def test_two_files_of_one_name_in_a_known_set(tmp_path):
    for number in range(3):
        write(tmp_path / f"CBSD68/000{number}.png", picture(number))
        write(tmp_path / f"BSD400/{number}.png", picture(50 + number))
    write(tmp_path / "CBSD68/0001.jpg", picture(1))
    for use in (sets_to_score, load_root):
        with pytest.raises(ValueError, match=r"cbsd68: .*0001.png: same name as .*0001.jpg"):
            use(tmp_path)


def test_formats_that_are_not_read_are_counted(tmp_path):
    for number in range(3):
        write(tmp_path / f"{number}.png", picture(number))
    (tmp_path / "phone.heic").write_bytes(b"x")
    assert "1 files of formats that are not read passed over (.heic 1)" in load_folder(tmp_path).description


def test_bad_files_can_be_skipped_and_are_named(tmp_path):
    for number in range(4):
        write(tmp_path / f"{number}.png", picture(number))
    (tmp_path / "zz.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"zz.png: not an image .*--skip-bad"):
        load_folder(tmp_path)
    assert "1 files skipped (zz.png: not an image" in load_folder(tmp_path, skip_bad=True).description


def test_memory_that_runs_out_is_one_line(tmp_path, monkeypatch):
    def full(pixels):
        raise MemoryError

    for number in range(3):
        write(tmp_path / f"{number}.png", picture(number))
    monkeypatch.setattr("datasets.folder.smooth_depth", full)
    with pytest.raises(ValueError, match="do not fit in memory decoded"):
        load_folder(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="limits of address space are read on Linux")
def test_a_limit_of_address_space_counts_what_is_used_already(monkeypatch):
    import resource

    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    monkeypatch.setattr(resource, "getrlimit", lambda which: (used + (200 << 20), used + (200 << 20)))
    assert 90 << 20 < memory_limit() <= 100 << 20


def test_an_album_of_trains_is_no_split(tmp_path):
    for number in range(5):
        write(tmp_path / f"train/{number}.png", picture(number))
        write(tmp_path / f"boats/{number}.png", picture(50 + number))
    data = load_folder(tmp_path)
    assert (len(data.train), len(data.val), len(data.test)) == (8, 1, 1)
    (scored,) = sets_to_score(tmp_path, Task.NOISE)
    assert len(scored.pairs) == 10


def test_training_pairs_alone_are_split_by_count(tmp_path):
    for number in range(10):
        pair(tmp_path, f"train/rainy/{number}.png", f"train/gt/{number}.png", number)
    data = load_folder(tmp_path)
    assert (len(data.train), len(data.val), len(data.test)) == (8, 1, 1)


def test_of_clean_images_with_a_split_the_test_side_is_scored(tmp_path):
    for number in range(4):
        write(tmp_path / f"train/{number}.png", picture(number))
    write(tmp_path / "test/9.png", picture(9))
    (scored,) = sets_to_score(tmp_path, Task.NOISE)
    assert [each.name for each in scored.pairs] == ["test/9"]
    assert scored.notes == ("test/ alone: 4 images of its other parts not used",)


def test_a_run_loads_the_same_images_again(rainy, tmp_path):
    """Split, skipped files and the told task are part of what a run knows of its data."""
    for number in range(10):
        pair(tmp_path / "lq", f"lq/{number}.png", f"gt/{number}.png", number)
    (tmp_path / "lq/lq/3.png").write_bytes(b"")
    ref, bundle = open_data(str(tmp_path / "lq"), tasks=["rain"], split=(60, 20, 20), skip_bad=True)
    assert (ref.tasks, ref.split, ref.skip_bad, ref.kind) == (("rain",), (60, 20, 20), True, "folder")
    spec = SimpleNamespace(data=ref, protocol="suite-v1")
    assert load_data(spec).checksum == bundle.checksum
    usual, _ = open_data(str(rainy))
    assert (usual.tasks, usual.split) == ((), None)
    with pytest.raises(ValueError, match="--split goes with --data FOLDER"):
        open_data("embedded", split=(60, 20, 20))


@pytest.mark.parametrize("paired", [False, True])
def test_a_folder_is_described_with_one_picture_in_memory_at_a_time(tmp_path, rainy, monkeypatch, paired):
    for number in range(6):
        write(tmp_path / f"clean/{number}.png", picture(number))
    folder = rainy if paired else tmp_path / "clean"
    kept = load_folder(folder)
    held = []
    living = []

    def watched(path):
        pixels = read_rgb(path)
        held.append(weakref.ref(pixels))
        living.append(sum(ref() is not None for ref in held))
        return pixels

    monkeypatch.setattr("datasets.folder.read_rgb", watched)
    data = load_folder(folder, keep_bytes=0)
    assert data.checksum == kept.checksum
    assert data.description == kept.description
    assert max(living) <= (4 if paired else 2)
    for ours, theirs in zip((*data.train, *data.test), (*kept.train, *kept.test), strict=True):
        assert ours.unread is not None
        assert (ours.name, ours.clean.shape, ours.nbytes) == (theirs.name, theirs.clean.shape, theirs.nbytes)
        assert np.array_equal(ours.whole.clean, theirs.clean)
    condition = data.conditions[0]
    seen, wanted = (each.eval_items("test", [condition])[0].degraded for each in (data, kept))
    assert np.array_equal(seen, wanted)
    batches = [each.batch([condition], [3], 32)[0] for each in (data, kept)]
    assert torch.equal(*batches)


def test_small_folders_stay_in_memory(rainy):
    count = sum(sample.nbytes for sample in load_folder(rainy).train[:2])
    data = load_folder(rainy, keep_bytes=count)
    assert sum(s.unread is None for s in (*data.train, *data.val, *data.test)) == 2


FLAT = [
    ("{}_rain", "{}_clean", Task.RAIN),
    ("{}_noisy", "{}_gt", Task.NOISE),
    ("{}_hazy", "{}_GT", Task.HAZE),
    ("{}_input", "{}_target", None),
    ("{}_lq", "{}_hq", None),
    ("{}_blur", "{}_sharp", Task.BLUR),
    ("{}-Low", "{}-High", Task.LOWLIGHT),
    ("rain-{}", "norain-{}", Task.RAIN),
]


@pytest.mark.parametrize(("bad", "good", "task"), FLAT)
def test_pairs_in_one_folder_are_never_clean_images(tmp_path, bad, good, task):
    for number in range(10):
        pair(tmp_path, f"{bad.format(number)}.png", f"{good.format(number)}.png", number)
    write(tmp_path / "cover.png", picture(77))
    told: Task = task or Task.RAIN
    (scored,) = sets_to_score(tmp_path, told)
    assert scored.task is told
    assert [(p.degraded.stem, p.clean.stem) for p in scored.pairs] == [
        (bad.format(number), good.format(number)) for number in range(10)
    ]
    assert any("1 image outside of these folders not used (cover.png)" in words for words in scored.notes)
    if task is Task.NOISE:
        return
    data = load_folder(tmp_path, tasks=[told])
    assert (len(data.train), len(data.val), len(data.test)) == (8, 1, 1)
    assert {c.task for c in data.conditions} == {told}
    sample = data.train[0]
    assert np.abs(sample.degraded.astype(int) - (sample.clean // 2 + 60)).max() == 0


def test_pairs_in_one_folder_keep_its_parts_and_name_what_has_no_partner(tmp_path):
    for number in range(6):
        pair(tmp_path, f"train/{number}_rain.png", f"train/{number}_clean.png", number)
        pair(tmp_path, f"test/{number}_rain.png", f"test/{number}_clean.png", 20 + number)
    write(tmp_path / "train/9_rain.png", picture(9))
    with pytest.raises(ValueError, match=r"1 degraded images have no clean partner \(train/9_rain.png\)"):
        load_folder(tmp_path)
    (tmp_path / "train/9_rain.png").unlink()
    data = load_folder(tmp_path)
    assert len(data.test) == 6
    assert "pairs of train/*_rain + *_clean" in data.description or "pairs of test/*_rain" in data.description
    write(tmp_path / "test/3_gt.png", picture(3))
    with pytest.raises(ValueError, match=r"3_rain\.png has several clean partners"):
        load_folder(tmp_path)


def test_a_pair_among_other_images_is_refused_with_the_layouts(tmp_path):
    for number in range(8):
        write(tmp_path / f"{number}.png", picture(number))
    pair(tmp_path, "a_low.png", "a_high.png", 50)
    for use in (load_folder, lambda folder: sets_to_score(folder, Task.NOISE)):
        with pytest.raises(ValueError, match=r"a_low.png and a_high.png look like a pair.*degraded/ \+ clean/"):
            use(tmp_path)
    write(tmp_path / "a_low.png", picture(51))  # another picture of such a name
    assert len(load_folder(tmp_path).train) == 8


def test_images_called_after_one_side_alone_are_clean_images(tmp_path):
    for number in range(10):
        write(tmp_path / f"{number}_clean.png", picture(number))
    data = load_folder(tmp_path)
    assert data.train[0].degraded is None


@pytest.mark.skipif(sys.platform != "linux", reason="names that are no text exist on Linux")
@pytest.mark.parametrize("paired", [False, True])
def test_names_that_are_no_text_are_trained_on(tmp_path, paired):
    """`'utf-8' codec can't encode character '\\udce9'`, and no file was named."""
    for number in range(6):
        pair(tmp_path, f"rainy/{number}.png", f"gt/{number}.png", number)
    if not paired:
        shutil.rmtree(tmp_path / "rainy")
    for side in tmp_path.iterdir():
        (side / "3.png").rename(os.fsdecode(os.fsencode(side) + b"/caf\xe9.png"))
    ref, data = open_data(str(tmp_path))
    names = [sample.name for sample in (*data.train, *data.val, *data.test)]
    assert any("caf\\udce9" in name for name in names)
    for text in (*names, *(s.scene for s in data.train), ref.description):
        text.encode()
    broken = next(tmp_path.rglob("caf*"))
    broken.write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"caf\\udce9.png: not an image of a known format"):
        load_folder(tmp_path)
    assert "files skipped" in load_folder(tmp_path, skip_bad=True).description


def test_the_refusal_of_noisy_pairs_says_what_to_train_on(tmp_path):
    for number in range(6):
        pair(tmp_path / "apart", f"noisy/{number}.png", f"reference/{number}.png", number)
        pair(tmp_path / "flat", f"{number}_noisy.png", f"{number}_gt.png", number)
    clean = re.escape(f"Train with --data {tmp_path / 'apart/reference'}; ablations.evaluate --data {tmp_path}")
    with pytest.raises(ValueError, match=clean):
        load_folder(tmp_path / "apart")
    assert len(load_folder(tmp_path / "apart/reference").train) == 4
    with pytest.raises(ValueError, match=r"\(\*_noisy \+ \*_gt\).*--data FOLDER, one of the clean images alone"):
        load_folder(tmp_path / "flat")
