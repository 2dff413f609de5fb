"""A provisional report of a running study: from the weights of the last tenth that all started runs have reached."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from rich.console import Console

from ablations.harness.provenance import environment
from ablations.harness.run_one import find_run, spec_record, write_results
from ablations.harness.seeding import make_deterministic
from ablations.harness.study import study_record, write_table
from ablations.harness.study_folder import study_folder
from ablations.harness.training import snapshots
from ablations.harness.training.state import read_log, write_log
from ablations.harness.training.train import TrainResult
from ablations.measures.loaded_run import load_run
from ablations.plan import Plan
from ablations.spec import RunSpec
from reports.build import build_report
from reports.files import write_json
from reports.run_state import is_done
from reports.schema import ENV_FILE, SPEC_FILE, STUDY_FILE

PROVISIONAL_FOLDER = "provisional"


def build_provisional_report(plan: Plan, root: Path, device: torch.device, console: Console, *, command: str) -> Path:
    """Evaluate the started runs after one share of their training, and build a report marked provisional.

    The runs themselves are unchanged: everything is written under `provisional/` in the folder of all runs.

    Returns:
        The HTML page.

    Raises:
        ValueError: no run has reached a tenth yet.
    """
    last_tenths = {spec.digest: _last_tenth(root, spec) for spec in plan.specs}
    started_specs = [spec for spec in plan.specs if last_tenths[spec.digest]]
    if not started_specs:
        raise ValueError(
            f"No run of {plan.study.name} in {root} has reached a tenth of its training yet: nothing to look at."
        )
    tenth = min(last_tenths[spec.digest] for spec in started_specs)
    output_root = root / PROVISIONAL_FOLDER / f"tenth-{tenth:02d}"
    evaluated_digests = set()
    for spec in started_specs:
        if _evaluate_at(spec, tenth, find_run(root, spec), output_root / spec.run_id, device):
            evaluated_digests.add(spec.digest)
            console.print(f"{spec.variant} seed {spec.seed}: evaluated after {tenth * 10} % of its steps", markup=False)
        else:
            console.print(f"{spec.variant} seed {spec.seed}: its weights of then are gone; left out", markup=False)
    if not evaluated_digests:
        raise ValueError(
            f"{plan.study.name}: its started runs are finished, without snapshots; --report-only makes their report."
        )
    study = replace(plan.study, title=f"Provisional, after {tenth * 10} % of the training: {plan.study.title}")
    partial_plan = replace(
        plan, study=study, rows=tuple(row for row in plan.rows if row.spec.digest in evaluated_digests)
    )
    folder = study_folder(partial_plan, output_root)
    record = study_record(partial_plan, output_root, command, folder)
    write_json(folder / STUDY_FILE, record)
    write_table(record, output_root, folder)
    return build_report([folder], folder)


def _last_tenth(root: Path, spec: RunSpec) -> int:
    folder = find_run(root, spec)
    return snapshots.TENTHS if is_done(folder) else snapshots.last_tenth(folder, spec.recipe)


def _evaluate_at(spec: RunSpec, tenth: int, run_folder: Path, folder: Path, device: torch.device) -> bool:
    """Write a finished run folder of the run at a tenth; False where its snapshot is missing."""
    if is_done(folder):
        return True
    make_deterministic(device, spec.recipe.cpu_threads)
    run = load_run(spec, run_folder, device)
    model = run.model_at(tenth)
    if model is None:
        return False
    step = snapshots.step_at(spec.recipe, tenth)
    rows = [row for row in read_log(run_folder) if row["step"] <= step]
    write_json(folder / SPEC_FILE, spec_record(spec))
    write_json(folder / ENV_FILE, environment(device))
    write_log(rows, folder)
    wall_s = float(rows[-1].get("wall_s", 0)) if rows else 0.0
    write_results(run, TrainResult(model=model, selected_step=step, steps=step, wall_s=wall_s), folder)
    return True
