"""Routers of AMIR and MoCE-IR: whom they choose, what they mix, and how uneven it is."""

import pytest
import torch

import baselines
from baselines.amir import ExpertMixture


@pytest.mark.parametrize("name", ["moceir", "amir"])
def test_a_balance_loss_is_kept_in_training_only(name):
    model = baselines.create_model(name, **baselines.describe(name).demo).eval()
    model(torch.rand(2, 3, 16, 16))
    with pytest.raises(RuntimeError, match="training mode"):
        model.balance_loss()


def test_amirs_mixture_is_the_weighted_sum_of_its_chosen_experts_exponentials():
    torch.manual_seed(0)
    mixture = ExpertMixture(6, 2.0).double().eval()
    pixels, vector = torch.randn(2, 5, 6, dtype=torch.float64), torch.randn(2, 6, dtype=torch.float64)
    with torch.no_grad():
        scores = torch.cat([pixels, vector[:, None].expand_as(pixels)], dim=-1) @ mixture.w_gate
        ours = mixture.mix(pixels, *mixture(pixels, vector))
        for place in [(b, n) for b in range(2) for n in range(5)]:
            best, chosen = scores[place].topk(2)
            parts = [w * mixture.experts[e](pixels[place]).exp() for w, e in zip(best.softmax(0), chosen, strict=True)]
            assert torch.allclose(ours[place], sum(parts).log(), atol=1e-12)


def test_amirs_experts_do_not_overflow_where_exponentials_would():
    torch.manual_seed(0)
    mixture = ExpertMixture(4, 2.0).eval()
    pixels = (1e4 * torch.randn(1, 50, 4)).requires_grad_()
    chosen, weights = mixture(pixels, torch.zeros(1, 4))
    assert (weights == 0).any(), "scores so far apart that the lower weight is zero"
    mixed = mixture.mix(pixels, chosen, weights)
    mixed.sum().backward()
    assert torch.isfinite(mixed).all()
    assert pixels.grad is not None
    assert all(torch.isfinite(t).all() for t in (pixels.grad, mixture.w_gate.grad))
    again, _ = mixture(pixels, torch.zeros(1, 4))
    assert torch.equal(again, chosen), "no noise in evaluation"


def test_amirs_load_is_the_chance_of_being_chosen_when_an_experts_noise_is_drawn_again():
    torch.manual_seed(0)
    mixture = ExpertMixture(3, 2.0).double().train()
    pixels, vector = torch.randn(1, 1, 3, dtype=torch.float64), torch.zeros(1, 3, dtype=torch.float64)
    clean = (torch.cat([pixels[0], vector], dim=-1) @ mixture.w_gate)[0].detach()
    std = torch.full((4,), float(torch.nn.functional.softplus(torch.zeros(1)) + 0.01), dtype=torch.float64)
    torch.manual_seed(7)
    chosen, weights = mixture(pixels, vector)
    torch.manual_seed(7)
    noisy = clean + torch.randn(1, 1, 4, dtype=torch.float64)[0, 0] * std
    draws = clean[:, None] + std[:, None] * torch.randn(4, 200_000, dtype=torch.float64)
    load = torch.empty(4, dtype=torch.float64)
    for n in range(4):
        second_of_others = torch.cat([noisy[:n], noisy[n + 1 :]]).topk(2).values[1]
        load[n] = (draws[n] > second_of_others).double().mean()
    importance = torch.zeros(4, dtype=torch.float64).index_put((chosen[0, 0],), weights[0, 0].detach())
    expected = sum(float(x.var() / x.mean() ** 2) for x in (importance, load))
    assert float(mixture.balance.detach()) == pytest.approx(expected, rel=1e-2)
    mixture.balance.backward()
    assert all(float(weight.grad.abs().sum()) > 0 for weight in (mixture.w_gate, mixture.w_noise))
