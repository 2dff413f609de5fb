"""Measures that restore test images again: wrong prompts, other strengths, two degradations, rounded codes, metrics."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from scipy.stats import kendalltau
from torch import nn

from ablations.data import test_set_of, under_protocol
from ablations.harness.evaluate import origin_from_spec, restore_items, score_rows
from ablations.harness.image_scores import as_tensor, score_batch
from ablations.harness.probes import channel_orders
from ablations.harness.run_one import test_sets_by_protocol
from ablations.measures.loaded_run import LoadedRun
from ablations.metrics import ImageMetric
from ablations.models import BaselineConfig
from datasets.bundle import EvalItem, to_float, to_uint8
from datasets.degrade import add_rain, degrade
from datasets.protocols import Protocol, get_protocol, prepare_for_scoring
from datasets.seeding import stable_seed
from datasets.tasks import Condition, Task, condition_named, noise
from dfpir import DFPIRConfig, RestorationUNet
from reports.schema import IMAGE_COLUMNS, ORDER_PREFIX, PSNR

SIGMAS_255 = (10, 15, 25, 35, 50, 75)
RAIN_PERCENT = (25, 50, 100, 200, 400)
MIXTURES = (("rain", "noise-25"), ("haze", "noise-25"), ("blur", "lowlight"))
"""The degradation that happens first in the scene or camera is the first; the second is applied to its result."""

_BLIND_NEEDS = ("none", "view", "label")
"""Conditioning in training (`Baseline.needs`) of comparators that are blind at test time."""

FORMATS = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}

Rows = list[dict[str, object]]


def prompts(run: LoadedRun) -> pd.DataFrame:
    """Test images of each condition, restored under the prompt of every training condition.

    Blind comparators have no rows.
    """
    rows: Rows = []
    if isinstance(run.spec.config, BaselineConfig) and run.spec.config.entry.needs in _BLIND_NEEDS:
        return pd.DataFrame(rows)
    for condition in run.spec.tested:
        items = items_of(run, condition_named(condition))
        for prompt_condition in run.prompts.conditions:
            rows += _psnr_rows(run, items, condition, prompt_condition)
    return pd.DataFrame(rows)


def levels(run: LoadedRun) -> pd.DataFrame:
    """Noise of several standard deviations and rain with fewer and more drops, under the nearest training prompt.

    Rain of other strengths is synthetic: data with rainy images as files has no rows of rain.
    """
    rows: Rows = []
    trained = {condition_named(name).task for name in run.spec.conditions}
    for level in (noise(sigma) for sigma in SIGMAS_255 if Task.NOISE in trained):
        prompt_condition = run.prompts.conditions[run.prompts.row(level.name)]
        rows += _psnr_rows(run, items_of(run, level), level.name, prompt_condition)
    for percent in RAIN_PERCENT if Task.RAIN in trained else ():
        rows += _psnr_rows(run, list(_rain_items(run, percent)), f"rain-{percent}", "rain")
    return pd.DataFrame(rows)


def mixed(run: LoadedRun) -> pd.DataFrame:
    """Two degradations at once, under the prompt of the one and of the other."""
    rows: Rows = []
    trained = set(run.spec.conditions)
    for first, second in MIXTURES:
        if {first, second} <= trained:
            items = [_degrade_again(item, second) for item in items_of(run, condition_named(first))]
            for prompt_condition in (first, second):
                rows += _psnr_rows(run, items, f"{first}+{second}", prompt_condition)
    return pd.DataFrame(rows)


def precision(run: LoadedRun) -> pd.DataFrame:
    """Test images restored with the channel orders of codes rounded to each number format."""
    rows: Rows = []
    for name in FORMATS if _orders_follow_codes(run) else ():
        model = _model_with_rounded_codes(run, name)
        for condition in run.spec.tested:
            items = items_of(run, condition_named(condition))
            psnr_rows = _psnr_rows(run, items, condition, condition, model)
            rows += [{"number_format": name} | {k: v for k, v in row.items() if k != "prompt"} for row in psnr_rows]
    return pd.DataFrame(rows)


def order_moves(run: LoadedRun) -> pd.DataFrame:
    """How much of each order moves when the prompt's code is rounded."""
    rows: Rows = []
    if _orders_follow_codes(run):
        exact = channel_orders(_model_with_rounded_codes(run, "fp32"))
        for name in [n for n in FORMATS if n != "fp32"]:
            rounded_orders = channel_orders(_model_with_rounded_codes(run, name))
            for block, exact_orders in exact.items():
                for row, condition in enumerate(run.prompts.conditions):
                    old, new = exact_orders[row].numpy(), rounded_orders[block][row].numpy()
                    tau = kendalltau(np.argsort(old), np.argsort(new)).statistic
                    rows.append(
                        {
                            "number_format": name,
                            "block": block.removeprefix(ORDER_PREFIX),
                            "condition": condition,
                            "moved_share": float((old != new).mean()),
                            "tau": float(tau),
                        }
                    )
    return pd.DataFrame(rows)


def _orders_follow_codes(run: LoadedRun) -> bool:
    config = run.spec.config
    # random orders are seeded by the bits of a code: after rounding the order is another random one
    return isinstance(config, DFPIRConfig) and config.uses_prompts and config.order in ("prompt", "learned")


def _model_with_rounded_codes(run: LoadedRun, name: str) -> RestorationUNet:
    model = copy.deepcopy(run.model)
    assert isinstance(model, RestorationUNet)
    model.bind_prompts(run.prompts.codes.to(FORMATS[name]).float())
    return model


def items_of(run: LoadedRun, condition: Condition) -> list[EvalItem]:
    """The test images of a condition, limited to the measures' number of images."""
    spec = run.spec
    limits = [n for n in (run.sizes.images, spec.evaluation.limit) if n is not None]
    bundle = under_protocol(run.bundle, spec.protocol)
    return bundle.eval_items(
        "test", [condition], max_side=spec.evaluation.max_side, limit=min(limits) if limits else None
    )


def _rain_items(run: LoadedRun, percent: int) -> Iterator[EvalItem]:
    """Test images with this many percent of the usual drops; the same seed at every strength."""
    from_files = {sample.name for sample in run.bundle.test if sample.degraded is not None}
    for item in items_of(run, condition_named("rain")):
        if item.name not in from_files:
            rng = np.random.default_rng(stable_seed("rain strength", item.name))
            rainy = add_rain(to_float(item.clean), rng, amount=percent / 100).clamp(0, 1)
            yield replace(item, degraded=to_uint8(rainy))


def _degrade_again(item: EvalItem, second: str) -> EvalItem:
    image = as_tensor(item.degraded)[0]
    seed = stable_seed("second degradation", item.name, item.condition.name, second)
    return replace(item, degraded=to_uint8(degrade(image, condition_named(second), seed)))


def _psnr_rows(
    run: LoadedRun, items: Sequence[EvalItem], condition: str, prompt_condition: str, model: nn.Module | None = None
) -> Rows:
    """PSNR of each item, restored under the prompt of `prompt_condition`; `condition` is that of the rows."""
    rules = get_protocol(run.spec.protocol)
    prompted = [replace(item, condition=condition_named(prompt_condition)) for item in items]
    restored = restore_items(run, model or run.model, prompted)
    rows: Rows = []
    for item, (_, image) in zip(items, restored, strict=True):
        value, input_value = score_batch([item], [image], rules, [PSNR])[0][PSNR]
        rows.append(
            {
                "dataset": test_set_of(run.bundle, item.name, run.spec.data.name),
                "image": item.name,
                "scene": item.scene,
                "condition": condition,
                "prompt": prompt_condition,
                "metric": PSNR,
                "value": value,
                "input_value": input_value,
            }
        )
    return rows


def metric_rows(run: LoadedRun, metric: ImageMetric) -> pd.DataFrame:
    """Rows with the columns of images.parquet: the images, conditions and protocols of the run's own evaluation.

    Raises:
        ValueError: the metric gave no number for an image.
    """
    spec, rows = run.spec, []
    for items, label in test_sets_by_protocol(spec, run.bundle):
        rules = get_protocol(label)
        for item, restored in restore_items(run, run.model, items):
            scores = (
                _compute_metric(metric, restored, item, rules),
                _compute_metric(metric, as_tensor(item.degraded), item, rules),
            )
            rows += score_rows(item, rules, {metric.definition.name: scores}, origin=origin_from_spec(spec))
    return pd.DataFrame(rows, columns=[column.name for column in IMAGE_COLUMNS]).assign(run_id=run.folder.name)


def _compute_metric(metric: ImageMetric, image: torch.Tensor, item: EvalItem, rules: Protocol) -> float:
    clean = as_tensor(item.clean).to(image.device)
    with torch.inference_mode():
        first, second = prepare_for_scoring(image, clean, rules, item.condition.task)
        value = float(metric.compute(first.double(), second.double()))
    if math.isnan(value):
        raise ValueError(f"Metric {metric.definition.name} is NaN for {item.name} under {item.condition.name}.")
    return value
