"""Every registered variant, and every switch of the config."""

from dataclasses import replace

import pytest
import torch

import dfpir
from ablations.harness.seeding import initialise
from ablations.models import model_ingredients
from dfpir.attention import largest_in_rows, masked_softmax
from dfpir.channel import BiasPerPrompt, ChannelPerturbation, ConvolutionPerPrompt, descending_order, soft_order
from dfpir.config import PER_PROMPT
from dfpir.count import multiply_adds
from dfpir.fit import trained_parameters
from dfpir.layers import ChannelLayerNorm

TINY = {"dim": 8, "num_blocks": [1, 1, 1, 1], "num_refinement_blocks": 1, "heads": [1, 2, 4, 8]}


def tiny(name: str, seed: int = 0, **config) -> dfpir.RestorationUNet:
    model = dfpir.create_model(name, **(TINY | config))
    initialise(model, seed)
    return model


def told(name: str, **config) -> dfpir.RestorationUNet:
    """A tiny model that can be called with any code: one with parameters per prompt knows only those bound to it."""
    model = tiny(name, **config)
    if model.config.order in PER_PROMPT:
        generator = torch.Generator().manual_seed(0)
        model.bind_prompts(torch.randn(7, 512, generator=generator))
    for block in model.perturb.values():
        if isinstance(block.channel, BiasPerPrompt):  # zero at the start
            torch.nn.init.normal_(block.channel.bias)
    return model


@pytest.mark.parametrize("name", dfpir.list_models())
def test_every_variant_runs_forward_and_backward(name):
    model = told(name)
    image, code = torch.rand(2, 3, 24, 40), torch.randn(2, 512)
    out = model(image, code)
    assert out.shape == image.shape
    out.mean().backward()
    without = {n for n, p in model.named_parameters() if p.grad is None}
    frozen = {n for n, p in model.named_parameters() if not p.requires_grad}
    assert without == frozen  # what gets no gradient is frozen, or data parallelism would wait for it
    guides = {n for n, _ in model.named_parameters() if ".guide." in n}
    assert frozen == (set() if model.config.order == "learned" else guides)


@pytest.mark.parametrize("name", dfpir.list_models())
def test_every_variant_depends_on_the_prompt_only_where_its_config_says_so(name):
    model = told(name).eval()
    image = torch.rand(1, 3, 16, 16)
    codes = torch.randn(2, 512, generator=torch.Generator().manual_seed(0))  # of `told`: two different prompts
    with torch.no_grad():
        first, second = model(image, codes[:1]), model(image, codes[1:])
    assert torch.equal(first, second) is not model.config.uses_prompts


def test_lists_and_names():
    assert dfpir.list_models("dfpir_g*") == [f"dfpir_g{n}" for n in (50, 60, 70, 80, 90, 95, 100)]
    with pytest.raises(ValueError, match="Did you mean 'dfpir_g90'"):
        dfpir.create_model("dfpir_g9")
    with pytest.raises(ValueError, match=r"Unknown setting .gama.\. Did you mean .gamma."):
        dfpir.create_model("dfpir", gama=0.5)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("gamma", 0.0),
        ("gamma", 1.5),
        ("gamma", 0.01),
        ("dim", 7),
        ("heads", [5, 2, 4, 8]),
        ("num_blocks", [1, 1, 1]),
        ("expansion", 3),
        ("levels", [0]),
        ("masking", "none"),
        ("order", "Prompt"),
        ("layer_norm", "WithBias"),
        ("num_blocks", 4),
    ],
)
def test_bad_settings_are_named(setting, value):
    with pytest.raises(ValueError, match=setting):
        dfpir.create_model("dfpir", **{setting: value})


def test_wrong_calls_say_what_is_needed():
    model = tiny("dfpir")
    image = torch.rand(1, 3, 16, 16)
    with pytest.raises(ValueError, match="multiples of 8"):
        model(torch.rand(1, 3, 17, 16), torch.randn(1, 512))
    with pytest.raises(ValueError, match="needs a prompt code"):
        model(image)
    with pytest.raises(ValueError, match="no prompts are bound"):
        model(image, torch.tensor([0]))
    with pytest.raises(ValueError, match="512"):
        model(image, torch.randn(1, 500))


def test_gamma_one_is_no_mask_and_masks_keep_what_they_should():
    logits = torch.randn(2, 3, 8, 8)
    for masking in ("released", "paper", "figure"):
        assert torch.equal(masked_softmax(logits, 8, masking), logits.softmax(-1))
    keep = largest_in_rows(logits, 5)
    assert (keep.sum(-1) == 5).all()
    assert (logits.where(keep, torch.inf).amin(-1) >= logits.where(~keep, -torch.inf).amax(-1)).all()
    released, paper, figure = (masked_softmax(logits, 5, m) for m in ("released", "paper", "figure"))
    assert (released[~keep] == 0).all()
    torch.testing.assert_close(released.sum(-1), torch.ones(2, 3, 8))
    expected = torch.exp(logits * keep) / torch.exp(logits * keep).sum(-1, keepdim=True)
    torch.testing.assert_close(paper, expected)
    assert (paper[~keep] > 0).all()
    assert (figure[~keep] == 0).all()
    assert (figure.sum(-1) < 1).all()
    torch.testing.assert_close(figure[keep], logits.softmax(-1)[keep])


@pytest.mark.parametrize("order", ["prompt", "identity", "random"])
@pytest.mark.parametrize("expansion", [1, 2, 4])
def test_folded_channel_perturbation_is_the_two_convolutions_with_a_shuffle_between(order, expansion):
    torch.manual_seed(0)
    module = ChannelPerturbation(6, expansion=expansion, order=order).double()
    x, codes = torch.randn(3, 6, 5, 7).double(), torch.randn(3, 512)
    indices = module.order_of(codes.double())
    expanded = module.expand(x)
    shuffled = torch.stack([sample[row] for sample, row in zip(expanded, indices, strict=True)])
    torch.testing.assert_close(module(x, codes.double()), module.reduce(shuffled), rtol=1e-10, atol=1e-12)


def test_learned_order_is_hard_at_test_time_and_soft_in_training():
    torch.manual_seed(0)
    module = ChannelPerturbation(6, expansion=2, order="learned")
    x, codes = torch.randn(2, 6, 4, 4), torch.randn(2, 512)
    module.temperature.fill_(1e-4)
    soft = module.train()(x, codes)
    soft.square().mean().backward()
    assert module.guide.score.weight.grad is not None
    torch.testing.assert_close(soft, module.eval()(x, codes), rtol=1e-3, atol=1e-4)


def test_soft_order_tends_to_the_permutation():
    scores = torch.randn(4, 16)
    hard = torch.nn.functional.one_hot(descending_order(scores), 16).float()
    rows = soft_order(scores, torch.tensor(1.0))
    torch.testing.assert_close(rows.sum(-1), torch.ones(4, 16))
    torch.testing.assert_close(soft_order(scores, torch.tensor(1e-5)), hard)


def test_random_order_is_fixed_per_prompt_and_differs_between_prompts_and_seeds():
    codes = torch.randn(3, 512)
    a, b, other = tiny("dfpir_random_order"), tiny("dfpir_random_order"), tiny("dfpir_random_order", seed=1)
    orders = [m.perturb["4"].channel.order_of(codes) for m in (a, b, other)]
    assert torch.equal(orders[0], orders[1])
    assert not torch.equal(orders[0], orders[2])
    assert len({tuple(row.tolist()) for row in orders[0]}) == 3
    assert all(sorted(row.tolist()) == list(range(row.numel())) for row in orders[0])


def test_bound_prompts_give_the_same_output_and_travel_with_the_weights():
    model, codes = tiny("dfpir").eval(), torch.randn(4, 512)
    image, rows = torch.rand(4, 3, 16, 16), torch.tensor([3, 1, 0, 1])
    with torch.no_grad():
        direct = model(image, codes[rows])
        model.bind_prompts(codes)
        torch.testing.assert_close(model(image, rows), direct, rtol=1e-6, atol=1e-6)
        fresh = tiny("dfpir", seed=9).eval()
        dfpir.weights.load_weights(fresh, model.state_dict())
        assert torch.equal(fresh(image, rows), model(image, rows))


def test_stored_orders_are_used_not_recomputed():
    model, codes = tiny("dfpir").eval(), torch.randn(2, 512)
    model.bind_prompts(codes)
    before = model.perturb["4"].channel.orders.clone()
    image, rows = torch.rand(2, 3, 16, 16), torch.tensor([0, 1])
    with torch.no_grad():
        expected = model(image, rows)
        model.prompt_codes += torch.randn_like(codes) * 0.5  # as a recomputation in another precision would
        assert torch.equal(model(image, rows), expected)
    assert torch.equal(model.perturb["4"].channel.orders, before)


def test_orders_do_not_move_under_autocast():
    model, codes = tiny("dfpir"), torch.randn(5, 512)
    channel = model.perturb["4"].channel
    with torch.autocast("cpu", torch.bfloat16):
        inside = channel.order_of(codes)
    assert torch.equal(inside, channel.order_of(codes))


@pytest.mark.parametrize("levels", [[1], [4], [1, 2, 3], [2, 4]])
def test_blocks_sit_where_levels_say(levels):
    model = tiny("dfpir", levels=levels)
    assert sorted(int(level) for level in model.perturb) == levels
    assert model(torch.rand(1, 3, 16, 16), torch.randn(1, 512)).shape == (1, 3, 16, 16)


def test_bias_free_layer_norm_is_restormers():
    norm, x = ChannelLayerNorm(5, bias=False).double(), torch.randn(2, 5, 3, 4).double()
    variance = x.var(1, keepdim=True, unbiased=False)
    torch.testing.assert_close(norm(x), x / torch.sqrt(variance + 1e-5), rtol=1e-12, atol=1e-12)
    assert tiny("dfpir", layer_norm="bias_free")(torch.rand(1, 3, 8, 8), torch.randn(1, 512)).shape == (1, 3, 8, 8)


def test_channels_last_norm_equals_pytorchs():
    norm, x = ChannelLayerNorm(5).double(), torch.randn(2, 5, 3, 4).double()
    torch.testing.assert_close(norm(x), torch.nn.functional.layer_norm(x.movedim(1, -1), (5,)).movedim(-1, 1))


def test_identity_tells_models_apart_by_what_they_compute():
    full = dfpir.variant_config("dfpir")
    assert replace(full, gamma=0.89).identity() != full.identity()  # 42 of 48, not 43
    assert replace(full, gamma=0.91).identity() == full.identity()  # both keep 43 of 48
    bare = replace(full, channel_perturbation=False, attention_perturbation=False)
    assert replace(bare, gamma=0.5, order="random").identity() == bare.identity()
    assert replace(full, gamma=1.0, masking="paper").identity() == replace(full, gamma=1.0).identity()
    assert replace(full, order="identity", prompt_set="simple").identity() == replace(full, order="identity").identity()


def test_first_weights_depend_on_seed_and_name_alone():
    plain, full, again, other = tiny("restormer"), tiny("dfpir"), tiny("dfpir"), tiny("dfpir", seed=1)
    ours = dict(full.named_parameters())
    for name, parameter in plain.named_parameters():
        assert torch.equal(parameter, ours[name]), name
    for (name, a), (_, b), (_, c) in zip(
        full.named_parameters(), again.named_parameters(), other.named_parameters(), strict=True
    ):
        assert torch.equal(a, b), name
        assert a.numel() < 16 or not a.std() or not torch.equal(a, c), name


def test_gamma_variants_differ_in_gamma_alone():
    models = [tiny(name) for name in dfpir.list_models("dfpir_g*")]
    reference = models[0].state_dict()
    for model in models[1:]:
        assert model.config == replace(models[0].config, gamma=model.config.gamma)
        assert all(torch.equal(value, reference[key]) for key, value in model.state_dict().items())


def test_no_variant_takes_the_name_of_another():  # one of a user's own: tests/integration/test_plugin_package.py
    with pytest.raises(ValueError, match="registered already"):
        dfpir.register_variant("dfpir")(lambda: dfpir.DFPIRConfig())


# ---- the controls of the ablation studies -----------------------------------------------------------------------------


def test_columns_keep_their_largest_and_an_emptied_row_weighs_nothing():
    # every column's largest entry stands in the first row, so with one kept a column the other rows keep nothing
    logits = torch.tensor([[[[9.0, 8.0, 7.0], [1.0, 2.0, 3.0], [0.0, 1.0, 0.0]]]], requires_grad=True)
    weights = masked_softmax(logits, 1, "columns")
    torch.testing.assert_close(weights[0, 0, 0], logits[0, 0, 0].softmax(-1))
    assert (weights[0, 0, 1:] == 0).all()
    weights.square().sum().backward()
    assert logits.grad.isfinite().all()
    drawn = torch.randn(2, 2, 6, 6)
    assert ((masked_softmax(drawn, 4, "columns") > 0).sum(dim=-2) == 4).all()


def test_the_random_mask_is_fixed_has_the_same_density_and_follows_the_seed():
    a, b, other = (tiny("dfpir_random_mask", seed=s) for s in (0, 0, 1))
    masks = [m.perturb["4"].attention.chosen for m in (a, b, other)]
    assert torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[0], masks[2])
    assert (masks[0].sum(-1) == a.config.topk(4)).all()
    weights = masked_softmax(torch.randn(1, 8, 8, 8), a.config.topk(4), "random", masks[0])
    assert torch.equal(weights[0] > 0, masks[0])
    again = tiny("dfpir_random_mask", seed=5)
    dfpir.weights.load_weights(again, a.state_dict())
    assert torch.equal(again.perturb["4"].attention.chosen, masks[0]), "the mask travels with the weights"


def test_a_shared_order_is_random_and_the_same_for_every_prompt():
    model = tiny("dfpir_shared_order").eval()
    orders = model.perturb["4"].channel.order_of(torch.randn(5, 512))
    assert (orders == orders[0]).all()
    assert sorted(orders[0].tolist()) == list(range(orders.shape[1]))
    assert orders[0].tolist() != list(range(orders.shape[1]))
    assert not model.config.uses_prompts
    image = torch.rand(2, 3, 16, 16)
    with torch.no_grad():
        assert torch.equal(model(image, torch.randn(2, 512)), model(image, torch.randn(2, 512)))


def test_a_convolution_per_prompt_is_that_convolution():
    model, codes = tiny("dfpir_conv_per_prompt", num_prompts=3).eval(), torch.randn(3, 512)
    image, rows = torch.rand(3, 3, 16, 16), torch.tensor([2, 0, 2])
    with pytest.raises(ValueError, match="bind_prompts"):
        model(image, codes[rows])
    model.bind_prompts(codes)
    with torch.no_grad():
        assert torch.equal(model(image, codes[rows]), model(image, rows)), "a code is known by its nearest prompt"
        x, channel = torch.randn(3, model.config.channels(4), 4, 4), model.perturb["4"].channel
        assert isinstance(channel, ConvolutionPerPrompt)
        single = torch.cat([channel.convolutions[r](x[i : i + 1]) for i, r in enumerate(rows.tolist())])
        torch.testing.assert_close(channel(x, codes[rows], rows), single, rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match="4 prompts"):
        model.bind_prompts(torch.randn(4, 512))


def test_gamma_of_each_level():
    config = dfpir.variant_config("dfpir", gamma=[1.0, 0.9, 0.8, 0.5])
    assert [config.topk(level) for level in (1, 2, 3, 4)] == [48, 43, 38, 24]
    same = dfpir.variant_config("dfpir", gamma=(0.9, 0.9, 0.9, 0.9))
    assert same.identity() == dfpir.variant_config("dfpir").identity()
    for wrong in ((0.9, 0.9), (0.9, 0.9, 0.9, 1.1), ("0.9",) * 4):
        with pytest.raises(ValueError, match="gamma="):
            dfpir.variant_config("dfpir", gamma=wrong)


@pytest.mark.parametrize("sizes", [{}, {"dim": 8, "num_blocks": (1, 1, 1, 1), "num_refinement_blocks": 1}])
def test_widened_restormers_are_as_large_as_dfpir(sizes):
    full = dfpir.variant_config("dfpir", **sizes)
    params = dfpir.variant_config("restormer_same_params", **sizes)
    macs = dfpir.variant_config("restormer_same_macs", **sizes)
    # DGM's linear layers run once a prompt and are multiply-adds of the full block: a few thousandths at this size
    assert trained_parameters(params) == pytest.approx(trained_parameters(full), rel=0.01)
    assert multiply_adds(macs, 128, 128) == pytest.approx(multiply_adds(full, 128, 128), rel=0.02)
    assert not params.perturbs
    assert params.dim == full.dim


def test_ingredients_are_those_of_the_papers_table():
    told = {
        name: tuple(model_ingredients(name).values()) for name in ("restormer", "dgcpm_only", "caapm_only", "dfpir")
    }
    tick = "\N{CHECK MARK}"
    assert told == {
        "restormer": ("", "", "", "", ""),
        "dgcpm_only": (tick, "", "prompt", "", "detailed"),
        "caapm_only": ("", tick, "", "0.9", ""),
        "dfpir": (tick, tick, "prompt", "0.9", "detailed"),
    }
    assert model_ingredients("dfpir_conv_per_prompt")["DGCPM"] == "", "it reorders nothing"
    assert model_ingredients("promptir") == {}
    assert model_ingredients("dfpir@rain") == model_ingredients("dfpir")
