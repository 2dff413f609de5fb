"""Switches of a run's speed and memory that stay out of its id: they change its numbers by rounding at most.

They belong to the process that does a run, like its threads: the launcher's worker calls `use`, the training loop asks
`chosen`. What each one does and what was measured of it: docs/performance.md.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from ablations.models import ModelConfig
from ablations.recipe import Acceleration
from ablations.spec import Precision
from dfpir import DFPIRConfig
from dfpir.kernels import chosen_kernels, use_kernels
from dfpir.recompute import compile_blocks, recompute_activations

BACKEND = "inductor"  # of torch.compile; tests take a faster one
_WARM_UP = 3  # passes before a capture: libraries choose their algorithms and take their memory in the first ones


_chosen = Acceleration()


def use(acceleration: Acceleration) -> None:
    """Take these switches for the runs of this process.

    Raises:
        ValueError: unknown kernels, or Triton where it is not installed.
    """
    global _chosen
    if acceleration.kernels is not None:
        use_kernels(acceleration.kernels)
    chosen_kernels()  # from the environment where nobody named any: before anything is compiled
    _chosen = acceleration


def chosen() -> Acceleration:
    """The switches of this process."""
    return _chosen


def set_float32_products(precision: Precision) -> None:
    """Whether a GPU may multiply float32 numbers with TF32's 10 bits: in precision `tf32` alone.

    PyTorch's own default lets cuDNN's convolutions do so and matrix products not. Parts of a bfloat16 product, split
    over the pixels, are added up in float32, in every precision.
    """
    torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.allow_tf32 = precision == "tf32"


def cuda_graph_blocker(config: ModelConfig, device: torch.device, reduces: bool = False) -> str | None:
    """Why a training step can't become a CUDA graph, in one line; None where it can.

    `reduces`: DistributedDataParallel wraps the model, as it does under torchrun, with one process as well.
    """
    if device.type != "cuda":
        return f"not used on {device.type}: they need a CUDA device."
    if not isinstance(config, DFPIRConfig):
        return f"not used for {config.name}: its training step may draw random numbers or branch."
    if reduces:
        return "not used under torchrun: its processes, be it one, reduce gradients during the backward pass."
    return None


def applied(config: ModelConfig, device: torch.device, reduces: bool = False) -> dict[str, Any]:
    """What of the switches acts on a run, for its env.json; empty where nothing does."""
    found: dict[str, Any] = {}
    if chosen_kernels() == "triton":
        found["kernels"] = "triton" if device.type == "cuda" else f"torch: Triton's serve GPUs, not {device.type}."
    if _chosen.compile:
        ours = isinstance(config, DFPIRConfig)
        found["compile"] = "each block" if ours else "not used for comparators: tried with DFPIR's variants alone."
    if _chosen.cuda_graphs:
        found["cuda_graphs"] = cuda_graph_blocker(config, device, reduces) or "training step"
    if _chosen.checkpointing:
        found["checkpointing"] = "each block that can"
    return found


def prepare_steps(model: nn.Module, config: ModelConfig) -> None:
    """Have the model's training steps checkpointed and its blocks compiled as chosen."""
    recompute_activations(model, on=_chosen.checkpointing)
    compiled = _chosen.compile and isinstance(config, DFPIRConfig)
    compile_blocks(model, BACKEND if compiled else None)
    if compiled and torch.are_deterministic_algorithms_enabled():
        torch.use_deterministic_algorithms(True)  # tells the compiler, too


Replay = Callable[[], None]
Capture = Callable[[Callable[[], Tensor], Callable[[], None]], tuple[Tensor, Replay]]


class GraphedStep:
    """Forward and backward pass of a batch as one CUDA graph: a single launch in place of thousands.

    Called with a batch, it leaves the gradients in the parameters' `grad` and returns the loss. A batch of another
    shape is captured anew, in place of the one before: phases follow each other. `compute` adds a batch's gradients to
    the parameters' own and returns the loss; it must do the same operations on each batch of one shape, and draw no
    random numbers. Tests give a `capture` that needs no GPU.
    """

    def __init__(
        self, compute: Callable[..., Tensor], parameters: Iterable[nn.Parameter], capture: Capture | None = None
    ) -> None:
        self._compute, self._parameters = compute, list(parameters)
        self._capture = capture or cuda_capture
        self._shapes: list[tuple[torch.Size, torch.dtype] | None] = []
        self.forget()

    def __call__(self, *batch: Tensor | None) -> Tensor:
        """The loss of the batch, detached."""
        shapes = [None if part is None else (part.shape, part.dtype) for part in batch]
        if self._replay is None or shapes != self._shapes:
            self._record(batch)
            self._shapes = shapes
        for held, part in zip(self._inputs, batch, strict=True):
            if held is not None and part is not None:
                held.copy_(part)
        assert self._replay is not None
        assert self._loss is not None
        self._replay()
        # the optimiser's zero_grad took them away; the graph writes them anew, it doesn't add
        for parameter, gradient in zip(self._parameters, self._gradients, strict=True):
            parameter.grad = gradient
        return self._loss.clone()  # the next replay writes over it

    def forget(self) -> None:
        """Let go of the graph and its memory."""
        self._replay: Replay | None = None
        self._loss: Tensor | None = None
        self._inputs: list[Tensor | None] = []
        self._gradients: list[Tensor | None] = []

    def _record(self, batch: tuple[Tensor | None, ...]) -> None:
        self.forget()
        gc.collect()  # a phase's graph holds memory that the next one's needs
        self._inputs = [None if part is None else part.clone() for part in batch]
        self._loss, self._replay = self._capture(lambda: self._compute(*self._inputs), self._clear)
        self._gradients = [parameter.grad for parameter in self._parameters]

    def _clear(self) -> None:
        for parameter in self._parameters:
            parameter.grad = None


def cuda_capture(work: Callable[[], Tensor], clear: Callable[[], None]) -> tuple[Tensor, Replay]:
    """Warm up, then record `work` as a CUDA graph; its result's place in memory, and what fills that.

    `clear` is called before each pass, outside the recording.
    """
    cached = torch.is_autocast_cache_enabled()
    torch.set_autocast_cache_enabled(False)  # a cast of an eager pass must not stand in for one in the graph
    try:
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(_WARM_UP):
                clear()
                work()
        torch.cuda.current_stream().wait_stream(aside)
        clear()
        graph = torch.cuda.CUDAGraph()
        # other threads pin batches meanwhile
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            result = work()
    finally:
        torch.set_autocast_cache_enabled(cached)
    return result, graph.replay
