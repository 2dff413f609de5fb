"""The comparators' interface: names, errors, loading, and that every one of them trains with its own objective."""

import copy
import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torchvision.ops import deform_conv2d  # type: ignore[import-untyped]

import baselines
import dfpir
from ablations.budgets import BUDGETS
from ablations.models import model_config
from baselines import airnet
from baselines.__main__ import BOUND, EXCEPTIONS, remarks, table, trained_parameters
from baselines.base import restore
from baselines.dl import DL, edge_map, operator_code
from baselines.losses import charbonnier, edge_loss, laplacian
from baselines.registry import EXTRAS, configured, require_extra
from dfpir.plugins import plugins_behind

TRAINABLE = [name for name in baselines.list_models() if baselines.describe(name).trained]


def small(name):
    config = baselines.describe(name).demo
    try:
        return baselines.create_model(name, **config)
    except baselines.MissingExtraError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("dim", [12, 24])
@pytest.mark.parametrize("name", TRAINABLE)
def test_settings_of_the_small_and_quick_budgets_run(name, dim):
    try:
        model = baselines.create_model(name, **baselines.describe(name).settings_beside(dim)).eval()
    except baselines.MissingExtraError as error:
        pytest.skip(str(error))
    images = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        output = restore(model, images, code_for(name, model, images))
    assert output.shape == images.shape
    assert torch.isfinite(output).all()


def code_for(name, model, images):
    batch = len(images)
    match baselines.describe(name).needs:
        case "code512" | "image512":
            return torch.randn(batch, 512)
        case "code256":
            return torch.randn(batch, 256)
        case "label":
            return torch.arange(batch) % 3
        case "view":
            return images.roll(5, dims=-1)
        case "operator":
            return torch.rand(batch, model.nparam)
    return None


def test_listing_and_rows():
    assert {"restormer", "dfpir", "promptir", "mprnet"} <= set(baselines.list_models())
    assert baselines.list_models("*net*") == [name for name in baselines.list_models() if "net" in name]
    assert {"tape", "perceive_ir"} <= set(baselines.list_models(unavailable=True))
    assert not set(baselines.list_models(unavailable=True)) & set(baselines.list_models())
    for name in baselines.list_models():
        row = baselines.describe(name)
        assert row.name == name
        assert row.licence
        assert (row.paper and row.year > 1900) or name == "identity"


@pytest.mark.parametrize(
    ("name", "config", "message"),
    [
        ("tape", {}, "No code by its authors"),
        ("promtir", {}, "Did you mean 'promptir'"),
        ("promptir", {"num_block": (1, 1, 1, 1)}, "Did you mean 'num_blocks'"),
        ("promptir", {"decoder": False}, "decoder=False is not provided: promptir has decoder=True alone"),
        ("moceir", {"rank_type": "lin"}, "rank_type='spread' alone"),
        ("moceir", {"complexity_scale": "mean"}, "complexity_scale='mean' is not provided. One of: max, min"),
        ("amir", {"inp_channels": 1}, "inp_channels=3 alone"),
        ("idr", {"sam": False}, "sam=True alone"),
        ("swinir", {"upscale": 2}, "upscale=1 alone"),
        ("dfpir", {"gama": 0.5}, "Did you mean 'gamma'"),
    ],
)
def test_errors_name_the_mend(name, config, message):
    with pytest.raises(ValueError, match=message):
        baselines.create_model(name, **config)


def test_a_missing_library_names_its_extra(monkeypatch):
    monkeypatch.setitem(EXTRAS, "spandrel", "no_such_library_anywhere")
    with pytest.raises(baselines.MissingExtraError, match=r"dfpir-suite\[spandrel\]"):
        require_extra("spandrel", "SwinIR")
    with pytest.raises(baselines.MissingExtraError, match="SwinIR needs"):
        baselines.create_model("swinir")


@dataclass(kw_only=True)
class OwnConfig:
    width: int = 8


class Own(torch.nn.Conv2d):
    def __init__(self, config):
        super().__init__(3, config.width, 1)


def test_a_model_with_a_dataclass_of_settings_takes_them_by_name_and_its_package_is_told():
    row = baselines.Baseline(name="own", make=configured(Own, OwnConfig), paper="Own, ICLR 2026", licence="MIT")
    assert row.year == 2026
    assert row.make(**row.checked({"width": 5})).out_channels == 5
    with pytest.raises(ValueError, match="Did you mean 'width'"):
        row.checked({"widht": 5})
    assert [plugin.package for plugin in plugins_behind(row.make)] == ["tests"]


@pytest.mark.parametrize("budget", [budget for budget in BUDGETS if BUDGETS[budget].model])
@pytest.mark.parametrize("name", TRAINABLE)
def test_every_comparator_is_as_large_as_dfpir_of_its_budget(name, budget):
    sizes = BUDGETS[budget].model
    reference = trained_parameters("dfpir", sizes)
    settings = baselines.describe(name).settings_beside(sizes["dim"])
    count = trained_parameters(name, settings)
    factor = max(count / reference, reference / count)
    assert (factor <= BOUND) == (name not in EXCEPTIONS or (name == "vlunet" and budget == "quick")), factor
    if name not in dfpir.list_models():
        assert model_config(name, sizes).identity()["settings"] == json.loads(json.dumps(settings))


def test_at_full_size_a_comparator_is_as_published():
    assert model_config("nafnet", BUDGETS["paper"].model).identity()["settings"] == {}
    assert baselines.describe("nafnet").settings_beside(48) == {}


def test_the_docs_state_sizes_and_remarks_as_they_are():
    docs = (Path(__file__).parents[2] / "docs/comparators.md").read_text(encoding="utf-8")
    assert table() in docs
    assert remarks() in docs


def test_airnet_first_trains_its_encoder_alone():
    torch.manual_seed(0)
    model = small("airnet").train()
    degraded = torch.rand(2, 3, 32, 32)

    def trained(fraction):
        model.set_progress(fraction)
        model.zero_grad(set_to_none=True)
        airnet.objective(model, degraded, degraded.flip(-1), degraded.roll(5, dims=-1)).backward()
        return {name for name, p in model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}

    encoder = {name for name, p in model.named_parameters() if name.startswith("E.E.encoder_q.")}
    for fraction in (0.0, 0.05, 0.0999):
        assert trained(fraction) == encoder
    for fraction in (0.1, 0.5, 1.0):
        assert trained(fraction) >= encoder
        assert any(name.startswith("R.") for name in trained(fraction))
    assert not any("encoder_k" in name for name in trained(1.0))
    assert not small("airnet").encoder_alone, "a new model restores"
    model.set_progress(0.0)
    model.R.register_forward_hook(lambda *_: pytest.fail("the restorer is not asked in the warm-up"))
    state = copy.deepcopy(model.state_dict())
    losses = []
    for clean in (torch.zeros_like(degraded), torch.ones_like(degraded)):
        model.load_state_dict(state)
        losses.append(airnet.objective(model, degraded, clean, None).detach())
    assert torch.equal(*losses), "the answer plays no part"


@pytest.mark.parametrize("size", [(9, 6), (1, 5)])
def test_airnets_deformable_convolution_on_a_cpu_is_torchvisions(size):
    generator = torch.Generator().manual_seed(0)
    shapes = ((2, 4, *size), (2, 18, *size), (5, 4, 3, 3), (2, 9, *size))
    x, offset, weight, mask = (torch.randn(s, generator=generator, dtype=torch.float64) for s in shapes)
    inputs = [t.requires_grad_() for t in (x, 3 * offset, weight, mask)]  # some samples lie outside the image
    ours = airnet.deformable_conv_by_sampling(*inputs)
    theirs = deform_conv2d(inputs[0], inputs[1], inputs[2], padding=1, mask=inputs[3])
    torch.testing.assert_close(ours, theirs)
    towards = torch.randn(ours.shape, generator=generator, dtype=torch.float64)
    for one, other in zip(*(torch.autograd.grad(out, inputs, towards) for out in (ours, theirs)), strict=True):
        torch.testing.assert_close(one, other)


def test_airnet_runs_in_bf16_on_a_cpu():
    torch.manual_seed(0)
    model, image = small("airnet").eval(), torch.rand(1, 3, 96, 96)
    for module in model.modules():  # untrained, its offsets are zero
        if hasattr(module, "conv_offset_mask"):
            torch.nn.init.normal_(module.conv_offset_mask.weight, std=0.1)
    with torch.no_grad():
        exact = model(image)
        with torch.autocast("cpu", torch.bfloat16):
            torch.testing.assert_close(model(image).float(), exact, atol=0.05, rtol=0)
        torch.testing.assert_close(model.bfloat16()(image.bfloat16()).float(), exact, atol=0.05, rtol=0)


def test_airnet_contrasts_halves_where_no_second_view_is_given_and_its_queue_starts_over_at_the_end():
    model = baselines.create_model("airnet", batch_size=1, n_groups=1, n_blocks=1)
    before = model.E.E.queue.clone()
    guide, logits = model.contrast(torch.rand(2, 3, 16, 24))
    assert guide.shape == (2, 64, 16, 24)
    assert logits.shape == (2, 1 + 256)
    assert (model.E.E.queue != before).any(0).nonzero()[:, 0].tolist() == [0, 1]
    model.E.E.queue_ptr.fill_(255)
    model.contrast(torch.rand(2, 3, 16, 16))
    assert int(model.E.E.queue_ptr) == 1


def test_idr_needs_labels_in_stage_one_only():
    model, image = small("idr"), torch.rand(1, 3, 16, 16)
    for fraction in (None, 0.5):
        if fraction is not None:
            model.set_progress(fraction)
        assert model(image).shape == image.shape
    model.set_progress(0.3)
    with pytest.raises(ValueError, match="needs code"):
        model(image)


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("vlunet", None, r"needs \(1, 512\)"),
        *((name, code, "code of shape") for name in ("instructir", "dl") for code in (None, (1, 7), (2, 256))),
        *(("classical", code, "row in CONDITIONS") for code in (None, (1, 512), (3,))),
    ],
)
def test_codes_of_another_shape_are_refused(name, code, words):
    with pytest.raises(ValueError, match=words):
        small(name)(torch.rand(1, 3, 16, 16), None if code is None else torch.zeros(code))


def test_dl_is_fed_blue_first_with_edges_on_the_scale_of_bytes():
    model, code = DL().double(), operator_code(["rain"]).double()
    image = torch.rand(1, 3, 16, 16, dtype=torch.float64)
    blue_first = 255 * image[:, [2, 1, 0]]
    features = torch.cat([blue_first, edge_map(blue_first)], dim=1) - 128
    with torch.no_grad():
        expected = model.apply_operator(code, features)[:, [2, 1, 0]] / 255
        assert torch.equal(model(image, code), expected)
    point = torch.zeros(1, 3, 3, 3)
    point[..., 1, 1] = 4.0
    expected = torch.tensor([[0.0, 1.0, 0.0], [1.0, 4.0, 1.0], [0.0, 1.0, 0.0]])
    assert torch.allclose(edge_map(point)[0, 0], expected)


def test_fdgan_normalises_each_image_by_itself_in_training_and_evaluation():
    model, images = baselines.create_model("fdgan"), torch.rand(2, 3, 24, 16)
    with torch.no_grad():
        together = model.train()(images)
        apart = torch.cat([model.eval()(images[:1]), model(images[1:])])
    assert float((apart - together).norm() / together.norm()) < 1e-5


def test_adairs_low_band_is_the_centre_of_the_spectrum():
    module = small("adair").get_submodule("fre3").double()
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


@pytest.mark.parametrize("name", TRAINABLE)
def test_its_own_objective_trains_it_and_any_size_comes_back(name):
    torch.manual_seed(0)
    model, row = small(name).train(), baselines.describe(name)
    if name == "idr":
        model.set_progress(0.0)
    clean = torch.rand(2, 3, 64, 64)
    code = code_for(name, model, clean)
    loss_of = row.objective or (lambda model, degraded, clean, code: F.l1_loss(model(degraded, code), clean))
    optimiser = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 1e-4)
    losses = []
    for _ in range(4):
        loss = loss_of(model, clean * 0.8, clean, code)
        optimiser.zero_grad()
        loss.backward()
        assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
        optimiser.step()
        losses.append(float(loss.detach()))
    # AirNet's contrast gets harder at first: each step's keys join the queue of what a query must be told from
    assert name == "airnet" or min(losses[1:]) < losses[0]
    image = torch.rand(1, 3, 33, 41)
    with torch.no_grad():
        out = restore(model.eval(), image, code_for(name, model, image))
    assert out.shape == image.shape
    assert torch.isfinite(out).all()


@pytest.mark.parametrize("name", TRAINABLE)
def test_own_weights_load_back_strictly(name, tmp_path):
    model = small(name)
    if name in ("restormer", "dfpir"):
        pytest.skip("loads by released names, tested in the parity suite")
    path = tmp_path / "weights.pt"
    target = getattr(model, "network", model)
    torch.save({"state_dict": {f"net.{key}": value for key, value in target.state_dict().items()}}, path)
    other = small(name)
    baselines.load_released(other, path)
    for key, value in getattr(other, "network", other).state_dict().items():
        assert torch.equal(value, target.state_dict()[key]), key


def test_edge_loss_sees_edges_only():
    image = torch.rand(2, 3, 16, 24, dtype=torch.float64)
    assert float(charbonnier(image, image)) == pytest.approx(1e-3)
    flat = laplacian(torch.full_like(image, 0.7))
    inner = flat[..., 3:-3, 3:-3]  # at the border the released loss blurs zeros in
    assert torch.allclose(inner, torch.zeros_like(inner), atol=1e-12)
    assert float(edge_loss(image, image)) == pytest.approx(1e-3)
    assert float(edge_loss(image, image.flip(-1))) > 0.05
