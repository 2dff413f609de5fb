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
from ablations.harness.build import build_model
from ablations.harness.context import RunContext, run_context
from ablations.harness.evaluate import score_items
from ablations.harness.lock import run_lock
from ablations.harness.provenance import environment, error_file
from ablations.harness.sealing import NOT_OF_THE_RUN, write_done_marker
from ablations.harness.seeding import make_deterministic
from ablations.harness.training import checkpoint
from ablations.harness.training.accelerate import applied, set_float32_products
from ablations.harness.training.distributed import SINGLE_PROCESS, PeerError, ProcessGroup, TorchProcessGroup
from ablations.harness.training.scalars import Log, scalar_log
from ablations.harness.training.state import read_log
from ablations.harness.training.train import Progress, Report, Trained, run_conditions, train
from ablations.models import described
from ablations.spec import DataRef, RunSpec
from datasets.bundle import DataBundle, EvalItem
from datasets.protocols import get_protocol
from datasets.root_bundle import RootBundle
from dfpir import DFPIRConfig
from dfpir.count import multiply_adds
from reports import schema
from reports.files import sha256_of, write_bytes, write_json

MACS_SIDE = 128
"""Side of the square image for which multiply-adds are stated, in pixels."""


def names_in(root: Path) -> list[str]:
    """What lies in a folder of runs; nothing where there is no folder."""
    return os.listdir(root) if root.is_dir() else []  # noqa: PTH208 (a Path for each of thousands is slow)


def find_run(root: Path, spec: RunSpec, names: Sequence[str] | None = None) -> Path:
    """The run's folder under `root`: one of the same identity under whatever label, or where it is to be made.

    `names` are what lies in `root`, where one listing is to serve for many runs.
    """
    # a study of thousands of runs must not list them all for each
    if (root / spec.run_id / schema.DONE_FILE).is_file():
        return root / spec.run_id
    ending = f"-s{spec.seed}-{spec.digest}"
    listed = names_in(root) if names is None else names
    for name in sorted(name for name in listed if name.endswith(ending)):
        if (root / name / schema.DONE_FILE).is_file():
            return root / name
    return root / spec.run_id


def is_done(folder: Path) -> bool:
    """Whether the run is finished, its files are those that DONE lists, and none that it needs is missing there."""
    try:
        done = json.loads((folder / schema.DONE_FILE).read_text(encoding="utf-8"))
        files, needs = done["files"], {schema.SPEC_FILE, schema.IMAGES_FILE, *done.get("needs", ())}
        return needs <= files.keys() and all(sha256_of(folder / name) == digest for name, digest in files.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def run_one(
    spec: RunSpec,
    root: Path,
    device: torch.device,
    report: Report,
    *,
    force: bool = False,
    team: ProcessGroup = SINGLE_PROCESS,
    log: str = "jsonl",
) -> bool:
    """Make a run true: train and evaluate it, unless it is done and `force` does not ask again; whether it is done now.

    A failure is written to the run's ERROR.json, and the next call tries again. A team does it together: this is called
    in its first process, while the others are in `run_nonzero_rank`. `log` is one of `scalars.LOGS`.
    """
    folder = find_run(root, spec)
    folder.mkdir(parents=True, exist_ok=True)
    with run_lock(folder):
        if not force and is_done(folder):
            return True
        for stale in (schema.DONE_FILE, schema.ERROR_FILE):
            (folder / stale).unlink(missing_ok=True)
        for left in folder.rglob(".*.part"):  # of a writer that was killed; DONE must not list it
            left.unlink(missing_ok=True)
        if force:
            for stale in NOT_OF_THE_RUN:
                shutil.rmtree(folder / stale, ignore_errors=True)
        try:
            with team.on_peer_failure(lambda error: _write_error(folder, error)):
                _run(spec, folder, device, report, team, log)
        except Exception as error:
            try:
                _write_error(folder, error)
            finally:
                team.broadcast_error(error)
            return False
        return True


def run_nonzero_rank(specs: Sequence[RunSpec], device: torch.device, team: TorchProcessGroup) -> None:
    """What all but the first process do: their part of each run that it begins, without a file."""
    known = {spec.digest: spec for spec in specs}
    while (digest := team.next_run()) is not None:
        try:
            if digest not in known:
                raise ValueError(f"This process plans no run {digest}: other data or another version of the suite.")
            spec = known[digest]
            trained, run = _trained(spec, Path(), device, _noop, team, _noop)
            for items, label in evaluated(spec, run.bundle):
                score_items(run, trained.model, items, protocol=label)
        except Exception as error:
            team.broadcast_error(error)


def _noop(_: object) -> None:
    """Where what a process that is not the first has to say goes."""


def _run(spec: RunSpec, folder: Path, device: torch.device, report: Report, team: ProcessGroup, log: str) -> None:
    if isinstance(team, TorchProcessGroup):
        team.next_run(spec.digest)
    with scalar_log(log, folder) as shown:
        trained, run = _trained(spec, folder, device, report, team, shown)
    steps = spec.recipe.steps
    report(Progress(step=steps, steps=steps, stage="evaluate"))
    write_results(run, trained, folder)
    report(Progress(step=steps, steps=steps, stage="done"))


def _trained(
    spec: RunSpec, folder: Path, device: torch.device, report: Report, team: ProcessGroup, log: Log
) -> tuple[Trained, RunContext]:
    """The trained model, and what it was trained with; in the first process with the run's first files."""
    make_deterministic(device, spec.recipe.cpu_threads)
    set_float32_products(spec.precision)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    run = run_context(spec, device, team)
    if run.conditioning.prompts.checksum != spec.codes_checksum:
        raise ValueError(f"The prompt codes changed since the run was planned: {run.conditioning.prompts.checksum}.")
    if team.is_main:
        write_json(folder / schema.SPEC_FILE, spec_file(spec))
        _write_environment(folder, device, team.size, applied(spec.config, device, team.reduces))
    if device.type == "cuda" and isinstance(run.bundle, RootBundle):
        run.bundle.keep_on(device)
    return train(run, folder, report, log), run


def _write_environment(folder: Path, device: torch.device, processes: int, acceleration: dict[str, object]) -> None:
    """env.json; where the run goes on from elsewhere, or with other packages, `earlier` keeps what it began with."""
    now_here: dict[str, object] = {**environment(device)}
    now_here |= {"processes": processes} if processes > 1 else {}
    now_here |= {"acceleration": acceleration} if acceleration else {}
    try:
        before = json.loads((folder / schema.ENV_FILE).read_text(encoding="utf-8"))
        earlier = before.pop("earlier", [])
        keys = (now_here.keys() | {"processes", "acceleration"}) - {"started_at"}
        same = all(before.get(key) == now_here.get(key) for key in keys)
        resumes = bool(checkpoint.steps(folder / schema.CHECKPOINTS_FOLDER))
    except (OSError, ValueError, AttributeError):
        before, earlier, same, resumes = {}, [], True, False
    if resumes and not same:
        earlier = [*earlier, before]
    write_json(folder / schema.ENV_FILE, {**now_here, **({"earlier": earlier} if resumes and earlier else {})})


def write_results(run: RunContext, trained: Trained, folder: Path) -> None:
    """Write all that a run has once it is trained: its evaluation, its summary, and DONE last."""
    started = time.monotonic()
    evaluate_into(run, trained, folder)
    summary = schema.SummaryFile(
        status="done",
        steps=trained.steps,
        best_step=trained.tested_step,
        train_wall_s=round(trained.wall_s, 2),
        eval_wall_s=round(time.monotonic() - started, 2),
        peak_memory_mb=_peak_memory_mb(run.device),
        oom_splits=trained.oom_splits,
    )
    write_json(folder / schema.SUMMARY_FILE, summary)
    write_done_marker(folder, run.spec)


def evaluate_into(run: RunContext, trained: Trained, folder: Path) -> None:
    """Write what the evaluation of a model makes: scores, crops, probes, weights."""
    rows: list[dict[str, object]] = []
    items: list[EvalItem] = []
    for shown, label in evaluated(run.spec, run.bundle):
        rows += score_items(run, trained.model, shown, protocol=label)
        items = items or shown  # those of the run's own protocol come first
    schema.write_images(pd.DataFrame(rows), folder / schema.IMAGES_FILE)
    samples.write_samples(run, trained.model, items, folder)
    probes.write_probes(run, trained.model, items, folder)
    state = {name: tensor.to("cpu", copy=True).contiguous() for name, tensor in trained.model.state_dict().items()}
    write_bytes(folder / schema.WEIGHTS_FILE, safetensors.torch.save(state, metadata={"variant": run.spec.variant}))


def evaluated(spec: RunSpec, bundle: DataBundle) -> Iterator[tuple[list[EvalItem], str]]:
    """The test images under each protocol that the run is scored by, and its label."""
    for label in (spec.protocol, *spec.also_protocols):
        yield test_items(spec, bundle, label), label


def test_items(spec: RunSpec, bundle: DataBundle, label: str) -> list[EvalItem]:
    """The test images under a protocol, without the conditions it does not know (it may draw one sigma alone)."""
    rule = get_protocol(label).noise
    conditions = [
        condition
        for condition in run_conditions(spec)
        if condition.name in spec.tested
        if condition.sigma_255 is None or not rule.depends_on_order or condition.sigma_255 in rule.sigmas_255
    ]
    limits = {"max_side": spec.evaluation.max_side, "limit": spec.evaluation.limit}
    return under_protocol(bundle, label).eval_items("test", conditions, **limits)


def spec_file(spec: RunSpec) -> dict[str, object]:
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
            "config": described(spec.config),
            "params": sum(p.numel() for p in model.parameters()),
            "params_trained": sum(p.numel() for p in model.parameters() if p.requires_grad),
            "macs": macs,
            "macs_px": MACS_SIDE,
        },
        "data": data_file(spec.data),
        "budget": {"name": spec.budget, **asdict(spec.recipe), "evaluation": asdict(spec.evaluation)},
        "protocol": spec.protocol,
        "text_encoder": spec.text_encoder,
        "prompt_set": spec.config.prompt_set if spec.config.uses_prompts else None,
        "precision": spec.precision,
    }


def data_file(data: DataRef) -> dict[str, object]:
    """What spec.json and study.json say of the data; no path of this machine."""
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
    record = error_file(error, step=int(rows[-1]["step"]) if rows else None)
    if isinstance(error, PeerError):
        record |= {"type": error.kind, "traceback": error.trace}
    write_json(folder / schema.ERROR_FILE, record)


def _peak_memory_mb(device: torch.device) -> float:
    """Peak memory in MiB: of the device's allocator, or of this process on a CPU."""
    if device.type == "cuda":
        return round(torch.cuda.max_memory_allocated(device) / 2**20, 1)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
