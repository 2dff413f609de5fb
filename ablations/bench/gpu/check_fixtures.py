"""Outputs and gradients in each precision against those of the released code, recorded in float64."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import dfpir
from ablations.bench.gpu.card import find_fixtures, missing_packages
from ablations.harness.training.acceleration import set_float32_products
from dfpir.kernels import use_kernels, use_padded_widths
from dfpir.weights import released_names

MODELS = ("restormer", "dfpir")


@dataclass(frozen=True, kw_only=True)
class _Computation:
    """A way to compute, with limits of the relative errors of output, ||out - exact|| / ||exact||, and gradient norms.

    Gradients have no limit where rounding may flip the sign of a pixel's L1 gradient: they are only recorded.
    """

    name: str
    limit: float
    dtype: torch.dtype = torch.float32
    tf32: bool = False
    autocast: bool = False
    kernels: str = "torch"
    padded: bool = False
    gradients: float | None = None


_COMPUTATIONS = (
    _Computation(name="float64", dtype=torch.float64, limit=1e-9, gradients=1e-3),
    _Computation(name="float64, padded widths", dtype=torch.float64, padded=True, limit=1e-9, gradients=1e-3),
    _Computation(name="float32", limit=2e-5, gradients=3e-2),
    _Computation(name="TF32", tf32=True, limit=5e-3),
    _Computation(name="bf16", autocast=True, limit=0.15),
    _Computation(name="bf16, padded widths", autocast=True, padded=True, limit=0.15),
    _Computation(name="float32, Triton", kernels="triton", limit=2e-5, gradients=3e-2),
    _Computation(name="bf16, Triton", autocast=True, kernels="triton", limit=0.15),
)


def fixtures(device: torch.device, toy: bool) -> Iterator[dict[str, Any]]:
    """A result for each model and computation."""
    folder = find_fixtures()
    if folder is None:
        raise FileNotFoundError("no fixtures beside the project (../shared/parity)")
    for name in MODELS:
        fixture, weights = _load(folder, f"{name}_tiny")
        for computation in _COMPUTATIONS:
            if (toy and (computation.tf32 or computation.kernels == "triton")) or (
                computation.kernels == "triton" and missing_packages("triton")
            ):
                continue  # a CPU has neither
            use_kernels(computation.kernels)
            use_padded_widths(computation.padded)
            set_float32_products("tf32" if computation.tf32 else "fp32")
            yield {"model": name, "way": computation.name, **_compare(name, fixture, weights, computation, device)}


def _compare(
    name: str, fixture: dict[str, Any], weights: dict[str, Any], computation: _Computation, device: torch.device
) -> dict[str, Any]:
    model = dfpir.create_model(name, **fixture["cfg"]).to(computation.dtype)
    model = dfpir.load_released(model, weights).to(device)
    autocast = torch.autocast(device.type, torch.bfloat16) if computation.autocast else contextlib.nullcontext()
    with torch.no_grad(), autocast:
        out = model.eval()(*(tensor.to(device, computation.dtype) for tensor in fixture["eval_inputs"]))
    output_error = _relative(out, fixture["out_f64"])
    image, *code = (tensor.to(device, computation.dtype) for tensor in fixture["inputs"])
    with autocast:
        out = model.train()(image, *code)
    (out.to(computation.dtype) - image.flip(-1)).abs().mean().backward()
    released, norms = released_names(model), fixture["train"]["grad_norm"]
    gradient_error = max(
        abs(float(parameter.grad.norm()) / float(norms[released[name]]) - 1)
        for name, parameter in model.named_parameters()
        if parameter.grad is not None and parameter.numel() > 64  # a few sums alone are mostly rounding
    )
    ok = output_error < computation.limit and (computation.gradients is None or gradient_error < computation.gradients)
    return {"output_apart": output_error, "limit": computation.limit, "gradient_norms_apart": gradient_error, "ok": ok}


def _relative(value: Tensor, exact: Tensor) -> float:
    value, exact = value.detach().double().cpu(), exact.double()
    return float((value - exact).norm() / exact.norm())


def _load(folder: Path, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A fixture and the weights it was made with, by released key names; nothing is unpickled."""
    fixture: dict[str, Any] = torch.load(folder / f"{name}.pt", weights_only=True)
    spec = importlib.util.spec_from_file_location("parity_fixtures", folder / "fixtures.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return fixture, module.state_dict(fixture["shapes"]) | (fixture["kept_buffers"] or {})
