"""What a plan will take: its runs, and from one measured step of each model the hours, the memory and the jobs."""

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
from ablations.harness.cost.placement import AUTO, choose_parallel_runs
from ablations.harness.evaluate import batch_pixels
from ablations.harness.memory import free_bytes
from ablations.harness.run_one import find_run, is_done
from ablations.measures.registry import metric_measures
from ablations.plan import Plan
from ablations.spec import RunSpec
from datasets.bundle import DataBundle, serves
from datasets.tasks import condition_named

_LIBRARIES_BYTES = 0.7 * 2**30  # measured: a run's process before its first image


@dataclass(frozen=True, kw_only=True)
class PlannedStudy:
    """A plan, where its runs are kept, and what they run on."""

    plan: Plan  # the study's runs
    bundle: DataBundle  # its images
    root: Path  # folder of all runs
    device: torch.device  # of every run
    console: Console  # where to say what happens


def print_plan(plan: Plan, root: Path) -> None:
    """Each run with its id and whether it is done, in tabs."""
    for row in plan.rows:
        if row.alias_of is not None:
            state = f"same as {row.alias_of}"
        else:
            state = "done" if is_done(find_run(root, row.spec)) else "to run"
        print(row.variant, f"seed {row.spec.seed}", row.spec.run_id, state, sep="\t")  # tabs, for other programs


def print_estimate(here: PlannedStudy, jobs: int) -> None:
    """Time and memory of what is left to do, from a measured step of each model, with so many runs at once."""
    models, console = pending_by_model(here.plan, here.root), here.console
    runs = sum(len(specs) for specs in models.values())
    if not models:
        console.print("Nothing is left to do.")
        return
    found = estimates([specs[0] for specs in models.values()], here)
    table = Table(box=None, pad_edge=False)
    table.add_column("variant", no_wrap=True)
    for name in ("runs", "step", "run", "memory (GiB)"):
        table.add_column(name, justify="right")
    for specs, one in zip(models.values(), found, strict=True):
        step = f"{one.step_s * 1000:.0f} ms" if one.step_s < 10 else duration(one.step_s)
        memory = f"{one.memory_bytes / 2**30:.3g}"
        table.add_row(one.variant, str(len(specs)), step, duration(one.total_s), memory)
    console.print(table)
    seconds, most = summarize_study(found, [len(specs) for specs in models.values()], jobs=jobs)
    jobs = min(jobs, runs)
    at_once = f"{jobs} runs at once" if jobs > 1 else "one run at a time"
    print_prose(
        console,
        f"Estimated from one measured step a model on {here.device.type}: {counted(runs, 'run')}, about "
        f"{duration(seconds)} with {at_once} (start-up, evaluation, measures and report counted roughly).",
    )
    print_prose(console, memory_words(here.bundle, most, jobs, here.device))


def memory_words(bundle: DataBundle, tensors_gib: float, jobs: int, device: torch.device) -> str:
    """What runs take in all: each is a process with the libraries and the decoded images of its own."""
    images = jobs * image_bytes(bundle) / 2**30
    libraries = jobs * _LIBRARIES_BYTES / 2**30
    host = f"{images:.2g} for decoded images, {libraries:.2g} for the libraries"
    if device.type == "cuda":
        return f"Memory: {tensors_gib:.2g} GiB of the GPU for tensors; about {images + libraries:.2g} GiB here: {host}."
    return f"Memory: about {tensors_gib + images + libraries:.2g} GiB: {tensors_gib:.2g} for tensors, {host}."


def pending_by_model(plan: Plan, root: Path) -> dict[str, list[RunSpec]]:
    """Runs that are not done, by model."""
    models: dict[str, list[RunSpec]] = {}
    for spec in plan.specs:
        if not is_done(find_run(root, spec)):
            models.setdefault(json.dumps([spec.config.identity(), spec.conditions]), []).append(spec)
    return models


def estimates(specs: Sequence[RunSpec], here: PlannedStudy) -> list[RunEstimate]:
    """One measured step each, with as many threads as a run has."""
    plan, device = here.plan, here.device
    threads = torch.get_num_threads()
    torch.set_num_threads(plan.budget.recipe.cpu_threads)
    found = []
    for spec in specs:
        with here.console.status(f"measuring a step of {spec.variant}"):
            sizes = _test_pixels(spec, here.bundle)
            most = max(batch_pixels(device), *sizes) if sizes else 0
            wanted = (*plan.study.measures, *metric_measures(plan.study.metrics))
            found.append(estimate_run(spec, device, sum(sizes), most, measures=wanted, sizes=plan.budget.measuring))
    torch.set_num_threads(threads)
    return found


def _test_pixels(spec: RunSpec, bundle: DataBundle) -> list[int]:
    """Of each test image under each condition."""
    side, limit = spec.evaluation.max_side, spec.evaluation.limit
    sizes: list[int] = []
    for condition in (condition_named(name) for name in spec.tested):
        served = [s for s in bundle.test if serves(s, condition)][:limit]
        sizes += [min(s.clean.shape[0], side or 2**30) * min(s.clean.shape[1], side or 2**30) for s in served]
    return sizes


def runs_at_once(here: PlannedStudy, asked: int | None, *, local: bool = True) -> int:
    """What --jobs says; `auto` on a GPU measures each model that is left to train and says what it chose, and why.

    None asks for the usual number. Where the runs are not `local`, a cluster gets all of them at once.
    """
    plan, device = here.plan, here.device
    if not local:
        return asked or max(1, len(plan.specs))
    if asked != AUTO or device.type != "cuda":
        return asked or _default_jobs(plan, device)
    models = pending_by_model(plan, here.root)
    found = estimates([specs[0] for specs in models.values()], here)
    torch.cuda.empty_cache()
    free = free_bytes(device)
    images = sum(s.clean.nbytes + (0 if s.degraded is None else s.degraded.nbytes) for s in here.bundle.train)
    placement = choose_parallel_runs(
        free_bytes=free,
        run_bytes=max((one.memory_bytes for one in found), default=0.0),
        shared_bytes=images if images <= free // 2 else 0,  # more than half stays in the host's memory
        runs=max(1, sum(len(specs) for specs in models.values())),
        cores=os.cpu_count() or 1,
        threads=plan.budget.recipe.cpu_threads,
    )
    print_prose(here.console, placement.reason)
    return placement.max_parallel


def _default_jobs(plan: Plan, device: torch.device) -> int:
    if device.type == "cuda":
        return 1
    return max(1, min(len(plan.specs), (os.cpu_count() or 1) // plan.budget.recipe.cpu_threads))
