"""The comparators against what their released code computes with the same weights.

FD-GAN's left no such record. The published sizes of all of them: tests/unit/test_efficiency.py.
"""

import pytest
import torch
import torch.nn.functional as F

import baselines
from baselines import airnet, amir
from baselines.idr import side_loss
from tests.support.shared import load_fixture

FIXTURES = {
    "adair": "adair_tiny",
    "airnet": "airnet_tiny",
    "amir": "amir_tiny",
    "dgunet": "dgunet_tiny",
    "dl": "dl",
    "idr": "idr_tiny_stage1",
    "instructir": "instructir_tiny",
    "moceir": "moceir_tiny",
    "mprnet": "mprnet_tiny",
    "nafnet": "nafnet_tiny",
    "promptir": "promptir_shallow",
    "swinir": "swinir_tiny",
    "transweather": "transweather",
    "vlunet": "vlunet_tiny",
}
# the first two draw random numbers in training; of the others no gradients were recorded
NO_TRAINING_RECORD = ("swinir", "moceir", "dl", "transweather")
# relative errors of gradients' norms and of the input's gradient. Records are float32: DGUNet inverts ill-conditioned
# matrices, and its own float32 gradients lie 1.2e-3 from its float64 ones (2.1e-3 for the input's)
TOLERANCES = {"dgunet": (2e-3, 4e-3), "airnet": (1e-3, 1e-3), "instructir": (1e-3, 1e-3), "idr": (1e-3, 1e-3)}


def relative(value, reference):
    return float((value.double() - reference.double()).norm() / reference.double().norm())


def built(name, config):
    if name == "swinir":
        pytest.importorskip("spandrel", reason="needs the extra 'spandrel'")
    if name == "amir":  # its record was made without the noise
        config = {**config, "noisy_gating": False}
    if config.pop("note", None):  # AirNet's sizes stand in words
        config |= {"n_groups": 1, "n_blocks": 1}
    return baselines.create_model(name, **config)


def loaded(name, dtype=torch.float64):
    fixture, weights = load_fixture(FIXTURES[name])
    model = built(name, dict(fixture["cfg"])).to(dtype)
    if name == "idr":
        model.set_progress(0.0)
    if name == "swinir":  # index and mask buffers are not made by the fixtures
        own = model.network.state_dict()
        weights |= {key: own[key] for key in fixture["shapes"] if key not in weights}
    return fixture, baselines.load_released(model, weights)


def outputs(name, model, inputs):
    """Call the model as the fixture's own code was called."""
    match name:
        case "airnet":
            return [model(inputs[0])]  # the second view is for training
        case "transweather":
            return [model((inputs[0] + 1) / 2)]  # recorded on [-1, 1]
        case "dl":
            return [model.apply_operator(*(t.to(next(model.parameters()).dtype) for t in inputs[0]))]
        case "idr":
            restored = model.restore(inputs[0], torch.zeros(len(inputs[0]), dtype=torch.long))  # "denoise_15"
            return [restored.image, side_loss(restored, inputs[2]), *restored.predictions]
        case "mprnet" | "dgunet":
            return model.stages(*inputs)
    return [model(*inputs)]


def cast(values, dtype):
    return [value.to(dtype) if isinstance(value, torch.Tensor) else value for value in values]


@pytest.mark.parametrize("name", FIXTURES)
@pytest.mark.parametrize(
    ("dtype", "output", "tolerance"), [(torch.float32, "out_f32", 2e-5), (torch.float64, "out_f64", 1e-9)]
)
def test_output(name, dtype, output, tolerance):
    fixture, model = loaded(name, dtype)
    if fixture.get(output) is None:
        pytest.skip(f"the fixture holds no {output}")
    expected = fixture[output] if isinstance(fixture[output], list | tuple) else [fixture[output]]
    with torch.no_grad():
        out = outputs(name, model.eval(), cast(fixture["eval_inputs"], dtype))
    for ours, theirs in zip(out, expected, strict=True):
        assert relative(ours, theirs) < tolerance


def recorded_loss(name, model, inputs):
    target = inputs[0].detach().flip(-1)
    if name == "airnet":
        return airnet.objective(model, inputs[0], target, inputs[1])
    out, *others = outputs(name, model, inputs)
    if name in ("mprnet", "dgunet"):
        return torch.stack([((each - target).square() + 1e-6).sqrt().mean() for each in (out, *others)]).sum()
    loss = F.l1_loss(out, target)
    if name == "amir":
        return loss + amir.BALANCE_WEIGHT * model.balance_loss()
    if name == "idr":  # with its own side loss and a hundredth of each prediction's mean
        return loss + others[0] + 0.01 * torch.stack([p.mean() for p in others[1:]]).sum()
    return loss


@pytest.mark.parametrize("name", [name for name in FIXTURES if name not in NO_TRAINING_RECORD])
def test_gradients_in_float64(name):
    tolerance, input_tolerance = TOLERANCES.get(name, (1e-3, 1e-4))
    fixture, model = loaded(name)
    inputs = cast(fixture["inputs"], torch.float64)
    inputs[0].requires_grad_()
    torch.manual_seed(0)
    loss = recorded_loss(name, model.train(), inputs)
    loss.backward()
    train = fixture["train"]
    assert float(loss.detach()) == pytest.approx(float(train["loss"]), rel=1e-5)
    assert relative(inputs[0].grad, train["input_grad"]) < input_tolerance
    parameters = dict(model.named_parameters(remove_duplicate=False))
    # AirNet's momentum encoder was not recorded; a shared parameter is recorded under its first name
    assert set(train["grad_norm"]) <= set(parameters)
    for key, parameter in model.named_parameters():
        expected = train["grad_norm"].get(key)
        if expected is None:
            assert parameter.grad is None, key
        else:
            assert float(parameter.grad.norm()) == pytest.approx(float(expected), rel=tolerance, abs=1e-9), key


@pytest.mark.parametrize("name", FIXTURES)
def test_names_are_the_released_ones_and_none_may_be_missing(name):
    fixture, model = loaded(name, torch.float32)
    own = dict((model.network if name == "swinir" else model).state_dict())
    assert {key: list(value.shape) for key, value in own.items()} == {k: list(s) for k, s in fixture["shapes"].items()}
    if "params" in fixture:
        assert sum(p.numel() for p in model.parameters()) == fixture["params"]
    del own[next(iter(own))]
    with pytest.raises(baselines.WeightsError, match="1 missing"):
        baselines.load_released(model, own)


@pytest.mark.parametrize(
    ("name", "config", "millions"),
    [
        ("mprnet", {"n_feat": 80}, 15.741),
        ("mprnet", {"n_feat": 40, "scale_unetfeats": 20, "scale_orsnetfeats": 16}, 3.637),
        ("nafnet", {"width": 64, "enc_blk_nums": (2, 2, 4, 8), "middle_blk_num": 12, "dec_blk_nums": (2,) * 4}, 115.98),
        ("swinir", {"img_size": 128, "embed_dim": 180, "depths": (6,) * 6, "num_heads": (6,) * 6}, 11.504),
        ("dgunet", {"n_feat": 40, "scale_unetfeats": 20, "scale_orsnetfeats": 16}, 3.662),
        ("moceir", {"dim": 32}, 11.478),
    ],
)
def test_parameters_of_further_released_sizes(name, config, millions):
    with torch.device("cpu" if name == "swinir" else "meta"):
        model = built(name, dict(config))
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(millions, rel=1e-3)


def test_moceir_noise_in_evaluation_is_an_option():
    fixture, weights = load_fixture("moceir_tiny")
    model = baselines.load_released(baselines.create_model("moceir", **fixture["cfg"], eval_noise=True), weights).eval()
    torch.manual_seed(0)
    with torch.no_grad():
        assert relative(model(*fixture["eval_inputs"]), fixture["out_f32"]) < 1e-2


@pytest.mark.parametrize("name", ["moceir", "amir", "idr"])
def test_images_of_a_batch_are_routed_by_themselves(name):
    _, model = loaded(name)
    images, labels = torch.rand(5, 3, 32, 40, dtype=torch.float64), torch.tensor([3, 0, 4, 1, 2])
    with torch.no_grad():
        together = model.eval()(images, labels)
        alone = torch.cat([model(images[n : n + 1], labels[n : n + 1]) for n in range(5)])
    assert relative(together, alone) < 1e-12


def test_idr_stage_two_mixes_directions_of_all_degradations():
    _, model = loaded("idr")
    model.requires_grad_(False)
    prediction = torch.rand(2, 5, 1, 1, dtype=torch.float64)
    keys = model.dmixer(model.degra_key).keys_for(prediction)
    u, s, vh = torch.linalg.svd(model.degra_key, full_matrices=False)
    columns = torch.cat([u[n].T for n in range(5)])  # 120 directions of 24 numbers
    rows = torch.cat([vh[n] for n in range(5)])
    parameters = dict(model.dmixer.named_parameters())
    left = (parameters["convU.weight"][:, :, 0, 0] @ columns + parameters["convU.bias"][:, None]).T
    right = parameters["convV.weight"][:, :, 0, 0] @ rows + parameters["convV.bias"][:, None]
    for n in range(2):
        strengths = torch.diag(prediction[n].flatten() @ s)
        assert relative(keys[n], left @ strengths @ right) < 1e-12
