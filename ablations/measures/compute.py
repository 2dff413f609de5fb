"""Compute the measures of a finished run, each once; failures do not affect the run."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from ablations.harness import provenance
from ablations.harness.seeding import make_deterministic
from ablations.measures.loaded_run import LoadedRun, load_run
from ablations.measures.registry import Measure, measure_named
from ablations.spec import MeasureConfig, RunSpec
from reports.files import write_json
from reports.schema import MEASURES_FOLDER, read_measure, write_measure


def missing_measures(spec: RunSpec, folder: Path, names: Sequence[str], sizes: MeasureConfig) -> list[str]:
    """The measures that this run does not have yet with these sizes."""
    return [name for name in names if not _is_computed(spec, folder, measure_named(name), sizes)]


def error_path(folder: Path, name: str) -> Path:
    """The file of the error of a measure."""
    return folder / MEASURES_FOLDER / f"{name}.error.json"


def compute_measures(
    spec: RunSpec, folder: Path, names: Sequence[str], device: torch.device, sizes: MeasureConfig
) -> list[str]:
    """Compute the missing measures; an error is written beside the others.

    Returns:
        Names of the measures that failed.
    """
    names_to_compute = missing_measures(spec, folder, names, sizes)
    if not names_to_compute:
        return []
    make_deterministic(device, spec.recipe.cpu_threads)
    failed = []
    run: LoadedRun | None = None
    for name in names_to_compute:
        error_path(folder, name).unlink(missing_ok=True)
        started = time.monotonic()
        try:
            run = run or load_run(spec, folder, device, sizes)
            measure = measure_named(name)
            table = measure.compute(run)
            metadata = _metadata(spec, measure, sizes) | {"seconds": f"{time.monotonic() - started:.1f}"}
            write_measure(table, folder, name, metadata=metadata, section=measure.section)
        except Exception as error:
            write_json(error_path(folder, name), provenance.error_record(error))
            failed.append(name)
    return failed


def _metadata(spec: RunSpec, measure: Measure, sizes: MeasureConfig) -> dict[str, str]:
    settings = {"run": spec.digest, **measure.settings(sizes)}
    return {"settings": json.dumps(settings, sort_keys=True)}


def _is_computed(spec: RunSpec, folder: Path, measure: Measure, sizes: MeasureConfig) -> bool:
    try:
        _, metadata = read_measure(folder, measure.name)
    except ValueError:
        return False
    return metadata.get("settings") == _metadata(spec, measure, sizes)["settings"]
