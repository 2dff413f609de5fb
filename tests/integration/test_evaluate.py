"""`python -m ablations.evaluate`: any file that fits is scored rightly, and one that does not is refused in a line."""

import json
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

import dfpir
from ablations.evaluate import main, make_parser
from ablations.harness.evaluate import as_tensor
from ablations.harness.evaluating import guess_cost
from ablations.harness.evaluating.guess import Guess
from ablations.harness.evaluating.options import settings
from ablations.harness.evaluating.released import known_models, open_released
from ablations.harness.run_one import spec_file
from ablations.restore import main as restore_main
from ablations.spec import Phase
from baselines.base import restore
from datasets.embedded import load_embedded
from dfpir.prompts import load_prompts
from dfpir.weights import released_names
from reports.files import sha256_of, write_json
from reports.schema import read_images
from tests.support.shared import shared
from tests.support.tiny_study import run_here, tiny_plan

TINY = {"dim": 4, "num_blocks": (1, 1, 1, 1), "num_refinement_blocks": 1}
_SHORT = Phase(steps=2, lr=1e-3, patch=32, batch=2)
CONFIG = ("--config", "dim=4", "num_blocks=1,1,1,1", "num_refinement_blocks=1")
ONEHOT = ("--text-encoder", "onehot")
QUICK = (*CONFIG, *ONEHOT, "--tasks", "noise-50", "lowlight", "--limit", "1")


def call(capsys, *arguments):
    """Exit code, standard output, standard error."""
    code: object
    try:
        code = main([str(a) for a in arguments])
    except SystemExit as ended:
        code = ended.code
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return dfpir.create_model("dfpir", **TINY).eval()


@pytest.fixture(scope="module")
def state(model):
    """By released names."""
    names = released_names(model)
    return {names[key]: value.detach().contiguous() for key, value in model.named_parameters()}


@pytest.fixture
def weights(state, tmp_path):
    torch.save(state, tmp_path / "dfpir.pth")
    return tmp_path / "dfpir.pth"


def test_the_flags_are_these():
    flags = {option for action in make_parser()._actions for option in action.option_strings}
    assert flags == {
        "-h", "--help", "--weights", "--config", "--protocol", "--data", "--root", "--tasks", "--limit",
        "--text-encoder", "--codes", "--device", "--json", "--out", "--reported", "--degradation", "--guess-data",
        "--runs",
    }  # fmt: skip


def test_scores_are_those_of_an_independent_computation(capsys, model, weights, tmp_path):
    code, out, err = call(capsys, "dfpir", "--weights", weights, *QUICK, "--json", "--out", tmp_path / "out")
    assert code == 0
    assert err == ""
    result = json.loads(out)
    assert result["weights"] == {"file": "dfpir.pth", "sha256": sha256_of(weights), "layout": "released"}
    assert "onehot, a stand-in for CLIP" in result["told"]
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
    first, second = (open_released("dfpir", path, config=TINY, text_encoder="onehot") for path in (weights, other))
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
        (("--protocol", "alinone"), "Did you mean 'allinone'?"),
        (("--protocol", "allinone"), "images degraded here follow 'suite'"),
        (("--tasks", "hase"), "Did you mean 'haze'?"),
        (("--tasks", "rain-3"), "--tasks rain-3"),
        (("--limit", "0"), "'0': a whole number"),
        (("--text-encoder", "klip"), "Did you mean 'clip'?"),
        (("--device", "tpu"), "Unknown device 'tpu'"),
        (("--data", "/no/such/folder"), "'embedded', 'paper' or the path of a folder"),
        (("--data", "paper"), "needs --root FOLDER"),
        (("--root", "."), "it goes with --data paper"),
        (("--out", __file__), "a folder is needed"),
        (("--reported", "DFPIRR 3-task"), "Did you mean 'DFPIR 3-task'?"),
        (("--codes", "no.safetensors"), "no such file"),
        (("--degradation", "haze"), "--degradation haze: true (the default), or auto"),
        (("--degradation", "auto", "--guess-data", "/no/such"), "'embedded', 'paper' or the path of a folder"),
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


def test_unknown_and_unavailable_models(capsys, weights):
    assert "Did you mean 'restormer'?" in call(capsys, "restormr", "--weights", weights)[2]
    assert "can't be built" in call(capsys, "tape", "--weights", weights)[2]
    assert "needs --weights FILE" in call(capsys, "dfpir")[2]
    assert {"dfpir", "dfpir_g50", "promptir", "ffdnet", "prenet", "identity"} <= set(known_models())


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


@pytest.fixture(scope="module")
def own_run(tmp_path_factory):
    """The weights of a run of this suite, with its spec beside them."""
    folder = tmp_path_factory.mktemp("run")
    spec = tiny_plan().specs[0]
    torch.manual_seed(1)
    model = dfpir.RestorationUNet(spec.config).eval()
    model.bind_prompts(load_prompts("detailed", "minilm", spec.conditions).codes)
    tensors = {key: value.contiguous() for key, value in model.state_dict().items()}
    safetensors.torch.save_file(tensors, folder / "weights.safetensors")
    write_json(folder / "spec.json", spec_file(spec))
    return spec, model, folder / "weights.safetensors"


def test_a_run_of_our_own_brings_its_settings_and_prompts(capsys, own_run):
    spec, model, path = own_run
    released = open_released(spec.variant, path)
    assert released.layout == "own"
    assert released.run_id == spec.run_id
    assert "minilm" in released.told
    image = torch.rand(1, 3, 24, 30)
    for row, name in enumerate(spec.conditions):
        (condition,) = [c for c in load_embedded().conditions if c.name == name]
        with torch.inference_mode():
            assert torch.equal(released.restore(image, condition), restore(model, image, torch.tensor([row])))
    code, _, err = call(capsys, "dfpir_g100", "--weights", path)
    assert code == 2
    assert "is a run of 'dfpir_g50', not of 'dfpir_g100'" in err
    assert "trained with minilm" in call(capsys, spec.variant, "--weights", path, *ONEHOT)[2]


def test_a_run_without_its_spec_is_refused(capsys, own_run, tmp_path):
    _, _, path = own_run
    (tmp_path / "weights.safetensors").write_bytes(path.read_bytes())
    heads = "heads=1,2,4,8"
    code, _, err = call(capsys, "dfpir_g50", "--weights", tmp_path / "weights.safetensors", *CONFIG, heads)
    assert code == 2
    assert "no spec.json lies beside it" in err


@pytest.fixture(scope="module")
def comparator_runs(tmp_path_factory):
    """Runs of comparators that the harness trained: blind, told by an instruction, told an operator, and in stages."""
    root = tmp_path_factory.mktemp("runs")
    plan = tiny_plan("five_task", ("nafnet", "instructir", "dl", "airnet"), phases=(_SHORT,))
    for spec in plan.specs:
        run_here(spec, root)
    return {spec.variant: (spec, root / spec.run_id / "weights.safetensors") for spec in plan.specs}


@pytest.mark.parametrize("name", ["nafnet", "instructir", "dl", "airnet"])
def test_a_comparators_run_is_scored_as_its_own_harness_scored_it(capsys, comparator_runs, name):
    spec, path = comparator_runs[name]
    code, out, err = call(capsys, name, "--weights", path, "--tasks", "haze", "--limit", 1, "--json")
    assert (code, err) == (0, "")
    result = json.loads(out)
    assert result["run_id"] == spec.run_id
    assert result["weights"]["layout"] == "own"
    bundle = load_embedded()
    (condition,) = [c for c in bundle.conditions if c.name == "haze"]
    # the run's own evaluation looks at smaller crops: the same weights must restore them to the same score
    side = spec.evaluation.max_side
    (item,) = bundle.eval_items("test", [condition], max_side=side, limit=1)
    released = open_released(name, path)
    clean = torch.from_numpy(item.clean).permute(2, 0, 1)[None] / 255
    restored = released.restore(torch.from_numpy(item.degraded).permute(2, 0, 1)[None] / 255, condition)
    rows = read_images(path.parent / "images.parquet").query("condition == 'haze' and metric == 'psnr_db'")
    (harness,) = rows.loc[rows["image"] == item.name, "value"]
    psnr_db = peak_signal_noise_ratio(clean.double().numpy(), restored.clamp(0, 1).double().numpy(), data_range=1.0)
    assert psnr_db == pytest.approx(harness, abs=1e-3)


def test_a_comparators_run_restores_pictures(capsys, comparator_runs, tmp_path):
    _, path = comparator_runs["nafnet"]
    Image.fromarray(picture(1)).save(tmp_path / "a.png")
    arguments = [tmp_path / "a.png", "--model", "nafnet", "--weights", path, "--degradation", "haze"]
    assert restore_main([str(a) for a in (*arguments, "--out", tmp_path / "out")]) == 0
    assert "Told: nothing (blind)." in capsys.readouterr().out
    restored = np.asarray(Image.open(tmp_path / "out/a.png"))
    assert restored.shape == picture(1).shape
    released = open_released("nafnet", path)
    (condition,) = [c for c in load_embedded().conditions if c.name == "haze"]
    image = torch.from_numpy(picture(1).copy()).permute(2, 0, 1)[None] / 255
    expected = released.restore(image, condition)[0].clamp(0, 1).permute(1, 2, 0).mul(255).round()
    assert np.abs(expected.numpy() - restored).max() <= 1


def test_a_comparators_run_is_refused_under_another_name_or_without_its_spec(capsys, comparator_runs, tmp_path):
    _, path = comparator_runs["nafnet"]
    code, _, err = call(capsys, "instructir", "--weights", path)
    assert code == 2
    assert "is a run of 'nafnet', not of 'instructir'" in err
    (tmp_path / "weights.safetensors").write_bytes(path.read_bytes())
    code, _, err = call(capsys, "nafnet", "--weights", tmp_path / "weights.safetensors")
    assert code == 2
    assert "does not fit the model" in err


class Fixed:
    """A guesser that says what it is told to say of each image."""

    data, path, accuracy = "nothing", Path("none"), 1.0

    def __init__(self, name_of):
        self.conditions, self.name_of = load_embedded().conditions, name_of

    def guess(self, image, among=None):
        (condition,) = [c for c in self.conditions if c.name == self.name_of(image)]
        assert among is None or condition in among
        return Guess(condition=condition, confidence=1.0)


def true_names():
    """Bytes of each degraded test image -> its condition's name."""
    bundle = load_embedded()
    return {
        as_tensor(item.degraded).numpy().tobytes(): item.condition.name
        for item in bundle.eval_items("test", bundle.conditions, limit=2)
    }


AUTO = (*CONFIG, *ONEHOT, "--limit", "2", "--degradation", "auto", "--tasks", "noise-50", "haze", "lowlight")


def test_a_perfect_guesser_costs_nothing(capsys, weights, tmp_path, monkeypatch):
    names = true_names()
    perfect = Fixed(lambda image: names[image.numpy().tobytes()])
    monkeypatch.setattr(guess_cost, "open_guesser", lambda *_: perfect)
    code, out, _ = call(capsys, "dfpir", "--weights", weights, *AUTO, "--json", "--out", tmp_path / "out")
    assert code == 0
    guess = json.loads(out)["guess"]
    assert [line["condition"] for line in guess["costs"]] == ["noise-50", "haze", "lowlight", "average"]
    assert all(line["difference_db"] == line["low_db"] == line["high_db"] == 0 for line in guess["costs"])
    assert (guess["right"], guess["images"]) == (6, 6)
    page = (tmp_path / "out/evaluation.html").read_text()
    assert "Guessing costs nothing here: 0.00 dB" in page


def test_a_constant_guesser_costs_what_the_wrong_code_costs(capsys, weights, tmp_path, monkeypatch):
    monkeypatch.setattr(guess_cost, "open_guesser", lambda *_: Fixed(lambda image: "haze"))
    code, out, _ = call(capsys, "dfpir", "--weights", weights, *AUTO, "--out", tmp_path / "out")
    assert code == 0
    assert "2 of 6 guesses are right" in out
    matrix = pd.read_csv(tmp_path / "out/guess_confusion.csv", index_col="true")
    assert matrix["haze"].tolist() == [2, 2, 2]
    assert int(matrix.to_numpy().sum()) == 6, "one column holds every image"
    costs = pd.read_csv(tmp_path / "out/guess_costs.csv", index_col="condition")
    assert costs.loc["haze", "difference_db"] == 0
    assert costs.loc["lowlight", "share_right"] == 0
    bundle, released = load_embedded(), open_released("dfpir", weights, config=TINY, text_encoder="onehot")
    named = {c.name: c for c in bundle.conditions}
    losses = []
    for item in bundle.eval_items("test", [named["lowlight"]], limit=2):
        values = []
        for told in ("lowlight", "haze"):
            restored = released.restore(as_tensor(item.degraded), named[told])[0].clamp(0, 1).permute(1, 2, 0)
            clean = item.clean / 255.0
            values.append(peak_signal_noise_ratio(clean, restored.double().numpy(), data_range=1.0))
        losses.append(values[1] - values[0])
    assert abs(np.mean(losses)) > 1e-3, "the wrong code must matter, or the test shows nothing"
    assert costs.loc["lowlight", "difference_db"] == pytest.approx(np.mean(losses), abs=1e-4)
    assert costs.loc["lowlight", "wrong_db"] == pytest.approx(np.mean(losses), abs=1e-4)
    rows = pd.read_csv(tmp_path / "out/guesses.csv")
    assert set(rows["guessed"]) == {"haze"}
    assert len(rows) == 6


def test_a_guess_for_a_blind_model_is_refused(capsys):
    code, _, err = call(capsys, "identity", "--degradation", "auto")
    assert code == 2
    assert "identity is told nothing of the degradation" in err


def test_a_classifier_is_not_judged_on_what_it_learnt_from(capsys, weights, tmp_path):
    (tmp_path / "photos").mkdir()
    Image.fromarray(picture(1)).save(tmp_path / "photos/a.png")
    both = ("--data", tmp_path / "photos", "--guess-data", tmp_path / "photos")
    code, _, err = call(capsys, "dfpir", "--weights", weights, *AUTO, *both)
    assert code == 2
    assert "judged on the images that it learns from" in err


def test_without_a_guess_the_page_has_scores_alone(capsys, tmp_path):
    code, _, _ = call(capsys, "identity", "--limit", 1, "--tasks", "rain", "--out", tmp_path / "out")
    assert code == 0
    page = (tmp_path / "out/evaluation.html").read_text()
    assert "identity evaluated" in page
    assert "guess" not in page.partition("</style>")[2].partition("<script>")[0]
    assert not (tmp_path / "out/guesses.csv").exists()


def picture(seed):
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 12, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((72, 48), Image.Resampling.BICUBIC))


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
    assert set(rows.loc[rows["seen"] == "seen", "image"]) == {"rain100l-test/2"}
    assert set(rows["protocol"]) == {"allinone-v1"}


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


def test_a_model_that_returns_nan_reports_nothing(capsys, state, tmp_path):
    torch.save({key: value * float("nan") for key, value in state.items()}, tmp_path / "nan.pt")
    code, out, err = call(capsys, "dfpir", "--weights", tmp_path / "nan.pt", *QUICK)
    assert code == 2
    assert "NaN" in err
    assert out == ""


def test_settings_from_words():
    words = ["dim=8", "num_blocks=1,2,3,4", "heads=[1,2]", "layer_norm=bias_free", "gamma=0.5"]
    expected = {"dim": 8, "num_blocks": (1, 2, 3, 4), "heads": (1, 2), "layer_norm": "bias_free", "gamma": 0.5}
    assert settings(words) == expected
    with pytest.raises(ValueError, match="given twice"):
        settings(["dim=8", "dim=9"])


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
