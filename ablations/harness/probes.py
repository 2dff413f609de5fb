"""What the evaluation keeps for figures: features of test patches, channel orders, crops of restored images."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from PIL import Image
from torch import Tensor, nn

from ablations.harness.context import RunContext
from ablations.harness.evaluate import as_tensor, restore_items
from ablations.harness.probe_features import POOLED, pooled_features, probe_patches
from ablations.harness.probe_maps import BLOCK_NAMES, AttentionRecorder, feature_maps
from ablations.spec import RunSpec
from datasets.bundle import EvalItem
from datasets.protocols import get_protocol, score
from datasets.tasks import condition_named
from dfpir import RestorationUNet
from dfpir.block import PerturbationBlock
from dfpir.channel import ChannelPerturbation
from reports import schema
from reports.files import write_bytes, write_json

_CROP = 96


def write_probes(run: RunContext, model: RestorationUNet, items: Sequence[EvalItem], folder: Path) -> None:
    """Write probes.safetensors: pooled features around the latent's block, channel orders, attention, feature maps."""
    spec = run.spec
    patches = probe_patches(spec, items)
    told = [patch.condition for patch in patches]
    numbers = [spec.conditions.index(name) for name in told]
    with AttentionRecorder(model, len(spec.conditions)) as attention:
        features = pooled_features(run, model, patches, told, lambda part: attention.set_conditions(numbers[part]))
    tensors = {schema.FEATURE_PREFIX + name: rows for name, rows in features.items()}
    tensors[schema.FEATURE_CONDITION] = torch.tensor(numbers)
    maps, shown = feature_maps(run, model, _mapped(spec, items))
    tensors |= channel_orders(model) | attention.tensors() | maps
    metadata = {
        schema.PROBE_CONDITIONS: json.dumps(list(spec.conditions)),
        schema.PROBE_LAYERS: json.dumps(dict.fromkeys(features, POOLED)),
        schema.PROBE_IMAGES: json.dumps(shown),
        schema.PROBE_PATCHES: json.dumps(attention.counts.tolist()),
    }
    write_bytes(folder / schema.PROBES_FILE, safetensors.torch.save(tensors, metadata=metadata))


def channel_orders(model: RestorationUNet) -> dict[str, Tensor]:
    """`order.<block>` -> (P, eC) int32: for each bound prompt, the channel that stands at each position."""
    orders = {}
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
