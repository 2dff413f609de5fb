"""The input's own scores, contact sheets, loading a root as a bundle, and the command line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from datasets.__main__ import main
from datasets.catalog.finder import find_sets
from datasets.contact_sheet import contact_sheet
from datasets.noise import noisy_inputs
from datasets.protocols import PROTOCOLS, get_protocol, score
from datasets.readers import read_rgb
from datasets.score import score_inputs
from datasets.sources.paper import load_root
from datasets.tasks import TASKS, Task, register_task
from datasets.test_sets.discovery import find_test_sets
from datasets.test_sets.opening import TestQuery
from dfpir.sentences import SENTENCES
from tests.support.pair_folders import write

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the real images are not beside the project")


def picture(seed: int, height: int = 48, width: int = 64) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    return np.array(coarse.resize((width, height), Image.Resampling.BICUBIC))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Noise and low light with both sides; one test image of each stands in training. Rain for testing only."""
    base = tmp_path / "root"
    for number in range(12):
        write(base / f"BSD400/{1000 + number}.png", picture(number))
        write(base / f"LOL-v1/our485/degraded/{number}.png", picture(100 + number) // 8)
        write(base / f"LOL-v1/our485/clean/{number}.png", picture(100 + number))
    for name, seed in (("0000", 3), ("0001", 50), ("0002", 51)):
        write(base / f"CBSD68/{name}.png", picture(seed))
    for name, seed in (("1", 105), ("22", 60)):
        write(base / f"LOL-v1/eval15/degraded/{name}.png", picture(seed) // 8)
        write(base / f"LOL-v1/eval15/clean/{name}.png", picture(seed))
    write(base / "Rain100L/degraded/1.png", picture(70) // 2 + 100)
    write(base / "Rain100L/clean/1.png", picture(70))
    return base


def test_noise_scores_are_those_of_the_protocol(root):
    (result,) = score_inputs(root / "CBSD68", TestQuery(rules=get_protocol("allinone")))
    clean = [read_rgb(path) for path in sorted((root / "CBSD68").iterdir())]
    want = [
        score(item.degraded[None], item.clean[None], get_protocol("allinone"))["psnr_db"].item()
        for item in noisy_inputs(get_protocol("allinone"), clean)
    ]
    assert [row["value"] for row in result.rows if row["metric"] == "psnr_db"] == want
    means = {mean.condition: mean.psnr_db for mean in result.means()}
    assert list(means) == ["noise-15", "noise-25", "noise-50"]
    assert means["noise-25"] == pytest.approx(np.mean(want[3:6]))


def test_what_there_is_to_score(root, tmp_path):
    assert [each.name for each in find_test_sets(root)] == ["cbsd68", "rain100l-test", "lol-eval15"]
    assert [each.name for each in find_test_sets(root, Task.RAIN)] == ["rain100l-test"]
    assert [each.name for each in find_test_sets(root / "LOL-v1/eval15")] == ["lol-eval15"]
    write(tmp_path / "mine/degraded/a.png", picture(0))
    write(tmp_path / "mine/clean/a.png", picture(1))
    (pairs,) = find_test_sets(tmp_path / "mine")
    assert (pairs.name, pairs.task) == ("mine", None)
    (scored,) = score_inputs(tmp_path / "mine", TestQuery(rules=get_protocol("suite")))
    assert [mean.condition for mean in scored.means()] == ["pairs"]
    write(tmp_path / "photos/a.png", picture(0))
    (scored,) = score_inputs(tmp_path / "photos", TestQuery(rules=get_protocol("suite"), tasks=(Task.NOISE,)))
    assert (scored.dataset, len(scored.means())) == ("photos", 3)
    with pytest.raises(ValueError, match="--task noise"):
        find_test_sets(tmp_path / "photos")
    with pytest.raises(ValueError, match="No folder"):
        find_test_sets(tmp_path / "nothing")


def test_what_can_not_be_scored_is_named(root):
    write(root / "LOL-v1/eval15/degraded/22.png", picture(60)[:, 1:])
    (root / "CBSD68/0001.png").write_bytes(b"")
    write(root / "CBSD68/0002.png", picture(1, 8, 8))
    results = score_inputs(root, TestQuery(rules=get_protocol("allinone")))
    reasons = {Path(file).name: reason for result in results for file, reason in result.refused}
    assert set(reasons) == {"22.png", "0001.png", "0002.png"}
    assert "is 63x48, the clean one 64x48" in reasons["22.png"]
    assert "zero bytes" in reasons["0001.png"]
    assert "multiple of 16" in reasons["0002.png"]


def test_all_protocols_keep_their_own_columns(root, capsys):
    assert main(["score", str(root / "CBSD68"), "--protocol", "all"]) == 0
    out = capsys.readouterr().out
    head = next(line for line in out.splitlines() if line.startswith("condition"))
    assert head.split() == ["condition", "part", "images", *(protocol.label for protocol in PROTOCOLS.values())]
    row = next(line for line in out.splitlines() if line.startswith("noise-15"))
    assert row.count("-  ") == 1, "allinone-5task draws sigma 25 only"


def test_scores_as_json_give_every_image_and_seen_images_apart(root, capsys):
    assert main(["score", str(root), "--protocol", "suite", "--json", "--training", str(root)]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["protocols"][0]["label"] == "suite-v1"
    scores = {each["dataset"]: each for each in report["scores"]}
    assert {row["image"]: row["seen"] for row in scores["lol-eval15"]["images"]} == {"1": True, "22": False}
    parts = {(row["part"], row["condition"]): row["images"] for row in scores["cbsd68"]["means"]}
    assert (parts["all", "noise-25"], parts["seen", "noise-25"]) == (3, 1)
    assert {row["part"] for row in scores["rain100l-test"]["means"]} == {"all"}


def test_a_bundle_has_the_tasks_with_both_sides(root):
    bundle = load_root(root, protocol="allinone")
    assert [condition.name for condition in bundle.conditions] == ["noise-15", "noise-25", "noise-50", "lowlight"]
    assert "rain" in bundle.description
    assert bundle.found["bsd400"] == 12
    assert bundle.found["rain100l-test"] == 1
    assert {name for name, seen in bundle.seen.items() if seen} <= {"cbsd68/0000", "lol-eval15/1"}
    items = bundle.eval_items("test", bundle.conditions)
    assert [item.name for item in items] == [f"cbsd68/000{n}" for n in range(3)] * 3 + ["lol-eval15/1", "lol-eval15/22"]
    clean = [read_rgb(root / f"CBSD68/000{n}.png") for n in range(3)]
    for item, noisy in zip(items, noisy_inputs(get_protocol("allinone"), clean), strict=False):
        assert np.array_equal(item.degraded, (noisy.degraded.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8))
    cut = bundle.eval_items("test", bundle.conditions[2:], max_side=16, limit=1)
    assert [item.clean.shape for item in cut] == [(16, 16, 3)] * 2


def test_a_batch_depends_on_condition_and_seed_alone(root):
    bundle = load_root(root)
    conditions = [bundle.conditions[1], bundle.conditions[3], bundle.conditions[1]]
    degraded, clean = bundle.batch(conditions, [5, 6, 7], 32)
    again, _ = bundle.batch(conditions[1:2], [6], 32)
    assert degraded.shape == clean.shape == (3, 3, 32, 32)
    assert torch.equal(degraded[1], again[0])
    assert bundle.batch(conditions[:1], [5], 100)[0].shape == (1, 3, 100, 100), "small images are reflected"


def test_leaks_can_be_left_out(root):
    bundle = load_root(root, exclude_leaks=True)
    assert not any(bundle.seen.values())
    names = {sample.name for sample in bundle.train + bundle.val}
    assert {"bsd400/1003", "lol-our485/5"}.isdisjoint(names)
    assert {"bsd400/1003", "lol-our485/5"} <= set(bundle.left_out)
    assert bundle.checksum != load_root(root).checksum


def test_packed_sets_give_the_same_bundle(root):
    plain = load_root(root)
    for name in ("bsd400", "lol-our485", "lol-eval15"):
        assert main(["pack", name, "--root", str(root), "--workers", "1"]) == 0
    packed = load_root(root)
    assert packed.checksum == plain.checksum
    batches = [bundle.batch(list(bundle.conditions), [1, 2, 3, 4], 24) for bundle in (plain, packed)]
    assert torch.equal(batches[0][0], batches[1][0])
    assert torch.equal(batches[0][1], batches[1][1])


def test_a_root_without_both_sides_says_what_it_has(root, tmp_path):
    with pytest.raises(ValueError, match="training images for nothing; test images for rain"):
        load_root(root, tasks=[Task.RAIN])
    (root / "LOL-v1/our485/clean/3.png").write_bytes(b"")
    write(root / "CBSD68/0001.png", picture(0)[..., 0])
    (root / "CBSD68/0002.png").write_text("text")
    with pytest.raises(ValueError, match=r"(?s)our485/clean/3\.png.*CBSD68/0002\.png"):
        load_root(root)


def test_contact_sheets_show_files_that_do_not_decode(root):
    (root / "LOL-v1/eval15/clean/22.png").write_bytes(b"")
    (found,) = find_sets(root, ["lol-eval15"])
    sheet = contact_sheet(found, columns=2)
    colours = {colour for _, colour in sheet.getcolors(1 << 20) or []}
    assert (180, 30, 30) in colours
    with pytest.raises(ValueError, match="at least 1"):
        contact_sheet(found, count=0)


def test_commands(root, tmp_path, capsys):
    assert main(["list"]) == 0
    assert main(["list", "--json"]) == 0
    assert main(["check", str(root)]) == 1
    out = capsys.readouterr().out
    assert "1 of 3 images of cbsd68 stand in bsd400; 2 do not" in out
    assert main(["check", str(root), "--json", "--only", "bsd400"]) == 1
    assert json.loads(capsys.readouterr().out)["sets"][0]["found"] == 12
    assert main(["show", "bsd400", "--root", str(root), "--out", str(tmp_path / "a/sheet.png")]) == 0
    assert read_rgb(tmp_path / "a/sheet.png").shape[1] > 100
    assert main(["pack", "bsd400", "--root", str(root), "--dry-run"]) == 0
    assert "12 images, 0.00 GB, about" in capsys.readouterr().out
    assert not (root / "bsd400.store").exists()
    assert main(["fetch", "wed", "--root", str(root)]) == 0
    assert str(root / "WED") in capsys.readouterr().out
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    assert main(["fetch", "cbsd68", "--root", str(tmp_path / "file")]) == 2
    assert "file: that is a file; a folder is needed." in capsys.readouterr().err
    for out, fault in (("folder", "that is a folder"), ("sheet.jpg", "only PNG is written")):
        assert main(["show", "bsd400", "--root", str(root), "--out", str(tmp_path / out)]) == 2
        assert f"{out}: {fault}; name a file that ends in .png." in capsys.readouterr().err


def test_noisy_files_are_scored_at_their_level(tmp_path, capsys):
    write(tmp_path / "degraded/1.png", picture(1))
    write(tmp_path / "clean/1.png", picture(2))
    assert main(["score", str(tmp_path), "--task", "noise"]) == 2
    assert "name it instead of the task, as in noise-15." in capsys.readouterr().err
    assert main(["score", str(tmp_path), "--task", "noise-15"]) == 0
    assert "noise-15" in capsys.readouterr().out


def test_broken_files_are_named_before_missing_ones(root, capsys):
    (root / "CBSD68/0002.png").write_bytes(b"no image")
    assert main(["check", str(root), "--only", "cbsd68"]) == 1
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("cbsd68: ")]
    assert "0002" in lines[0]
    assert "missing" in lines[1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["check", "nowhere"], "No folder 'nowhere'"),
        (["fetch", "cbsd86", "--root", "x"], "Did you mean 'cbsd68'"),
        (["show", "wed", "--root", "."], "wed is not in '.'"),
        (["score", "nowhere"], "No folder"),
        (["score", ".", "--protocol", "alinone"], "Did you mean 'allinone'"),
    ],
)
def test_wrong_requests_are_one_line_and_exit_2(arguments, words, capsys):
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert words in err
    assert err.count("\n") == 1
    assert err.startswith("error: ")


@pytest.mark.shared
@needs_shared
def test_three_quarters_of_rain100l_stand_in_the_denoising_list(tmp_path):
    """With anything to train deraining on, the bundle says which test images the denoising images give away."""
    for name in ("BSDS500", "CBSD68", "Rain100L"):
        (tmp_path / name).symlink_to(SHARED / name)
    for number in range(3):
        write(tmp_path / f"Rain100L-train/degraded/{number}.png", picture(number) // 2)
        write(tmp_path / f"Rain100L-train/clean/{number}.png", picture(number))
    leaky, clean = load_root(tmp_path), load_root(tmp_path, exclude_leaks=True)
    rain = [name for name in leaky.seen if name.startswith("rain100l-test/")]
    validated = sum(sample.name.startswith("bsd400") for sample in leaky.val)
    assert 75 - validated <= sum(leaky.seen[name] for name in rain) <= 75
    assert not any(leaky.seen[name] for name in leaky.seen if name.startswith("cbsd68/"))
    assert not any(clean.seen.values())
    assert len([name for name in clean.left_out if name.startswith("bsd400")]) >= 67
    assert len({sample.scene for sample in leaky.test if sample.name in rain}) == 91


def test_images_that_live_on_a_device_give_the_same_batches(root):
    bundle, resident = load_root(root), load_root(root)
    assert not resident.cache_on_device("cpu", limit_bytes=10)
    assert resident.cache_on_device("cpu")
    conditions = list(bundle.conditions) * 3
    for patch in (16, 200):  # 200: larger than the images, which are reflected
        seeds = list(range(len(conditions)))
        for ours, theirs in zip(
            resident.batch(conditions, seeds, patch), bundle.batch(conditions, seeds, patch), strict=True
        ):
            assert torch.equal(ours, theirs)


def test_pairs_of_a_registered_task_are_scored(tmp_path, capsys):
    pixels = np.tile(np.arange(64, dtype=np.uint8)[:, None, None] * 4, (1, 64, 3))
    for folder, image in (("input", pixels // 2), ("target", pixels)):
        (tmp_path / folder).mkdir()
        Image.fromarray(image).save(tmp_path / folder / "a.png")
    with TASKS.scope(), SENTENCES.scope():
        register_task(Task(name="fog", label="Fog", colour="#56B4E9", detailed="dense fog", simple="fog"))
        assert main(["score", str(tmp_path), "--task", "fog"]) == 0
    assert re.search(r"^fog +all +1 ", capsys.readouterr().out, re.MULTILINE)
    assert main(["score", str(tmp_path), "--task", "fog"]) == 2
    assert "Unknown task 'fog'." in capsys.readouterr().err
