"""The classical filters: a reference without training."""

import torch
from einops import rearrange
from skimage import data

import baselines
from datasets.degrade import degrade
from datasets.tasks import CONDITIONS


def psnr_db(image, clean):
    return float(-10 * torch.log10((image - clean).square().mean()))


def test_classical_methods_improve_what_they_are_told_of():
    image = rearrange(torch.from_numpy(data.astronaut()[100:228, 100:260].copy()), "h w c -> c h w") / 255
    model = baselines.create_model("classical")
    assert not list(model.parameters())
    degraded = torch.stack([degrade(image, condition, seed=1) for condition in CONDITIONS])
    restored = model(degraded, torch.arange(len(CONDITIONS)))
    assert restored.shape == degraded.shape
    assert restored.min() >= 0
    assert restored.max() <= 1
    gain = {
        c.name: psnr_db(r, image) - psnr_db(d, image) for c, r, d in zip(CONDITIONS, restored, degraded, strict=True)
    }
    assert all(gain[name] > 2 for name in ("noise-15", "noise-25", "noise-50", "haze", "lowlight")), gain
    assert gain["blur"] > -0.5, gain
    assert gain["rain"] == 0, "rain has no classical method here and is returned as it is"
    alone = model(degraded[4:5], torch.tensor([4]))
    assert torch.equal(alone[0], restored[4])


def test_classical_keeps_flat_and_black_images():
    model = baselines.create_model("classical")
    for level in (0.0, 0.5, 1.0):
        flat = torch.full((len(CONDITIONS), 3, 20, 24), level)
        assert torch.isfinite(model(flat, torch.arange(len(CONDITIONS)))).all()
        assert torch.equal(baselines.create_model("identity")(flat), flat)
