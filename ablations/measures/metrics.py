"""Scores of a finished run by metrics besides PSNR and SSIM: its test images restored again from its weights."""

from __future__ import annotations

import math

import pandas as pd
import torch

from ablations.harness.evaluate import as_tensor, origin_of, restore_items, score_rows
from ablations.harness.run_one import evaluated
from ablations.measures.subject import LoadedRun
from ablations.metrics import ImageMetric
from datasets.bundle import EvalItem
from datasets.protocols import Protocol, as_scored, get_protocol
from reports.schema import IMAGE_COLUMNS


def metric_rows(subject: LoadedRun, metric: ImageMetric) -> pd.DataFrame:
    """Rows with the columns of images.parquet: the images, conditions and protocols of the run's own evaluation.

    Raises:
        ValueError: the metric gave no number for an image.
    """
    spec, rows = subject.spec, []
    for items, label in evaluated(spec, subject.bundle):
        rules = get_protocol(label)
        for item, restored in restore_items(subject, subject.model, items):
            scores = _score(metric, restored, item, rules), _score(metric, as_tensor(item.degraded), item, rules)
            rows += score_rows(item, rules, {metric.shown.name: scores}, origin=origin_of(spec))
    return pd.DataFrame(rows, columns=[column.name for column in IMAGE_COLUMNS]).assign(run_id=subject.folder.name)


def _score(metric: ImageMetric, image: torch.Tensor, item: EvalItem, rules: Protocol) -> float:
    clean = as_tensor(item.clean).to(image.device)
    with torch.inference_mode():
        first, second = as_scored(image, clean, rules, item.condition.task)
        value = float(metric.compute(first.double(), second.double()))
    if math.isnan(value):
        raise ValueError(f"Metric {metric.shown.name} is NaN for {item.name} under {item.condition.name}.")
    return value
