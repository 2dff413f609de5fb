"""Runs of a tiny network: switches give the plain run's losses, two runs are equal, and an interrupted one resumes."""

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
from ablations.bench.gpu.card import missing_packages
from ablations.budgets import budget_named
from ablations.harness.run_one import run_one
from ablations.harness.training.acceleration import set_acceleration
from ablations.harness.training.train import Progress, ProgressCallback
from ablations.recipe import Acceleration
from ablations.spec import Evaluation, Phase, Precision, RunSpec
from reports import layout

PLAIN = Acceleration(kernels="torch")
_STOP_STEP = 9  # of twelve; a checkpoint is written after each of the four validations
_LOSS_TOLERANCE: dict[Precision, float] = {"fp32": 0.05, "tf32": 0.15, "bf16": 0.15}
"""Relative tolerance of all losses: with Adam rounding errors grow about tenfold a step."""
_FIRST_LOSS_TOLERANCE: dict[Precision, float] = {"fp32": 1e-4, "tf32": 3e-3, "bf16": 2e-2}
"""Relative tolerance of the first loss, where only rounding differs."""


class RunOutcome(NamedTuple):
    """Losses of all steps and PSNR of all validations in their order, the summary, and the bytes of the weights."""

    numbers: list[float]
    summary: dict[str, Any]
    weights: bytes


def tiny_spec(precision: Precision, *phases: Phase, **model: Any) -> RunSpec:
    """The spec of a run of twelve steps in two phases on embedded photographs, with a log of each step."""
    smoke = budget_named("smoke")
    recipe = replace(smoke.recipe, log_every=1, validations=4, phases=phases or smoke.recipe.phases)
    evaluation = Evaluation(max_side=32, limit=1, val_max_side=32, val_limit=1, probe_patches=2, probe_patch=16)
    budget = replace(smoke, model=smoke.model | model, recipe=recipe, evaluation=evaluation)
    return embedded_spec(budget, "dfpir_g50", precision=precision)


def train_run(
    spec: RunSpec,
    root: Path,
    device: torch.device,
    acceleration: Acceleration,
    report: ProgressCallback = lambda progress: None,
) -> RunOutcome:
    """Train a run in a folder.

    Raises:
        RuntimeError: the run failed; with the end of its traceback.
    """
    set_acceleration(acceleration)
    succeeded = run_one(spec, root, device, report)
    folder = root / spec.run_id
    if not succeeded:
        raise RuntimeError(json.loads((folder / layout.ERROR_FILE).read_text(encoding="utf-8"))["traceback"][-1500:])
    rows = [json.loads(line) for line in (folder / layout.TRAIN_LOG_FILE).read_text(encoding="utf-8").splitlines()]
    numbers = [row["loss"] if "loss" in row else row["val_psnr_db"] for row in rows]
    summary = json.loads((folder / layout.SUMMARY_FILE).read_text(encoding="utf-8"))
    return RunOutcome(numbers, summary, (folder / layout.WEIGHTS_FILE).read_bytes())


def switches(device: torch.device, toy: bool) -> Iterator[dict[str, Any]]:
    """Checkpointing, graphs, kernels, and graphs with kernels against the plain run."""
    accelerations = {"plain, again": PLAIN, "checkpointing": replace(PLAIN, checkpointing=True)}
    if not toy:
        accelerations["graphs"] = replace(PLAIN, cuda_graphs=True)
        accelerations["graphs, checkpointing"] = replace(PLAIN, cuda_graphs=True, checkpointing=True)
    if not toy and not missing_packages("triton"):
        accelerations["Triton"] = Acceleration(kernels="triton")
        accelerations["Triton, graphs"] = Acceleration(kernels="triton", cuda_graphs=True)
    for precision in _precisions(toy):
        yield from _compare_with_plain(precision, accelerations, device)


def compiled(device: torch.device, toy: bool) -> Iterator[dict[str, Any]]:
    """torch.compile, alone and with graphs, against the plain run."""
    if missing_packages("triton"):
        raise RuntimeError("the compiler needs Triton")
    accelerations = {
        "compile": replace(PLAIN, compile=True),
        "compile, graphs": replace(PLAIN, compile=True, cuda_graphs=True),
    }
    for precision in reversed(_precisions(toy)):
        yield from _compare_with_plain(precision, accelerations, device)


def repeat(device: torch.device, toy: bool) -> Iterator[dict[str, Any]]:
    """Two runs of one spec, with default or deterministic libraries; with the latter they must be equal."""
    use_deterministic_libraries()
    for precision in _precisions(toy):
        first, second = (_train_in_temporary_folder(tiny_spec(precision), device, PLAIN) for _ in range(2))
        deterministic, equal = torch.backends.cudnn.deterministic, first.weights == second.weights
        facts = {"precision": precision, "deterministic": deterministic, "weights_equal": equal}
        facts["losses_equal"] = first.numbers == second.numbers
        # without the setting GPUs need not be deterministic
        yield facts | ({"ok": equal} if deterministic or toy else {})


def resume(device: torch.device, toy: bool) -> Iterator[dict[str, Any]]:
    """A run that resumes from its checkpoint after an interruption, against one without interruption."""
    use_deterministic_libraries()
    precision = _precisions(toy)[-1]
    for name, acceleration in {"plain": PLAIN, "graphs": replace(PLAIN, cuda_graphs=True)}.items():
        if toy and name == "graphs":
            continue
        spec = tiny_spec(precision)
        uninterrupted, _, weights = _train_in_temporary_folder(spec, device, acceleration)
        with tempfile.TemporaryDirectory() as folder:
            try:
                train_run(spec, Path(folder), device, acceleration, _interrupt)
            except KeyboardInterrupt:
                pass
            else:
                raise RuntimeError("the run was not stopped")
            progress: list[Progress] = []
            resumed, _, resumed_weights = train_run(spec, Path(folder), device, acceleration, progress.append)
        difference, first_step = _max_relative_difference(uninterrupted, resumed), progress[0].step
        facts = {
            "way": name,
            "went_on_at_step": first_step,
            "weights_equal": weights == resumed_weights,
            "apart": difference,
        }
        yield facts | {"ok": first_step > 1 and difference < _LOSS_TOLERANCE[precision]}


def use_deterministic_libraries() -> bool:
    """Make cuDNN deterministic where the environment does so for cuBLAS; returns whether it does."""
    deterministic = "CUBLAS_WORKSPACE_CONFIG" in os.environ
    if deterministic:
        torch.backends.cudnn.deterministic = True
    return deterministic


def _precisions(toy: bool) -> tuple[Precision, ...]:
    return ("fp32",) if toy else ("fp32", "bf16")


def _compare_with_plain(
    precision: Precision, accelerations: dict[str, Acceleration], device: torch.device
) -> Iterator[dict[str, Any]]:
    use_deterministic_libraries()
    spec = tiny_spec(precision)
    plain, _, _ = _train_in_temporary_folder(spec, device, PLAIN)
    for name, acceleration in accelerations.items():
        facts: dict[str, Any] = {"precision": precision, "way": name}
        try:
            losses, summary, _ = _train_in_temporary_folder(spec, device, acceleration)
        except Exception as error:  # the others are checked too
            yield facts | {"ok": False, "error": str(error)[-1200:]}
            continue
        first_difference, largest_difference = (
            _max_relative_difference(plain[:1], losses[:1]),
            _max_relative_difference(plain, losses),
        )
        facts |= {"first_loss_apart": first_difference, "apart": largest_difference, "equal": plain == losses}
        yield facts | {
            "peak_mb": summary.get("peak_memory_mb"),
            "ok": first_difference < _FIRST_LOSS_TOLERANCE[precision]
            and largest_difference < _LOSS_TOLERANCE[precision],
        }


def _train_in_temporary_folder(spec: RunSpec, device: torch.device, acceleration: Acceleration) -> RunOutcome:
    with tempfile.TemporaryDirectory() as folder:
        return train_run(spec, Path(folder), device, acceleration)


def _max_relative_difference(first: list[float], second: list[float]) -> float:
    """The largest relative difference; infinite where the lengths differ."""
    if len(first) != len(second):
        return math.inf
    return max(abs(a - b) / max(abs(a), 1e-9) for a, b in zip(first, second, strict=True))


def _interrupt(progress: Progress) -> None:
    if progress.stage == "train" and progress.step >= _STOP_STEP:
        raise KeyboardInterrupt
