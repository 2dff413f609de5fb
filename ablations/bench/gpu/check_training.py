"""Whole runs of a tiny network: switches give the plain run's losses, two runs are equal, and a stopped one goes on."""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from ablations.bench.feed import embedded_spec
from ablations.bench.gpu.card import missing
from ablations.budgets import budget_named
from ablations.harness.run_one import run_one
from ablations.harness.training.acceleration import set_acceleration
from ablations.harness.training.train import Progress, ProgressCallback
from ablations.recipe import Acceleration
from ablations.spec import Evaluation, Phase, Precision, RunSpec

PLAIN = Acceleration(kernels="torch")
_STOP_AT = 9  # of twelve steps; a checkpoint is written with each of the four validations
_LATER: dict[Precision, float] = {"fp32": 0.05, "tf32": 0.15, "bf16": 0.15}
"""How far any loss may lie from the plain run's, relative: Adam lets rounding grow about tenfold a step."""
_FIRST: dict[Precision, float] = {"fp32": 1e-4, "tf32": 3e-3, "bf16": 2e-2}
"""How far the first step's loss may, where nothing but rounding differs."""


class Outcome(NamedTuple):
    """Of a run: losses of each step and PSNR of each validation in their order, its summary, its weights as a file."""

    numbers: list[float]
    summary: dict[str, Any]
    weights: bytes


def tiny_spec(precision: Precision, *phases: Phase, **model: Any) -> RunSpec:
    """A run of a dozen steps in two phases on embedded photographs, whose every step is logged."""
    smoke = budget_named("smoke")
    recipe = replace(smoke.recipe, log_every=1, validations=4, phases=phases or smoke.recipe.phases)
    evaluation = Evaluation(max_side=32, limit=1, val_max_side=32, val_limit=1, probe_patches=2, probe_patch=16)
    budget = replace(smoke, model=smoke.model | model, recipe=recipe, evaluation=evaluation)
    return embedded_spec(budget, "dfpir_g50", precision=precision)


def trained(
    spec: RunSpec,
    root: Path,
    device: torch.device,
    acceleration: Acceleration,
    report: ProgressCallback = lambda progress: None,
) -> Outcome:
    """Make a run in a folder.

    Raises:
        RuntimeError: the run failed; with the end of its traceback.
    """
    set_acceleration(acceleration)
    done = run_one(spec, root, device, report)
    folder = root / spec.run_id
    if not done:
        raise RuntimeError(json.loads((folder / "ERROR.json").read_text(encoding="utf-8"))["traceback"][-1500:])
    rows = [json.loads(line) for line in (folder / "train.jsonl").read_text(encoding="utf-8").splitlines()]
    numbers = [row["loss"] if "loss" in row else row["val_psnr_db"] for row in rows]
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    return Outcome(numbers, summary, (folder / "weights.safetensors").read_bytes())


def switches(device: torch.device, toy: bool) -> Iterator[dict[str, Any]]:
    """Checkpointing, graphs, kernels, and graphs with kernels against the plain run."""
    ways = {"plain, again": PLAIN, "checkpointing": replace(PLAIN, checkpointing=True)}
    if not toy:
        ways["graphs"] = replace(PLAIN, cuda_graphs=True)
        ways["graphs, checkpointing"] = replace(PLAIN, cuda_graphs=True, checkpointing=True)
    if not toy and not missing("triton"):
        ways["Triton"] = Acceleration(kernels="triton")
        ways["Triton, graphs"] = Acceleration(kernels="triton", cuda_graphs=True)
    for precision in _precisions(toy):
        yield from _against_plain(precision, ways, device)


def compiled(device: torch.device, toy: bool) -> Iterator[dict[str, Any]]:
    """torch.compile, alone and with graphs, against the plain run."""
    if missing("triton"):
        raise RuntimeError("the compiler needs Triton")
    ways = {"compile": replace(PLAIN, compile=True), "compile, graphs": replace(PLAIN, compile=True, cuda_graphs=True)}
    for precision in reversed(_precisions(toy)):
        yield from _against_plain(precision, ways, device)


def repeat(device: torch.device, toy: bool) -> Iterator[dict[str, Any]]:
    """Two runs of one spec, as runs are made or with deterministic libraries; equal where cuDNN was told to be so."""
    use_deterministic_libraries()
    for precision in _precisions(toy):
        first, second = (_alone(tiny_spec(precision), device, PLAIN) for _ in range(2))
        deterministic, equal = torch.backends.cudnn.deterministic, first.weights == second.weights
        facts = {"precision": precision, "deterministic": deterministic, "weights_equal": equal}
        facts["losses_equal"] = first.numbers == second.numbers
        # nothing is promised of a GPU without the setting
        yield facts | ({"ok": equal} if deterministic or toy else {})


def resume(device: torch.device, toy: bool) -> Iterator[dict[str, Any]]:
    """A run that was stopped and went on from its checkpoint, beside one in one go."""
    use_deterministic_libraries()
    precision = _precisions(toy)[-1]
    for name, acceleration in {"plain": PLAIN, "graphs": replace(PLAIN, cuda_graphs=True)}.items():
        if toy and name == "graphs":
            continue
        spec = tiny_spec(precision)
        whole, _, weights = _alone(spec, device, acceleration)
        with tempfile.TemporaryDirectory() as folder:
            try:
                trained(spec, Path(folder), device, acceleration, _stop)
            except KeyboardInterrupt:
                pass
            else:
                raise RuntimeError("the run was not stopped")
            seen: list[Progress] = []
            parts, _, later = trained(spec, Path(folder), device, acceleration, seen.append)
        apart, first = _apart(whole, parts), seen[0].step
        facts = {"way": name, "went_on_at_step": first, "weights_equal": weights == later, "apart": apart}
        yield facts | {"ok": first > 1 and apart < _LATER[precision]}


def use_deterministic_libraries() -> bool:
    """Tell cuDNN to be deterministic, where the environment says so for cuBLAS; whether it does."""
    deterministic = "CUBLAS_WORKSPACE_CONFIG" in os.environ
    if deterministic:
        torch.backends.cudnn.deterministic = True
    return deterministic


def _precisions(toy: bool) -> tuple[Precision, ...]:
    return ("fp32",) if toy else ("fp32", "bf16")


def _against_plain(
    precision: Precision, ways: dict[str, Acceleration], device: torch.device
) -> Iterator[dict[str, Any]]:
    use_deterministic_libraries()
    spec = tiny_spec(precision)
    plain, _, _ = _alone(spec, device, PLAIN)
    for name, acceleration in ways.items():
        facts: dict[str, Any] = {"precision": precision, "way": name}
        try:
            losses, summary, _ = _alone(spec, device, acceleration)
        except Exception as error:  # the others' results are wanted all the same
            yield facts | {"ok": False, "error": str(error)[-1200:]}
            continue
        first, all_of_them = _apart(plain[:1], losses[:1]), _apart(plain, losses)
        facts |= {"first_loss_apart": first, "apart": all_of_them, "equal": plain == losses}
        yield facts | {
            "peak_mb": summary.get("peak_memory_mb"),
            "ok": first < _FIRST[precision] and all_of_them < _LATER[precision],
        }


def _alone(spec: RunSpec, device: torch.device, acceleration: Acceleration) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        return trained(spec, Path(folder), device, acceleration)


def _apart(first: list[float], second: list[float]) -> float:
    """The largest relative difference; infinite where their numbers differ."""
    if len(first) != len(second):
        return math.inf
    return max(abs(a - b) / max(abs(a), 1e-9) for a, b in zip(first, second, strict=True))


def _stop(progress: Progress) -> None:
    if progress.stage == "train" and progress.step >= _STOP_AT:
        raise KeyboardInterrupt
