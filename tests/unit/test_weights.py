"""Checkpoint files: strict, and never run."""

import pickle

import pytest
import safetensors.torch
import torch

import dfpir
from dfpir.checkpoint_file import read_tensors
from dfpir.weights import WeightsError, released_names

CONFIG = {"dim": 8, "num_blocks": [1, 1, 1, 1], "num_refinement_blocks": 1, "heads": [1, 2, 4, 8]}


@pytest.fixture
def released():
    model = dfpir.create_model("dfpir", **CONFIG)
    names = released_names(model)
    assert len(set(names.values())) == len(names)
    return {names[k]: torch.randn_like(v) for k, v in model.named_parameters()}


def test_round_trip_through_each_format(tmp_path, released):
    plain, wrapped, safe = tmp_path / "a.pth", tmp_path / "b.ckpt", tmp_path / "c.safetensors"
    torch.save(released, plain)
    torch.save({"state_dict": {f"net.{k}": v for k, v in released.items()}, "epoch": 3}, wrapped)
    safetensors.torch.save_file(released, safe)
    for path in (plain, wrapped, safe):
        model = dfpir.load_released(dfpir.create_model("dfpir", **CONFIG), path)
        for ours, theirs in released_names(model).items():
            assert torch.equal(model.get_parameter(ours), released[theirs])


def test_missing_unexpected_and_misshapen_keys_are_all_listed(released):
    released.pop("output.weight")
    released["extra.weight"] = torch.zeros(1)
    released["patch_embed.proj.weight"] = torch.zeros(1, 3, 3, 3)
    model = dfpir.create_model("dfpir", **CONFIG)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    with pytest.raises(WeightsError) as error:
        dfpir.load_released(model, released)
    for word in ("output.weight", "extra.weight", "patch_embed.proj.weight", "missing", "unexpected", "shape"):
        assert word in str(error.value)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


class _Harmful:
    def __reduce__(self):
        return (print, ("code was run",))


def test_a_pickle_with_code_is_refused_and_not_run(tmp_path, capsys):
    for path, save in (
        (tmp_path / "a.pth", torch.save),
        (tmp_path / "b.pth", lambda o, p: p.write_bytes(pickle.dumps(o))),
    ):
        save({"weight": _Harmful()}, path)
        with pytest.raises(WeightsError):
            read_tensors(path)
    assert "code was run" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["a.safetensors", "a.pth"])
def test_truncated_and_absent_files(tmp_path, released, name):
    path = tmp_path / name
    with pytest.raises(WeightsError, match="No weights file"):
        read_tensors(path)
    if path.suffix == ".safetensors":
        safetensors.torch.save_file(released, path)
    else:
        torch.save(released, path)
    whole = path.read_bytes()
    for size in (0, 1, 7, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(WeightsError):
            read_tensors(path)


def test_what_is_no_state_dict(tmp_path):
    path = tmp_path / "a.pth"
    for content in ([1, 2], {}, {"epoch": 3}):
        torch.save(content, path)
        with pytest.raises(WeightsError, match="holds no"):
            read_tensors(path)
