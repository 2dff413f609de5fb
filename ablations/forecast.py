"""Forecast of a plan: its runs, and from one measured step of each model the time, memory and parallel runs."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from ablations.cli import counted, duration, print_prose
from ablations.data import image_bytes
from ablations.harness.cost.estimate import RunEstimate, estimate_run, summarize_study
from ablations.harness.cost.placement import AUTO, place_runs
from ablations.harness.evaluate import batch_pixels
from ablations.harness.memory import free_bytes, is_out_of_memory
from ablations.harness.run_one import find_run
from ablations.measures.registry import metric_measures
from ablations.plan import Plan
from ablations.spec import RunSpec
from datasets.bundle import DataBundle, serves
from datasets.tasks import condition_named
from reports.run_state import is_done

_LIBRARIES_BYTES = 0.7 * 2**30  # measured: a run's process before its first image


@dataclass(frozen=True, kw_only=True)
class PlannedStudy:
    """A plan, its images, folder and device."""

    plan: Plan  # the study's runs
    bundle: DataBundle  # its images
    root: Path  # folder of all runs
    device: torch.device  # of every run
    console: Console  # for messages


def print_plan(plan: Plan, root: Path) -> None:
    """Print each run with its id and whether it is done, separated by tabs."""
    for row in plan.rows:
        if row.alias_of is not None:
            state = f"same as {row.alias_of}"
        else:
            state = "done" if is_done(find_run(root, row.spec)) else "to run"
        print(row.variant, f"seed {row.spec.seed}", row.spec.run_id, state, sep="\t")  # tabs, for other programs


def print_estimate(planned: PlannedStudy, jobs: int) -> None:
    """Print the time and memory of the unfinished runs, from a measured step of each model."""
    models, console = pending_by_model(planned.plan, planned.root), planned.console
    runs = sum(len(specs) for specs in models.values())
    if not models:
        console.print("All runs are finished.")
        return
    run_estimates = estimate_runs([specs[0] for specs in models.values()], planned)
    table = Table(box=None, pad_edge=False)
    table.add_column("variant", no_wrap=True)
    for name in ("runs", "step", "run", "memory (GiB)"):
        table.add_column(name, justify="right")
    for specs, estimate in zip(models.values(), run_estimates, strict=True):
        step = f"{estimate.step_s * 1000:.0f} ms" if estimate.step_s < 10 else duration(estimate.step_s)
        memory = f"{estimate.memory_bytes / 2**30:.3g}"
        table.add_row(estimate.variant, str(len(specs)), step, duration(estimate.total_s), memory)
    console.print(table)
    seconds, memory_gib = summarize_study(run_estimates, [len(specs) for specs in models.values()], jobs=jobs)
    jobs = min(jobs, runs)
    concurrency = f"{jobs} runs at once" if jobs > 1 else "one run at a time"
    print_prose(
        console,
        f"Estimated from one measured step a model on {planned.device.type}: {counted(runs, 'run')}, about "
        f"{duration(seconds)} with {concurrency} (start-up, evaluation, measures and report counted roughly).",
    )
    print_prose(console, describe_memory(planned.bundle, memory_gib, jobs, planned.device))


def describe_memory(bundle: DataBundle, tensors_gib: float, jobs: int, device: torch.device) -> str:
    """The memory of parallel runs: each is a process with its own libraries and decoded images."""
    images = jobs * image_bytes(bundle) / 2**30
    libraries = jobs * _LIBRARIES_BYTES / 2**30
    host = f"{images:.2g} for decoded images, {libraries:.2g} for the libraries"
    if device.type == "cuda":
        return f"Memory: {tensors_gib:.2g} GiB of the GPU for tensors; about {images + libraries:.2g} GiB here: {host}."
    return f"Memory: about {tensors_gib + images + libraries:.2g} GiB: {tensors_gib:.2g} for tensors, {host}."


def pending_by_model(plan: Plan, root: Path) -> dict[str, list[RunSpec]]:
    """Model -> its runs that are not done."""
    models: dict[str, list[RunSpec]] = {}
    for spec in plan.specs:
        if not is_done(find_run(root, spec)):
            models.setdefault(json.dumps([spec.config.identity(), spec.conditions]), []).append(spec)
    return models


def estimate_runs(specs: Sequence[RunSpec], planned: PlannedStudy) -> list[RunEstimate]:
    """Measure one step of each spec, with as many threads as a run has."""
    plan, device = planned.plan, planned.device
    threads = torch.get_num_threads()
    torch.set_num_threads(plan.budget.recipe.cpu_threads)
    run_estimates = []
    for spec in specs:
        with planned.console.status(f"measuring a step of {spec.variant}"):
            sizes = _test_image_pixels(spec, planned.bundle)
            max_pixels = max(batch_pixels(device), *sizes) if sizes else 0
            measures = (*plan.study.measures, *metric_measures(plan.study.metrics))
            try:
                estimate = estimate_run(
                    spec, device, sum(sizes), max_pixels, measures=measures, sizes=plan.budget.measuring
                )
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                raise ValueError(
                    f"{spec.variant} does not fit in this {device.type}'s memory: make it smaller (--model.dim), or a "
                    "step (--recipe.batch, --recipe.patch)."
                ) from error
            run_estimates.append(estimate)
    torch.set_num_threads(threads)
    return run_estimates


def _test_image_pixels(spec: RunSpec, bundle: DataBundle) -> list[int]:
    """Pixels of each test image under each condition."""
    side, limit = spec.evaluation.max_side, spec.evaluation.limit
    sizes: list[int] = []
    for condition in (condition_named(name) for name in spec.tested):
        samples = [s for s in bundle.test if serves(s, condition)][:limit]
        sizes += [min(s.clean.shape[0], side or 2**30) * min(s.clean.shape[1], side or 2**30) for s in samples]
    return sizes


def choose_parallel_runs(planned: PlannedStudy, requested: int | None, *, local: bool = True) -> int:
    """The number of parallel runs; `auto` on a GPU measures a step of each model and prints the choice with its reason.

    `requested` is the value of --jobs; None is the default. A cluster (not `local`) gets all runs at once.
    """
    plan, device = planned.plan, planned.device
    if not local:
        return requested or max(1, len(plan.specs))
    if requested != AUTO or device.type != "cuda":
        return requested or _default_parallel_runs(plan, device)
    models = pending_by_model(plan, planned.root)
    run_estimates = estimate_runs([specs[0] for specs in models.values()], planned)
    torch.cuda.empty_cache()
    free = free_bytes(device)
    train_bytes = sum(s.clean.nbytes + (0 if s.degraded is None else s.degraded.nbytes) for s in planned.bundle.train)
    placement = place_runs(
        free_bytes=free,
        run_bytes=max((estimate.memory_bytes for estimate in run_estimates), default=0.0),
        shared_bytes=train_bytes if train_bytes <= free // 2 else 0,  # more than half stays in the host's memory
        runs=max(1, sum(len(specs) for specs in models.values())),
        cores=os.cpu_count() or 1,
        threads=plan.budget.recipe.cpu_threads,
    )
    print_prose(planned.console, placement.reason)
    return placement.max_parallel


def _default_parallel_runs(plan: Plan, device: torch.device) -> int:
    if device.type == "cuda":
        return 1
    return max(1, min(len(plan.specs), (os.cpu_count() or 1) // plan.budget.recipe.cpu_threads))
