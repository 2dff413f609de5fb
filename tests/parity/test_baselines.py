"""PromptIR, NAFNet, SwinIR, MPRNet, DGUNet, AdaIR, AMIR, MoCE-IR and VLU-Net against what their released code computes."""

from typing import Any

import pytest
import torch

import baselines
from baselines.amir import BALANCE_WEIGHT
from tests.support.shared import load_fixture

FIXTURES = {
    "promptir": "promptir_shallow",
    "nafnet": "nafnet_tiny",
    "swinir": "swinir_tiny",
    "mprnet": "mprnet_tiny",
    "dgunet": "dgunet_tiny",
    "adair": "adair_tiny",
    "amir": "amir_tiny",
    "moceir": "moceir_tiny",
    "vlunet": "vlunet_tiny",
}
NO_TRAINING_RECORD = ("swinir", "moceir")  # both draw random numbers in training


def relative(value, reference):
    return float((value.double() - reference.double()).norm() / reference.double().norm())


def built(name, config):
    if name == "swinir":
        pytest.importorskip("spandrel", reason="needs the extra 'spandrel'")
    if name == "amir":  # its record was made without the noise
        config = {**config, "noisy_gating": False}
    return baselines.create_model(name, **config)


def loaded(name, dtype):
    fixture, weights = load_fixture(FIXTURES[name])
    model = built(name, fixture["cfg"]).to(dtype)
    if name == "swinir":  # index and mask buffers are not made by the fixtures
        own = model.network.state_dict()
        weights |= {key: own[key] for key in fixture["shapes"] if key not in weights}
    return fixture, baselines.load_released(model, weights)


def stages(model, inputs):
    return model.stages(*inputs) if hasattr(model, "stages") else [model(*inputs)]


@pytest.mark.parametrize("name", FIXTURES)
@pytest.mark.parametrize(
    ("dtype", "output", "tolerance"), [(torch.float32, "out_f32", 2e-5), (torch.float64, "out_f64", 1e-9)]
)
def test_output(name, dtype, output, tolerance):
    fixture, model = loaded(name, dtype)
    if fixture.get(output) is None:
        pytest.skip(f"the fixture holds no {output}")
    expected = fixture[output] if isinstance(fixture[output], list) else [fixture[output]]
    with torch.no_grad():
        out = stages(model.eval(), [t.to(dtype) for t in fixture["eval_inputs"]])
    for ours, theirs in zip(out, expected, strict=True):
        assert relative(ours, theirs) < tolerance


@pytest.mark.parametrize("name", [name for name in FIXTURES if name not in NO_TRAINING_RECORD])
def test_gradients_in_float64(name):
    # the records are float32: DGUNet inverts ill-conditioned matrices, and its own float32 gradients lie 1.2e-3 from
    # its float64 ones (2.1e-3 for the input's)
    tolerance, input_tolerance = (2e-3, 4e-3) if name == "dgunet" else (1e-3, 1e-4)
    fixture, model = loaded(name, torch.float64)
    inputs = [t.double() for t in fixture["inputs"]]
    image = inputs[0].requires_grad_()
    target = image.detach().flip(-1)
    outs = stages(model.train(), inputs)
    if len(outs) > 1:
        loss = torch.stack([((out - target).square() + 1e-6).sqrt().mean() for out in outs]).sum()
    else:
        loss = (outs[0] - target).abs().mean()
    if name == "amir":
        loss = loss + BALANCE_WEIGHT * model.balance_loss()
    loss.backward()
    train = fixture["train"]
    assert float(loss.detach()) == pytest.approx(float(train["loss"]), rel=1e-5)
    assert relative(image.grad, train["input_grad"]) < input_tolerance
    seen = set()
    for key, parameter in model.named_parameters(remove_duplicate=False):
        if key not in train["grad_norm"]:
            continue  # shared: recorded under its first name
        seen.add(key)
        expected = train["grad_norm"][key]
        if expected is None:
            assert parameter.grad is None, key
        else:
            assert float(parameter.grad.norm()) == pytest.approx(float(expected), rel=tolerance, abs=1e-9), key
    assert seen == set(train["grad_norm"])


@pytest.mark.parametrize("name", FIXTURES)
def test_names_are_the_released_ones(name):
    fixture, model = loaded(name, torch.float32)
    own = (model.network if name == "swinir" else model).state_dict()
    assert {key: list(value.shape) for key, value in own.items()} == {k: list(s) for k, s in fixture["shapes"].items()}
    assert sum(p.numel() for p in model.parameters()) == fixture["params"]


@pytest.mark.parametrize(
    ("name", "config", "millions"),
    [
        ("restormer", {}, 26.127),
        ("dfpir", {}, 31.105),
        ("promptir", {}, 35.592),
        ("mprnet", {}, 20.127),
        ("mprnet", {"n_feat": 80}, 15.741),
        ("mprnet", {"n_feat": 40, "scale_unetfeats": 20, "scale_orsnetfeats": 16}, 3.637),
        ("nafnet", {}, 17.112),
        (
            "nafnet",
            {"width": 64, "enc_blk_nums": (2, 2, 4, 8), "middle_blk_num": 12, "dec_blk_nums": (2, 2, 2, 2)},
            115.98,
        ),
        ("swinir", {}, 0.905),
        ("swinir", {"img_size": 128, "embed_dim": 180, "depths": (6,) * 6, "num_heads": (6,) * 6}, 11.504),
        ("dgunet", {}, 17.332),
        ("dgunet", {"n_feat": 40, "scale_unetfeats": 20, "scale_orsnetfeats": 16}, 3.662),
        ("adair", {}, 28.785),
        ("amir", {}, 23.544),
        ("moceir", {}, 25.354),
        ("moceir", {"dim": 32}, 11.478),
        ("vlunet", {}, 35.353),
    ],
)
def test_full_size_parameters(name, config, millions):
    with torch.device("cpu" if name == "swinir" else "meta"):
        model = built(name, config)
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(millions, rel=1e-3)


def test_moceir_noise_in_evaluation_is_an_option():
    fixture, weights = load_fixture("moceir_tiny")
    model = baselines.load_released(baselines.create_model("moceir", **fixture["cfg"], eval_noise=True), weights).eval()
    torch.manual_seed(0)
    with torch.no_grad():
        assert relative(model(*fixture["eval_inputs"]), fixture["out_f32"]) < 1e-2


def test_moceir_experts_see_their_own_images():
    fixture, weights = load_fixture("moceir_tiny")
    model = baselines.load_released(baselines.create_model("moceir", **fixture["cfg"]).double(), weights).eval()
    images = torch.rand(5, 3, 32, 40, dtype=torch.float64)
    with torch.no_grad():
        together, alone = model(images), torch.cat([model(image[None]) for image in images])
    assert relative(together, alone) < 1e-12


def test_amir_routes_each_pixel_by_itself_and_its_image():
    fixture, weights = load_fixture("amir_tiny")
    model = baselines.load_released(baselines.create_model("amir", **fixture["cfg"]).double(), weights).eval()
    images = torch.rand(3, 3, 32, 40, dtype=torch.float64)
    with torch.no_grad():
        together, alone = model(images), torch.cat([model(image[None]) for image in images])
    assert relative(together, alone) < 1e-12


def test_adair_low_band_is_the_centre_of_the_spectrum():
    model = baselines.create_model("adair", **baselines.describe("adair").demo)
    module: Any = model.get_submodule("fre3").double()
    image = torch.rand(1, 3, 256, 512, dtype=torch.float64)
    with torch.no_grad():
        module.rate_conv[2].weight.zero_()  # half of each side's two and four parts: 1 row and 2 columns either way
        low, high = module._bands(image)
        centre = torch.fft.fftshift(torch.fft.fft2(module.conv1(image)), dim=(-2, -1))
        kept = torch.zeros_like(centre)
        kept[..., 127:129, 254:258] = centre[..., 127:129, 254:258]
        for ours, part in ((low, kept), (high, centre - kept)):
            expected = torch.fft.ifft2(torch.fft.ifftshift(part, dim=(-2, -1))).abs()
            assert torch.allclose(ours, expected, atol=1e-10)
        assert module._bands(image[..., :128, :128])[0].abs().sum() == 0, "below 256 pixels the band is empty"
