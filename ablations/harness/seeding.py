"""Random state by name, so that variants share what they have in common and resuming needs no saved generator."""

from __future__ import annotations

import os

import torch
from torch import nn

from ablations.harness.cost.placement import MAX_RUNS_PER_GPU
from ablations.harness.malloc import keep_freed_memory
from datasets.seeding import stable_seed

_MOST_THREADS_BESIDE_GPU = 4  # its operations there are small: more threads cost more than they do


def initialise(model: nn.Module, seed: int) -> None:
    """Draw each layer's first weights from the seed and the layer's name alone.

    A layer that two variants share begins with the same weights in both, whatever else they hold. The global generator
    is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        for name, module in model.named_modules():
            reset = getattr(module, "reset_parameters", None)
            if callable(reset):
                torch.manual_seed(stable_seed("first weights", seed, name))
                reset()


def make_deterministic(device: torch.device, cpu_threads: int) -> None:
    """Fix what decides the order of sums: the thread count and the choice of algorithms.

    To be called before anything runs on a GPU: cuBLAS reads its setting when it starts. There the processor only
    prepares batches and launches kernels, and up to four runs share it.
    """
    if device.type == "cpu":
        torch.set_num_threads(cpu_threads)
        keep_freed_memory()
        # not use_deterministic_algorithms, that imports the compiler: four seconds for each run
        torch.set_deterministic_debug_mode("error")
        # a pass over every new tensor, to show up reads before writes: what PyTorch itself allocates is written first
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.benchmark = False  # timing kernels would choose others from run to run
        torch.set_num_threads(gpu_run_threads())


def gpu_run_threads() -> int:
    """CPU threads of a run on a GPU: its share of the cores this process may use, with as many runs as there can be."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(_MOST_THREADS_BESIDE_GPU, cores // MAX_RUNS_PER_GPU))
