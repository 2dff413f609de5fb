"""A metric that a study asks for besides PSNR and SSIM: scored of a finished run, shown where a run has it."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from rich.console import Console

from ablations.harness.study import study_record, write_table
from ablations.harness.terminal_summary import print_skipped_measures
from ablations.measures.compute import compute_measures, missing_measures
from ablations.measures.registry import metric_measures
from ablations.metrics import METRICS, ImageMetric, extra_metrics, register_metric
from dfpir.registry import UnknownNameError
from reports.files import write_json
from reports.load import load
from reports.measures.load import load_measures
from reports.schema import (
    MEASURES_FOLDER,
    STUDY_FILE,
    TABLE_COLUMNS,
    TABLE_PARQUET_FILE,
    Metric,
    read_images,
    read_measure,
)
from reports.tables import build_table
from tests.support.tiny_study import TINY, run_here, tiny_plan

CPU = torch.device("cpu")
PLAN = tiny_plan("gamma_sweep", ("dfpir_g50",))


@pytest.fixture(scope="module")
def metrics():
    """`mse`, from which PSNR follows, and `broken`, which has no number."""
    with METRICS.scope():
        for name, compute in (("mse", lambda a, b: (a - b).square().mean()), ("broken", lambda a, b: float("nan"))):
            register_metric(name, label=name.upper(), digits=4, higher_is_better=False)(compute)
        yield


@pytest.fixture(scope="module")
def root(metrics, tmp_path_factory):
    folder = tmp_path_factory.mktemp("metrics")
    run_here(PLAN.specs[0], folder)
    return folder


@pytest.fixture
def study(root):
    """The study's folder, asking for both."""
    plan = replace(
        PLAN, study=replace(PLAN.study, measures=(), metrics=extra_metrics(["psnr_db", "mse", "broken", "mse"]))
    )
    spec = PLAN.specs[0]
    compute_measures(spec, root / spec.run_id, metric_measures(plan.study.metrics), CPU, TINY.measuring)
    folder = root / "studies" / plan.folder_name
    folder.mkdir(parents=True, exist_ok=True)
    asked = study_record(plan, root, "", folder)
    write_json(folder / STUDY_FILE, asked)
    write_table(asked, root, folder)
    return plan, folder


def test_scores_are_of_the_images_that_psnr_is_of(root, study):
    folder = root / PLAN.specs[0].run_id
    scores = read_measure(folder, "metric-mse")[0].set_index(["condition", "image"])
    own = read_images(folder / "images.parquet").query("metric == 'psnr_db'").set_index(["condition", "image"])
    for column in ("value", "input_value"):
        expected = 10 ** (-own[column] / 10)
        np.testing.assert_allclose(scores[column][expected.index].to_numpy(), expected.to_numpy(), rtol=1e-6)
    assert missing_measures(PLAN.specs[0], folder, ["metric-mse"], TINY.measuring) == []


def test_the_table_has_the_metric_and_one_that_failed_is_named(root, study):
    plan, folder = study
    found = load([folder])
    assert [metric.name for metric in found.metrics] == ["psnr_db", "ssim", "mse"]
    assert all(len(cell.numbers) == 3 and cell.numbers[2].text for cell in build_table(found).rows[1].cells)
    table = read_images(folder / TABLE_PARQUET_FILE, columns=TABLE_COLUMNS, metrics=["mse"])
    assert set(table["metric"]) == {"psnr_db", "ssim", "mse"}
    console = Console(record=True, width=200)
    print_skipped_measures(plan, root, console)
    assert "metric-broken left out for 1 run: Metric broken is NaN" in console.export_text()


def test_a_damaged_table_is_named_and_left_out(root, study):
    path = root / PLAN.specs[0].run_id / MEASURES_FOLDER / "metric-mse.parquet"
    content = path.read_bytes()
    path.write_bytes(content[:100])
    try:
        found = load([study[1]])
        assert [metric.name for metric in found.metrics] == ["psnr_db", "ssim"]
        path.write_bytes(content)
        found = load([study[1]])
        path.write_bytes(content[:100])
        assert any(line.startswith("MSE of") for line in load_measures(found).problems)
    finally:
        path.write_bytes(content)


def test_a_study_without_further_metrics_is_written_and_read_as_before(root, study):
    file = study_record(PLAN, root, "")
    assert "metrics" not in file
    write_json(study[1] / STUDY_FILE, file)
    assert [metric.name for metric in load([study[1]]).metrics] == ["psnr_db", "ssim"]


def test_records_of_metrics_go_through_json():
    for metric in (METRICS["ssim"].definition, Metric(name="a", label="A", unit="", digits=1, upper=float("inf"))):
        assert Metric.from_json(json.loads(json.dumps(metric.to_json(), allow_nan=False))) == metric


def test_names_that_can_not_be_are_refused():
    with pytest.raises(ValueError, match="lower-case letters"):
        register_metric("../mae", label="MAE", higher_is_better=False)
    with pytest.raises(ValueError, match="registered already"):
        register_metric("ssim", label="SSIM", higher_is_better=True)(lambda a, b: 0.0)
    with pytest.raises(UnknownNameError, match=r"Unknown metric 'sim'\. Did you mean 'ssim'"):
        extra_metrics(["sim"])
    assert isinstance(METRICS["ssim"], ImageMetric)
