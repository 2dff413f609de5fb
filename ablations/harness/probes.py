"""What the evaluation keeps for figures: features of test patches, channel orders, crops of restored images."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from PIL import Image
from torch import Tensor, nn

from ablations.devices import autocast
from ablations.harness.context import RunContext
from ablations.harness.evaluate import as_tensor, restore_items
from ablations.harness.model_factory import untrained_model
from ablations.harness.probe_maps import BLOCK_NAMES, AttentionRecorder, feature_maps, first_tensor
from ablations.models import BaselineConfig, ModelConfig, is_trained
from ablations.spec import RunSpec
from baselines.base import restore
from datasets.bundle import EvalItem
from datasets.protocols import get_protocol, score
from datasets.seeding import stable_seed
from datasets.tasks import condition_named
from dfpir import RestorationUNet
from dfpir.block import PerturbationBlock
from dfpir.channel import ChannelPerturbation
from reports import schema
from reports.files import write_bytes, write_json

_CROP = 96
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
    path = config.row.probed if isinstance(config, BaselineConfig) else ""
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


def _mapped(spec: RunSpec, items: Sequence[EvalItem]) -> list[tuple[EvalItem, tuple[int, int, int, int]]]:
    """The first test image of each task, at its middle strength, with the box that its sample crop has."""
    strengths: dict[str, list[str]] = {}
    for name in spec.tested:
        strengths.setdefault(condition_named(name).task.name, []).append(name)
    chosen = []
    for names in strengths.values():
        own = [item for item in items if item.condition.name == names[len(names) // 2]]
        chosen += [(item, busiest_box(item.clean, _CROP)) for item in own[:1]]
    return chosen


def write_samples(run: RunContext, model: nn.Module, items: Sequence[EvalItem], folder: Path) -> None:
    """Write crops (degraded, restored, clean) of the first image of each scene, at most `samples` a condition."""
    spec = run.spec
    chosen: list[EvalItem] = []
    for name in spec.tested:
        first_of_scene: dict[str, EvalItem] = {}
        for item in items:
            if item.condition.name == name:
                first_of_scene.setdefault(item.scene, item)
        chosen += list(first_of_scene.values())[: spec.evaluation.samples]
    records: list[schema.SampleRecord] = []
    for number, (item, restored) in enumerate(restore_items(run, model, chosen)):
        records.append(_write_sample(spec, item, restored, folder, number))
    write_json(folder / schema.SAMPLES_FILE, records)


def _write_sample(spec: RunSpec, item: EvalItem, restored: Tensor, folder: Path, number: int) -> schema.SampleRecord:
    protocol, clean = get_protocol(spec.protocol), as_tensor(item.clean)
    top, left, height, width = box = busiest_box(item.clean, _CROP)
    files = {}
    for kind, image in (("degraded", as_tensor(item.degraded)), ("restored", restored.cpu()), ("clean", clean)):
        crop = image[0, :, top : top + height, left : left + width].clamp(0, 1)
        pixels = (crop * 255).round().byte().permute(1, 2, 0).numpy()
        files[kind] = f"{number:03d}-{item.condition.name}-{kind}.png"
        target = folder / schema.SAMPLES_FOLDER / files[kind]
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(target, optimize=True)
    return schema.SampleRecord(
        condition=item.condition.name,
        image=item.name,
        box=list(box),
        degraded=files["degraded"],
        restored=files["restored"],
        clean=files["clean"],
        psnr_db=_finite(float(score(restored.cpu(), clean, protocol, item.condition.task)[schema.PSNR])),
        input_psnr_db=_finite(
            float(score(as_tensor(item.degraded), clean, protocol, item.condition.task)[schema.PSNR])
        ),
    )


def _finite(value: float) -> float | None:
    """The number, or None for a perfect image's infinite schema.PSNR, which JSON has no word for."""
    return value if math.isfinite(value) else None


def busiest_box(image: np.ndarray, side: int) -> tuple[int, int, int, int]:
    """(top, left, height, width) of the square with the strongest gradients, on a grid of a quarter of its side."""
    grey = image.astype(np.float64).mean(axis=2)
    energy = np.abs(np.diff(grey, axis=0, append=grey[-1:])) + np.abs(np.diff(grey, axis=1, append=grey[:, -1:]))
    height, width = min(side, grey.shape[0]), min(side, grey.shape[1])
    stride = max(side // 4, 1)
    places = [
        (top, left)
        for top in range(0, grey.shape[0] - height + 1, stride)
        for left in range(0, grey.shape[1] - width + 1, stride)
    ]
    top, left = max(places, key=lambda place: energy[place[0] : place[0] + height, place[1] : place[1] + width].sum())
    return top, left, height, width
