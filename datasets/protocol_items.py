"""Test images of a data set as a protocol makes them: its order, noise, cropping and quantising."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from datasets.bundle import EvalItem, Pixels, Sample, to_levels
from datasets.noise import noisy_inputs
from datasets.protocols import Protocol
from datasets.tasks import Condition


def set_items(rules: Protocol, samples: Sequence[Sample], condition: Condition, quota: int) -> list[EvalItem]:
    """The first `quota` images of one set in the protocol's order, degraded and cropped."""
    by_name = {sample.name: sample for sample in samples}
    ordered = [by_name[name] for name in rules.ordered(by_name)]
    if condition.sigma_255 is None:
        chosen = ordered[:quota]
        pixels = [(s, s.degraded if s.degraded is not None else s.clean) for s in chosen]
        return [_item(s, condition, cropped(rules, d), cropped(rules, s.clean)) for s, d in pixels]
    # A stream of noise must run through the files before the last one wanted, and through all of them for a later
    # sigma; then what isn't wanted is dropped.
    whole = ordered if rules.noise.depends_on_order else ordered[:quota]
    noisy = noisy_inputs(rules, [sample.clean for sample in whole], [condition.sigma_255])
    items = []
    for each in noisy:
        if each.index >= quota:
            break
        quantised = rules.noise.quantise != "none"
        degraded = to_levels(each.degraded) if quantised else each.degraded.permute(1, 2, 0).contiguous().numpy()
        items.append(_item(whole[each.index], condition, degraded, to_levels(each.clean)))
    return items


def _item(sample: Sample, condition: Condition, degraded: Pixels, clean: Pixels) -> EvalItem:
    return EvalItem(name=sample.name, scene=sample.scene, condition=condition, degraded=degraded, clean=clean)


def cut_item(item: EvalItem, side: int | None) -> EvalItem:
    """The item, or its centre of at most `side` pixels a side."""
    if side is None or max(item.clean.shape[:2]) <= side:
        return item
    height, width = (min(length, side) for length in item.clean.shape[:2])
    top, left = (item.clean.shape[0] - height) // 2, (item.clean.shape[1] - width) // 2
    box = (slice(top, top + height), slice(left, left + width))
    return replace(item, degraded=np.ascontiguousarray(item.degraded[box]), clean=np.ascontiguousarray(item.clean[box]))


def quotas(counts: Sequence[int], limit: int | None) -> list[int]:
    """How many of each set when `limit` in all: one from each in turn."""
    left = sum(counts) if limit is None else min(limit, sum(counts))
    shares = [0] * len(counts)
    while left:
        for index, count in enumerate(counts):
            if left and shares[index] < count:
                shares[index] += 1
                left -= 1
    return shares


def cropped(rules: Protocol, pixels: Pixels) -> Pixels:
    """A test image, (H, W, 3) uint8, cut to the size that the protocol scores."""
    channels_first = torch.from_numpy(np.array(pixels)).permute(2, 0, 1)  # copied: a memory map is read-only
    return np.ascontiguousarray(rules.crop(channels_first).permute(1, 2, 0).numpy())
