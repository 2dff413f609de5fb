"""Triton's kernels against their PyTorch references in float64, and the time of both at the model's shapes."""

from __future__ import annotations

import importlib
import importlib.util
import os
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from ablations.bench.gpu.card import missing_packages
from dfpir.kernels import use_kernels

Function = Callable[..., Tensor]

_LIMITS = {torch.float32: 1e-5, torch.bfloat16: 1.6e-2}
"""Largest error relative to the largest entry; bfloat16 has 8 bits."""

_SHAPES = ((48, 128, 1), (96, 64, 2), (192, 32, 4), (384, 16, 8))
"""Channels, side and heads of the full-size model's levels at 128 px."""


def kernels(device: torch.device, toy: bool) -> Iterator[dict[str, Any]]:
    """A result for each kernel, shape and dtype: output and all gradients. On a CPU Triton's interpreter runs them."""
    if toy:
        os.environ["TRITON_INTERPRET"] = "1"  # read when Triton is imported
    if absent := missing_packages("triton"):
        raise RuntimeError(absent)
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    use_kernels("triton")
    names = [name for name in _INPUTS if importlib.util.find_spec(f"dfpir.kernels.{name}_triton")]
    for name in names:
        module = importlib.import_module(f"dfpir.kernels.{name}")
        for channels, side, heads in ((6, 5, 2),) if toy else ((130, 37, 5), *_SHAPES):
            for dtype, limit in _LIMITS.items():
                inputs, extra_arguments = _INPUTS[name](channels, side, heads, dtype, device)
                facts = {"kernel": name, "channels": channels, "side": side, "dtype": str(dtype).removeprefix("torch.")}
                try:
                    error = _max_relative_error(getattr(module, name), module.reference, inputs, extra_arguments)
                except Exception as interpreter_error:
                    if (
                        type(interpreter_error).__name__ != "InterpreterError"
                    ):  # Triton's class; 3.6 and NumPy 2.5 don't fit
                        raise
                    yield facts | {"why": f"Triton's interpreter, which no GPU needs, fails here: {interpreter_error}"}
                    continue
                yield facts | {"apart": error, "limit": limit, "ok": error < limit}


def kernel_times(device: torch.device, toy: bool) -> Iterator[dict[str, Any]]:
    """Microseconds of forward and backward pass by PyTorch and by Triton in bf16, at batches of 5 and 32."""
    names = [name for name in _INPUTS if importlib.util.find_spec(f"dfpir.kernels.{name}_triton")]
    backends = ("torch",) if toy or missing_packages("triton") else ("torch", "triton")
    for batch in (1,) if toy else (5, 32):
        for channels, side, heads in ((8, 8, 2),) if toy else _SHAPES:
            for name in names:
                function = getattr(importlib.import_module(f"dfpir.kernels.{name}"), name)
                inputs, extra_arguments = _INPUTS[name](channels, side, heads, torch.bfloat16, device, batch)
                facts = {"kernel": name, "batch": batch, "channels": channels, "side": side}
                for backend in backends:
                    use_kernels(backend)
                    forward, backward = _times(function, inputs, extra_arguments, device)
                    facts |= {f"{backend}_forward_us": forward, f"{backend}_backward_us": backward}
                yield facts
    use_kernels("torch")


def _random_tensor(seed: int, *shape: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    values = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    values = values.contiguous(memory_format=torch.channels_last) if len(shape) == 4 else values
    return values.to(device, dtype)


_Inputs = tuple[list[Tensor], tuple[Any, ...]]
"""Tensors whose gradients are compared, and further arguments."""


def _norm(channels: int, side: int, heads: int, dtype: torch.dtype, device: torch.device, batch: int = 2) -> _Inputs:
    x = _random_tensor(0, batch, channels, side, side, dtype=dtype, device=device)
    weight, bias = (_random_tensor(seed, channels, dtype=torch.float32, device=device) for seed in (1, 2))
    return [x, weight, bias], (1e-5,)


def _map(channels: int, side: int, heads: int, dtype: torch.dtype, device: torch.device, batch: int = 2) -> _Inputs:
    q, k = (_random_tensor(seed, batch, side * side, channels, dtype=dtype, device=device) for seed in (0, 1))
    return [q, k, torch.linspace(0.5, 1.5, heads, device=device).reshape(heads, 1, 1)], ()


_INPUTS: dict[str, Callable[..., _Inputs]] = {
    "channel_norm": _norm,
    "cosine_map": _map,
}


def _max_relative_error(
    function: Function, reference: Function, inputs: list[Tensor], extra_arguments: tuple[Any, ...]
) -> float:
    """The largest error of output and gradients, each relative to its largest entry, against float64."""
    leaves = [x.clone().requires_grad_() for x in inputs]
    float64_leaves = [x.double().requires_grad_() for x in inputs]
    output, expected = function(*leaves, *extra_arguments), reference(*float64_leaves, *extra_arguments)
    upstream = torch.randn(output.shape, generator=torch.Generator().manual_seed(9)).to(output.device, output.dtype)
    torch.autograd.backward(output, upstream)
    torch.autograd.backward(expected, upstream.double())
    pairs = [(output.detach(), expected.detach())]
    for leaf, expected_leaf in zip(leaves, float64_leaves, strict=True):
        assert leaf.grad is not None
        assert expected_leaf.grad is not None
        pairs.append((leaf.grad, expected_leaf.grad))
    return max(
        float((value.double() - expected_leaf).abs().max() / expected_leaf.abs().max())
        for value, expected_leaf in pairs
    )


def _times(
    function: Function, inputs: list[Tensor], extra_arguments: tuple[Any, ...], device: torch.device
) -> tuple[float, float]:
    """Microseconds of a forward and of a backward pass under bf16 autocast, as the model calls them."""
    leaves = [x.clone().requires_grad_() for x in inputs]

    def forward() -> Tensor:
        with torch.autocast(device.type, torch.bfloat16):
            return function(*leaves, *extra_arguments)

    out = forward()
    upstream = torch.randn_like(out)
    with torch.no_grad():
        forward_us = _median_us(forward, device)
    return forward_us, _median_us(lambda: torch.autograd.grad(out, leaves, upstream, retain_graph=True), device)


def _median_us(work: Callable[[], object], device: torch.device, calls: int = 20) -> float:
    """Median over five repeats of the mean time of `calls` consecutive calls, launches included."""
    times = []
    for _ in range(6):
        started = time.perf_counter()
        for _ in range(calls):
            work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append((time.perf_counter() - started) / calls * 1e6)
    return round(statistics.median(times[1:]), 1)
