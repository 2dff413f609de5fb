"""Our Restormer and DFPIR against what the released code computes with the same weights."""

import pytest
import torch

import dfpir
from dfpir.count import multiply_adds
from dfpir.weights import released_names
from tests.support.shared import load_fixture

MODELS = ("restormer", "dfpir")


def relative(value: torch.Tensor, reference: torch.Tensor) -> float:
    return float((value.double() - reference.double()).norm() / reference.double().norm())


def loaded(name: str, dtype: torch.dtype) -> tuple[dict, dfpir.RestorationUNet]:
    fixture, weights = load_fixture(f"{name}_tiny")
    model = dfpir.create_model(name, **fixture["cfg"]).to(dtype)
    return fixture, dfpir.load_released(model, weights)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(
    ("dtype", "output", "tolerance"), [(torch.float32, "out_f32", 2e-5), (torch.float64, "out_f64", 1e-9)]
)
def test_output(name, dtype, output, tolerance):
    fixture, model = loaded(name, dtype)
    with torch.no_grad():
        out = model.eval()(*(t.to(dtype) for t in fixture["eval_inputs"]))
    assert relative(out, fixture[output]) < tolerance


@pytest.mark.parametrize("name", MODELS)
def test_gradients_in_float64(name):
    # float64 decides: in float32 one pixel of dfpir_tiny lies 2e-6 from the target, where L1's gradient flips its sign
    fixture, model = loaded(name, torch.float64)
    image, *code = (t.double() for t in fixture["inputs"])
    image.requires_grad_()
    out = model.train()(image, *code)
    loss = (out - image.detach().flip(-1)).abs().mean()
    loss.backward()
    train = fixture["train"]
    assert float(loss.detach()) == pytest.approx(float(train["loss"]), rel=1e-5)
    assert relative(image.grad, train["input_grad"]) < 1e-4
    names = released_names(model)
    for ours, parameter in model.named_parameters():
        expected = train["grad_norm"][names[ours]]
        if expected is None:
            assert parameter.grad is None, ours
        else:
            assert float(parameter.grad.norm()) == pytest.approx(float(expected), rel=1e-3, abs=1e-9), ours


@pytest.mark.parametrize("name", MODELS)
def test_gradients_in_float32_where_no_sign_is_in_doubt(name):
    fixture, model = loaded(name, torch.float32)
    image, *code = fixture["inputs"]
    out = model.train()(image, *code)
    difference = out - image.flip(-1)
    if bool((difference.detach().abs() < 1e-5).any()):
        difference = difference.where(difference.detach().abs() >= 1e-5, difference.detach())
    difference.abs().mean().backward()
    names = released_names(model)
    worst = max(
        abs(float(p.grad.norm()) / float(fixture["train"]["grad_norm"][names[n]]) - 1)
        for n, p in model.named_parameters()
        if p.grad is not None and p.numel() > 64
    )
    assert worst < 2e-2  # leaving out one pixel of 24,576 moves a gradient's norm by up to 1.3 %


def test_channel_orders_of_each_block():
    fixture, model = loaded("dfpir", torch.float32)
    names = {"latent_shuffle_channel": "4", **{f"encoder_shuffle_channel{n}": str(n) for n in (1, 2, 3)}}
    for released, indices in fixture["extra"]["indices"].items():
        order = model.perturb[names[released]].channel.order_of(fixture["inputs"][1])
        assert torch.equal(order, indices.reshape(order.shape)), released


def test_each_block_alone():
    fixture, model = loaded("dfpir", torch.float32)
    names = {"latent_shuffle_channel": "4", **{f"encoder_shuffle_channel{n}": str(n) for n in (1, 2, 3)}}
    for released, record in fixture["extra"]["dgpb"].items():
        features, out = (record[key] for key in sorted(record, key=lambda key: "out" in key))
        with torch.no_grad():
            ours = model.perturb[names[released]](features, fixture["inputs"][1])
        assert relative(ours, out) < 2e-5, released


@pytest.mark.parametrize("prefix", ["module.", "net.", "module.net."])
def test_prefixes_are_taken_off(prefix):
    fixture, weights = load_fixture("restormer_tiny")
    model = dfpir.create_model("restormer", **fixture["cfg"])
    dfpir.load_released(model, {f"{prefix}{key}": value for key, value in weights.items()})
    with torch.no_grad():
        assert relative(model.eval()(*fixture["eval_inputs"]), fixture["out_f32"]) < 2e-5


@pytest.mark.parametrize(("name", "params"), [("dfpir", 31_104_761), ("restormer", 26_126_644)])
def test_full_size_parameters(name, params):
    with torch.device("meta"):
        model = dfpir.create_model(name)
    assert sum(p.numel() for p in model.parameters()) == params


@pytest.mark.parametrize(
    ("name", "side", "convolutions_only", "giga"),
    [
        ("dfpir", 128, False, 41.4),
        ("dfpir", 224, False, 126.7),
        ("dfpir", 256, False, 165.5),
        ("dfpir", 256, True, 151.07),
        ("restormer", 128, False, 38.7),
        ("restormer", 224, False, 118.6),
        ("restormer", 256, False, 154.9),
        ("restormer", 256, True, 140.99),
    ],
)
def test_multiply_adds_as_measured_on_the_released_code(name, side, convolutions_only, giga):
    counted = multiply_adds(dfpir.variant_config(name), side, side, convolutions_only=convolutions_only) / 1e9
    assert counted == pytest.approx(giga, abs=0.051 if not convolutions_only else 0.0051)
