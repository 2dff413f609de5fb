"""Take a run's measures: each once, beside the run, and never at the cost of the run."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from ablations.harness import provenance
from ablations.harness.seeding import make_deterministic
from ablations.measures.registry import Measure, measure_named
from ablations.measures.subject import LoadedRun, load_run
from ablations.spec import MeasureConfig, RunSpec
from reports.files import write_json
from reports.schema import MEASURES_FOLDER, read_measure, write_measure


def missing(spec: RunSpec, folder: Path, names: Sequence[str], sizes: MeasureConfig) -> list[str]:
    """Those of the measures that this run doesn't have yet under these sizes."""
    return [name for name in names if not _is_taken(spec, folder, measure_named(name), sizes)]


def error_file(folder: Path, name: str) -> Path:
    """Where the reason lies for which a measure could not be taken."""
    return folder / MEASURES_FOLDER / f"{name}.error.json"


def take_measures(
    spec: RunSpec, folder: Path, names: Sequence[str], device: torch.device, sizes: MeasureConfig
) -> list[str]:
    """Take those of the measures that are missing; a failure is written down beside the others.

    Returns:
        Names of the measures that failed.
    """
    wanted = missing(spec, folder, names, sizes)
    if not wanted:
        return []
    make_deterministic(device, spec.recipe.cpu_threads)
    failed = []
    subject: LoadedRun | None = None
    for name in wanted:
        error_file(folder, name).unlink(missing_ok=True)
        started = time.monotonic()
        try:
            subject = subject or load_run(spec, folder, device, sizes)
            measure = measure_named(name)
            table = measure.take(subject)
            metadata = _metadata(spec, measure, sizes) | {"seconds": f"{time.monotonic() - started:.1f}"}
            write_measure(table, folder, name, metadata=metadata, section=measure.section)
        except Exception as error:
            write_json(error_file(folder, name), provenance.error_file(error))
            failed.append(name)
    return failed


def _metadata(spec: RunSpec, measure: Measure, sizes: MeasureConfig) -> dict[str, str]:
    settings = {"run": spec.digest, **measure.settings(sizes)}
    return {"settings": json.dumps(settings, sort_keys=True)}


def _is_taken(spec: RunSpec, folder: Path, measure: Measure, sizes: MeasureConfig) -> bool:
    try:
        _, metadata = read_measure(folder, measure.name)
    except ValueError:
        return False
    return metadata.get("settings") == _metadata(spec, measure, sizes)["settings"]
