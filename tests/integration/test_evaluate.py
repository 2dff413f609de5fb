"""`python -m ablations.evaluate`: any file that fits is scored rightly, and one that does not is refused in a line."""

import json
import pickle
import warnings
from pathlib import Path

import pytest
import safetensors.torch
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from ablations.checkpoint_options import EvaluateOptions
from ablations.flags import flag_name, iter_options
from ablations.harness.evaluating.model_settings import parse_settings
from ablations.harness.evaluating.pretrained import list_pretrained_names, load_pretrained
from baselines.base import restore
from datasets.sources.embedded import load_embedded
from dfpir.prompts import load_prompts
from reports.files import sha256_of
from reports.schema import read_images
from tests.support.evaluations import CONFIG, ONEHOT, QUICK, TINY, call
from tests.support.shared import shared


def test_the_flags_are_these():
    flags = {flag_name(name) for name, _ in iter_options(EvaluateOptions())}
    assert flags == {
        "--model", "--version", "--weights", "--config", "--protocol", "--data", "--root", "--tasks", "--limit",
        "--text-encoder", "--codes", "--device", "--json", "--out", "--reported", "--degradation", "--guess-data",
         "--runs", "--skip-bad", "--use", "--force",
    }  # fmt: skip


def test_scores_are_those_of_an_independent_computation(capsys, model, weights, tmp_path):
    code, out, err = call(capsys, "dfpir", "--weights", weights, *QUICK, "--json", "--out", tmp_path / "out")
    assert code == 0
    assert err == ""
    result = json.loads(out)
    assert result["weights"] == {"file": "dfpir.pth", "sha256": sha256_of(weights), "layout": "released"}
    assert "onehot, a stand-in for CLIP" in result["told"]
    assert (result["model"], result["label"]) == ("dfpir", "DFPIR")
    assert result["protocol"]["label"] == "suite-v1"
    bundle, prompts = load_embedded(), load_prompts("detailed", "onehot")
    for row in result["means"]:
        (condition,) = [c for c in bundle.conditions if c.name == row["condition"]]
        (item,) = bundle.eval_items("test", [condition], limit=1)
        degraded = torch.from_numpy(item.degraded).permute(2, 0, 1)[None] / 255
        with torch.inference_mode():
            restored = restore(model, degraded, prompts.codes[prompts.row(condition.name)][None])
        pixels, clean = restored[0].clamp(0, 1).permute(1, 2, 0).double().numpy(), item.clean / 255.0
        assert row["images"] == 1
        assert row["psnr_db"] == pytest.approx(peak_signal_noise_ratio(clean, pixels, data_range=1.0), abs=1e-4)
        ssim = structural_similarity(clean, pixels, channel_axis=-1, data_range=1.0)
        assert row["ssim"] == pytest.approx(ssim, abs=1e-5)
        own = peak_signal_noise_ratio(clean, item.degraded / 255.0, data_range=1.0)
        assert row["input_psnr_db"] == pytest.approx(own, abs=1e-6)
    rows = read_images(tmp_path / "out/images.parquet")
    assert len(rows) == 4
    assert set(rows["variant"]) == {"dfpir"}
    assert set(rows["run_id"]) == {result["run_id"]}
    assert json.loads((tmp_path / "out/evaluation.json").read_text())["means"] == result["means"]


@pytest.mark.parametrize("layout", ["module", "wrapped", "lightning", "safetensors", "misnamed"])
def test_every_layout_of_a_file_gives_the_same_model(state, weights, tmp_path, layout):
    if layout == "module":
        torch.save({f"module.{k}": v for k, v in state.items()}, tmp_path / "other.pt")
    elif layout == "wrapped":
        torch.save({"params": state, "iteration": 300}, tmp_path / "other.pt")
    elif layout == "lightning":
        torch.save({"state_dict": {f"net.{k}": v for k, v in state.items()}, "epoch": 3}, tmp_path / "other.pt")
    elif layout == "safetensors":
        safetensors.torch.save_file(state, tmp_path / "other.safetensors")
    else:
        safetensors.torch.save_file(state, tmp_path / "other.pt")
    (other,) = tmp_path.glob("other.*")
    first, second = (load_pretrained("dfpir", path, config=TINY, text_encoder="onehot") for path in (weights, other))
    assert first.sha256 != second.sha256
    for one, two in zip(first.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(one, two)


class Payload:
    """Writes a file when it is unpickled by something careless."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return Path.write_text, (self.target, "ran")


def test_code_in_a_pickle_is_refused_and_not_run(capsys, tmp_path):
    (tmp_path / "evil.pth").write_bytes(pickle.dumps({"state_dict": Payload(tmp_path / "ran")}))
    torch.save({"state_dict": Payload(tmp_path / "ran")}, tmp_path / "evil.pt")
    for name in ("evil.pth", "evil.pt"):
        code, _, err = call(capsys, "dfpir", "--weights", tmp_path / name, *QUICK)
        assert code == 2
        assert err.count("\n") == 1
        assert name in err
        assert not (tmp_path / "ran").exists()


def test_every_truncation_is_refused(capsys, state, weights, tmp_path):
    safetensors.torch.save_file(state, tmp_path / "whole.safetensors")
    for source in (weights, tmp_path / "whole.safetensors"):
        content = source.read_bytes()
        for kept in (0, 1, 8, 100, len(content) // 2, len(content) - 1):
            cut = tmp_path / f"cut{source.suffix}"
            cut.write_bytes(content[:kept])
            code, _, err = call(capsys, "dfpir", "--weights", cut, *QUICK)
            assert code == 2, kept
            assert "cut" in err
            assert err.count("\n") == 1


def test_one_weight_too_few_too_many_or_of_another_shape_is_refused(capsys, state, tmp_path):
    key = next(iter(state))
    changed = {
        "1 missing": {k: v for k, v in state.items() if k != key},
        "1 unexpected (extra)": {**state, "extra": torch.zeros(1)},
        "1 of another shape": {**state, key: torch.zeros(2, 2)},
    }
    for message, tensors in changed.items():
        torch.save(tensors, tmp_path / "changed.pt")
        code, out, err = call(capsys, "dfpir", "--weights", tmp_path / "changed.pt", *QUICK)
        assert code == 2
        assert message in err
        assert out == ""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("--weights", "no.pth"), "No weights file at no.pth"),
        (("--weights", "."), "No weights file at ."),
        (("--config", "dim=8"), "does not fit the model"),
        (("--config", "dim"), "--config 'dim': KEY=VALUE is needed"),
        (("--config", "dmi=8"), "Did you mean 'dim'?"),
        (("--config", "dim=wide"), "--config dim=wide: dfpir takes a whole number there, such as 48"),
        (("--config", "num_blocks=1"), "--config num_blocks=1: dfpir takes numbers with commas there, such as 4,6,6,8"),
        (("--use", "plain", "--protocol", "alinone"), "Did you mean 'allinone'?"),
        (("--use", "averaged"), "holds plain weights only; leave --use out"),
        (("--protocol", "alinone"), "Did you mean 'allinone'?"),
        (("--protocol", "allinone"), "images degraded here follow 'suite'"),
        (("--tasks", "hase"), "Did you mean 'haze'?"),
        (("--tasks", "rain-3"), "--tasks rain-3"),
        (("--limit", "0"), "'0': a whole number"),
        (("--text-encoder", "klip"), "Did you mean 'clip'?"),
        (("--device", "tpu"), "Unknown device 'tpu'"),
        (("--data", "/no/such/folder"), "'paper' or the path of a folder"),
        (("--data", "paper"), "needs --root FOLDER"),
        (("--root", "."), "it goes with --data paper"),
        (("--out", __file__), "a folder is needed"),
        (("--reported", "DFPIRR 3-task"), "Did you mean 'DFPIR 3-task'?"),
        (("--codes", "no.safetensors"), "no such file"),
        (("--degradation", "haze"), "--degradation haze: true (the default), or auto"),
        (("--degradation", "auto", "--guess-data", "/no/such"), "'paper' or the path of a folder"),
        (("--bogus",), "unrecognized arguments"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(capsys, weights, change, message):
    code, out, err = call(capsys, "dfpir", "--weights", weights, *QUICK, *change)
    assert code == 2
    assert out == ""
    assert message in err
    assert err.count("\n") == 1
    assert "Traceback" not in err


@pytest.mark.parametrize("word", ["width=abc", "width=0", "width=1.5", "enc_blk_nums=1", "middle_blk_num=-1"])
def test_a_setting_that_does_not_fit_is_named_with_what_is_allowed(capsys, tmp_path, word):
    torch.save({"x": torch.zeros(1)}, tmp_path / "w.pth")
    code, _, err = call(capsys, "nafnet", "--weights", tmp_path / "w.pth", "--config", word)
    assert code == 2
    assert err.count("\n") == 1
    assert f"--config {word}: nafnet takes " in err
    assert "such as" in err


def test_a_setting_without_channels_is_told_without_torchs_warning(capsys, tmp_path):
    torch.save({"x": torch.zeros(1)}, tmp_path / "w.pth")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, _, err = call(capsys, "nafnet", "--weights", tmp_path / "w.pth", "--config", "width=0")
    assert "(groups must be a positive integer)" in err


def test_averaged_weights_are_taken_said_and_chosen(capsys, state, tmp_path):
    path = tmp_path / "both.pth"
    torch.save({"state_dict": {k: v * 1.5 for k, v in state.items()}, "state_dict_ema": state}, path)
    results = {}
    for use in ((), ("--use", "plain"), ("--use", "averaged")):
        code, out, err = call(capsys, "dfpir", "--weights", path, *QUICK, *use, "--json")
        assert code == 0
        results[use[1:]] = json.loads(out)
        assert results[use[1:]]["weights"]["taken"] in err
        assert "Takes the " in err
    assert results[()]["means"] == results[("averaged",)]["means"] != results[("plain",)]["means"]
    assert results[()]["run_id"] == results[("averaged",)]["run_id"] != results[("plain",)]["run_id"]


def test_keys_that_stand_in_the_way_of_the_right_weights_are_named(capsys, state, tmp_path):
    path = tmp_path / "loss.pth"
    torch.save({"state_dict": {**{f"net.{k}": v for k, v in state.items()}, "loss.vgg.weight": torch.ones(2)}}, path)
    code, _, err = call(capsys, "dfpir", "--weights", path, *QUICK)
    assert code == 2
    assert "All of the model's weights are there under 'net.'; in their way stand loss.vgg.weight" in err


def test_integer_weights_are_refused(capsys, state, tmp_path):
    path = tmp_path / "int.pth"
    torch.save({k: v.to(torch.int64) for k, v in state.items()}, path)
    code, out, err = call(capsys, "dfpir", "--weights", path, *QUICK)
    assert (code, out) == (2, "")
    assert "quantised or damaged weights" in err
    assert "int64" in err


def test_unknown_and_unavailable_models(capsys, weights):
    assert "Did you mean 'restormer'?" in call(capsys, "restormr", "--weights", weights)[2]
    assert "can't be built" in call(capsys, "tape", "--weights", weights)[2]
    assert "needs --weights FILE" in call(capsys, "dfpir")[2]
    assert {"dfpir", "dfpir_g50", "promptir", "ffdnet", "prenet", "identity"} <= set(list_pretrained_names())


def test_a_reference_without_weights(capsys):
    code, out, _ = call(capsys, "identity", "--limit", 1, "--tasks", "rain", "--json")
    assert code == 0
    (row,) = json.loads(out)["means"]
    assert row["psnr_db"] == row["input_psnr_db"]
    assert row["ssim"] == row["input_ssim"]


def test_codes_from_a_file(capsys, weights, tmp_path):
    prompts = load_prompts("detailed", "onehot")
    table = {name: prompts.codes[row].clone() for row, name in enumerate(prompts.conditions)}
    safetensors.torch.save_file(table, tmp_path / "codes.safetensors")
    arguments = ("dfpir", "--weights", weights, *CONFIG, "--tasks", "haze", "--limit", 1, "--json")
    _, by_name, _ = call(capsys, *arguments, *ONEHOT)
    code, by_file, _ = call(capsys, *arguments, "--codes", tmp_path / "codes.safetensors")
    assert code == 0
    assert json.loads(by_file)["means"] == json.loads(by_name)["means"]
    assert json.loads(by_file)["told"] == "vectors of codes.safetensors"
    del table["haze"]
    safetensors.torch.save_file(table, tmp_path / "codes.safetensors")
    assert "no vector for 'haze'" in call(capsys, *arguments, "--codes", tmp_path / "codes.safetensors")[2]


def test_a_model_that_returns_nan_reports_nothing(capsys, state, tmp_path):
    torch.save({key: value * float("nan") for key, value in state.items()}, tmp_path / "nan.pt")
    code, out, err = call(capsys, "dfpir", "--weights", tmp_path / "nan.pt", *QUICK)
    assert code == 2
    assert "NaN" in err
    assert out == ""


def test_settings_from_words():
    words = ["dim=8", "num_blocks=1,2,3,4", "heads=[1,2]", "layer_norm=bias_free", "gamma=0.5"]
    expected = {"dim": 8, "num_blocks": (1, 2, 3, 4), "heads": (1, 2), "layer_norm": "bias_free", "gamma": 0.5}
    assert parse_settings(words) == expected
    with pytest.raises(ValueError, match="given twice"):
        parse_settings(["dim=8", "dim=9"])


@pytest.mark.shared
def test_prenet_gives_its_known_numbers_on_rain100l(capsys, tmp_path):
    weights = shared("weights", "prenet6_rain100l.pth")
    (tmp_path / "Rain100L").symlink_to(shared("data", "Rain100L"))
    code, out, _ = call(
        capsys, "prenet", "--weights", weights, "--data", "paper", "--root", tmp_path, "--protocol", "y-channel",
        "--limit", 1, "--json",
    )  # fmt: skip
    assert code == 0
    (row,) = json.loads(out)["means"]
    assert row["psnr_db"] == pytest.approx(37.9188, abs=1e-3)
    assert row["input_psnr_db"] == pytest.approx(27.2944, abs=1e-3)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("protocol", "tasks", "wanted"),
    [
        ("restormer", ("noise-25",), {"noise-25": 34.9279}),
        ("allinone", ("noise-15",), {"noise-15": 37.1734}),
    ],
)
def test_ffdnet_gives_its_known_numbers_on_cbsd68(capsys, protocol, tasks, wanted):
    code, out, _ = call(
        capsys, "ffdnet", "--weights", shared("weights", "ffdnet_color.pt"), "--data", shared("data", "CBSD68"),
        "--protocol", protocol, "--tasks", *tasks, "--limit", 2, "--json",
    )  # fmt: skip
    assert code == 0
    means = {row["condition"]: row["psnr_db"] for row in json.loads(out)["means"]}
    assert means == pytest.approx(wanted, abs=1e-3)
