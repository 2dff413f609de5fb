"""Options for a run's speed and memory that are no part of its id: they change its numbers by rounding at most.

They belong to the process that runs the training, like its threads: the launcher's worker calls `set_acceleration`,
the training loop `get_acceleration`. What each one does, and measurements: docs/performance.md.
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
_WARM_UP_PASSES = (
    3  # passes before a capture: libraries choose their algorithms and take their memory in the first ones
)


_acceleration = Acceleration()


def set_acceleration(acceleration: Acceleration) -> None:
    """Use these options for the runs of this process.

    Raises:
        ValueError: unknown kernels, or Triton where it is not installed.
    """
    global _acceleration
    if acceleration.kernels is not None:
        use_kernels(acceleration.kernels)
    chosen_kernels()  # reads the environment variable where no kernels are given; before anything is compiled
    _acceleration = acceleration


def get_acceleration() -> Acceleration:
    """The options of this process."""
    return _acceleration


def set_float32_products(precision: Precision) -> None:
    """Whether a GPU may multiply float32 numbers with TF32's 10 bits: in precision `tf32` alone.

    PyTorch's own default lets cuDNN's convolutions do so and matrix products not. Parts of a bfloat16 product, split
    over the pixels, are added up in float32, in every precision.
    """
    torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.allow_tf32 = precision == "tf32"


def cuda_graph_blocker(config: ModelConfig, device: torch.device, uses_ddp: bool = False) -> str | None:
    """Why a training step can't become a CUDA graph, in one line; None where it can.

    `uses_ddp`: DistributedDataParallel wraps the model, as it does under torchrun, with one process as well.
    """
    if device.type != "cuda":
        return f"not used on {device.type}: they need a CUDA device."
    if not isinstance(config, DFPIRConfig):
        return f"not used for {config.name}: its training step may draw random numbers or branch."
    if uses_ddp:
        return "not used under torchrun: its processes, be it one, reduce gradients during the backward pass."
    return None


def acceleration_record(config: ModelConfig, device: torch.device, uses_ddp: bool = False) -> dict[str, Any]:
    """The options that take effect on a run, for its env.json."""
    record: dict[str, Any] = {}
    if chosen_kernels() == "triton":
        record["kernels"] = "triton" if device.type == "cuda" else f"torch: Triton's serve GPUs, not {device.type}."
    if _acceleration.compile:
        is_dfpir = isinstance(config, DFPIRConfig)
        record["compile"] = "each block" if is_dfpir else "not used for comparators: tried with DFPIR's variants alone."
    if _acceleration.cuda_graphs:
        record["cuda_graphs"] = cuda_graph_blocker(config, device, uses_ddp) or "training step"
    if _acceleration.checkpointing:
        record["checkpointing"] = "each block that can"
    return record


def apply_acceleration(model: nn.Module, config: ModelConfig) -> None:
    """Set up activation checkpointing and compilation of the model's blocks."""
    recompute_activations(model, on=_acceleration.checkpointing)
    compiled = _acceleration.compile and isinstance(config, DFPIRConfig)
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
        self.reset()

    def __call__(self, *batch: Tensor | None) -> Tensor:
        """The loss of the batch, detached."""
        shapes = [None if tensor is None else (tensor.shape, tensor.dtype) for tensor in batch]
        if self._replay is None or shapes != self._shapes:
            self._record(batch)
            self._shapes = shapes
        for static_input, tensor in zip(self._inputs, batch, strict=True):
            if static_input is not None and tensor is not None:
                static_input.copy_(tensor)
        assert self._replay is not None
        assert self._loss is not None
        self._replay()
        # the optimiser's zero_grad removed them; the graph overwrites them, it does not accumulate
        for parameter, gradient in zip(self._parameters, self._gradients, strict=True):
            parameter.grad = gradient
        return self._loss.clone()  # the next replay writes over it

    def reset(self) -> None:
        """Release the graph and its memory."""
        self._replay: Replay | None = None
        self._loss: Tensor | None = None
        self._inputs: list[Tensor | None] = []
        self._gradients: list[Tensor | None] = []

    def _record(self, batch: tuple[Tensor | None, ...]) -> None:
        self.reset()
        gc.collect()  # a phase's graph holds memory that the next one's needs
        self._inputs = [None if tensor is None else tensor.clone() for tensor in batch]
        self._loss, self._replay = self._capture(lambda: self._compute(*self._inputs), self._clear)
        self._gradients = [parameter.grad for parameter in self._parameters]

    def _clear(self) -> None:
        for parameter in self._parameters:
            parameter.grad = None


def cuda_capture(work: Callable[[], Tensor], clear: Callable[[], None]) -> tuple[Tensor, Replay]:
    """Warm up, then record `work` as a CUDA graph; its result's place in memory, and what fills that.

    `clear` is called before each pass, outside the recording.
    """
    cache_was_enabled = torch.is_autocast_cache_enabled()
    torch.set_autocast_cache_enabled(False)  # a cast of an eager pass must not stand in for one in the graph
    try:
        side_stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side_stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side_stream):
            for _ in range(_WARM_UP_PASSES):
                clear()
                work()
        torch.cuda.current_stream().wait_stream(side_stream)
        clear()
        graph = torch.cuda.CUDAGraph()
        # other threads pin batches meanwhile
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            result = work()
    finally:
        torch.set_autocast_cache_enabled(cache_was_enabled)
    return result, graph.replay
