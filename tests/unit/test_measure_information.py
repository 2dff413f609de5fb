"""Information loss of a block: known losses, photographs kept apart, and the same places for every variant."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import Ridge
from torch import nn

import ablations.measures.information as information
from ablations.harness.context import RunContext
from ablations.harness.model_factory import build_model
from ablations.harness.training.conditioning import Conditioning
from ablations.measures.information import COLUMNS, block_information
from ablations.measures.recoverability import ALPHAS, fit_recovery
from ablations.models import model_config
from ablations.spec import MeasureConfig
from datasets.bundle import DataBundle, Sample
from datasets.seeding import stable_seed
from datasets.tasks import condition_named
from dfpir import RestorationUNet
from dfpir.prompts import load_prompts
from tests.support.tiny_study import tiny_plan

SPEC = tiny_plan().specs[0]
CPU = torch.device("cpu")
RNG = np.random.default_rng(0)
PHOTOGRAPHS = np.repeat(["a", "b", "c", "d"], 500)
HALF = np.isin(PHOTOGRAPHS, ["a", "b"])


# ---- recoverability --------------------------------------------------------------------------------------------------


def loss_of(wanted, given, photographs=PHOTOGRAPHS, half=HALF):
    return 1 - fit_recovery(wanted, given, photographs, half).r2


def independent(channels=8):
    return RNG.standard_normal((2000, channels)).astype(np.float32)


def well_conditioned(channels=8):
    first, second = (np.linalg.qr(RNG.standard_normal((channels, channels)))[0] for _ in range(2))
    return first @ np.diag(RNG.uniform(0.5, 2, channels)) @ second


@pytest.mark.parametrize("matrix", [np.eye(8), np.eye(8)[RNG.permutation(8)], well_conditioned()])
def test_an_invertible_map_loses_nothing(matrix):
    wanted = independent()
    assert loss_of(wanted, wanted @ matrix + RNG.standard_normal(8)) < 1e-3
    # tiny or large outputs are no loss either
    assert loss_of(wanted, 1e-4 * wanted @ matrix) < 1e-3


HEAVY = np.array([3.0, 1, 1, 1, 1, 1, 1, 1])  # channels count by their variance


@pytest.mark.parametrize(
    ("scale", "kept", "noise", "loss"),
    [(1, np.arange(8) < 4, 0, 0.5), (HEAVY, np.arange(8) > 0, 0, 9 / 16), (1, 1, 0.5, 0.25 / 1.25)],
    ids=["half of the channels", "the heaviest channel", "noise of a quarter of the variance"],
)
def test_what_is_lost_is_its_share_of_the_variance(scale, kept, noise, loss):
    wanted = independent() * scale
    assert loss_of(wanted, wanted * kept + noise * independent()) == pytest.approx(loss, abs=0.03)


def test_noise_loses_everything_and_never_more():
    wanted = independent()
    found = fit_recovery(wanted, independent(), PHOTOGRAPHS, HALF)
    assert 0 <= found.r2 < 0.03
    # each photograph maps the other way round: what one half teaches is wrong for the other
    flipped = wanted * np.where(HALF, 1, -1)[:, None]
    assert fit_recovery(wanted, flipped, PHOTOGRAPHS, HALF).r2 == 0


def test_what_holds_within_a_photograph_alone_is_lost():
    wanted = independent()
    given = np.concatenate([wanted[name == PHOTOGRAPHS] @ well_conditioned() for name in "abcd"])
    shuffled = RNG.permutation(np.arange(2000) % 2 == 0)
    by_pixel = fit_recovery(wanted, given, np.arange(2000), shuffled)  # pixels of each photograph on both sides
    assert loss_of(wanted, given) > 1 - by_pixel.r2 + 0.1
    code = (PHOTOGRAPHS[:, None] == np.array(list("abcd"))) * 100.0
    offset = wanted + 10 * RNG.standard_normal((4, 8))[np.unique(PHOTOGRAPHS, return_inverse=True)[1]]
    # offsets that the photograph's name tells: known to who has seen it, unknown to who has not
    assert fit_recovery(offset, code, np.arange(2000), shuffled).r2 > 0.9
    assert loss_of(offset, code) > 0.5


def test_the_penalty_is_chosen_on_whole_photographs():
    wanted = independent(2)
    given = np.concatenate([wanted, 0.01 * independent(40)], axis=1)
    found = fit_recovery(wanted, given, PHOTOGRAPHS, HALF)
    assert found.n_pixels == 2000
    assert min(ALPHAS) <= found.alpha <= max(ALPHAS)
    # by hand: the penalty with the least error when photographs a and b, then c and d, predict each other
    chosen = []
    for pair in ("ab", "cd"):
        errors = {}
        for alpha in ALPHAS:
            z = (given - given[np.isin(PHOTOGRAPHS, list(pair))].mean(0)) / given[np.isin(PHOTOGRAPHS, list(pair))].std(
                0
            )
            one, two = (name == PHOTOGRAPHS for name in pair)
            errors[alpha] = sum(
                np.mean((wanted[other] - Ridge(alpha=alpha).fit(z[own], wanted[own]).predict(z[other])) ** 2)
                for own, other in ((one, two), (two, one))
            )
        chosen.append(min(errors, key=errors.__getitem__))
    assert found.alpha == pytest.approx(np.sqrt(np.prod(chosen)))


@pytest.mark.parametrize("half", [PHOTOGRAPHS == "a", np.arange(2000) % 2 == 0, np.zeros(2000, dtype=bool)])
def test_halves_that_are_too_small_or_share_a_photograph(half):
    with pytest.raises(ValueError, match="it needs 4 different test photographs"):
        loss_of(independent(), independent(), half=half)


# ---- blocks of a model -----------------------------------------------------------------------------------------------


def sample(name, scene, side=64):
    pixels = np.random.default_rng(stable_seed(name)).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return Sample(name=name, scene=scene, clean=pixels)


def bundle_of(scenes, side=64):
    test = tuple(sample(f"t{n}", scene, side) for n, scene in enumerate(scenes))
    return DataBundle(name="made", description="", train=(sample("x", "x"),), val=(sample("v", "v"),), test=test)


SMALL = bundle_of("abcd")


def of_variant(name="dfpir", seed=0, **changes):
    config = model_config(name, {"dim": 4, "num_blocks": (1, 1, 1, 1), "num_refinement_blocks": 1})
    spec = replace(SPEC, variant=name, seed=seed, config=replace(config, **changes))
    return spec, build_model(spec.config, seed)


def measure(spec, model, bundle=SMALL, *, images=4, pixels=64):
    prompts = load_prompts("detailed", spec.text_encoder, spec.conditions)
    if isinstance(model, RestorationUNet):
        model.bind_prompts(prompts.codes)
    run = RunContext(spec=spec, bundle=bundle, conditioning=Conditioning(spec.config, prompts), device=CPU)
    return block_information(run, model, MeasureConfig(information_images=images, pixels=pixels))


class Replaced(nn.Module):
    """A block of another kind."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, features, codes, prompts=None):
        return self.function(features)


def noise_of(features):
    return torch.randn(features.shape, generator=torch.Generator().manual_seed(int(features.numel())))


@pytest.fixture(scope="module")
def few():
    return replace(SPEC, tested=("rain", "haze"))


def test_blocks_with_known_losses(few):
    spec, model = of_variant()
    spec = replace(spec, tested=few.tested)
    mixing = torch.from_numpy(well_conditioned(32)).float()
    model.perturb["1"] = Replaced(lambda x: x)
    model.perturb["2"] = Replaced(lambda x: x.flip(1) * 7 + 1)
    model.perturb["3"] = Replaced(noise_of)
    model.perturb["4"] = Replaced(lambda x: torch.einsum("oc,bchw->bohw", mixing, x))
    frame = measure(spec, model)
    assert list(frame.columns) == list(COLUMNS)
    assert set(frame["part"]) == {"block"}
    assert set(frame["condition"]) == {"all", "rain", "haze"}
    loss = frame.set_index(["level", "condition"]).sort_index()["loss"]
    assert loss[1].max() < 1e-3
    assert loss[2].max() < 1e-3
    assert loss[4].max() < 1e-3
    assert loss[3].min() > 0.97
    assert np.allclose(frame["r2"] + frame["loss"], 1)
    assert dict(zip(frame["level"], frame["channels"], strict=True)) == {1: 4, 2: 8, 3: 16, 4: 32}
    pixels = frame.set_index(["level", "condition"]).sort_index()["n_pixels"]
    assert pixels[1, "rain"] == 4 * 64
    assert pixels[1, "all"] == 2 * 4 * 64


def test_the_channel_part_is_read_from_the_perturbed_query(few):
    spec, model = of_variant()
    spec = replace(spec, tested=few.tested)
    with torch.no_grad():
        for block in model.perturb.values():
            # expanded twice over, so that each order of channels still holds every one of them: nothing is lost
            channels = block.channel.reduce.out_channels
            block.channel.expand.weight.copy_(torch.cat([torch.eye(channels)] * 2)[:, :, None, None])
            block.channel.reduce.weight.copy_(torch.randn(channels, 2 * channels, 1, 1))
            block.attention.project_out.weight.zero_()
    frame = measure(spec, model)
    loss = frame.set_index(["part", "condition", "level"]).sort_index()["loss"]
    assert loss["channel", "rain"].max() < 0.05
    assert loss["channel", "haze"].max() < 0.05
    # F_a is zero: the block's output is a constant
    assert loss["block", "rain"].min() > 0.97
    assert set(frame["part"]) == {"block", "channel"}


@pytest.mark.parametrize(
    ("off", "parts"),
    [("channel_perturbation", {"block"}), ("attention_perturbation", {"block", "channel"})],
)
def test_blocks_with_one_half_only(few, off, parts):
    spec, model = of_variant(**{off: False})
    frame = measure(replace(spec, tested=("rain",)), model)
    assert set(frame["part"]) == parts
    if len(parts) == 2:
        by_part = [frame[frame["part"] == part]["loss"].to_numpy() for part in sorted(parts)]
        assert np.array_equal(*by_part), "without attention the perturbed query is the block's output"


def test_levels_are_those_that_have_blocks():
    spec, model = of_variant(levels=(2, 4))
    frame = measure(replace(spec, tested=("rain",)), model)
    assert set(frame["level"]) == {2, 4}


def test_models_without_blocks_give_no_rows():
    for spec, model in (of_variant("restormer"), (SPEC, nn.Identity())):
        frame = measure(spec, model)
        assert frame.empty
        assert list(frame.columns) == list(COLUMNS)


def test_every_variant_is_measured_at_the_same_places(few, monkeypatch):
    met: list[list[tuple[tuple[int, ...], list[int]]]] = []
    original = information._features_at

    def spy(features, places):
        met[-1].append((tuple(features.shape[-2:]), places.tolist()))
        return original(features, places)

    monkeypatch.setattr(information, "_features_at", spy)
    for name, seed in (("dfpir", 0), ("dfpir_g50", 1)):
        met.append([])
        spec, model = of_variant(name, seed)
        measure(replace(spec, tested=few.tested), model, pixels=10)
    assert met[0] == met[1]
    drawn = [places for _, places in met[0]]
    assert all(len(set(places)) == 10 for places in drawn)
    assert len({tuple(places) for places in drawn}) > len(drawn) / 4


def test_measuring_twice_is_equal_and_leaves_no_trace(few):
    spec, model = of_variant()
    spec = replace(spec, tested=("rain",))
    model.train()
    model.bind_prompts(load_prompts("detailed", spec.text_encoder, spec.conditions).codes)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    first, second = measure(spec, model), measure(spec, model)
    pd.testing.assert_frame_equal(first, second, check_exact=True)
    assert model.training
    assert all(module.training for module in model.modules())
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())


# ---- which images ----------------------------------------------------------------------------------------------------


def test_images_are_spread_over_the_scenes():
    items = information._test_items(replace(SPEC, tested=("rain", "haze")), bundle_of("aaaaabbc"), 4)
    assert [item.scene for item in items] == list("abca") * 2
    assert [item.condition.name for item in items] == ["rain"] * 4 + ["haze"] * 4


def test_a_scene_is_in_one_half_under_all_conditions():
    bundle = bundle_of("abcdef")
    rain = bundle.eval_items("test", [condition_named("rain")], limit=2)
    haze = bundle.eval_items("test", [condition_named("haze")])
    halves = information._split_scenes([*rain, *haze])
    assert set(halves) == set("abcdef")
    assert halves["a"] != halves["b"]
    assert sum(halves.values()) == 3


def test_too_few_scenes_are_an_error():
    spec, model = of_variant()
    with pytest.raises(ValueError, match=r"rain show 1 scene\(s\): at least two"):
        measure(replace(spec, tested=("rain",)), model, bundle_of("aaaa"))
    with pytest.raises(
        ValueError,
        match="All conditions together, 2 test images: it needs 4 different test photographs, two to fit on and two",
    ):
        measure(replace(spec, tested=("rain",)), model, bundle_of("ab"))
    with pytest.raises(ValueError, match="pixels=0"):
        measure(spec, model, pixels=0)


def test_images_of_any_size_are_cut_to_the_models_multiple():
    spec, model = of_variant()
    for side in (40, 45):
        frame = measure(replace(spec, tested=("rain",)), model, bundle_of("abcd", side), pixels=10_000)
        counts = dict(zip(frame["level"], frame["n_pixels"], strict=True))
        assert counts == {1: 4 * 1600, 2: 4 * 400, 3: 4 * 100, 4: 4 * 25}
