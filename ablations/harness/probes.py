"""What the evaluation keeps for figures: features of test patches, channel orders, attention, feature maps."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from ablations.devices import autocast
from ablations.harness.context import RunContext
from ablations.harness.evaluate import as_tensor
from ablations.harness.model_factory import untrained_model
from ablations.harness.probe_maps import BLOCK_NAMES, AttentionRecorder, feature_maps, first_tensor
from ablations.harness.samples import Box, crop_boxes
from ablations.models import BaselineConfig, ModelConfig, is_trained
from ablations.spec import RunSpec
from baselines.base import restore
from datasets.bundle import EvalItem
from datasets.seeding import stable_seed
from datasets.tasks import condition_named
from dfpir import RestorationUNet
from dfpir.block import PerturbationBlock
from dfpir.channel import ChannelPerturbation
from reports import schema
from reports.files import write_bytes

_POOLED = "mean over the patch's pixels"
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
    side, patches_per_condition = spec.evaluation.probe_patch, spec.evaluation.probe_patches
    patches = []
    for name in spec.tested:
        candidates = [item for item in items if item.condition.name == name and min(item.clean.shape[:2]) >= side]
        for number in range(patches_per_condition if candidates else 0):
            item = candidates[number % len(candidates)]
            rng = np.random.default_rng(stable_seed("probe", item.name, number))
            top, left = (int(rng.integers(0, n - side + 1)) for n in item.clean.shape[:2])
            pixels = item.degraded[top : top + side, left : left + side]
            patches.append(ProbePatch(condition=name, image=item.name, number=number, pixels=pixels))
    return patches


def probed_layers(config: ModelConfig, model: nn.Module) -> dict[str, nn.Module]:
    """The layers whose features are recorded, by name.

    Of DFPIR `latent` and, where the variant has a block there, `latent-perturbed`; of a comparator the one that it
    names (`Baseline.probed`), if any.
    """
    if isinstance(model, RestorationUNet):
        return {"latent": model.latent} | ({"latent-perturbed": model.perturb["4"]} if "4" in model.perturb else {})
    path = config.entry.probed if isinstance(config, BaselineConfig) else ""
    layer: Any = model
    for part in path.split(".") if path else ():
        layer = layer[int(part)] if part.lstrip("-").isdecimal() else getattr(layer, part)
    return {path: layer} if path else {}


def pooled_features(
    run: RunContext,
    model: nn.Module,
    patches: Sequence[ProbePatch],
    prompt_conditions: Sequence[str],
    before_batch: Callable[[slice], None] = lambda _: None,
) -> dict[str, Tensor]:
    """Features of the model's probed layers, each patch's averaged over its pixels.

    The model is on the run's device, in eval mode, prompts bound. Each of the N patches is restored with the prompt of
    its `prompt_conditions`; `before_batch` gets the slice of each batch's patches before the forward pass.

    Returns:
        (N, D) float32 on the CPU for each of `probed_layers`.
    """
    layers = probed_layers(run.spec.config, model)
    last_outputs: dict[str, Tensor] = {}  # of a layer that is called several times, the last output
    features: dict[str, list[Tensor]] = {name: [] for name in layers}
    hooks = [
        layer.register_forward_hook(lambda _m, _i, out, name=name: last_outputs.update({name: first_tensor(out)}))
        for name, layer in layers.items()
    ]
    try:
        for start in range(0, len(patches), _BATCH):
            batch = slice(start, start + _BATCH)
            before_batch(batch)
            images = torch.cat([as_tensor(patch.pixels) for patch in patches[batch]]).to(run.device)
            code = run.conditioning(
                [condition_named(name) for name in prompt_conditions[batch]], run.device, training=False
            )
            with torch.inference_mode(), autocast(run.device, run.spec.precision):
                restore(model, images, code)  # type: ignore[arg-type]
            for name in layers:
                features[name].append(last_outputs[name].float().mean((2, 3)).cpu())
    finally:
        for hook in hooks:
            hook.remove()
    return {name: torch.cat(rows) for name, rows in features.items()}


def write_probes(run: RunContext, model: nn.Module, items: Sequence[EvalItem], folder: Path) -> None:
    """Write probes.safetensors: pooled features of the probed layers, channel orders, attention, feature maps.

    Features are those of the given model and, on the same patches, of the untrained one (a control of the t-SNE).

    Of a comparator there are features, and maps where it probes its `latent`; nothing where it probes no layer.
    """
    spec = run.spec
    if not probed_layers(spec.config, model):
        return
    patches = probe_patches(spec, items)
    patch_conditions = [patch.condition for patch in patches]
    condition_rows = [spec.conditions.index(name) for name in patch_conditions]
    with AttentionRecorder(model, len(spec.conditions)) as attention:
        features = pooled_features(
            run, model, patches, patch_conditions, lambda batch: attention.set_conditions(condition_rows[batch])
        )
    tensors = {schema.FEATURE_PREFIX + name: rows for name, rows in features.items()}
    if is_trained(spec.config):
        first_model = untrained_model(spec.config, spec.seed, run.conditioning.prompts.codes).to(run.device)
        untrained = pooled_features(run, first_model, patches, patch_conditions)
        tensors |= {schema.UNTRAINED_FEATURE_PREFIX + name: rows for name, rows in untrained.items()}
    tensors[schema.FEATURE_CONDITION] = torch.tensor(condition_rows)
    maps, mapped_images = feature_maps(run, model, _mapped(spec, items))
    tensors |= channel_orders(model) | attention.tensors() | maps
    metadata = {
        schema.PROBE_CONDITIONS: json.dumps(list(spec.conditions)),
        schema.PROBE_LAYERS: json.dumps(dict.fromkeys(features, _POOLED)),
        schema.PROBE_IMAGES: json.dumps(mapped_images),
        schema.PROBE_PATCHES: json.dumps(attention.counts.tolist()),
    }
    write_bytes(folder / schema.PROBES_FILE, safetensors.torch.save(tensors, metadata=metadata))


def channel_orders(model: nn.Module) -> dict[str, Tensor]:
    """`order.<block>` -> (P, eC) int32: for each bound prompt, the channel that stands at each position."""
    orders: dict[str, Tensor] = {}
    if not isinstance(model, RestorationUNet):
        return orders
    for level, block in model.perturb.items():
        if not isinstance(block, PerturbationBlock) or not isinstance(block.channel, ChannelPerturbation):
            continue
        if block.channel.order != "identity":
            if block.channel.order == "learned" and model.prompt_codes is not None:
                block.channel.bind(model.prompt_codes)  # the trained order, hard
            if block.channel.orders is not None:
                orders[schema.ORDER_PREFIX + BLOCK_NAMES[level]] = block.channel.orders.to(
                    "cpu", torch.int32
                ).contiguous()
    return orders


def _mapped(spec: RunSpec, items: Sequence[EvalItem]) -> list[tuple[EvalItem, Box]]:
    """The first test image of each task, at its middle strength, with the box that its sample crop has."""
    strengths: dict[str, list[str]] = {}
    for name in spec.tested:
        strengths.setdefault(condition_named(name).task.name, []).append(name)
    mapped = []
    for names in strengths.values():
        condition_items = [item for item in items if item.condition.name == names[len(names) // 2]]
        mapped += [(item, crop_boxes(item.clean)[0]) for item in condition_items[:1]]
    return mapped
