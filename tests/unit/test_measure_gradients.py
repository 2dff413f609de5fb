"""Interference of tasks: known cosines, what a draw depends on, and that measuring leaves no trace."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from ablations.data import load_data
from ablations.harness.context import run_context
from ablations.harness.model_factory import build_model
from ablations.harness.training.conditioning import Conditioning
from ablations.harness.training.gradients import training_loss
from ablations.measures.gradients import COLUMNS, task_gradient_interference
from ablations.measures.groups import layer_groups
from ablations.models import model_config
from ablations.spec import MeasureConfig
from dfpir import RestorationUNet
from dfpir.prompts import load_prompts
from reports.schema import MEASURE_COLUMNS
from tests.support.tiny_study import tiny_plan

SPEC = tiny_plan("prompts", ("dfpir",)).specs[0]  # trained on all five tasks
BUNDLE = load_data(SPEC)
CPU = torch.device("cpu")


def measure(spec, model, bundle=BUNDLE, *, draws=1, batch=3, micro_batch=3):
    run = replace(run_context(SPEC, CPU), spec=spec, bundle=bundle, conditioning=conditioning_of(spec))
    if isinstance(model, RestorationUNet):
        model.bind_prompts(run.conditioning.prompts.codes)
    sizes = MeasureConfig(draws=draws, batch=batch, micro_batch=micro_batch)
    return task_gradient_interference(run, model, sizes)


def conditioning_of(spec):
    return Conditioning(spec.config, load_prompts(spec.config.prompt_set, spec.text_encoder, spec.conditions))


def of_variant(name="dfpir", seed=0, conditions=SPEC.conditions, **changes):
    config = model_config(name, {"dim": 4, "num_blocks": (1, 1, 1, 1), "num_refinement_blocks": 1})
    spec = replace(SPEC, variant=name, seed=seed, conditions=conditions, config=replace(config, **changes))
    return spec, build_model(spec.config, seed)


# ---- known answers ---------------------------------------------------------------------------------------------------


class Directed(nn.Module):
    """Its error is 10 + <direction of the sample's condition, weight> - clean, always above zero.

    So the gradient of the mean absolute error is the mean direction over the samples, whatever the images.
    """

    def __init__(self, directions):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2))
        self.directions = torch.tensor(directions, dtype=torch.float32)

    def forward(self, image, code):
        shift = self.directions[code] @ self.weight
        return 10 + shift[:, None, None, None].expand_as(image)


@pytest.mark.parametrize(
    ("rain", "haze", "cosine"),
    [
        ((1, 2), (-1, -2), -1),
        ((1, 2), (1, 2), 1),
        ((3, 0), (0, 5), 0),
        ((1, 0), (1, 1), 0.5**0.5),
        ((1, 2), (-2, -4), -1),
    ],
)
def test_gradients_with_known_angles(rain, haze, cosine):
    spec = replace(SPEC, conditions=("rain", "haze"))
    frame = measure(spec, Directed([rain, haze]), draws=2)
    assert list(frame.columns) == list(COLUMNS)
    same = frame[frame["task_a"] == frame["task_b"]]
    assert set(same["task_a"]) == {"rain", "haze"}
    assert set(same["draw"]) == {1}, "the first draw has none before it"
    assert same["cosine"].to_numpy() == pytest.approx(1, abs=1e-6), "its gradient is the same on all images"
    frame = frame[frame["task_a"] != frame["task_b"]]
    whole = frame[frame["group"] == "all"]
    assert list(whole["draw"]) == [0, 1]
    assert set(zip(whole["task_a"], whole["task_b"], strict=True)) == {("rain", "haze")}
    assert whole["cosine"].to_numpy() == pytest.approx(cosine, abs=1e-6)
    assert whole["norm_a"].to_numpy() == pytest.approx(np.hypot(*rain), rel=1e-6)
    assert whole["norm_b"].to_numpy() == pytest.approx(np.hypot(*haze), rel=1e-6)
    assert set(whole["n_parameters"]) == {2}


class ThreeBiases(nn.Module):
    """Adds a colour to the image, the same everywhere; for a residual also a multiple of its Laplacian."""

    def __init__(self, sharpens=False):
        super().__init__()
        self.colour = nn.Parameter(torch.zeros(3))
        self.sharpening = nn.Parameter(torch.zeros(int(sharpens)))

    def forward(self, image, code):
        result = image + self.colour[:, None, None]
        if not len(self.sharpening):
            return result
        blurred = nn.functional.avg_pool2d(image, 3, stride=1, padding=1, count_include_pad=False)
        return result + self.sharpening * (image - blurred)


def mean_cosines(model):
    """(loss, task, task) -> mean cosine over draws, all parameters; patches large enough to have a colour."""
    patch = replace(SPEC.recipe, phases=tuple(replace(phase, patch=48) for phase in SPEC.recipe.phases))
    frame = measure(replace(SPEC, recipe=patch), model, draws=4, batch=12, micro_batch=12)
    frame = frame[frame["group"] == "all"]
    return frame.groupby(["loss", "task_a", "task_b"])["cosine"].mean()


def test_the_conflicts_of_a_global_colour():
    """Haze brightens and low light darkens: a shift of three biases has to undo them, and nothing else can conflict."""
    found = mean_cosines(ThreeBiases())
    assert found["plain", "haze", "lowlight"] == pytest.approx(-0.995, abs=0.01)
    assert found["plain", "rain", "haze"] == pytest.approx(0.996, abs=0.01)
    assert found["plain", "lowlight", "lowlight"] == pytest.approx(1, abs=0.005)
    assert set(found.index.get_level_values("loss")) == {"plain"}, (
        "without its mean the error has no colour: no gradient"
    )
    assert found.notna().all()


def test_what_is_no_colour_keeps_its_gradient_without_it():
    found = mean_cosines(ThreeBiases(sharpens=True))
    assert found["plain", "haze", "lowlight"] < -0.9
    # one parameter is left, whose gradient the noise decides; of a single number the cosine is 1 or -1
    assert found["without_colour", "noise", "noise"] == pytest.approx(1)


def test_noise_levels_count_together_and_equally():
    spec = replace(SPEC, conditions=("noise-15", "noise-25", "noise-50", "rain"))
    directions = [(6, 0), (0, 3), (0, 6), (1, 0)]
    frame = measure(spec, Directed(directions), batch=6, micro_batch=4)
    row = frame[frame["group"] == "all"].iloc[0]
    assert (row["task_a"], row["task_b"]) == ("noise", "rain")
    # the mean of the three levels is (2, 3)
    assert row["norm_a"] == pytest.approx(np.hypot(2, 3), rel=1e-6)
    assert row["cosine"] == pytest.approx(2 / np.hypot(2, 3), rel=1e-6)


def test_a_gradient_of_zero_has_no_cosine_and_no_row():
    spec = replace(SPEC, conditions=("rain", "haze", "blur"))
    frame = measure(spec, Directed([(1, 0), (0, 0), (-1, 0)]))
    assert set(zip(frame["task_a"], frame["task_b"], strict=True)) == {("rain", "blur")}


# ---- against an independent way --------------------------------------------------------------------------------------


def without_colour(_, model, degraded, clean, code):
    error = model(degraded, code) - clean
    means = torch.stack([torch.stack([channel.mean() for channel in image]) for image in error])
    return (error - means[:, :, None, None]).abs().mean()


@pytest.mark.parametrize(("loss", "of_batch"), [("plain", training_loss), ("without_colour", without_colour)])
def test_the_rows_are_those_of_backward_passes(loss, of_batch):
    spec, model = of_variant()
    asked = Recorder(BUNDLE)
    frame = measure(spec, model, asked, batch=3, micro_batch=2)
    conditioning = conditioning_of(spec)
    flat = {}
    for conditions, _, degraded, clean in asked.batches:
        code = conditioning(conditions, CPU, training=False)
        model.zero_grad()
        of_batch(spec.config, model, degraded, clean, code).backward()
        for group, start in (
            ("all", ""),
            ("latent", "latent."),
            ("perturb-4", "perturb.4."),
            ("encoder-2", "encoder.1."),
        ):
            parts = [
                p.grad.flatten() for n, p in model.named_parameters() if n.startswith(start) and p.grad is not None
            ]
            flat[group, conditions[0].task.name] = torch.cat(parts).double().numpy()
    rows = frame[(frame["loss"] == loss) & frame["group"].isin({group for group, _ in flat})]
    assert set(rows["group"]) == {group for group, _ in flat}
    for row in rows.to_dict("records"):
        a, b = flat[row["group"], row["task_a"]], flat[row["group"], row["task_b"]]
        assert row["norm_a"] == pytest.approx(np.linalg.norm(a), rel=1e-4)
        assert row["cosine"] == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b), abs=1e-4)
        assert row["n_parameters"] == len(a)


def test_micro_batches_add_up_to_the_batch():
    spec, model = of_variant()
    doubled = Recorder(BUNDLE, dtype=torch.float64)
    model.double()
    whole, single = (measure(spec, model, doubled, batch=6, micro_batch=size) for size in (6, 1))
    uneven = measure(spec, model, doubled, batch=6, micro_batch=4)
    for other in (single, uneven):
        pd.testing.assert_frame_equal(whole, other, rtol=1e-6, atol=1e-9)


class Recorder:
    """A bundle that notes the batches it gave, in another precision where asked."""

    def __init__(self, bundle, dtype=torch.float32):
        self.bundle, self.dtype, self.batches = bundle, dtype, []
        self.conditions = bundle.conditions

    def batch(self, conditions, seeds, patch, device):
        degraded, clean = (part.to(self.dtype) for part in self.bundle.batch(conditions, seeds, patch, device))
        self.batches.append((conditions, seeds, degraded, clean))
        return degraded, clean


def test_every_variant_and_seed_meets_the_same_patches():
    met = []
    for name, seed in (("dfpir", 0), ("dfpir", 1), ("restormer", 0)):
        asked = Recorder(BUNDLE)
        spec, model = of_variant(name, seed)
        measure(spec, model, asked, draws=2)
        met.append(asked.batches)
    assert len(met[0]) == 2 * 5
    seeds = [seed for _, seeds, _, _ in met[0] for seed in seeds]
    assert len(set(seeds)) == len(seeds), "draws and tasks have patches of their own"
    for other in met[1:]:
        for (conditions, _, degraded, clean), theirs in zip(met[0], other, strict=True):
            assert conditions == theirs[0]
            assert torch.equal(degraded, theirs[2])
            assert torch.equal(clean, theirs[3])


# ---- groups ----------------------------------------------------------------------------------------------------------


def test_groups_part_the_network():
    _, model = of_variant()
    groups = layer_groups(model)
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert set(groups["all"]) == trained
    single = {group: names for group, names in groups.items() if group not in ("all", "backbone")}
    assert sorted(name for names in single.values() for name in names) == sorted(trained)
    levels = [*(f"encoder-{n}" for n in (1, 2, 3)), *(f"decoder-{n}" for n in (1, 2, 3))]
    blocks = [f"perturb-{n}" for n in (1, 2, 3, 4)]
    assert set(single) == {"input", *levels, "latent", *blocks, "refinement", "output", "resampling"}
    assert set(groups["backbone"]) == trained - {name for block in blocks for name in single[block]}
    assert not any(".guide." in name for name in groups["all"])
    restormer = layer_groups(of_variant("restormer")[1])
    assert restormer["backbone"] == restormer["all"]
    # the same layers, whether blocks stand between them or not
    assert sorted(restormer["backbone"]) == sorted(groups["backbone"])


def test_comparators_are_grouped_by_their_top_level_children():
    layers = nn.ModuleDict({"head": nn.Linear(2, 2), "tail": nn.Sequential(nn.Linear(2, 1)), "still": nn.Linear(2, 2)})
    layers["still"].requires_grad_(False)
    layers.register_parameter("scale", nn.Parameter(torch.ones(1)))
    assert {group: len(names) for group, names in layer_groups(layers).items()} == {
        "all": 5,
        "head": 2,
        "tail": 2,
        "scale": 1,
    }
    wrapped = nn.ModuleDict({"network": nn.ModuleDict({"inner": layers})})
    assert set(layer_groups(wrapped)) == {"all", "head", "tail", "scale"}
    config = model_config("airnet", {"dim": 4})
    assert set(layer_groups(build_model(config, 0))) == {"all", "R", "E"}


# ---- no trace --------------------------------------------------------------------------------------------------------


def test_measuring_leaves_no_trace():
    spec, model = of_variant(order="learned")
    model.eval()
    model.latent.train()
    model.bind_prompts(load_prompts("detailed", spec.text_encoder, spec.conditions).codes)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    modes = {name: module.training for name, module in model.named_modules()}
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    with torch.no_grad():
        frame = measure(spec, model)
    assert torch.equal(torch.rand(4), expected), "the global generator moved"
    assert len(frame)
    assert before.keys() == model.state_dict().keys()
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    assert modes == {name: module.training for name, module in model.named_modules()}


def test_running_statistics_are_put_back():
    class Normalised(Directed):
        def __init__(self):
            super().__init__([(1, 0), (0, 1)])
            self.norm = nn.BatchNorm2d(3)

        def forward(self, image, code):
            assert self.training
            return super().forward(image, code) + 0 * self.norm(image)

    model = Normalised().eval()
    before = {name: value.clone() for name, value in model.named_buffers()}
    measure(replace(SPEC, conditions=("rain", "haze")), model)
    assert all(torch.equal(value, before[name]) for name, value in model.named_buffers())
    assert not model.training


def test_learned_orders_are_soft_as_in_training():
    spec, model = of_variant(order="learned")
    assert any(".guide." in name for name in layer_groups(model)["perturb-1"])
    guide = model.perturb["1"].channel.guide
    hidden = (
        guide.hidden.weight.numel() + guide.hidden.bias.numel() + guide.score.weight.numel() + guide.score.bias.numel()
    )
    learned = measure(spec, model)
    fixed = measure(*of_variant())
    sizes = [f[f["group"] == "perturb-1"]["n_parameters"].iloc[0] for f in (learned, fixed)]
    # in evaluation mode an order is an index, which no gradient passes
    assert sizes[0] - sizes[1] == hidden


# ---- edges -----------------------------------------------------------------------------------------------------------


def test_one_task_and_untrained_methods_give_no_rows():
    spec, model = of_variant(conditions=("noise-15", "noise-25", "noise-50"))
    assert list(measure(spec, model).columns) == list(COLUMNS)
    assert measure(spec, model).empty
    classical = replace(SPEC, config=model_config("identity", {}))
    assert measure(classical, build_model(classical.config, 0)).empty


@pytest.mark.parametrize(
    ("sizes", "message"),
    [({"draws": 0}, "draws=0"), ({"micro_batch": 0}, "micro_batch=0"), ({"batch": 4}, "batch=4: a multiple of 3")],
)
def test_sizes_that_can_not_be(sizes, message):
    with pytest.raises(ValueError, match=message):
        measure(*of_variant(), **sizes)


def test_the_schema_knows_the_columns():
    known = {column.name for column in MEASURE_COLUMNS["interference"]}
    assert set(COLUMNS) <= known
