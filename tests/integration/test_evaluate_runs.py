"""`python -m ablations.evaluate` and `restore` on runs of this suite: they bring their settings, prompts and names."""

import json
from dataclasses import replace

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio

import dfpir
from ablations.harness.context import run_context
from ablations.harness.evaluate import restore_items
from ablations.harness.evaluating.pretrained import load_pretrained
from ablations.harness.image_scores import as_tensor
from ablations.harness.restoring.output_record import restoration_settings
from ablations.harness.run_one import spec_record
from ablations.restore import main as restore_main
from ablations.spec import Phase
from baselines.base import restore
from datasets.sources.embedded import load_embedded
from dfpir.prompts import load_prompts
from reports.files import write_json
from reports.schema import read_images
from tests.support.evaluations import CONFIG, ONEHOT, call, picture
from tests.support.tiny_study import run_here, tiny_plan

_SHORT = Phase(steps=2, lr=1e-3, patch=32, batch=2)


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
    write_json(folder / "spec.json", spec_record(spec))
    return spec, model, folder / "weights.safetensors"


def test_a_run_of_our_own_brings_its_settings_and_prompts(capsys, own_run):
    spec, model, path = own_run
    released = load_pretrained(spec.variant, path)
    assert released.layout == "own"
    assert released.run_id == spec.run_id
    assert "minilm" in released.conditioning
    image = torch.rand(1, 3, 24, 30)
    for row, name in enumerate(spec.conditions):
        (condition,) = [c for c in load_embedded().conditions if c.name == name]
        with torch.inference_mode():
            assert torch.equal(released.restore(image, condition), restore(model, image, torch.tensor([row])))
    code, _, err = call(capsys, "dfpir_g100", "--weights", path)
    assert code == 2
    assert "is a run of 'dfpir_g50', not of 'dfpir_g100'" in err
    assert "trained with minilm" in call(capsys, spec.variant, "--weights", path, *ONEHOT)[2]


def test_a_run_of_another_size_without_its_spec_says_so_too(capsys, own_run, tmp_path):
    moved = tmp_path / "weights.safetensors"
    moved.write_bytes(own_run[2].read_bytes())
    code, _, err = call(capsys, "dfpir_g50", "--weights", moved, *ONEHOT)
    assert code == 2
    assert "is a run's, but no spec.json lies beside it" in err
    assert "missing" not in err


def test_a_runs_folder_is_enough(capsys, own_run, tmp_path):
    spec, _, path = own_run
    quick = ("--tasks", "rain", "--limit", "1", "--json")
    named = call(capsys, spec.variant, "--weights", path, *quick)
    assert named[0] == 0
    for way in (
        ("--weights", path),
        ("--weights", path.parent),
        (path.parent,),
        (spec.variant, "--weights", path.parent),
    ):
        assert call(capsys, *way, *quick) == named
    Image.fromarray(picture(1)).save(tmp_path / "a.png")
    command = [tmp_path / "a.png", "--weights", path.parent, "--degradation", "rain", "--out", tmp_path / "out"]
    assert restore_main([str(word) for word in command]) == 0
    assert (tmp_path / "out/a.png").is_file()


def test_what_is_no_run_says_which_models_there_are(capsys, own_run, tmp_path):
    (tmp_path / "alone.pth").write_bytes(b"")
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "unfinished/spec.json").write_bytes((own_run[2].parent / "spec.json").read_bytes())
    for words, said in (
        ((), "A model is needed"),
        (("--weights", tmp_path / "alone.pth"), "alone.pth is no run's"),
        (("resttormer",), "Did you mean 'restormer'?"),
    ):
        code, _, err = call(capsys, *words)
        assert code == 2
        assert err.count("\n") == 1
        assert said in err
        assert "Known: restormer, " in err
        assert "ffdnet, prenet" in err
    code, _, err = call(capsys, "--weights", tmp_path / "unfinished")
    assert code == 2
    assert "unfinished is a run without weights.safetensors" in err


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
    released = load_pretrained(name, path)
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
    assert "Conditioning: nothing (blind)." in capsys.readouterr().out
    restored = np.asarray(Image.open(tmp_path / "out/a.png"))
    assert restored.shape == picture(1).shape
    released = load_pretrained("nafnet", path)
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


def test_a_run_tested_in_tiles_is_restored_in_tiles_by_the_harness_and_from_its_weights(own_run, tmp_path):
    spec, model, path = own_run
    tiled_spec = replace(spec, evaluation=replace(spec.evaluation, tile=16))
    assert tiled_spec.run_id != spec.run_id
    (tmp_path / path.name).write_bytes(path.read_bytes())
    write_json(tmp_path / "spec.json", spec_record(tiled_spec))
    run = run_context(tiled_spec, torch.device("cpu"))
    (condition,) = [c for c in load_embedded().conditions if c.name == "rain"]
    (item,) = run.bundle.eval_items("test", [condition], max_side=40, limit=1)
    row = torch.tensor([spec.conditions.index("rain")])
    with torch.inference_mode():
        tiled = restore(model, as_tensor(item.degraded), row, tile=16)
    ((_, restored),) = restore_items(run, model, [item])
    assert torch.allclose(restored, tiled, atol=1e-6)
    released = load_pretrained(spec.variant, tmp_path / path.name)
    assert torch.allclose(released.restore(as_tensor(item.degraded), condition), tiled, atol=1e-6)
    assert not torch.allclose(tiled, restore(model, as_tensor(item.degraded), row))
    terms = {"degradation": "rain", "tile": None, "codes": None, "classifier": ""}
    whole = replace(released, tile=None)
    assert restoration_settings(released, **terms) != restoration_settings(whole, **terms), "outputs are other pixels"
