"""Synthetic studies of thousands of runs: status, collecting, report, table, scheduling; seconds and memory by size.

All numbers in such a study are random, and no models exist. The number of variants is fixed, that of seeds grows.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from rich.console import Console

from ablations.bench.feed import embedded_spec
from ablations.bench.measurement import Measurement
from ablations.budgets import budget_named
from ablations.harness.launch.job import Job, JobOptions, pending_jobs
from ablations.harness.lock import run_lock
from ablations.harness.progress import StudyProgress
from reports import schema
from reports.files import sha256_of, write_json
from reports.run_state import is_done

SIZES = (1000, 3000, 10000)
"""Runs of a study, each with `ROWS_PER_RUN` rows."""

ROWS_PER_RUN = 1000
_POLL_S = 0.02
_VARIANTS = 20
_CONDITIONS = ("noise-25", "rain", "haze", "blur", "lowlight")
_CROPS = 4  # of each photograph
_COLLECT_CODE = "import sys; from pathlib import Path; from reports.load import load; load([Path(sys.argv[1])])"
_TABLE_CODE = """
import json, sys
from pathlib import Path
from ablations.harness.study import write_table
from reports.layout import STUDY_FILE
study = Path(sys.argv[1])
write_table(json.loads((study / STUDY_FILE).read_text()), study.parents[1], study)
"""
_SHARED_FILES = (schema.ENV_FILE, schema.SUMMARY_FILE, schema.TRAIN_LOG_FILE)


def run(device: torch.device, repeats: int) -> list[Measurement]:
    """Each size once: the ratio is the cost per run over that at the smallest size, 1 for linear growth."""
    measurements: list[Measurement] = []
    first_cost_per_run: dict[str, float] = {}
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder) / "runs"
            study = make_runs(root, size)
            report = ["-m", "reports", "study", str(study), "--out", str(Path(folder) / "report")]
            costs: dict[str, tuple[float, float | None]] = {
                "status": measure_process(["-m", "ablations.status", str(root)]),
                "collect": measure_process(["-c", _COLLECT_CODE, str(study)]),
                "report": measure_process(report),
                "table": measure_process(["-c", _TABLE_CODE, str(study)]),
            }
            costs["scheduling"] = measure_scheduling(Path(folder) / "scheduled", size), None
        for name, (seconds, mib) in costs.items():
            curve = _curve_columns(name, size)
            ratio = seconds / size / first_cost_per_run.setdefault(name, seconds / size)
            print(f"{name}: {size} runs, {seconds:.2f} s" + (f", {mib:.0f} MiB" if mib else ""), flush=True)
            measurements.append(
                Measurement(what=f"{name}: {size} runs", unit="s", value=seconds, spread=1.0, ratio=ratio, **curve)
            )
            if mib is not None:
                label = f"{name}: {size} runs, peak memory"
                ratio = mib / size / first_cost_per_run.setdefault(f"{name} memory", mib / size)
                measurements.append(Measurement(what=label, unit="MiB", value=mib, spread=1.0, ratio=ratio, **curve))
    return measurements


def _curve_columns(series: str, size: int) -> dict[str, Any]:
    """The position of a measurement in the figure of growth."""
    return {"series": series, "x": float(size), "x_unit": "runs"}


def measure_process(arguments: Sequence[str]) -> tuple[float, float]:
    """Seconds and peak memory, MiB, of Python with these arguments and of all processes that it starts (Linux)."""
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL)
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, sum(map(_resident_mib, _process_tree(process.pid))))
        time.sleep(_POLL_S)
    seconds = time.perf_counter() - started
    if process.returncode:
        raise RuntimeError(f"{' '.join(arguments)} ended with exit code {process.returncode}.")
    return seconds, peak


def _process_tree(pid: int) -> list[int]:
    """The process and all its descendants."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError:
        return []
    return [pid, *(descendant for child in children for descendant in _process_tree(int(child)))]


def _resident_mib(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGESIZE") / 2**20


def measure_scheduling(root: Path, size: int) -> float:
    """Seconds of the overhead of empty runs: find, lock, seal, check, show."""
    spec = embedded_spec(budget_named("smoke"))
    started = time.perf_counter()
    specs = [replace(spec, seed=seed) for seed in range(size)]
    with StudyProgress(specs, Console(file=io.StringIO())) as progress:
        jobs = pending_jobs(specs, JobOptions(root=root, device="cpu"), progress)
        for job in jobs:
            progress.started(job.spec)
            _finish_empty_run(job)
            progress.finished(job.spec)
    return time.perf_counter() - started


def _finish_empty_run(job: Job) -> None:
    folder = job.folder
    folder.mkdir(parents=True)
    with run_lock(folder):
        for name in (schema.SPEC_FILE, schema.IMAGES_FILE):
            _write_without_sync(folder / name, {})
        digests = {name: sha256_of(folder / name) for name in (schema.SPEC_FILE, schema.IMAGES_FILE)}
        write_json(folder / schema.DONE_FILE, {"finished_at": "", "files": digests})
    assert is_done(job.folder)


def make_runs(root: Path, size: int) -> Path:
    """Write a finished study of `size` runs with `ROWS_PER_RUN` rows each below `root`; returns its folder."""
    shared = root / ".shared"
    write_json(shared / schema.ENV_FILE, {"commit": None, "device": "none: made up", "packages": {}, "threads": 1})
    summary = {"status": "done", "steps": 100, "best_step": 100, "train_wall_s": 60.0, "eval_wall_s": 6.0}
    write_json(shared / schema.SUMMARY_FILE, {**summary, "peak_memory_mb": 800.0, "oom_splits": 0})
    log = [
        {"step": step, "loss": 1 / step, "lr": 1e-3, "images_per_s": 8.0, "wall_s": step} for step in range(10, 101, 10)
    ]
    (shared / schema.TRAIN_LOG_FILE).write_text("".join(json.dumps(row) + "\n" for row in log), encoding="utf-8")
    digests = {name: sha256_of(shared / name) for name in _SHARED_FILES}
    rng, template = np.random.default_rng(0), _template_rows()
    rows = []
    for number in range(size):
        variant, seed = f"v{number % _VARIANTS:02d}", number // _VARIANTS
        folder = root / f"{variant}-s{seed}-{number:08x}"
        folder.mkdir()
        for name in _SHARED_FILES:
            os.link(shared / name, folder / name)
        _write_without_sync(folder / schema.SPEC_FILE, _spec(folder.name, variant, seed))
        gain = rng.normal(0, 0.05) + 0.02 * (number % _VARIANTS)
        pq.write_table(_run_rows(template, folder.name, variant, seed, gain, rng), folder / schema.IMAGES_FILE)
        run_digests = {name: sha256_of(folder / name) for name in (schema.SPEC_FILE, schema.IMAGES_FILE)}
        _write_without_sync(folder / schema.DONE_FILE, {"finished_at": "made up", "files": {**digests, **run_digests}})
        rows.append({"variant": variant, "seed": seed, "run_id": folder.name, "alias_of": None, "note": ""})
    shutil.rmtree(shared)
    study = root / schema.STUDIES_FOLDER / "load-made-up"
    content = {"schema": schema.SCHEMA_VERSION, "study": "load", "title": "Made up: load", "question": "How long?"}
    content |= {"budget": {"name": "none", "steps": 100}, "data": _DATA, "text_encoder": "minilm", "axis": None}
    write_json(study / schema.STUDY_FILE, {**content, "reference": "v00", "rows": rows, "command": "none: made up"})
    return study


_DATA = {"name": "made-up", "checksum": "0" * 16, "description": "no images: made up"}


def _spec(run_id: str, variant: str, seed: int) -> dict[str, Any]:
    return {
        "schema": schema.SCHEMA_VERSION,
        "run_id": run_id,
        "variant": variant,
        "seed": seed,
        "identity": {"variant": variant, "seed": seed},
        "model": {"config": {}, "params": 1, "macs": None, "macs_px": 128},
        "data": _DATA,
        "budget": {"name": "none", "phases": [{"steps": 100}]},
        "protocol": "suite-v1",
        "text_encoder": "minilm",
        "prompt_set": None,
        "precision": "fp32",
    }


def _template_rows() -> pa.Table:
    """The rows of a run, in the columns and order of images.parquet."""
    images = ROWS_PER_RUN // len(_CONDITIONS) // len(schema.METRICS)
    rows = [
        {
            "run_id": "",
            "variant": "",
            "seed": 0,
            "dataset": "made-up",
            "protocol": "suite-v1",
            "task": schema.task_of(condition),
            "condition": condition,
            "image": f"{image:04d}",
            "scene": f"{image // _CROPS:04d}",
            "in_training_set": "",
            "metric": metric.name,
            "value": 25.0 if metric.name == schema.PSNR else 0.5,
            "input_value": 20.0 if metric.name == schema.PSNR else 0.4,
        }
        for condition in _CONDITIONS
        for image in range(images)
        for metric in schema.METRICS
    ]
    return pa.Table.from_pylist(rows).select([column.name for column in schema.IMAGE_COLUMNS])


def _run_rows(
    template: pa.Table, run_id: str, variant: str, seed: int, gain: float, rng: np.random.Generator
) -> pa.Table:
    """The template's rows with the names and random values of this run."""
    values = template["value"].to_numpy() * (1 + 0.01 * (gain + rng.normal(0, 0.1, len(template))))
    new = {
        "run_id": pa.repeat(run_id, len(template)),
        "variant": pa.repeat(variant, len(template)),
        "seed": pa.repeat(pa.scalar(seed, pa.int64()), len(template)),
        "value": pa.array(values),
    }
    for name, column in new.items():
        template = template.set_column(template.schema.get_field_index(name), name, column)
    return template


def _write_without_sync(path: Path, content: dict[str, Any]) -> None:
    """Write JSON without the fsync of a real run's files, which is not what is measured."""
    path.write_text(json.dumps(content), encoding="utf-8")
