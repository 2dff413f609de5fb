"""Switches of speed and memory: the same numbers with each of them, and a reason where one can't serve."""

import pytest
import torch

import baselines
from ablations.harness.memory import LiveBytes
from dfpir import create_model
from dfpir.recompute import recompute_activations

TINY = {"dim": 8, "num_blocks": (1, 2, 1, 1), "num_refinement_blocks": 1}


def tiny(name="dfpir", **config):
    torch.manual_seed(0)
    model = create_model(name, **(TINY | config))
    model.bind_prompts(torch.randn(7, 512))
    return model.train()


def gradients(model, *inputs):
    model.zero_grad(set_to_none=True)
    out = model(*inputs)
    out.square().mean().backward()
    return [out.detach(), *(p.grad for p in model.parameters() if p.grad is not None)]


@pytest.mark.parametrize("name", ["dfpir", "restormer", "dfpir_learned_order"])
def test_checkpointing_gives_the_same_output_and_gradients_to_the_bit(name):
    model, image, rows = tiny(name), torch.rand(2, 3, 24, 16), torch.tensor([1, 4])
    plain = gradients(model, image, rows)
    assert recompute_activations(model) == 10 + 4 * model.config.perturbs
    again = gradients(model, image, rows)
    assert len(plain) == len(again)
    assert all(torch.equal(a, b) for a, b in zip(plain, again, strict=True))
    recompute_activations(model, on=False)
    assert not any(getattr(block, "recompute", False) for block in model.modules())


def test_checkpointing_reaches_comparators_of_restormers_family_and_says_where_it_does_nothing():
    image = torch.rand(1, 3, 16, 16)
    model = baselines.create_model("promptir", dim=8, num_blocks=(1, 1, 1, 1), num_refinement_blocks=1)
    plain = gradients(model, image)
    assert recompute_activations(model) > 0
    assert all(torch.equal(a, b) for a, b in zip(plain, gradients(model, image), strict=True))
    assert recompute_activations(torch.nn.Conv2d(3, 3, 1)) == 0


def test_checkpointing_takes_less_memory_where_it_is_on():
    model, image, rows = tiny(num_blocks=(2, 2, 2, 2)), torch.rand(1, 3, 64, 64), torch.tensor([0])
    peaks = []
    for on in (False, True):
        recompute_activations(model, on=on)
        with LiveBytes() as live:
            gradients(model, image, rows)
        peaks.append(live.peak)
    assert peaks[1] < 0.6 * peaks[0]
