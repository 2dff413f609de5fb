"""What a model costs on a device: latency, throughput and peak memory of a forward pass and of a training step."""

from __future__ import annotations

import multiprocessing
import re
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, Literal

import torch
from torch import nn

from ablations.harness.cost.count import MacCount, count_macs
from ablations.harness.cost.models import BenchmarkedModel, build_benchmark_model, random_code
from ablations.harness.training.gradients import training_loss
from ablations.models import ModelConfig, is_trained
from ablations.spec import Precision

Phase = Literal["count", "forward", "training step"]
PHASES: tuple[Phase, ...] = ("forward", "training step")
"""What is timed; the phase `count` only counts multiply-adds."""

NOT_MEASURED = "not measured: "

_MIN_REPEATS = 3
_CHILD_LIMIT_S = 900.0
_MIB = 1 << 20


@dataclass(frozen=True, kw_only=True)
class TimingOptions:
    """How thoroughly is measured."""

    batch: int = 4  # images at once for the throughput; latency and memory are of one image
    repeats: int = 10  # timed calls after the warm-up
    limit_s: float = 10.0  # repeats stop after this long, but not before three


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What is measured of a model: one row of the table. A count is the same in each precision."""

    phase: Phase
    size_px: int
    precision: Precision | Literal[""] = ""


def measure(
    model: BenchmarkedModel, device: torch.device, settings: Sequence[Measurement], timing: TimingOptions
) -> list[dict[str, Any]]:
    """A row of costs for each setting; what can't be measured has its reason in the `_note` columns.

    The rows' keys are columns of `reports.costs.COST_COLUMNS`, without those of where it was measured.
    """
    try:
        network = build_benchmark_model(model)
    except (ValueError, ImportError) as error:
        return [_settings_row(model, setting, timing) | _reason_columns(_error_line(error)) for setting in settings]
    parameters = list(network.parameters())
    facts = {
        "params": float(sum(p.numel() for p in parameters)),
        "params_trained": float(sum(p.numel() for p in parameters if p.requires_grad)),
    }
    counts = {size: _mac_columns(model, network, size) for size in dict.fromkeys(s.size_px for s in settings)}
    rows = []
    for setting in settings:
        reason = _impossible_reason(model, device, setting)
        costs: dict[str, Any] = {}
        if setting.phase != "count":
            costs = _reason_columns(reason) if reason else _cost_columns(model, device, setting, timing)
            costs["reference_ms"] = round(
                1e3 * statistics.median(time_calls(_reference_work(device), device, timing)), 3
            )
        rows.append(_settings_row(model, setting, timing) | facts | costs | counts[setting.size_px])
    return rows


def _settings_row(model: BenchmarkedModel, setting: Measurement, timing: TimingOptions) -> dict[str, Any]:
    return {**model.facts(), **asdict(setting), "batch": timing.batch}


def _reason_columns(reason: str) -> dict[str, Any]:
    return {f"{quantity}_note": NOT_MEASURED + reason for quantity in ("macs", "latency", "images_per_s", "memory")}


def count_published_macs(config: ModelConfig, size_px: int) -> int | None:
    """Multiply-adds of one forward pass on a square image, as papers count them; None where they can't be counted."""
    model = BenchmarkedModel(name="", config=config)
    try:
        macs = _mac_columns(model, build_benchmark_model(model), size_px).get("macs")
    except (ValueError, ImportError):
        return None
    return int(macs) if macs else None


def _impossible_reason(model: BenchmarkedModel, device: torch.device, setting: Measurement) -> str:
    """Why this can't be measured, or ""."""
    if setting.phase == "training step" and not (model.config is not None and is_trained(model.config)):
        return "it has nothing to train"
    if setting.precision == "bf16" and not has_bf16(device):
        return f"this {'GPU' if device.type == 'cuda' else 'processor'} has no bf16 arithmetic that PyTorch tells of"
    if _is_classical(model) and model.needs == "none":
        return "it returns its input"
    if _is_classical(model) and (device.type == "cuda" or setting.precision == "bf16"):
        return "it computes on the CPU in float32, outside of PyTorch"
    return ""


def _is_classical(model: BenchmarkedModel) -> bool:
    return model.config is not None and not is_trained(model.config)


def has_bf16(device: torch.device) -> bool:
    """Whether the device has bf16 instructions; emulated ones would time the emulation."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # absent in some versions of torch
    queries = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return any(query() for query in queries if query is not None)


def _mac_columns(model: BenchmarkedModel, network: nn.Module, size_px: int) -> dict[str, Any]:
    if _is_classical(model) and model.needs != "none":
        return {"macs_note": NOT_MEASURED + "it computes outside of PyTorch, whose operations are counted"}
    image = torch.rand(1, 3, size_px, size_px, generator=torch.Generator().manual_seed(0))
    try:
        macs: MacCount = count_macs(network, image, random_code(model, network, image, training=False))
    except Exception as error:  # a comparator from a plug-in may not run on fake tensors
        return {"macs_note": NOT_MEASURED + _error_line(error)}
    return {
        "macs": float(macs.macs),
        "macs_convolutions": float(macs.macs_convolutions),
        "macs_implementation": float(macs.macs_implementation),
        "macs_counter": macs.counter,
        "macs_note": macs.note,
    }


def _cost_columns(
    model: BenchmarkedModel, device: torch.device, setting: Measurement, timing: TimingOptions
) -> dict[str, Any]:
    """Times and memory; a quantity that fails has a reason in place of its number."""
    costs: dict[str, Any] = {}
    for quantity, batch in (("latency", 1), ("images_per_s", timing.batch)):
        try:
            times_s = time_calls(make_workload(model, device, setting, batch), device, timing)
        except Exception as error:  # out of memory, or an operation that this device or precision lacks
            costs[f"{quantity}_note"] = NOT_MEASURED + _error_line(error)
            continue
        costs |= _latency_columns(times_s) if quantity == "latency" else _throughput_columns(times_s, batch)
    try:
        peak, method = peak_memory(model, device, setting)
        costs |= {"memory_mib": round(peak / _MIB, 1), "memory_method": method}
    except Exception as error:
        costs["memory_note"] = NOT_MEASURED + _error_line(error)
    return costs


def _latency_columns(times_s: Sequence[float]) -> dict[str, float]:
    low, middle, high = (round(1e3 * f(times_s), 3) for f in (min, statistics.median, max))
    return {
        "latency_ms": middle, "latency_low_ms": low, "latency_high_ms": high, "latency_repeats": len(times_s)
    }  # fmt: skip


def _throughput_columns(times_s: Sequence[float], batch: int) -> dict[str, float]:
    high, middle, low = (round(batch / f(times_s), 3) for f in (min, statistics.median, max))
    return {
        "images_per_s": middle, "images_per_s_low": low, "images_per_s_high": high,
        "images_per_s_repeats": len(times_s),
    }  # fmt: skip


def _reference_work(device: torch.device) -> Callable[[], None]:
    """A fixed workload, timed for every row: its variation shows how idle the machine was."""
    image, weight = torch.ones(1, 64, 64, 64, device=device), torch.ones(64, 64, 3, 3, device=device)

    def work() -> None:
        with torch.inference_mode():
            torch.nn.functional.conv2d(image, weight, padding=1)

    return work


def make_workload(
    model: BenchmarkedModel, device: torch.device, setting: Measurement, batch: int
) -> Callable[[], None]:
    """A call that does the work once: a forward pass, or a training step with fused Adam."""
    training = setting.phase == "training step"
    network = build_benchmark_model(model).to(device).train(training)
    generator = torch.Generator().manual_seed(0)
    clean, degraded = (
        torch.rand(batch, 3, setting.size_px, setting.size_px, generator=generator).to(device) for _ in range(2)
    )
    code = random_code(model, network, degraded, training=training)
    use_bf16 = setting.precision == "bf16"
    precision = partial(torch.autocast, device.type, torch.bfloat16) if use_bf16 else nullcontext

    def forward() -> None:
        with torch.inference_mode(), precision():
            network(degraded, code)

    if not training:
        return forward
    optimiser = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], lr=1e-6, fused=True)

    def training_step() -> None:
        optimiser.zero_grad(set_to_none=True)
        with precision():
            assert model.config is not None  # it was built
            loss = training_loss(model.config, network, degraded, clean, code)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()

    return training_step


def time_calls(workload: Callable[[], None], device: torch.device, timing: TimingOptions) -> list[float]:
    """Seconds of each call, after two that are not counted; on a GPU between two events on its own clock.

    A call that takes longer than `effort.limit_s` is warmed up once only.
    """
    time_once = _gpu_seconds if device.type == "cuda" else _cpu_seconds
    if time_once(workload) < timing.limit_s:
        time_once(workload)
    seconds: list[float] = []
    started = time.perf_counter()
    while len(seconds) < timing.repeats:
        seconds.append(time_once(workload))
        if len(seconds) >= _MIN_REPEATS and time.perf_counter() - started > timing.limit_s:
            break
    return seconds


def _cpu_seconds(workload: Callable[[], None]) -> float:
    started = time.perf_counter()
    workload()
    return time.perf_counter() - started


def _gpu_seconds(workload: Callable[[], None]) -> float:
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    torch.cuda.synchronize()
    start.record()
    workload()
    end.record()
    torch.cuda.synchronize()
    return float(start.elapsed_time(end)) / 1e3


def peak_memory(model: BenchmarkedModel, device: torch.device, setting: Measurement) -> tuple[float, str]:
    """Bytes at the peak of the second call on one image, weights included, and how they were measured.

    Raises:
        RuntimeError: it can't be measured; the message says why.
    """
    if device.type != "cuda":
        return _in_fresh_process(model, setting), "resident set of a fresh process, growth from before the model"
    torch.cuda.empty_cache()
    bytes_before = torch.cuda.memory_allocated(device)
    workload = make_workload(model, device, setting, 1)
    workload()
    torch.cuda.reset_peak_memory_stats(device)
    workload()
    torch.cuda.synchronize(device)
    return float(torch.cuda.max_memory_allocated(device) - bytes_before), "max_memory_allocated"


def _in_fresh_process(model: BenchmarkedModel, setting: Measurement) -> float:
    """Growth of the largest resident set, in bytes, in a process forked from one that has only imported."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        raise RuntimeError("this system starts no process whose memory can be compared")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "baselines.catalog"])
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(
        target=_measure_growth, args=(model, setting, torch.get_num_threads(), sender), daemon=True
    )
    process.start()
    sender.close()
    try:
        answer = receiver.recv() if receiver.poll(_CHILD_LIMIT_S) else f"no answer within {_CHILD_LIMIT_S:.0f} s"
    except EOFError:
        answer = "the measuring process died, perhaps for want of memory"
    finally:
        process.kill()
        process.join()
    if isinstance(answer, str):
        raise RuntimeError(answer)
    return float(answer)


def _measure_growth(model: BenchmarkedModel, setting: Measurement, threads: int, sender: Connection) -> None:
    """The child's part of `_in_fresh_process`: sends a number of bytes, or what went wrong."""
    import resource

    def max_resident_bytes() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)

    try:
        torch.set_num_threads(threads)
        # what PyTorch loads at its first operations is no model's
        image = torch.ones(1, 3, 8, 8, requires_grad=True)
        torch.nn.functional.conv2d(image, torch.ones(3, 3, 3, 3)).sum().backward()  # type: ignore[no-untyped-call]
        bytes_before = max_resident_bytes()
        workload = make_workload(model, torch.device("cpu"), setting, 1)
        for _ in range(2):  # the optimiser's state is there from the second step on
            workload()
        sender.send(max_resident_bytes() - bytes_before)
    except Exception as error:
        sender.send(_error_line(error))


def _error_line(error: BaseException) -> str:
    """An error in one line of bearable length."""
    if isinstance(error, torch.OutOfMemoryError):
        return "out of memory"
    line = " ".join(str(error).split()) or type(error).__name__
    missing_kernel = re.search(r"\S+ not implemented for \S+", line)
    line = missing_kernel.group() if missing_kernel else line
    return line if len(line) <= 160 else line[:159] + "…"
