"""`python -m ablations.evaluate --out`: nothing computed is lost, nothing is mixed, and what is left out is named."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

import ablations.harness.evaluating.pretrained as pretrained
from ablations.harness.evaluating import predicted_degradation
from ablations.harness.evaluating.degradation_classifier import load_or_train_classifier
from ablations.harness.evaluating.specialists import SPECIALISTS
from dfpir import prompts
from reports.schema import read_images
from tests.support.evaluations import CONFIG, call, picture


@pytest.fixture
def pairs(tmp_path):
    """Four rainy pictures, of which the second is broken and the third too small for the protocol."""
    for folder in ("degraded", "clean"):
        (tmp_path / "pairs" / folder).mkdir(parents=True)
        for number in (1, 2, 3, 4):
            pixels = picture(number)[:9, :9] if number == 3 else picture(number)
            shift = 60 if folder == "degraded" else 0
            Image.fromarray((pixels // 2 + shift).astype(np.uint8)).save(tmp_path / f"pairs/{folder}/{number}.png")
    return tmp_path / "pairs"


@pytest.fixture
def photos(tmp_path):
    (tmp_path / "photos").mkdir()
    for number in (1, 2, 3):
        Image.fromarray(picture(number)).save(tmp_path / f"photos/{number}.png")
    return tmp_path / "photos"


@pytest.fixture
def ffdnet(tmp_path):
    torch.manual_seed(0)
    state = SPECIALISTS["ffdnet"][0]().network.state_dict()
    torch.save({key: 0.5 * value for key, value in state.items()}, tmp_path / "ffdnet.pt")
    return ("ffdnet", "--weights", tmp_path / "ffdnet.pt")


@pytest.fixture
def restored(monkeypatch):
    """Sizes of what was restored."""
    seen = []
    whole = pretrained.PretrainedModel.restore

    def restore(self, images, condition):
        seen.append(tuple(images.shape[-2:]))
        return whole(self, images, condition)

    monkeypatch.setattr(pretrained.PretrainedModel, "restore", restore)
    return seen


def test_images_that_cannot_be_scored_are_named_and_the_others_are_scored(capsys, pairs, tmp_path):
    (pairs / "degraded/2.png").write_bytes(b"no image")
    code, out, err = call(capsys, "identity", "--data", pairs, "--tasks", "rain", "--json", "--out", tmp_path / "out")
    assert code == 1
    result = json.loads(out)
    assert [row["images"] for row in result["means"]] == [2]
    assert [each["image"] for each in result["refused"]] == [str(pairs / f"degraded/{n}.png") for n in (2, 3)]
    assert "multiple of 16" in result["refused"][1]["reason"]
    for each in result["refused"]:
        assert f"not scored: {each['image']}: rain: {each['reason']}" in err
        assert each["image"] in (tmp_path / "out/evaluation.html").read_text()


def test_pairs_of_two_sizes_are_named_with_both(capsys, pairs):
    Image.fromarray(picture(4)[:-1]).save(pairs / "clean/4.png")
    code, _, err = call(capsys, "identity", "--data", pairs, "--tasks", "rain")
    assert code == 1
    assert f"{pairs / 'degraded/4.png'}: rain: the degraded image is 72x48, the clean one 72x47" in err


def test_where_all_are_refused_the_first_is_the_error(capsys, pairs):
    for number in (1, 2, 4):
        (pairs / f"degraded/{number}.png").write_bytes(b"")
    code, _, err = call(capsys, "identity", "--data", pairs, "--tasks", "rain")
    assert code == 2
    assert err.count("\n") == 1
    assert "1.png" in err
    assert "(and 3 more)" in err


@pytest.mark.parametrize("place", ["/proc/foo/x", "file", "file/x"])
def test_a_place_that_cannot_be_written_to_is_refused_before_anything_is_loaded(capsys, tmp_path, place):
    (tmp_path / "file").write_text("")
    out = place if place.startswith("/") else tmp_path / place
    code, _, err = call(capsys, "dfpir", "--weights", tmp_path / "absent.pth", "--out", out)
    assert code == 2
    assert err.count("\n") == 1
    assert err.startswith(f"error: --out {out}: ")
    assert "folder" in err


def test_a_folder_that_is_not_there_is_not_left_behind_by_a_wrong_model(capsys, tmp_path):
    assert call(capsys, "no-such-model", "--out", tmp_path / "a/b")[0] == 2
    assert not (tmp_path / "a").exists()


def test_an_evaluation_that_was_stopped_goes_on(capsys, monkeypatch, photos, ffdnet, tmp_path, restored):
    command = (*ffdnet, "--data", photos, "--tasks", "noise-25", "noise-50", "--json")
    whole = json.loads(call(capsys, *command)[1])
    images = len(restored)
    counting = pretrained.PretrainedModel.restore

    def stopped(self, images, condition):
        if len(restored) == images_before + 4:
            raise KeyboardInterrupt
        return counting(self, images, condition)

    images_before = len(restored)
    monkeypatch.setattr(pretrained.PretrainedModel, "restore", stopped)
    code, _, err = call(capsys, *command, "--out", tmp_path / "out")
    assert code == 130
    assert "continues" in err
    assert len((tmp_path / "out/images.jsonl").read_text().splitlines()) == 1 + 4
    with (tmp_path / "out/images.jsonl").open("a") as stream:
        stream.write('{"image": "3.p')  # cut short by the end of the process
    monkeypatch.setattr(pretrained.PretrainedModel, "restore", counting)
    restored.clear()
    code, out, err = call(capsys, *command, "--out", tmp_path / "out")
    assert code == 0
    assert "4 images were scored before" in err
    assert len(restored) == images - 4
    assert json.loads(out) == whole
    assert len(read_images(tmp_path / "out/images.parquet")) == 2 * images
    restored.clear()
    assert call(capsys, *command, "--out", tmp_path / "out")[1] == out
    assert restored == []


def test_results_of_two_evaluations_are_never_mixed(capsys, monkeypatch, photos, ffdnet, tmp_path):
    monkeypatch.setattr(
        predicted_degradation,
        "load_or_train_classifier",
        lambda bundle, runs: load_or_train_classifier(bundle, runs, steps=2),
    )
    out = tmp_path / "out"
    first = (*ffdnet, "--data", photos, "--tasks", "noise-25", "--out", out)
    assert call(capsys, *first, "--degradation", "auto", "--runs", tmp_path / "runs")[0] == 0
    assert (out / "guesses.csv").is_file()
    kept = {path.name: path.read_bytes() for path in out.iterdir()}
    other = ("identity", "--data", photos, "--tasks", "rain", "--out", out)
    for command, word in ((other, "model"), (first, "guesses_by"), ((*first, "--limit", 1), "limit")):
        code, _, err = call(capsys, *command)
        assert code == 2
        assert err.count("\n") == 1
        assert f"--out {out} holds another evaluation ({word}: " in err
        assert "--force" in err
        assert {path.name: path.read_bytes() for path in out.iterdir()} == kept
    assert call(capsys, *other, "--force")[0] == 0
    assert sorted(path.name for path in out.iterdir()) == [
        "evaluation.html", "evaluation.json", "images.jsonl", "images.parquet",
    ]  # fmt: skip
    assert set(read_images(out / "images.parquet")["variant"]) == {"identity"}


def test_two_evaluations_at_once_never_write_into_one_folder(capsys, monkeypatch, photos, tmp_path):
    command = ("identity", "--data", photos, "--tasks", "rain", "--out", tmp_path / "out")
    whole = pretrained.PretrainedModel.restore
    started: list[bool] = []
    second: list[tuple[object, str, str]] = []

    def restore(self, images, condition):
        if not started:  # while the first image is restored, the same command and another one start
            started.append(True)
            for options in ((), ("--force",), ("--limit", "1")):
                second.append(call(capsys, *command, *options))
        return whole(self, images, condition)

    monkeypatch.setattr(pretrained.PretrainedModel, "restore", restore)
    assert call(capsys, *command)[0] == 0
    assert len(second) == 3
    for code, out, err in second:
        assert (code, out) == (2, "")
        assert err.splitlines()[-1] == (
            f"error: --out {tmp_path / 'out'}: another evaluation is writing there: wait until it is done, or choose "
            "another --out."
        )
    assert len((tmp_path / "out/images.jsonl").read_text().splitlines()) == 1 + 3
    assert call(capsys, *command)[0] == 0
    assert not list((tmp_path / "out").glob(".*"))


def test_other_pictures_of_the_same_names_are_refused(capsys, photos, tmp_path):
    command = ("identity", "--data", photos, "--tasks", "rain", "--out", tmp_path / "out")
    assert call(capsys, *command)[0] == 0
    Image.fromarray(picture(9)).save(photos / "2.png")
    code, _, err = call(capsys, *command)
    assert code == 2
    assert "2.png: the picture is another" in err


def test_a_runs_folder_is_never_written_into(capsys, photos, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/spec.json").write_text("{}")
    (tmp_path / "run/images.parquet").write_text("kept")
    code, _, err = call(capsys, "identity", "--data", photos, "--out", tmp_path / "run", "--force")
    assert code == 2
    assert "a run's folder" in err
    assert (tmp_path / "run/images.parquet").read_text() == "kept"


CPU_MEMORY = (
    "[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
)


@pytest.mark.parametrize("error", [RuntimeError(CPU_MEMORY), MemoryError(), torch.OutOfMemoryError("CUDA")])
def test_an_image_that_does_not_fit_in_memory_is_named_with_the_mend(capsys, monkeypatch, photos, error):
    Image.new("RGB", (200, 160)).save(photos / "2.png")
    whole = pretrained.PretrainedModel.restore

    def restore(self, images, condition):
        if images.shape[-1] == 200:
            raise error
        return whole(self, images, condition)

    monkeypatch.setattr(pretrained.PretrainedModel, "restore", restore)
    code, out, err = call(capsys, "identity", "--data", photos, "--tasks", "rain", "--json")
    assert code == 1
    assert json.loads(out)["means"][0]["images"] == 2
    assert "2.png: rain: 200x160 pixels do not fit in memory" in err
    assert "--tile" in err


def test_without_clip_no_stand_in_is_offered_for_released_weights(capsys, monkeypatch, weights, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *a, **k: None)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", "/home/me/hub")
    prompts._clip_codes.cache_clear()
    code, _, err = call(capsys, "dfpir", "--weights", weights, *CONFIG, "--tasks", "rain")
    assert code == 2
    assert err.count("\n") == 1
    for word in ("--codes FILE", "/home/me/hub/models--timm--vit_base_patch32_clip_224.openai", "DFPIR_CLIP="):
        assert word in err
    assert "minilm" not in err
    assert "onehot" not in err
