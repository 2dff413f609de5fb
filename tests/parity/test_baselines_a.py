"""AirNet, InstructIR, TransWeather, IDR and DL against what their released code computes with the same weights.

FD-GAN, whose released code left no such record, is held to its published sizes.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

import baselines
from baselines import airnet
from baselines.dl import DL, edge_map, operator_code
from baselines.idr import IDR, side_loss
from tests.support.shared import load_fixture

FIXTURES = {
    "airnet": "airnet_tiny",
    "instructir": "instructir_tiny",
    "transweather": "transweather",
    "idr": "idr_tiny_stage1",
    "dl": "dl",
}
PARAMS_M = {
    "airnet": 8.930,
    "instructir": 15.843,
    "transweather": 38.052,
    "idr": 12.262,
    "dl": 2.091,
    "fdgan": 13.981,
}
EVALUATED = [(name, dtype) for name in FIXTURES for dtype in (torch.float32, torch.float64)]
TRAINED = ("airnet", "instructir", "idr")


def relative(value: Tensor, reference: Tensor) -> float:
    return float((value.double() - reference.double()).norm() / reference.double().norm())


def loaded(name: str, dtype: torch.dtype) -> tuple[dict, Any]:
    fixture, weights = load_fixture(FIXTURES[name])
    config = dict(fixture["cfg"])
    if config.pop("note", None):  # its sizes stand in words
        config |= {"n_groups": 1, "n_blocks": 1}
    model = baselines.create_model(name, **config).to(dtype)
    if isinstance(model, IDR):
        model.set_progress(0.0)
    return fixture, baselines.load_released(model, weights)


def cast(value, dtype: torch.dtype):
    return value.to(dtype) if isinstance(value, Tensor) else value


def outputs(name: str, model: Any, args: list) -> list[Tensor]:
    """Call the model as the fixture's own code was called."""
    if name == "airnet":
        return [model(args[0])]  # the second view is for training
    if name == "transweather":
        return [model((args[0] + 1) / 2)]  # recorded on [-1, 1]
    if name == "dl":
        operator, channels = (t.to(next(model.parameters()).dtype) for t in args[0])
        return [model.apply_operator(operator, channels)]
    if name == "idr":
        restored = model.restore(args[0], torch.zeros(len(args[0]), dtype=torch.long))  # "denoise_15"
        return [restored.image, side_loss(restored, args[2]), *restored.predictions]
    return [model(*args)]


@pytest.mark.parametrize(("name", "dtype"), EVALUATED)
def test_output(name, dtype):
    fixture, model = loaded(name, dtype)
    reference = fixture["out_f32" if dtype == torch.float32 else "out_f64"]
    if reference is None:
        pytest.skip("not recorded in float64")
    with torch.no_grad():
        out = outputs(name, model.eval(), [cast(value, dtype) for value in fixture["eval_inputs"]])
    references = [reference] if isinstance(reference, Tensor) else reference
    for ours, theirs in zip(out, references, strict=True):
        assert relative(ours, theirs) < (2e-5 if dtype == torch.float32 else 1e-9)


def recorded_loss(name: str, model: Any, args: list) -> Tensor:
    target = args[0].detach().flip(-1)
    if name == "airnet":
        return airnet.objective(model, args[0], target, args[1])
    out, *others = outputs(name, model, args)
    loss = F.l1_loss(out, target)
    if others:  # IDR was recorded with its own side loss and a hundredth of each prediction's mean
        loss = loss + others[0] + 0.01 * torch.stack([p.mean() for p in others[1:]]).sum()
    return loss


@pytest.mark.parametrize("name", TRAINED)
def test_gradients_in_float64(name):
    fixture, model = loaded(name, torch.float64)
    args = [cast(value, torch.float64) for value in fixture["inputs"]]
    args[0].requires_grad_()
    torch.manual_seed(0)
    loss = recorded_loss(name, model.train(), args)
    loss.backward()
    train = fixture["train"]
    assert float(loss.detach()) == pytest.approx(float(train["loss"]), rel=1e-5)
    assert relative(args[0].grad, train["input_grad"]) < 1e-3
    for key, parameter in model.named_parameters():
        expected = train["grad_norm"].get(key)
        if expected is None:
            assert parameter.grad is None, key
        else:
            assert float(parameter.grad.norm()) == pytest.approx(float(expected), rel=1e-3, abs=1e-9), key


@pytest.mark.parametrize("name", FIXTURES)
def test_a_missing_weight_is_refused(name):
    _, weights = load_fixture(FIXTURES[name])
    _, model = loaded(name, torch.float32)
    del weights[next(iter(weights))]
    with pytest.raises(baselines.WeightsError, match="1 missing"):
        baselines.load_released(model, weights)


@pytest.mark.parametrize(("name", "millions"), PARAMS_M.items())
def test_full_size_parameters(name, millions):
    model = baselines.create_model(name)
    counted = sum(p.numel() for p in model.parameters()) / 1e6
    assert counted == pytest.approx(millions, rel=1e-3)
    assert baselines.describe(name).params_m_published == millions


TINY: dict[str, dict] = {
    "airnet": {"batch_size": 1, "n_groups": 1, "n_blocks": 1},
    "instructir": {"width": 4, "enc_blks": [1, 1, 1, 1], "middle_blk_num": 1, "dec_blks": [1, 1, 1, 1]},
    "idr": {"dim": 8, "num_blocks": [1, 1, 1, 1], "num_refinement_blocks": 1},
    "transweather": {},
    "dl": {},
    "fdgan": {},
}
CODES: dict[str, Callable[[int], Tensor | None]] = {
    "airnet": lambda batch: None,
    "instructir": lambda batch: F.normalize(torch.ones(batch, 256)),
    "idr": lambda batch: torch.arange(batch) % 5,
    "transweather": lambda batch: None,
    "fdgan": lambda batch: None,
    "dl": lambda batch: operator_code(["noise", "haze", "rain", "blur", "lowlight"][:batch]),
}


def mean_absolute_error(model, degraded, clean, code):
    return F.l1_loss(model(degraded, code), clean)


@pytest.mark.parametrize("name", TINY)
def test_its_own_objective_trains_it(name):
    torch.manual_seed(0)
    model, baseline = baselines.create_model(name, **TINY[name]).train(), baselines.describe(name)
    if name == "idr":
        model.set_progress(0.0)
    side = baseline.min_size + -baseline.min_size % max(baseline.multiple_of, 16)
    clean, code = torch.rand(3, 3, side, side), CODES[name](3)
    optimiser = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 1e-3)
    loss_of = baseline.objective or mean_absolute_error
    losses = []
    for _ in range(4):
        out = loss_of(model, clean * 0.8, clean, code)
        optimiser.zero_grad()
        out.backward()
        optimiser.step()
        losses.append(float(out.detach()))
    assert losses[-1] < losses[0]


def test_airnet_contrasts_halves_where_no_second_view_is_given():
    model = baselines.create_model("airnet", **TINY["airnet"])
    image = torch.rand(2, 3, 16, 24)
    before = model.E.E.queue.clone()
    guide, logits = model.contrast(image)
    assert guide.shape == (2, 64, 16, 24)
    assert logits.shape == (2, 1 + 256)
    assert int(model.E.E.queue_ptr) == 2
    changed = (model.E.E.queue != before).any(0).nonzero()[:, 0]
    assert changed.tolist() == [0, 1]


def test_airnet_queue_starts_over_at_its_end():
    model = baselines.create_model("airnet", **TINY["airnet"])
    model.E.E.queue_ptr.fill_(255)
    model.contrast(torch.rand(2, 3, 16, 16))
    assert int(model.E.E.queue_ptr) == 1


def test_idr_stage_one_treats_each_image_by_its_own_label():
    _, model = loaded("idr", torch.float64)
    images, labels = torch.rand(5, 3, 16, 16, dtype=torch.float64), torch.tensor([3, 0, 4, 1, 2])
    with torch.no_grad():
        together = model.eval()(images, labels)
        alone = torch.cat([model(images[n : n + 1], labels[n : n + 1]) for n in range(5)])
    assert relative(together, alone) < 1e-12


def test_idr_stage_two_mixes_directions_of_all_degradations():
    _, model = loaded("idr", torch.float64)
    assert isinstance(model, IDR)
    model.requires_grad_(False)
    prediction = torch.rand(2, 5, 1, 1, dtype=torch.float64)
    keys = model.dmixer(model.degra_key).given(prediction)
    u, s, vh = torch.linalg.svd(model.degra_key, full_matrices=False)
    columns = torch.cat([u[n].T for n in range(5)])  # 120 directions of 24 numbers
    rows = torch.cat([vh[n] for n in range(5)])
    parameters = dict(model.dmixer.named_parameters())
    left = (parameters["convU.weight"][:, :, 0, 0] @ columns + parameters["convU.bias"][:, None]).T
    right = parameters["convV.weight"][:, :, 0, 0] @ rows + parameters["convV.bias"][:, None]
    for n in range(2):
        strengths = torch.diag(prediction[n].flatten() @ s)
        assert relative(keys[n], left @ strengths @ right) < 1e-12


def test_idr_needs_labels_in_stage_one_only():
    model = baselines.create_model("idr", **TINY["idr"])
    image = torch.rand(1, 3, 16, 16)
    assert model(image).shape == image.shape
    model.set_progress(0.3)
    with pytest.raises(ValueError, match="needs code"):
        model(image)
    model.set_progress(0.5)
    assert model(image).shape == image.shape


def test_idr_settings_that_were_never_published_are_refused():
    with pytest.raises(ValueError, match="sam=False"):
        baselines.create_model("idr", sam=False)


@pytest.mark.parametrize("name", ["instructir", "dl"])
@pytest.mark.parametrize("code", [None, torch.zeros(1, 7), torch.zeros(2, 256)])
def test_codes_of_another_shape_are_refused(name, code):
    with pytest.raises(ValueError, match="code of shape"):
        baselines.create_model(name, **TINY[name])(torch.rand(1, 3, 16, 16), code)


def test_dl_is_fed_blue_first_with_edges_on_the_scale_of_bytes():
    model, code = DL().double(), operator_code(["rain"]).double()
    image = torch.rand(1, 3, 16, 16, dtype=torch.float64)
    blue_first = 255 * image[:, [2, 1, 0]]
    features = torch.cat([blue_first, edge_map(blue_first)], dim=1) - 128
    with torch.no_grad():
        expected = model.apply_operator(code, features)[:, [2, 1, 0]] / 255
        assert torch.equal(model(image, code), expected)


def test_edges_are_differences_to_the_neighbours():
    image = torch.zeros(1, 3, 3, 3)
    image[..., 1, 1] = 4.0
    expected = torch.tensor([[0.0, 1.0, 0.0], [1.0, 4.0, 1.0], [0.0, 1.0, 0.0]])
    assert torch.allclose(edge_map(image)[0, 0], expected)


@pytest.mark.parametrize("name", ["airnet", "instructir"])
def test_any_size(name):
    image = torch.rand(1, 3, 17, 23)
    with torch.no_grad():
        assert baselines.create_model(name, **TINY[name]).eval()(image, CODES[name](1)).shape == image.shape


@pytest.mark.parametrize("size", [(48, 64), (80, 48)])
def test_transweather_takes_multiples_of_16_from_48(size):
    image = torch.rand(1, 3, *size)
    with torch.no_grad():
        assert baselines.create_model("transweather").eval()(image).shape == image.shape


def test_fdgan_normalises_each_image_by_itself_in_training_and_evaluation():
    model, images = baselines.create_model("fdgan"), torch.rand(2, 3, 24, 16)
    with torch.no_grad():
        together = model.train()(images)
        assert relative(torch.cat([model.eval()(images[:1]), model(images[1:])]), together) < 1e-5


def test_fdgan_multiply_adds_are_the_published_ones():
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        baselines.create_model("fdgan")(torch.empty(1, 3, 256, 256))
    assert counter.get_total_flops() / 2e9 == pytest.approx(68.0, rel=1e-2)
