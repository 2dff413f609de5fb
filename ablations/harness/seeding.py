"""Random state by name, so that variants share what they have in common and resuming needs no saved generator."""

from __future__ import annotations

import torch
from torch import nn

from ablations.harness.allocator import keep_freed_memory
from datasets.seeding import stable_seed


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
    """Fix what decides the order of sums on a CPU: the thread count and the choice of algorithms.

    A run on a GPU has as many threads: its operations on the CPU are small, and other runs share the cores.
    """
    torch.set_num_threads(cpu_threads)
    if device.type == "cpu":
        keep_freed_memory()
        # not use_deterministic_algorithms, that imports the compiler: four seconds for each run
        torch.set_deterministic_debug_mode("error")
        # a pass over every new tensor, to show up reads before writes: what PyTorch itself allocates is written first
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
