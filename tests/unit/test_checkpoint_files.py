"""Checkpoint files as the field writes them: opened, or called what they are, in one line and without running code."""

from __future__ import annotations

import argparse
import zipfile

import numpy as np
import pytest
import torch
from torch.optim.swa_utils import AveragedModel

import baselines
from dfpir.checkpoint_file import WeightsError, read_checkpoint

RAW, EMA = ({"a.weight": torch.full((2,), value)} for value in (1.0, 2.0))


def saved(tmp_path, content):
    torch.save(content, tmp_path / "w.pth")
    return tmp_path / "w.pth"


@pytest.mark.parametrize(
    ("plain", "averaged"),
    [("state_dict", "state_dict_ema"), ("model", "model_ema"), ("params", "params_ema"), ("generator", "ema")],
)
def test_of_plain_and_averaged_weights_the_averaged_are_taken_and_it_is_said(tmp_path, plain, averaged):
    path = saved(tmp_path, {plain: RAW, averaged: EMA, "epoch": 3})
    found = read_checkpoint(path)
    assert torch.equal(found.tensors["a.weight"], EMA["a.weight"])
    assert found.notice == f"Takes the averaged weights, '{averaged}', not '{plain}': --use plain takes those."
    found = read_checkpoint(path, "plain")
    assert torch.equal(found.tensors["a.weight"], RAW["a.weight"])
    assert f"not '{averaged}': --use averaged takes those" in found.notice


@pytest.mark.parametrize(
    "key", ["model_state_dict", "weight", "weights", "generator", "net_g", "ema", "state_dict", "model", "params"]
)
def test_usual_wrappers_and_prefixes_open(tmp_path, key):
    for prefix in ("", "_orig_mod.", "module.", "net.", "module._orig_mod.", "net._orig_mod.model."):
        path = saved(tmp_path, {key: {prefix + name: value for name, value in RAW.items()}, "optimizer": {"lr": 1.0}})
        found = read_checkpoint(path)
        assert list(found.tensors) == ["a.weight"]
        assert found.notice == ""


def test_an_averaged_model_of_torch_opens(tmp_path):
    model = torch.nn.Linear(2, 2)
    found = read_checkpoint(saved(tmp_path, AveragedModel(model).state_dict()))
    assert set(found.tensors) == {"weight", "bias"}
    assert found.use == "averaged"


@pytest.mark.parametrize("wrapped", [True, False], ids=["state_dict", "bare"])
@pytest.mark.parametrize(
    ("plain", "averaged", "beside"),
    [
        ("net.", "ema.", {}),
        ("model.", "model_ema.", {"model_ema.decay": torch.tensor(0.9), "model_ema.num_updates": torch.tensor(3)}),
        ("restorer.", "ema_model.module.", {"ema_model.n_averaged": torch.tensor(3)}),
        (
            "net._orig_mod.",
            "ema.ema_model.",
            {"ema.online_model.conv.weight": torch.ones(2), "ema.step": torch.ones(1)},
        ),
        ("", "ema.", {}),
    ],
)
def test_an_average_under_a_prefix_of_its_own_is_taken_and_it_is_said(tmp_path, plain, averaged, beside, wrapped):
    if "ema.online_model.conv.weight" in beside:
        beside = {**beside, "ema.online_model.conv.bias": torch.ones(2)}
    content = {f"{plain}conv.{name}": torch.full((2,), 1.0) for name in ("weight", "bias")}
    content |= {f"{averaged}conv.{name}": torch.full((2,), 2.0) for name in ("weight", "bias")} | beside
    path = saved(tmp_path, {"state_dict": content, "epoch": 3} if wrapped else content)
    names = [name.partition(".")[0] or "no prefix" for name in (averaged, plain)]
    places = [f"state_dict.{name}" if wrapped else name for name in names]
    for use, value, taken, other in ((None, 2.0, 0, 1), ("averaged", 2.0, 0, 1), ("plain", 1.0, 1, 0)):
        found = read_checkpoint(path, use)
        assert {name: tensor.tolist() for name, tensor in found.tensors.items()} == {
            "conv.weight": [value] * 2,
            "conv.bias": [value] * 2,
        }
        words = ("averaged", "plain")
        assert found.notice == (
            f"Takes the {words[taken]} weights, {places[taken]!r}, not {names[other]!r}: "
            f"--use {words[other]} takes those."
        )


def test_an_average_in_buffers_has_its_dots_back(tmp_path):
    content = {"model.a.weight": torch.zeros(2), "model_ema.aweight": torch.ones(2), "model_ema.decay": torch.ones(())}
    found = read_checkpoint(saved(tmp_path, {"state_dict": content}))
    assert {name: tensor.tolist() for name, tensor in found.tensors.items()} == {"a.weight": [1.0, 1.0]}


def test_an_average_alone_under_its_prefix_opens(tmp_path):
    path = saved(tmp_path, {"ema.module.a.weight": torch.ones(2), "ema.decay": torch.ones(())})
    found = read_checkpoint(path)
    assert (list(found.tensors), found.use, found.notice) == (["a.weight"], "averaged", "")
    with pytest.raises(WeightsError, match="holds averaged weights only"):
        read_checkpoint(path, "plain")


def test_a_part_that_is_called_ema_is_no_average(tmp_path):
    for content in (
        {"net.weight": torch.ones(2), "ema.weight": torch.ones(3)},
        {"net.weight": torch.ones(2), "ema.weight": torch.ones(2), "ema.bias": torch.ones(2)},
        {"ema.weight": torch.ones(2), "net.weight": torch.ones(2), "net.bias": torch.ones(2)},
    ):
        assert set(read_checkpoint(saved(tmp_path, content)).tensors) == set(content)


def test_three_copies_and_what_belongs_to_none_are_named(tmp_path):
    content = {f"{root}.{name}": torch.ones(2) for root in ("net", "swa", "ema") for name in ("a.weight", "b.weight")}
    with pytest.raises(WeightsError, match=r"several sets of weights \('ema', 'net', 'swa'\)"):
        read_checkpoint(saved(tmp_path, content))
    content = {"net.a.weight": torch.ones(2), "ema.a.weight": torch.ones(2), "loss.vgg.weight": torch.ones(2)}
    assert set(read_checkpoint(saved(tmp_path, content)).tensors) == {"a.weight", "loss.vgg.weight"}


def test_weights_that_are_not_there_are_not_replaced_by_others(tmp_path):
    with pytest.raises(WeightsError, match=r"--use averaged: .* holds plain weights only"):
        read_checkpoint(saved(tmp_path, {"state_dict": RAW}), "averaged")
    with pytest.raises(WeightsError, match=r"several sets of weights \('state_dict', 'generator'\)"):
        read_checkpoint(saved(tmp_path, {"state_dict": RAW, "generator": EMA}))
    with pytest.raises(WeightsError, match=r"its keys: 'mine', 'epoch'.*weights_only=True\)\['mine'\]"):
        read_checkpoint(saved(tmp_path, {"mine": RAW, "epoch": 1}))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\n<!DOCTYPE html><html><title>Google Drive - Virus scan warning</title></html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 123\n", "is a Git LFS pointer"),
        (b"", "is empty"),
        (b"nothing that torch knows", "no file of torch.save"),
    ],
)
def test_a_file_that_is_no_checkpoint_is_called_what_it_is(tmp_path, content, said):
    for name in ("w.pth", "w.safetensors"):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(WeightsError, match=said if said[:2] == "is" or name == "w.pth" else "safetensors|read"):
            read_checkpoint(path)


def test_a_zip_of_checkpoints_is_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "w.pth", "w") as archive:
        archive.writestr("models/dfpir.pth", b"...")
    with pytest.raises(WeightsError, match=r"zip archive of 'models/dfpir\.pth'"):
        read_checkpoint(tmp_path / "w.pth")


@pytest.mark.parametrize(
    ("beside", "named"),
    [
        ({"hyper_parameters": argparse.Namespace(lr=1)}, "argparse.Namespace"),
        ({"best_psnr": np.float64(31.2)}, "numpy"),
        ({"history": np.arange(3)}, "numpy"),
        ({"net": torch.nn.Linear(2, 2)}, "torch.nn.modules.linear.Linear"),
    ],
)
def test_what_stands_beside_the_tensors_is_named_with_no_advice_to_unpickle(tmp_path, beside, named):
    with pytest.raises(WeightsError) as raised:
        read_checkpoint(saved(tmp_path, {"state_dict": RAW, **beside}))
    message = str(raised.value)
    assert named in message
    assert "torch.save(model.state_dict()" in message
    assert "\n" not in message
    assert "\x1b" not in message
    assert "weights_only" not in message


def test_integer_weights_are_refused_by_name():
    model = baselines.create_model("nafnet", **baselines.describe("nafnet").demo)
    state = model.state_dict() | {"intro.weight": torch.ones_like(model.state_dict()["intro.weight"]).to(torch.int64)}
    with pytest.raises(WeightsError, match=r"quantised or damaged weights, 1 not floating-point \(intro.weight: int64"):
        baselines.load_released(model, state)


def test_a_queue_of_another_batch_loads():
    settings = dict(baselines.describe("airnet").demo)
    one, other = (baselines.create_model("airnet", **{**settings, "batch_size": size}) for size in (5, 3))
    baselines.load_released(other, one.state_dict())
    for key, value in one.state_dict().items():
        assert torch.equal(other.state_dict()[key], value), key
