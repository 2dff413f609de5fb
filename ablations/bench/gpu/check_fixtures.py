"""The released code's outputs and gradients, recorded in float64, against ours in each precision."""

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
from ablations.bench.gpu.card import fixtures_folder, missing
from ablations.harness.training.acceleration import set_float32_products
from dfpir.kernels import use_kernels, use_padded_widths
from dfpir.weights import released_names

MODELS = ("restormer", "dfpir")


@dataclass(frozen=True, kw_only=True)
class _Way:
    """How to compute, and how far that may lie from the fixture: ||out - exact|| / ||exact||, and norms of gradients.

    Gradients have no limit where rounding may turn the sign of a pixel's L1 gradient: they are recorded alone.
    """

    name: str
    limit: float
    dtype: torch.dtype = torch.float32
    tf32: bool = False
    autocast: bool = False
    kernels: str = "torch"
    padded: bool = False
    gradients: float | None = None


_WAYS = (
    _Way(name="float64", dtype=torch.float64, limit=1e-9, gradients=1e-3),
    _Way(name="float64, padded widths", dtype=torch.float64, padded=True, limit=1e-9, gradients=1e-3),
    _Way(name="float32", limit=2e-5, gradients=3e-2),
    _Way(name="TF32", tf32=True, limit=5e-3),
    _Way(name="bf16", autocast=True, limit=0.15),
    _Way(name="bf16, padded widths", autocast=True, padded=True, limit=0.15),
    _Way(name="float32, Triton", kernels="triton", limit=2e-5, gradients=3e-2),
    _Way(name="bf16, Triton", autocast=True, kernels="triton", limit=0.15),
)


def fixtures(device: torch.device, toy: bool) -> Iterator[dict[str, Any]]:
    """A result a model and way of computing."""
    folder = fixtures_folder()
    if folder is None:
        raise FileNotFoundError("no fixtures beside the project (../shared/parity)")
    for name in MODELS:
        fixture, weights = _load(folder, f"{name}_tiny")
        for way in _WAYS:
            if (toy and (way.tf32 or way.kernels == "triton")) or (way.kernels == "triton" and missing("triton")):
                continue  # a CPU has neither
            use_kernels(way.kernels)
            use_padded_widths(way.padded)
            set_float32_products("tf32" if way.tf32 else "fp32")
            yield {"model": name, "way": way.name, **_compare(name, fixture, weights, way, device)}


def _compare(
    name: str, fixture: dict[str, Any], weights: dict[str, Any], way: _Way, device: torch.device
) -> dict[str, Any]:
    model = dfpir.create_model(name, **fixture["cfg"]).to(way.dtype)
    model = dfpir.load_released(model, weights).to(device)
    autocast = torch.autocast(device.type, torch.bfloat16) if way.autocast else contextlib.nullcontext()
    with torch.no_grad(), autocast:
        out = model.eval()(*(tensor.to(device, way.dtype) for tensor in fixture["eval_inputs"]))
    apart = _relative(out, fixture["out_f64"])
    image, *code = (tensor.to(device, way.dtype) for tensor in fixture["inputs"])
    with autocast:
        out = model.train()(image, *code)
    (out.to(way.dtype) - image.flip(-1)).abs().mean().backward()
    released, norms = released_names(model), fixture["train"]["grad_norm"]
    worst = max(
        abs(float(parameter.grad.norm()) / float(norms[released[own]]) - 1)
        for own, parameter in model.named_parameters()
        if parameter.grad is not None and parameter.numel() > 64  # a few sums alone are mostly rounding
    )
    good = apart < way.limit and (way.gradients is None or worst < way.gradients)
    return {"output_apart": apart, "limit": way.limit, "gradient_norms_apart": worst, "ok": good}


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
