"""Pooled features of fixed patches of test images: what the evaluation keeps for t-SNE, and measures look at again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ablations.devices import autocast
from ablations.harness.context import RunContext
from ablations.harness.evaluate import as_tensor
from ablations.spec import RunSpec
from datasets.bundle import EvalItem
from datasets.seeding import stable_seed
from datasets.tasks import condition_named
from dfpir import RestorationUNet

POOLED = "mean over the patch's pixels"
_BATCH = 16


@dataclass(frozen=True, kw_only=True, eq=False)
class ProbePatch:
    """A patch of a degraded test image."""

    condition: str  # name of what is wrong with the image
    image: str  # its name
    number: int  # of the patch within the condition
    pixels: np.ndarray  # (side, side, 3)


def probe_patches(spec: RunSpec, items: Sequence[EvalItem]) -> list[ProbePatch]:
    """`probe_patches` patches of each condition tested, at places fixed by image and number."""
    side, wanted = spec.evaluation.probe_patch, spec.evaluation.probe_patches
    patches = []
    for name in spec.tested:
        own = [item for item in items if item.condition.name == name and min(item.clean.shape[:2]) >= side]
        for number in range(wanted if own else 0):
            item = own[number % len(own)]
            rng = np.random.default_rng(stable_seed("probe", item.name, number))
            top, left = (int(rng.integers(0, n - side + 1)) for n in item.clean.shape[:2])
            pixels = item.degraded[top : top + side, left : left + side]
            patches.append(ProbePatch(condition=name, image=item.name, number=number, pixels=pixels))
    return patches


def pooled_features(
    run: RunContext,
    model: RestorationUNet,
    patches: Sequence[ProbePatch],
    told: Sequence[str],
    before_batch: Callable[[slice], None] = lambda _: None,
) -> dict[str, Tensor]:
    """Features around the latent's block, each patch's averaged over its pixels.

    The model is on the run's device, in eval mode, prompts bound. Each of the N patches is restored with the prompt of
    the condition `told`; `before_batch` gets the places of each batch's patches before the model sees them.

    Returns:
        `latent` and, where the variant has a block there, `latent-perturbed`: (N, D) float32 on the CPU.
    """
    layers: dict[str, nn.Module] = {"latent": model.latent}
    if "4" in model.perturb:
        layers["latent-perturbed"] = model.perturb["4"]
    features: dict[str, list[Tensor]] = {name: [] for name in layers}
    hooks = [
        layer.register_forward_hook(
            lambda _m, _i, out, name=name: features[name].append(out.float().mean((2, 3)).cpu())
        )
        for name, layer in layers.items()
    ]
    try:
        for start in range(0, len(patches), _BATCH):
            part = slice(start, start + _BATCH)
            before_batch(part)
            images = torch.cat([as_tensor(patch.pixels) for patch in patches[part]]).to(run.device)
            code = run.conditioning([condition_named(name) for name in told[part]], run.device, training=False)
            with torch.inference_mode(), autocast(run.device, run.spec.precision):
                model(images, code)
    finally:
        for hook in hooks:
            hook.remove()
    return {name: torch.cat(rows) for name, rows in features.items()}
