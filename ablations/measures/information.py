"""Information loss of a perturbation block: how much of its input a linear map can't recover from its output.

A block without a residual passes on only its output. Here a ridge regression predicts the input's channels at a pixel
from the output's channels at the same pixel; the unexplained share, 1 - R2 on photographs that it was not fitted on, is
the loss. The paper plots such a loss against gamma without measuring or defining it; this definition is the suite's, in
the manner of linear probes (Alain & Bengio, 2016). It includes information that is preserved in another form:
non-linearly, at a neighbouring pixel, or by a rule that differs between images.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ablations.harness.context import RunContext
from ablations.harness.evaluate import as_tensor
from ablations.harness.heartbeat import notify_heartbeat
from ablations.harness.training.train import run_conditions
from ablations.measures.recoverability import fit_recovery
from ablations.spec import MeasureConfig, RunSpec
from datasets.bundle import DataBundle, EvalItem, Sample, serves
from datasets.protocols import get_protocol
from datasets.seeding import stable_seed
from datasets.tasks import Condition
from dfpir import RestorationUNet
from reports.schema import MEASURE_COLUMNS

SIDE_PX = 256
"""Test images are centre-cropped to at most this many pixels a side."""

ALL = "all"
BLOCK = "block"
CHANNEL = "channel"

COLUMNS = tuple(column.name for column in MEASURE_COLUMNS["information"])

PixelFeatures = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class _BlockSamples:
    """Inputs and outputs of one block: sampled pixels of each image, in the order of the images."""

    inputs: list[PixelFeatures] = field(default_factory=list)  # (n, C) an image
    outputs: dict[str, list[PixelFeatures]] = field(
        default_factory=lambda: defaultdict(list)
    )  # part -> (n, C) an image


def block_information(run: RunContext, model: nn.Module, sizes: MeasureConfig) -> pd.DataFrame:
    """Linear recoverability of each perturbation block's input from its output, on degraded test images.

    Images are the centres of the first ones of every test scene, degraded by the bundle's protocol; pixels are
    sampled by image, condition and level only, so that all variants are measured at the same pixels. Each half
    of the scenes is scored by the map that the other half gives; the halves are the same under all conditions. Part
    `block` reads the input from the whole block's output, part `channel` from DGCPM's only (the perturbed query): what
    the second preserves and the first does not is lost in the attention and its feed-forward network. Condition `all`
    has one linear map for all conditions; in a condition's own row the map knows the condition.

    The model is in evaluation mode and float32, and left as it was.

    Args:
        run: its test images are used, under each tested condition.
        model: on the run's device, prompts bound; one without perturbation blocks gives no rows.
        sizes: `information_images`, test images a condition, and `pixels` of an image at each level, both at most.

    Returns:
        `COLUMNS`, a row for each level (4: the latent), part and condition: pixels scored, channels, R2 (weighted by
        the channels' variance, a negative one set to 0), `loss` = 1 - R2, and the ridge penalty, chosen by
        cross-validation on the fitted photographs (the geometric mean of both halves').

    Raises:
        ValueError: a number below 1; fewer than two scenes in a condition, or two images of a half of them.
    """
    for name in ("information_images", "pixels"):
        if getattr(sizes, name) < 1:
            raise ValueError(f"{name}={getattr(sizes, name)}: 1 or more is needed.")
    if not isinstance(model, RestorationUNet) or not model.perturb:
        return pd.DataFrame(columns=list(COLUMNS))
    items = _test_items(run.spec, run.bundle, sizes.information_images)
    halves = _split_scenes(items)
    samples = _sample_blocks(run, model, items, sizes.pixels)
    rows = []
    for level, block in samples.items():
        for part, outputs in block.outputs.items():
            notify_heartbeat()
            for name in (ALL, *dict.fromkeys(item.condition.name for item in items)):
                rows.append(
                    {
                        "level": int(level),
                        "part": part,
                        **_recoverability_row(items, halves, block.inputs, outputs, name),
                    }
                )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _describe_condition(condition: str) -> str:
    return "All conditions together" if condition == ALL else f"Condition {condition}"


def _recoverability_row(
    items: Sequence[EvalItem],
    halves: dict[str, bool],
    inputs: list[PixelFeatures],
    outputs: list[PixelFeatures],
    condition: str,
) -> dict[str, object]:
    """The row of one condition of one part of one block."""
    indices = [n for n, item in enumerate(items) if condition in (ALL, item.condition.name)]
    counts = [len(inputs[n]) for n in indices]
    scenes = {items[n].scene for n in indices}
    # folds consist of complete scenes; where a half has only one, of complete images
    by_scene = min(sum(halves[scene] is half for scene in scenes) for half in (False, True)) > 1
    photographs = [items[n].scene if by_scene else items[n].name for n in indices]
    in_first_half = np.repeat([halves[items[n].scene] for n in indices], counts)
    targets, predictors = (np.concatenate([part[n] for n in indices]) for part in (inputs, outputs))
    try:
        recovery = fit_recovery(targets, predictors, np.repeat(photographs, counts).tolist(), in_first_half)
    except ValueError as error:
        raise ValueError(f"{_describe_condition(condition)}, {len(indices)} test images: {error}") from error
    return {
        "condition": condition,
        "n_pixels": recovery.n_pixels,
        "channels": targets.shape[1],
        "r2": recovery.r2,
        "loss": 1 - recovery.r2,
        "alpha": recovery.alpha,
    }


def _test_items(spec: RunSpec, bundle: DataBundle, images: int) -> list[EvalItem]:
    """The test images of each tested condition, the first of every scene before the second of any."""
    rule = get_protocol(spec.protocol).noise
    items: list[EvalItem] = []
    for condition in run_conditions(spec):
        has_noise = condition.sigma_255 is None or not rule.depends_on_order or condition.sigma_255 in rule.sigmas_255
        if condition.name in spec.tested and has_noise:
            subset = replace(bundle, train=(), val=(), test=tuple(_scene_order(bundle.test, condition)[:images]))
            items += subset.eval_items("test", [condition], max_side=SIDE_PX)
    return items


def _scene_order(samples: Sequence[Sample], condition: Condition) -> list[Sample]:
    """The samples that serve a condition, the first of every scene before the second of any."""
    scene_counts: dict[str, int] = defaultdict(int)
    ordered: list[tuple[int, Sample]] = []
    for sample in samples:
        if serves(sample, condition):
            ordered.append((scene_counts[sample.scene], sample))
            scene_counts[sample.scene] += 1
    return [sample for _, sample in sorted(ordered, key=lambda pair: pair[0])]


def _split_scenes(items: Sequence[EvalItem]) -> dict[str, bool]:
    """Scene -> its half, such that each condition has about as many scenes in both.

    Raises:
        ValueError: a condition's scenes are all in one half.
    """
    scenes: dict[str, dict[str, None]] = defaultdict(dict)
    for item in items:
        scenes[item.condition.name][item.scene] = None
    halves: dict[str, bool] = {}
    for condition, condition_scenes in scenes.items():
        for scene in condition_scenes:
            assigned = [halves[assigned_scene] for assigned_scene in condition_scenes if assigned_scene in halves]
            halves.setdefault(scene, 2 * sum(assigned) <= len(assigned))
        if len({halves[scene] for scene in condition_scenes}) < 2:
            raise ValueError(
                f"The test images of {condition} show {len(condition_scenes)} scene(s): at least two are needed, one "
                "to fit on and another to score; measure on more images."
            )
    return halves


def _sample_blocks(
    run: RunContext, model: RestorationUNet, items: Sequence[EvalItem], pixels: int
) -> dict[str, _BlockSamples]:
    """Level -> inputs and outputs of its block, at sampled pixels of each item."""
    samples = {level: _BlockSamples() for level in model.perturb}
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with _recorded_features(model) as features:
            for item in items:
                code = run.conditioning([item.condition], run.device, training=False)
                with torch.inference_mode():
                    model(_crop_to_multiple(as_tensor(item.degraded), model.multiple_of).to(run.device), code)
                for (level, part), (block_input, block_output) in features.items():
                    pixel_indices = _sample_pixels(item, level, block_input.shape[-2] * block_input.shape[-1], pixels)
                    if part == BLOCK:
                        samples[level].inputs.append(_features_at(block_input, pixel_indices))
                    samples[level].outputs[part].append(_features_at(block_output, pixel_indices))
    finally:
        for module, mode in modes:
            module.training = mode
    return samples


BlockFeatures = dict[tuple[str, str], tuple[Tensor, Tensor]]


@contextmanager
def _recorded_features(model: RestorationUNet) -> Iterator[BlockFeatures]:
    """Yields (level, part) -> input and output of the latest forward pass."""
    features: BlockFeatures = {}

    def register(module: nn.Module, key: tuple[str, str]) -> torch.utils.hooks.RemovableHandle:
        def store(_module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            features[key] = (inputs[0], output)

        return module.register_forward_hook(store)

    hooks = []
    for level, block in model.perturb.items():
        hooks.append(register(block, (level, BLOCK)))
        channel = getattr(block, CHANNEL, None)
        if isinstance(channel, nn.Module):
            hooks.append(register(channel, (level, CHANNEL)))
    try:
        yield features
    finally:
        for hook in hooks:
            hook.remove()


def _crop_to_multiple(image: Tensor, multiple: int) -> Tensor:
    """(1, 3, H, W) cropped at the bottom and right to the model's multiple, so that no padded pixels are measured."""
    height, width = (max(side - side % multiple, multiple) for side in image.shape[-2:])
    return image[..., :height, :width]


def _sample_pixels(item: EvalItem, level: str, count: int, pixels: int) -> NDArray[np.int64]:
    rng = np.random.default_rng(stable_seed("information", item.name, item.condition.name, level))
    return np.sort(rng.permutation(count)[:pixels])


def _features_at(features: Tensor, pixel_indices: NDArray[np.int64]) -> PixelFeatures:
    """(1, C, H, W) at these pixels: (n, C)."""
    by_pixel = features[0].flatten(1).T
    return by_pixel[torch.from_numpy(pixel_indices).to(features.device)].float().cpu().numpy()
