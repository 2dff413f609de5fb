"""Training batches of the embedded photographs: patches per second of each task, of mixtures, and of parallel runs.

Each batch is that of a run of `three_task` at a small budget, but of 64 patches of 48 px.
"""

from __future__ import annotations

import math
import multiprocessing
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from multiprocessing.sharedctypes import Synchronized
from typing import Any

import torch

from ablations.bench.measurement import Measurement, measure_rate, summarize
from ablations.budgets import budget_named
from ablations.data import open_data
from ablations.harness.malloc import keep_freed_memory
from ablations.harness.training.distributed import SINGLE_PROCESS
from ablations.harness.training.prefetch import BatchLoader, available_cores, prefetch_worker_count
from ablations.plan import make_plan
from ablations.spec import Budget, Precision, RunSpec
from datasets.bundle import DataBundle
from datasets.seeding import stable_seed
from datasets.sources.embedded import load_embedded
from datasets.tasks import CONDITIONS, PAPER_TASKS, Task

PATCH = 48
BATCH = 64
MIXTURES = ("demo", "small")
RUNS = 4
_THREE_TASKS = (Task.NOISE, Task.RAIN, Task.HAZE)
_MANY_STEPS = 10**6  # more than are used
_CPU = torch.device("cpu")
_WINDOW_S = 2.0


def run(repeats: int) -> Iterator[Measurement]:
    """Each task, each mixture in this process and by two processes, then parallel runs."""
    keep_freed_memory()  # as runs do
    bundle = load_embedded()
    for task in PAPER_TASKS:
        rates = _measure_task(bundle, task, repeats)
        yield summarize(f"feed: {task.name} alone, one process", "patches/s", rates, math.nan)
    for budget in MIXTURES:
        one_process = _measure_mixture(budget, 0, repeats)
        yield summarize(f"feed: {budget}'s three tasks, one process", "patches/s", one_process, math.nan)
        two_processes = _measure_mixture(budget, 2, repeats)
        yield summarize(f"feed: {budget}'s three tasks, two processes", "patches/s", two_processes, math.nan)
    workers = prefetch_worker_count(bundle, torch.device("cuda"), available_cores())
    for budget in MIXTURES:
        label = (
            f"feed: {budget}'s three tasks, {RUNS} runs at once, {workers} processes each on {available_cores()} cores"
        )
        yield summarize(label, "steps/s", measure_parallel_runs(budget, workers, repeats), math.nan)


def _measure_task(bundle: DataBundle, task: Task, repeats: int) -> list[float]:
    """Patches per second of batches of one task."""
    task_conditions = [c for c in CONDITIONS if c.task is task]
    conditions = [task_conditions[row % len(task_conditions)] for row in range(BATCH)]
    steps = iter(range(_MANY_STEPS))

    def next_batch() -> int:
        step = next(steps)
        bundle.batch(conditions, [stable_seed("bench", step, row) for row in range(BATCH)], PATCH)
        return BATCH

    return measure_rate(next_batch, repeats)


def spec_of(budget: str, patch: int = PATCH, batch: int = BATCH) -> RunSpec:
    """The spec of a run on three tasks, with the mixture of the budget's last phase in every step."""
    named = budget_named(budget)
    phase = replace(named.recipe.phases[-1], steps=_MANY_STEPS, patch=patch, batch=batch)
    names = [c.name for c in CONDITIONS if c.task in _THREE_TASKS]
    return embedded_spec(replace(named, recipe=replace(named.recipe, phases=(phase,))), conditions=names)


def embedded_spec(
    budget: Budget,
    variant: str = "dfpir_g90",
    *,
    conditions: Sequence[str] | None = None,
    precision: Precision = "fp32",
) -> RunSpec:
    """The spec of a run on the embedded photographs; `conditions` are all of theirs by default."""
    data, bundle = open_data("embedded")
    plan = make_plan(
        "gamma_sweep",
        budget=budget,
        data=data,
        conditions=conditions or [condition.name for condition in bundle.conditions],
        protocol="suite-v1",
        text_encoder="minilm",
        only=[variant],
        precision=precision,
    )
    return plan.specs[0]


def _measure_mixture(budget: str, workers: int, repeats: int) -> list[float]:
    """Patches per second of one run."""
    with closing(BatchLoader(spec_of(budget), load_embedded(), _CPU, SINGLE_PROCESS, workers=workers)) as feed:
        steps = iter(range(_MANY_STEPS))

        def draw_batches() -> int:
            for _ in range(8):
                feed.batch(next(steps))
            return 8 * BATCH

        return measure_rate(draw_batches, repeats)


def measure_parallel_runs(
    budget: str, workers: int, repeats: int, runs: int = RUNS, window_s: float = _WINDOW_S
) -> list[float]:
    """Batches per second of several parallel runs together, in each of `repeats` windows of time."""
    context = multiprocessing.get_context("spawn")
    counts: Sequence[Synchronized[int]] = [context.Value("q", 0) for _ in range(runs)]
    stop = context.Event()
    consumers = [context.Process(target=_consume_batches, args=(budget, workers, count, stop)) for count in counts]
    try:
        for consumer in consumers:
            consumer.start()
        while not all(count.value > 2 for count in counts):
            if not all(consumer.is_alive() for consumer in consumers):
                raise RuntimeError("A process of the benchmark ended; its error is above.")
            time.sleep(0.05)
        return [_steps_per_second(counts, window_s) for _ in range(repeats)]
    finally:
        stop.set()
        for consumer in consumers:
            consumer.join()


def _steps_per_second(counts: Sequence[Synchronized[int]], window_s: float) -> float:
    started, start_count = time.perf_counter(), sum(count.value for count in counts)
    time.sleep(window_s)
    return (sum(count.value for count in counts) - start_count) / (time.perf_counter() - started)


def _consume_batches(budget: str, workers: int, count: Synchronized[int], stop: Any) -> None:
    """The process of a run that discards its batches."""
    torch.set_num_threads(1)
    keep_freed_memory()
    with closing(BatchLoader(spec_of(budget), load_embedded(), _CPU, SINGLE_PROCESS, workers=workers)) as feed:
        step = 0
        while not stop.is_set():
            feed.batch(step)
            step += 1
            count.value = step
