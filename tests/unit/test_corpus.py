"""Bundles: roles, identity, training rows, evaluation items, and folders turned into bundles."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from datasets.bundle import DataBundle, Sample
from datasets.sources.embedded import load_embedded
from datasets.sources.folder import load_folder
from datasets.tasks import CONDITIONS, Condition, Task, noise

RAIN, HAZE = Condition(task=Task.RAIN), Condition(task=Task.HAZE)


def pixels(height: int, width: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def sample(name: str, clean: np.ndarray | None = None, **fields) -> Sample:
    return Sample(name=name, scene=name, clean=pixels(48, 40, len(name)) if clean is None else clean, **fields)


def bundle(train: list[Sample], **fields) -> DataBundle:
    given = {"val": (sample("v", pixels(32, 32, 90)),), "test": (sample("t", pixels(32, 32, 91)),)}
    return DataBundle(name="made", description="made up", train=tuple(train), **(given | fields))


# ---- identity --------------------------------------------------------------------------------------------------------


def test_roles_share_no_scene():
    with pytest.raises(ValueError, match="a"):
        bundle([sample("a")], test=(replace(sample("b"), scene="a"),))
    data = load_embedded()
    scenes = [{s.scene for s in part} for part in (data.train, data.val, data.test)]
    assert all(scenes)
    assert sum(len(s) for s in scenes) == len(set.union(*scenes))


def changed(array: np.ndarray) -> np.ndarray:
    copy = array.copy()
    copy.flat[-1] = 0 if copy.flat[-1] else 1
    return copy


def test_the_checksum_sees_every_pixel_name_and_role():
    one = sample("a", pixels(8, 8, 1), depth=np.full((8, 8), 0.5, np.float32))
    pair = sample("p", pixels(8, 8, 2), degraded=pixels(8, 8, 3), conditions=(RAIN,))
    base = bundle([one, pair])
    assert base.checksum == bundle([one, pair]).checksum
    assert one.depth is not None
    assert pair.degraded is not None
    others = [
        bundle([replace(one, clean=changed(one.clean)), pair]),
        bundle([replace(one, depth=changed(one.depth)), pair]),
        bundle([replace(one, depth=None), pair]),
        bundle([one, replace(pair, degraded=changed(pair.degraded))]),
        bundle([one, replace(pair, clean=pair.degraded, degraded=pair.clean)]),
        bundle([replace(one, name="b"), pair]),
        bundle([replace(one, scene="b"), pair]),
        bundle([pair, one]),
        bundle([one], val=(pair,)),
        bundle([one], test=(pair,)),
    ]
    assert len({base.checksum, *(other.checksum for other in others)}) == len(others) + 1


def test_the_checksum_sees_where_one_role_ends_and_the_next_begins():
    """Same images in the same order: only the role of the middle one differs."""
    first, middle, last = (sample(name, pixels(8, 8, seed)) for seed, name in enumerate("abc"))
    early, late = bundle([first, middle], val=(last,)), bundle([first], val=(middle, last))
    assert early.checksum != late.checksum


def test_the_embedded_photographs_are_the_same_at_every_load():
    data = load_embedded()
    load_embedded.cache_clear()
    again = load_embedded()
    assert again is not data
    assert again.checksum == data.checksum
    assert data.conditions == CONDITIONS
    for photo in (*data.train, *data.val, *data.test):
        assert photo.clean.dtype == np.uint8
        assert photo.clean.ndim == 3
        assert photo.source
        assert photo.licence
        assert photo.depth is not None
        assert photo.depth.shape == photo.clean.shape[:2]
        assert photo.depth.min() >= 0
        assert photo.depth.max() <= 1


# ---- training rows ---------------------------------------------------------------------------------------------------


def test_a_row_depends_on_its_own_condition_and_seed_alone():
    data = load_embedded()
    conditions = [*CONDITIONS, *CONDITIONS]
    seeds = list(range(100, 100 + len(conditions)))
    degraded, clean = data.batch(conditions, seeds, 32, "cpu")
    assert degraded.shape == clean.shape == (len(seeds), 3, 32, 32)
    assert degraded.dtype == clean.dtype == torch.float32
    for row in reversed(range(len(seeds))):
        alone = data.batch([conditions[row]], [seeds[row]], 32, "cpu")
        assert torch.equal(alone[0][0], degraded[row])
        assert torch.equal(alone[1][0], clean[row])


def test_seeds_give_different_rows():
    _, clean = load_embedded().batch([RAIN] * 40, range(40), 32, "cpu")
    assert len({row.numpy().tobytes() for row in clean}) >= 39


def test_a_pair_is_cropped_and_flipped_alike():
    clean = pixels(50, 61, 1)
    small = pixels(20, 61, 2)
    pairs = [sample("a", clean, degraded=255 - clean, conditions=(RAIN,))]
    pairs.append(sample("b", small, degraded=255 - small, conditions=(RAIN,)))
    degraded, target = bundle(pairs).batch([RAIN] * 60, range(60), 32, "cpu")
    assert torch.allclose(degraded, 1 - target, atol=1e-6)


def coordinates(height: int, width: int) -> np.ndarray:
    """Each pixel tells its row (red), column (green) and, in blue, whether it is in the right half."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows, columns, 255 * (columns >= width // 2)], -1).astype(np.uint8)


def test_crops_are_whole_patches_in_all_four_flips_up_to_the_borders():
    data = bundle([sample("a", coordinates(48, 40))])
    _, clean = data.batch([noise(15)] * 400, range(400), 32, "cpu")
    levels = (clean * 255).round().long()
    rows, columns = levels[:, 0], levels[:, 1]
    down, right = rows[:, 1, 0] - rows[:, 0, 0], columns[:, 0, 1] - columns[:, 0, 0]
    assert (rows.diff(dim=1) == down[:, None, None]).all()
    assert (columns.diff(dim=2) == right[:, None, None]).all()
    shares = [((down == d) & (right == r)).float().mean() for d in (1, -1) for r in (1, -1)]
    assert all(0.17 < share < 0.33 for share in shares)
    assert set(rows.flatten(1).amin(1).tolist()) == set(range(48 - 32 + 1))
    assert set(columns.flatten(1).amin(1).tolist()) == set(range(40 - 32 + 1))


def test_depth_follows_its_pixels_through_crop_and_flip():
    clean = coordinates(48, 40)
    far = (clean[..., 2] > 0).astype(np.float32)
    degraded, target = bundle([sample("a", clean, depth=far)]).batch([HAZE] * 40, range(40), 32, "cpu")
    near = (target[:, 2:] == 0).expand_as(target)
    assert torch.equal(degraded[near], target[near])
    red_far = ~near[:, 0]
    assert (degraded[:, 0][red_far] > target[:, 0][red_far]).all()


def test_images_smaller_than_the_patch_are_mirrored_up():
    clean = coordinates(10, 13)
    _, target = bundle([sample("a", clean)]).batch([noise(15)] * 20, range(20), 32, "cpu")
    assert target.shape == (20, 3, 32, 32)
    levels = (target * 255).round().long()
    assert levels[:, 0].max() == 9
    assert levels[:, 1].max() == 12
    # mirrored, not wrapped or repeated: neighbours differ by at most one everywhere
    assert levels[:, 0].diff(dim=1).abs().max() == 1
    assert levels[:, 1].diff(dim=2).abs().max() == 1


def test_a_condition_nobody_serves_is_an_error():
    pair = sample("p", pixels(40, 40, 2), degraded=pixels(40, 40, 3), conditions=(RAIN,))
    with pytest.raises(ValueError, match="haze"):
        bundle([pair]).batch([HAZE], [1], 32, "cpu")
    with pytest.raises(ValueError, match="haze"):
        bundle([sample("a")], test=(pair,)).eval_items("test", [HAZE])
    with pytest.raises(ValueError, match=r"length|argument|conditions"):
        bundle([sample("a")]).batch([HAZE, HAZE], [1], 32, "cpu")


def test_synthesised_samples_serve_any_noise_level():
    degraded, clean = bundle([sample("a")]).batch([noise(35)], [1], 32, "cpu")
    assert not torch.equal(degraded, clean)


# ---- evaluation items ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("split", ["val", "test"])
def test_evaluation_items_are_complete_and_deterministic(split):
    data = load_embedded()
    items = data.eval_items(split, CONDITIONS, max_side=96)
    load_embedded.cache_clear()
    again = load_embedded().eval_items(split, CONDITIONS, max_side=96)
    samples = data.val if split == "val" else data.test
    assert {item.scene for item in items} == {s.scene for s in samples}
    assert len({(item.condition, item.name) for item in items}) == len(items) == len(again)
    for one, other in zip(items, again, strict=True):
        assert (one.name, one.scene, one.condition) == (other.name, other.scene, other.condition)
        assert np.array_equal(one.degraded, other.degraded)
        assert np.array_equal(one.clean, other.clean)
        assert one.degraded.dtype == one.clean.dtype == np.uint8
        assert one.degraded.shape == one.clean.shape
        assert max(one.clean.shape[:2]) <= 96
        assert not np.array_equal(one.degraded, one.clean)


def test_an_items_degradation_does_not_depend_on_what_else_is_asked_for():
    data = load_embedded()
    everything = {(i.name, i.condition): i for i in data.eval_items("test", CONDITIONS, max_side=64)}
    for item in data.eval_items("test", [CONDITIONS[4], CONDITIONS[1]], max_side=64, limit=3):
        assert np.array_equal(item.degraded, everything[item.name, item.condition].degraded)


def test_a_limit_counts_items_of_each_condition_and_takes_the_first():
    data = load_embedded()
    few, more, every = (data.eval_items("test", CONDITIONS, max_side=32, limit=limit) for limit in (2, 4, None))
    for condition in CONDITIONS:
        names = [[i.name for i in items if i.condition == condition] for items in (few, more, every)]
        assert [len(part) for part in names[:2]] == [2, 4]
        assert names[0] == names[2][:2]
        assert names[1] == names[2][:4]
    assert len({i.scene for i in few}) == 2


def test_real_pairs_are_handed_out_as_they_are():
    clean, rainy = pixels(37, 45, 4), pixels(37, 45, 5)
    data = bundle([sample("a")], test=(sample("p", clean, degraded=rainy, conditions=(RAIN,)),))
    (item,) = data.eval_items("test", [RAIN])
    assert np.array_equal(item.degraded, rainy)
    assert np.array_equal(item.clean, clean)
    (part,) = data.eval_items("test", [RAIN], max_side=16)
    top, left = (37 - 16) // 2, (45 - 16) // 2
    assert np.array_equal(part.degraded, rainy[top : top + 16, left : left + 16])
    assert np.array_equal(part.clean, clean[top : top + 16, left : left + 16])


def test_embedded_crops_of_a_photograph_do_not_overlap():
    """Each pixel is in one crop at most: crops of one scene hold different pixels."""
    items = load_embedded().eval_items("test", [HAZE])
    for scene in {item.scene for item in items}:
        rows = [row.tobytes() for item in items if item.scene == scene for row in item.clean]
        assert len(set(rows)) > 0.99 * len(rows)  # flat rows of a sky may repeat


# ---- folders ---------------------------------------------------------------------------------------------------------


def write(folder: Path, count: int, start: int = 0, side: int = 40) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(start, start + count):
        Image.fromarray(pixels(side, side + 3, 1000 + number)).save(folder / f"{number:03d}.png")


def sides_of(data: DataBundle) -> dict[bytes, str]:
    return {s.clean.tobytes(): role for role in ("train", "val", "test") for s in getattr(data, role)}


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_images_are_counted(tmp_path, count):
    write(tmp_path, count)
    with pytest.raises(ValueError, match=rf"{count} .*three"):
        load_folder(tmp_path)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(ValueError, match="nowhere"):
        load_folder(tmp_path / "nowhere")


def test_sides_follow_content_not_names(tmp_path):
    write(tmp_path / "one", 12)
    for number, path in enumerate(sorted((tmp_path / "one").iterdir())):
        target = tmp_path / "two" / f"sub{number % 3}" / f"renamed{100 - number}.bmp"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.open(path).save(target)
    assert sides_of(load_folder(tmp_path / "one")) == sides_of(load_folder(tmp_path / "two"))


def test_unusable_files_are_all_named_in_one_error(tmp_path):
    write(tmp_path, 4)
    (tmp_path / "text.png").write_text("not an image")
    (tmp_path / "cut.png").write_bytes((tmp_path / "000.png").read_bytes()[:200])
    (tmp_path / "empty.jpg").write_bytes(b"")
    Image.fromarray(pixels(2, 2, 0)).save(tmp_path / "tiny.png")
    (tmp_path / "notes.txt").write_text("not looked at")
    with pytest.raises(ValueError, match="can't be used") as error:
        load_folder(tmp_path)
    for name in ("text.png", "cut.png", "empty.jpg", "tiny.png"):
        assert name in str(error.value)
    assert "notes.txt" not in str(error.value)
    assert "000.png" not in str(error.value)


def test_a_folder_trains_and_evaluates(tmp_path):
    write(tmp_path, 5)
    data = load_folder(tmp_path)
    degraded, clean = data.batch(CONDITIONS, range(7), 32, "cpu")
    assert degraded.shape == clean.shape == (7, 3, 32, 32)
    assert len(data.eval_items("test", CONDITIONS)) == 7 * len(data.test)
    assert load_folder(tmp_path).checksum == data.checksum
