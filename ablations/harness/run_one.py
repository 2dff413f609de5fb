"""One run from its spec to DONE: idempotent, resumable, alone in its folder."""

from __future__ import annotations

import json
import os
import resource
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import safetensors.torch
import torch

from ablations.data import under_protocol
from ablations.harness import probes, samples
from ablations.harness.context import RunContext, run_context
from ablations.harness.done_marker import TRANSIENT_FOLDERS, write_done_marker
from ablations.harness.evaluate import score_items
from ablations.harness.lock import run_lock
from ablations.harness.model_factory import build_model
from ablations.harness.provenance import environment, error_record
from ablations.harness.seeding import make_deterministic
from ablations.harness.training import checkpoint
from ablations.harness.training.acceleration import acceleration_record, set_float32_products
from ablations.harness.training.distributed import SINGLE_PROCESS, PeerError, ProcessGroup, TorchProcessGroup
from ablations.harness.training.metric_logger import RowLogger, open_row_logger
from ablations.harness.training.state import read_log
from ablations.harness.training.train import Progress, ProgressCallback, TrainResult, run_conditions, train
from ablations.models import config_json
from ablations.spec import DataRef, RunSpec
from datasets.bundle import DataBundle, EvalItem
from datasets.protocols import get_protocol
from datasets.sources.paper import RootBundle
from dfpir import DFPIRConfig
from dfpir.count import multiply_adds
from reports import schema
from reports.files import write_bytes, write_json
from reports.run_state import is_done

MACS_SIDE = 128
"""Side of the square image for which multiply-adds are stated, in pixels."""


def list_names(root: Path) -> list[str]:
    """The names in a folder of runs; none where there is no folder."""
    return os.listdir(root) if root.is_dir() else []  # noqa: PTH208 (a Path for each of thousands is slow)


def find_run(root: Path, spec: RunSpec, names: Sequence[str] | None = None) -> Path:
    """The run's folder under `root`: an existing one of the same identity under any label, or a new one.

    `names` are those in `root`, so that one listing serves many runs.
    """
    # a study of thousands of runs must not list the folder for each
    if (root / spec.run_id / schema.DONE_FILE).is_file():
        return root / spec.run_id
    ending = f"-s{spec.seed}-{spec.digest}"
    listed = list_names(root) if names is None else names
    for name in sorted(name for name in listed if name.endswith(ending)):
        if (root / name / schema.DONE_FILE).is_file():
            return root / name
    return root / spec.run_id


def run_one(
    spec: RunSpec,
    root: Path,
    device: torch.device,
    on_progress: ProgressCallback,
    *,
    force: bool = False,
    process_group: ProcessGroup = SINGLE_PROCESS,
    log: str = "jsonl",
) -> bool:
    """Train and evaluate a run, unless it is done and `force` is off; returns whether it is done now.

    A failure is written to the run's ERROR.json, and the next call tries again. Under torchrun rank 0 calls this, while
    the other ranks are in `run_nonzero_rank`. `log` is one of `metric_logger.LOGS`.
    """
    folder = find_run(root, spec)
    folder.mkdir(parents=True, exist_ok=True)
    with run_lock(folder):
        if not force and is_done(folder):
            return True
        for name in (schema.DONE_FILE, schema.ERROR_FILE):
            (folder / name).unlink(missing_ok=True)
        for temporary_file in folder.rglob(".*.part"):  # of a killed writer; DONE must not list it
            temporary_file.unlink(missing_ok=True)
        if force:
            for name in TRANSIENT_FOLDERS:
                shutil.rmtree(folder / name, ignore_errors=True)
        try:
            with process_group.on_peer_failure(lambda error: _write_error(folder, error)):
                _train_and_evaluate(spec, folder, device, on_progress, process_group, log)
        except Exception as error:
            try:
                _write_error(folder, error)
            finally:
                process_group.broadcast_error(error)
            return False
        return True


def run_nonzero_rank(specs: Sequence[RunSpec], device: torch.device, process_group: TorchProcessGroup) -> None:
    """The work of all ranks but 0: their part of each run that rank 0 starts; they write no files."""
    spec_of_digest = {spec.digest: spec for spec in specs}
    while (digest := process_group.broadcast_next_run()) is not None:
        try:
            if digest not in spec_of_digest:
                raise ValueError(f"This process plans no run {digest}: other data or another version of the suite.")
            spec = spec_of_digest[digest]
            result, run = _train_in_folder(spec, Path(), device, _noop, process_group, _noop)
            for items, label in test_sets_by_protocol(spec, run.bundle):
                score_items(run, result.model, items, protocol=label)
        except Exception as error:
            process_group.broadcast_error(error)


def _noop(_: object) -> None:
    """Progress and log of the ranks that print nothing."""


def _train_and_evaluate(
    spec: RunSpec,
    folder: Path,
    device: torch.device,
    on_progress: ProgressCallback,
    process_group: ProcessGroup,
    log: str,
) -> None:
    if isinstance(process_group, TorchProcessGroup):
        process_group.broadcast_next_run(spec.digest)
    with open_row_logger(log, folder) as row_logger:
        result, run = _train_in_folder(spec, folder, device, on_progress, process_group, row_logger)
    steps = spec.recipe.steps
    on_progress(Progress(step=steps, steps=steps, stage="evaluate"))
    write_results(run, result, folder)
    on_progress(Progress(step=steps, steps=steps, stage="done"))


def _train_in_folder(
    spec: RunSpec,
    folder: Path,
    device: torch.device,
    on_progress: ProgressCallback,
    process_group: ProcessGroup,
    log: RowLogger,
) -> tuple[TrainResult, RunContext]:
    """Train; rank 0 writes spec.json and env.json first. Returns the model and its context."""
    make_deterministic(device, spec.recipe.cpu_threads)
    set_float32_products(spec.precision)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    run = run_context(spec, device, process_group)
    if run.conditioning.prompts.checksum != spec.codes_checksum:
        raise ValueError(f"The prompt codes changed since the run was planned: {run.conditioning.prompts.checksum}.")
    if process_group.is_main:
        write_json(folder / schema.SPEC_FILE, spec_record(spec))
        _write_environment(
            folder, device, process_group.size, acceleration_record(spec.config, device, process_group.uses_ddp)
        )
    if device.type == "cuda" and isinstance(run.bundle, RootBundle):
        run.bundle.cache_on_device(device)
    return train(run, folder, on_progress, log), run


def _write_environment(folder: Path, device: torch.device, processes: int, acceleration: dict[str, object]) -> None:
    """Write env.json; a run that resumes in another environment keeps the previous ones under `earlier`."""
    current: dict[str, object] = {**environment(device)}
    current |= {"processes": processes} if processes > 1 else {}
    current |= {"acceleration": acceleration} if acceleration else {}
    try:
        previous = json.loads((folder / schema.ENV_FILE).read_text(encoding="utf-8"))
        earlier = previous.pop("earlier", [])
        keys = (current.keys() | {"processes", "acceleration"}) - {"started_at"}
        is_unchanged = all(previous.get(key) == current.get(key) for key in keys)
        resumes = bool(checkpoint.steps(folder / schema.CHECKPOINTS_FOLDER))
    except (OSError, ValueError, AttributeError):
        previous, earlier, is_unchanged, resumes = {}, [], True, False
    if resumes and not is_unchanged:
        earlier = [*earlier, previous]
    write_json(folder / schema.ENV_FILE, {**current, **({"earlier": earlier} if resumes and earlier else {})})


def write_results(run: RunContext, result: TrainResult, folder: Path) -> None:
    """Write the results of a trained run: its evaluation, its summary, and DONE last."""
    started = time.monotonic()
    write_evaluation(run, result, folder)
    summary = schema.SummaryFile(
        status="done",
        steps=result.steps,
        best_step=result.selected_step,
        train_wall_s=round(result.wall_s, 2),
        eval_wall_s=round(time.monotonic() - started, 2),
        peak_memory_mb=_peak_memory_mb(run.device),
        oom_splits=result.oom_splits,
    )
    write_json(folder / schema.SUMMARY_FILE, summary)
    write_done_marker(folder, run.spec)


def write_evaluation(run: RunContext, result: TrainResult, folder: Path) -> None:
    """Evaluate a model and write scores, crops, probes and weights."""
    rows: list[dict[str, object]] = []
    items: list[EvalItem] = []
    for test_set, label in test_sets_by_protocol(run.spec, run.bundle):
        rows += score_items(run, result.model, test_set, protocol=label)
        items = items or test_set  # those of the run's own protocol come first
    schema.write_images(pd.DataFrame(rows), folder / schema.IMAGES_FILE)
    samples.write_samples(run, result.model, items, folder)
    probes.write_probes(run, result.model, items, folder)
    state = {name: tensor.to("cpu", copy=True).contiguous() for name, tensor in result.model.state_dict().items()}
    write_bytes(folder / schema.WEIGHTS_FILE, safetensors.torch.save(state, metadata={"variant": run.spec.variant}))


def test_sets_by_protocol(spec: RunSpec, bundle: DataBundle) -> Iterator[tuple[list[EvalItem], str]]:
    """The test images under each of the run's protocols, and the protocol's label."""
    for label in (spec.protocol, *spec.also_protocols):
        yield test_items(spec, bundle, label), label


def test_items(spec: RunSpec, bundle: DataBundle, label: str) -> list[EvalItem]:
    """The test images under a protocol, without the noise levels that it does not draw."""
    rule = get_protocol(label).noise
    conditions = [
        condition
        for condition in run_conditions(spec)
        if condition.name in spec.tested
        if condition.sigma_255 is None or not rule.depends_on_order or condition.sigma_255 in rule.sigmas_255
    ]
    limits = {"max_side": spec.evaluation.max_side, "limit": spec.evaluation.limit}
    return under_protocol(bundle, label).eval_items("test", conditions, **limits)


def spec_record(spec: RunSpec) -> dict[str, object]:
    """The content of spec.json."""
    model = build_model(spec.config, spec.seed)
    macs = None
    if isinstance(spec.config, DFPIRConfig):
        macs = multiply_adds(spec.config, MACS_SIDE, MACS_SIDE)
    return {
        "schema": schema.SCHEMA_VERSION,
        "run_id": spec.run_id,
        "variant": spec.variant,
        "seed": spec.seed,
        "identity": spec.identity(),
        "model": {
            "config": config_json(spec.config),
            "params": sum(p.numel() for p in model.parameters()),
            "params_trained": sum(p.numel() for p in model.parameters() if p.requires_grad),
            "macs": macs,
            "macs_px": MACS_SIDE,
        },
        "data": data_record(spec.data),
        "budget": {"name": spec.budget, **asdict(spec.recipe), "evaluation": spec.evaluation.to_json()},
        "protocol": spec.protocol,
        "text_encoder": spec.text_encoder,
        "prompt_set": spec.config.prompt_set if spec.config.uses_prompts else None,
        "precision": spec.precision,
    }


def data_record(data: DataRef) -> dict[str, object]:
    """The data as in spec.json and study.json; without paths of this machine."""
    return {
        "name": data.name,
        "checksum": data.checksum,
        "description": data.description,
        "sets": list(data.sets),
        "exclude_leaks": data.exclude_leaks,
        "kind": data.kind,
        "split": list(data.split) if data.split else None,
        "skip_bad": data.skip_bad,
        "tasks": list(data.tasks),
    }


def _write_error(folder: Path, error: Exception) -> None:
    rows = read_log(folder)
    record = error_record(error, step=int(rows[-1]["step"]) if rows else None)
    if isinstance(error, PeerError):
        record |= {"type": error.kind, "traceback": error.trace}
    write_json(folder / schema.ERROR_FILE, record)


def _peak_memory_mb(device: torch.device) -> float:
    """Peak memory in MiB: of the device's allocator, or of this process on a CPU."""
    if device.type == "cuda":
        return round(torch.cuda.max_memory_allocated(device) / 2**20, 1)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
