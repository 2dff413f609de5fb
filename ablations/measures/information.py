"""Information loss of a perturbation block: how much of its input no linear map finds again in its output.

A block without a residual around it passes on what it keeps. Here a ridge regression reads the input's channels at a
pixel from the output's channels at the same pixel; what it can't explain, 1 - R2 on photographs that it was not fitted
on, is called lost. The paper draws such a loss against gamma without measuring or defining it; this definition is the
suite's own, in the way of linear probes (Alain & Bengio, 2016). It counts as lost what is kept in another form:
non-linearly, at a neighbouring pixel, or by a rule that differs from image to image.
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
from ablations.measures.recoverability import recover
from ablations.spec import MeasureConfig, RunSpec
from datasets.bundle import DataBundle, EvalItem, Sample, serves
from datasets.protocols import get_protocol
from datasets.seeding import stable_seed
from datasets.tasks import Condition
from dfpir import RestorationUNet
from reports.schema import MEASURE_COLUMNS

SIDE_PX = 256
"""Test images are cut to a centre of at most this many pixels a side."""

ALL = "all"
BLOCK = "block"
CHANNEL = "channel"

COLUMNS = tuple(column.name for column in MEASURE_COLUMNS["information"])

Rows = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """What passed through one block: sampled pixels of each image, in the order of the images."""

    inputs: list[Rows] = field(default_factory=list)  # (n, C) an image
    outputs: dict[str, list[Rows]] = field(default_factory=lambda: defaultdict(list))  # part -> (n, C) an image


def block_information(run: RunContext, model: nn.Module, sizes: MeasureConfig) -> pd.DataFrame:
    """Linear recoverability of each perturbation block's input from its output, on degraded test images.

    Images are the centres of the first ones of every test scene, degraded by the bundle's protocol; pixels are drawn
    from the image, the condition and the level alone, so that every variant is measured at the same places. Each half
    of the scenes is scored by the map that the other half gives; the halves are the same under all conditions. Part
    `block` reads the input from the whole block's output, part `channel` from DGCPM's alone (the perturbed query): what
    the second has kept and the first has not is lost in the attention and its feed-forward network. Condition `all` has
    one linear map for all conditions; in a condition's own row the map knows the condition.

    The model is in evaluation mode and float32, and left as it was.

    Args:
        run: whose test images are taken, under each tested condition.
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
    items = _items(run.spec, run.bundle, sizes.information_images)
    halves = _halves(items)
    seen = _pass_through(run, model, items, sizes.pixels)
    rows = []
    for level, block in seen.items():
        for part, outputs in block.outputs.items():
            notify_heartbeat()
            for name in (ALL, *dict.fromkeys(item.condition.name for item in items)):
                rows.append({"level": int(level), "part": part, **_row(items, halves, block.inputs, outputs, name)})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _of(condition: str) -> str:
    return "All conditions together" if condition == ALL else f"Condition {condition}"


def _row(
    items: Sequence[EvalItem], halves: dict[str, bool], inputs: list[Rows], outputs: list[Rows], condition: str
) -> dict[str, object]:
    """One condition of one part of one block."""
    chosen = [n for n, item in enumerate(items) if condition in (ALL, item.condition.name)]
    counts = [len(inputs[n]) for n in chosen]
    scenes = {items[n].scene for n in chosen}
    # folds hold whole scenes; where a half has one alone, whole images
    by_scene = min(sum(halves[scene] is half for scene in scenes) for half in (False, True)) > 1
    photographs = [items[n].scene if by_scene else items[n].name for n in chosen]
    half = np.repeat([halves[items[n].scene] for n in chosen], counts)
    wanted, given = (np.concatenate([part[n] for n in chosen]) for part in (inputs, outputs))
    try:
        found = recover(wanted, given, np.repeat(photographs, counts).tolist(), half)
    except ValueError as error:
        raise ValueError(f"{_of(condition)}, {len(chosen)} test images: {error}") from error
    return {
        "condition": condition,
        "n_pixels": found.n_pixels,
        "channels": wanted.shape[1],
        "r2": found.r2,
        "loss": 1 - found.r2,
        "alpha": found.alpha,
    }


def _items(spec: RunSpec, bundle: DataBundle, images: int) -> list[EvalItem]:
    """The test images of each tested condition, the first of every scene before the second of any."""
    rule = get_protocol(spec.protocol).noise
    items: list[EvalItem] = []
    for condition in run_conditions(spec):
        drawn = condition.sigma_255 is None or not rule.depends_on_order or condition.sigma_255 in rule.sigmas_255
        if condition.name in spec.tested and drawn:
            few = replace(bundle, train=(), val=(), test=tuple(_spread(bundle.test, condition)[:images]))
            items += few.eval_items("test", [condition], max_side=SIDE_PX)
    return items


def _spread(samples: Sequence[Sample], condition: Condition) -> list[Sample]:
    """The samples that serve a condition, the first of every scene before the second of any."""
    met: dict[str, int] = defaultdict(int)
    turns: list[tuple[int, Sample]] = []
    for sample in samples:
        if serves(sample, condition):
            turns.append((met[sample.scene], sample))
            met[sample.scene] += 1
    return [sample for _, sample in sorted(turns, key=lambda turn: turn[0])]


def _halves(items: Sequence[EvalItem]) -> dict[str, bool]:
    """Scene -> its half, such that each condition has about as many scenes in both.

    Raises:
        ValueError: a condition's scenes are all in one half.
    """
    scenes: dict[str, dict[str, None]] = defaultdict(dict)
    for item in items:
        scenes[item.condition.name][item.scene] = None
    halves: dict[str, bool] = {}
    for condition, own in scenes.items():
        for scene in own:
            known = [halves[other] for other in own if other in halves]
            halves.setdefault(scene, 2 * sum(known) <= len(known))
        if len({halves[scene] for scene in own}) < 2:
            raise ValueError(
                f"The test images of {condition} show {len(own)} scene(s): at least two are needed, one to fit on and "
                "another to score; measure on more images."
            )
    return halves


def _pass_through(run: RunContext, model: RestorationUNet, items: Sequence[EvalItem], pixels: int) -> dict[str, _Seen]:
    """Level -> what its block was given and what it made of it, at sampled pixels of each item."""
    seen = {level: _Seen() for level in model.perturb}
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with _watched(model) as flows:
            for item in items:
                code = run.conditioning([item.condition], run.device, training=False)
                with torch.inference_mode():
                    model(_fitting(as_tensor(item.degraded), model.multiple_of).to(run.device), code)
                for (level, part), (given, made) in flows.items():
                    places = _places(item, level, given.shape[-2] * given.shape[-1], pixels)
                    if part == BLOCK:
                        seen[level].inputs.append(_at(given, places))
                    seen[level].outputs[part].append(_at(made, places))
    finally:
        for module, mode in modes:
            module.training = mode
    return seen


Flows = dict[tuple[str, str], tuple[Tensor, Tensor]]


@contextmanager
def _watched(model: RestorationUNet) -> Iterator[Flows]:
    """(level, part) -> input and output in the latest pass."""
    flows: Flows = {}

    def watch(module: nn.Module, key: tuple[str, str]) -> torch.utils.hooks.RemovableHandle:
        def keep(_module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            flows[key] = (inputs[0], output)

        return module.register_forward_hook(keep)

    hooks = []
    for level, block in model.perturb.items():
        hooks.append(watch(block, (level, BLOCK)))
        channel = getattr(block, CHANNEL, None)
        if isinstance(channel, nn.Module):
            hooks.append(watch(channel, (level, CHANNEL)))
    try:
        yield flows
    finally:
        for hook in hooks:
            hook.remove()


def _fitting(image: Tensor, multiple: int) -> Tensor:
    """(1, 3, H, W) cut at the bottom and right to the model's multiple: padded pixels would be measured too."""
    height, width = (max(side - side % multiple, multiple) for side in image.shape[-2:])
    return image[..., :height, :width]


def _places(item: EvalItem, level: str, count: int, pixels: int) -> NDArray[np.int64]:
    rng = np.random.default_rng(stable_seed("information", item.name, item.condition.name, level))
    return np.sort(rng.permutation(count)[:pixels])


def _at(features: Tensor, places: NDArray[np.int64]) -> Rows:
    """(1, C, H, W) at these pixels: (n, C)."""
    by_pixel = features[0].flatten(1).T
    return by_pixel[torch.from_numpy(places).to(features.device)].float().cpu().numpy()
