"""Training batches of the embedded photographs: patches a second of each task, of the budgets' mixtures, of four runs.

Every batch is what a run of `three_task` at a small budget draws, but of 64 patches of 48 px.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from multiprocessing.sharedctypes import Synchronized
from typing import Any

import torch

from ablations.bench.record import Line, line, rate
from ablations.budgets import Budget, budget_named
from ablations.data import open_data
from ablations.harness.malloc import keep_freed_memory
from ablations.harness.training.distributed import SINGLE_PROCESS
from ablations.harness.training.prefetch import BatchLoader, available_cores, prefetch_worker_count
from ablations.plan import make_plan
from ablations.spec import Precision, RunSpec
from datasets.embedded import load_embedded
from datasets.seeding import stable_seed
from datasets.tasks import CONDITIONS, PAPER_TASKS, Task

PATCH = 48
BATCH = 64
MIXTURES = ("demo", "small")
RUNS = 4
_THREE = (Task.NOISE, Task.RAIN, Task.HAZE)
_STEPS = 10**6  # more than anybody draws
_CPU = torch.device("cpu")
_WINDOW_S = 2.0


def run(repeats: int) -> Iterator[Line]:
    """The lines: a task alone, each mixture in this process and by two processes, four runs at once."""
    keep_freed_memory()  # as runs do
    bundle = load_embedded()
    for task in PAPER_TASKS:
        found = [c for c in CONDITIONS if c.task is task]
        conditions = [found[row % len(found)] for row in range(BATCH)]
        steps = iter(range(_STEPS))

        def rows() -> int:
            step = next(steps)  # noqa: B023
            seeds = [stable_seed("bench", step, row) for row in range(BATCH)]
            bundle.batch(conditions, seeds, PATCH)  # noqa: B023
            return BATCH

        what = f"feed: {task.name} alone, one process"
        yield line(what, "patches/s", rate(rows, repeats), float("nan"))
    for budget in MIXTURES:
        alone = _mixture(budget, 0, repeats)
        yield line(f"feed: {budget}'s three tasks, one process", "patches/s", alone, float("nan"))
        by_two = _mixture(budget, 2, repeats)
        yield line(f"feed: {budget}'s three tasks, two processes", "patches/s", by_two, float("nan"))
    workers = prefetch_worker_count(bundle, torch.device("cuda"), available_cores())
    for budget in MIXTURES:
        what = (
            f"feed: {budget}'s three tasks, {RUNS} runs at once, {workers} processes each on {available_cores()} cores"
        )
        yield line(what, "steps/s", at_once(budget, workers, repeats), float("nan"))


def spec_of(budget: str, patch: int = PATCH, batch: int = BATCH) -> RunSpec:
    """A run on three tasks whose every step draws the budget's mixture."""
    chosen = budget_named(budget)
    phase = replace(chosen.recipe.phases[-1], steps=_STEPS, patch=patch, batch=batch)
    names = [c.name for c in CONDITIONS if c.task in _THREE]
    return embedded_spec(replace(chosen, recipe=replace(chosen.recipe, phases=(phase,))), conditions=names)


def embedded_spec(
    budget: Budget,
    variant: str = "dfpir_g90",
    *,
    conditions: Sequence[str] | None = None,
    precision: Precision = "fp32",
) -> RunSpec:
    """A run of a variant on the embedded photographs, in all their conditions where none are named."""
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


def _mixture(budget: str, workers: int, repeats: int) -> list[float]:
    """Patches a second of one feed."""
    with closing(BatchLoader(spec_of(budget), load_embedded(), _CPU, SINGLE_PROCESS, workers=workers)) as feed:
        steps = iter(range(_STEPS))

        def some() -> int:
            for _ in range(8):
                feed.batch(next(steps))
            return 8 * BATCH

        return rate(some, repeats)


def at_once(budget: str, workers: int, repeats: int, runs: int = RUNS, window_s: float = _WINDOW_S) -> list[float]:
    """Steps a second that this machine prepares for several runs, all together, in each of the windows of time."""
    context = multiprocessing.get_context("spawn")
    drawn: Sequence[Synchronized[int]] = [context.Value("q", 0) for _ in range(runs)]
    stop = context.Event()
    takers = [context.Process(target=_take, args=(budget, workers, count, stop)) for count in drawn]
    try:
        for taker in takers:
            taker.start()
        while not all(count.value > 2 for count in drawn):
            if not all(taker.is_alive() for taker in takers):
                raise RuntimeError("A process that takes batches ended; its own error is above.")
            time.sleep(0.05)
        return [_window(drawn, window_s) for _ in range(repeats)]
    finally:
        stop.set()
        for taker in takers:
            taker.join()


def _window(drawn: Sequence[Synchronized[int]], window_s: float) -> float:
    started, before = time.perf_counter(), sum(count.value for count in drawn)
    time.sleep(window_s)
    return (sum(count.value for count in drawn) - before) / (time.perf_counter() - started)


def _take(budget: str, workers: int, drawn: Synchronized[int], stop: Any) -> None:
    """A run that does nothing with its batches."""
    torch.set_num_threads(1)
    keep_freed_memory()
    with closing(BatchLoader(spec_of(budget), load_embedded(), _CPU, SINGLE_PROCESS, workers=workers)) as feed:
        step = 0
        while not stop.is_set():
            feed.batch(step)
            step += 1
            drawn.value = step
