"""How many runs fit on one GPU at once: arithmetic on measured numbers."""

from __future__ import annotations

from dataclasses import dataclass

AUTO = 0
"""In the place of a number of runs: choose it here."""

MARGIN = 1.3
"""Over the counted tensors: a caching allocator rounds sizes up and can't fill every gap."""

PROCESS_BYTES = 1 << 30
"""A process's own: the CUDA context, cuBLAS's and cuDNN's scratch space."""

MAX_RUNS_PER_GPU = 4
"""Runs on one GPU, however small: they take turns on it, and whether more would gain was never measured."""


@dataclass(frozen=True, kw_only=True)
class Placement:
    """A choice and why."""

    max_parallel: int  # runs at once, at least one
    reason: str  # one line for people


def place_runs(
    *, free_bytes: float, run_bytes: float, shared_bytes: float, runs: int, cores: int, threads: int
) -> Placement:
    """As many runs as memory, processor cores and occupancy allow, the most hungry run standing for all.

    One run goes ahead even where none seems to fit: out of memory halves its batch. `run_bytes` are the most bytes of
    tensors of a run's training or evaluation, `shared_bytes` the training images that every run keeps on the device,
    `threads` those of a run.
    """
    needed_bytes = MARGIN * run_bytes + shared_bytes + PROCESS_BYTES
    limits = {
        f"a run needs {needed_bytes / 2**30:.3g} of {free_bytes / 2**30:.3g} GiB free": int(free_bytes // needed_bytes),
        f"{cores} processor cores, {threads} a run": cores // max(threads, 1),
        f"no more than {MAX_RUNS_PER_GPU} take turns on a GPU": MAX_RUNS_PER_GPU,
        "no more are left to do": runs,
    }
    limiting_reason = min(limits, key=lambda reason: limits[reason])
    max_parallel = max(1, limits[limiting_reason])
    return Placement(max_parallel=max_parallel, reason=f"{max_parallel} at once on this GPU: {limiting_reason}")
