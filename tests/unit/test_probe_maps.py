"""What the evaluation records of a model's inside: the same attention as the model computes, the channels by the rule."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from ablations.harness.probe_maps import AttentionRecorder, attention_entries
from dfpir import DFPIRConfig, RestorationUNet
from dfpir.attention import PerturbedAttention
from dfpir.layers import as_features, as_pixels, mix_channels

TINY = DFPIRConfig(dim=8, num_blocks=(1, 1, 1, 1), num_refinement_blocks=1, heads=(1, 2, 2, 2))


@pytest.mark.parametrize("masking", ["released", "paper", "figure", "columns", "random"])
def test_recorded_weights_give_the_modules_own_output(masking):
    torch.manual_seed(0)
    module = PerturbedAttention(16, 2, topk=5, masking=masking).eval()
    query, features = torch.randn(2, 2, 16, 8, 8)
    weights, kept = attention_entries(module, query, features)
    _, values = as_pixels(module.kv_dwconv(module.kv(features))).chunk(2, dim=-1)
    out = as_features(mix_channels(weights * module.scale, module.project_out.weight, values), like=query)
    torch.testing.assert_close(out, module(query, features))
    if masking == "columns":
        assert kept.sum(-2).max() == 5
    else:
        assert (kept.sum(-1) == 5).all()
    if masking != "paper":
        assert (weights[~kept] == 0).all()


def test_recorder_averages_by_condition():
    torch.manual_seed(0)
    model = RestorationUNet(replace(TINY, gamma=(0.5, 0.5, 0.5, 1.0))).eval()
    model.bind_prompts(torch.randn(3, 512))
    images, rows = torch.rand(3, 3, 16, 16), [2, 0, 2]
    with torch.inference_mode(), AttentionRecorder(model, 3) as recorder:
        recorder.set_conditions(rows[:2])
        model(images[:2], torch.tensor(rows[:2]))
        recorder.set_conditions(rows[2:])
        model(images[2:], torch.tensor(rows[2:]))
    found = recorder.tensors()
    assert recorder.counts.tolist() == [1, 0, 2]
    assert set(found) == {f"{k}.{b}" for k in ("attention", "kept") for b in ("skip1", "skip2", "skip3", "latent")} - {
        "kept.latent"
    }
    for name, tensor in found.items():
        assert tensor.dtype == torch.float16
        assert torch.isnan(tensor[1]).all()
        rows_sum = tensor[[0, 2]].float().sum(-1).numpy()
        width = tensor.shape[-1]
        expected = 1.0 if name.startswith("attention") else int(0.5 * width)
        np.testing.assert_allclose(rows_sum, expected, atol=2e-2)
    assert all(not block.attention._forward_pre_hooks for block in model.perturb.values())
