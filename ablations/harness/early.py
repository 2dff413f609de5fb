"""An early look at a study under way: its table from the weights of the last tenth that all begun runs have reached."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from rich.console import Console

from ablations.harness.provenance import environment
from ablations.harness.run_one import find_run, is_done, spec_file, write_results
from ablations.harness.seeding import make_deterministic
from ablations.harness.study import study_file, write_table
from ablations.harness.study_folder import study_folder
from ablations.harness.training import snapshots
from ablations.harness.training.state import read_log, write_log
from ablations.harness.training.train import Trained
from ablations.measures.loaded_run import load_run
from ablations.plan import Plan
from ablations.spec import RunSpec
from reports.build import build_report
from reports.files import write_json
from reports.schema import ENV_FILE, SPEC_FILE, STUDY_FILE

PROVISIONAL_FOLDER = "provisional"


def early_look(plan: Plan, root: Path, device: torch.device, console: Console, *, command: str) -> Path:
    """Evaluate the begun runs at one moment of their training and build a report marked provisional.

    The runs themselves are left alone: everything is written under `provisional/` in the folder of all runs.

    Returns:
        The HTML page.

    Raises:
        ValueError: no run has reached a tenth yet.
    """
    reached = {spec.digest: _reached(root, spec) for spec in plan.specs}
    begun = [spec for spec in plan.specs if reached[spec.digest]]
    if not begun:
        raise ValueError(
            f"No run of {plan.study.name} in {root} has reached a tenth of its training yet: nothing to look at."
        )
    tenth = min(reached[spec.digest] for spec in begun)
    there = root / PROVISIONAL_FOLDER / f"tenth-{tenth:02d}"
    shown = set()
    for spec in begun:
        if _evaluate_at(spec, tenth, find_run(root, spec), there / spec.run_id, device):
            shown.add(spec.digest)
            console.print(f"{spec.variant} seed {spec.seed}: evaluated after {tenth * 10} % of its steps", markup=False)
        else:
            console.print(f"{spec.variant} seed {spec.seed}: its weights of then are gone; left out", markup=False)
    if not shown:
        raise ValueError(f"The snapshots of {plan.study.name} are gone: its runs are finished, and so is its report.")
    study = replace(plan.study, title=f"Provisional, after {tenth * 10} % of the training: {plan.study.title}")
    part = replace(plan, study=study, rows=tuple(row for row in plan.rows if row.spec.digest in shown))
    folder = study_folder(part, there)
    file = study_file(part, there, command, folder)
    write_json(folder / STUDY_FILE, file)
    write_table(file, there, folder)
    return build_report([folder], folder)


def _reached(root: Path, spec: RunSpec) -> int:
    folder = find_run(root, spec)
    return snapshots.TENTHS if is_done(folder) else snapshots.reached(folder, spec.recipe)


def _evaluate_at(spec: RunSpec, tenth: int, run: Path, folder: Path, device: torch.device) -> bool:
    """Make a finished run folder of what the run was at a tenth; False where its weights of then are gone."""
    if is_done(folder):
        return True
    make_deterministic(device, spec.recipe.cpu_threads)
    subject = load_run(spec, run, device)
    model = subject.model_at(tenth)
    if model is None:
        return False
    step = snapshots.step_of(spec.recipe, tenth)
    rows = [row for row in read_log(run) if row["step"] <= step]
    write_json(folder / SPEC_FILE, spec_file(spec))
    write_json(folder / ENV_FILE, environment(device))
    write_log(rows, folder)
    wall_s = float(rows[-1].get("wall_s", 0)) if rows else 0.0
    write_results(subject, Trained(model=model, tested_step=step, steps=step, wall_s=wall_s), folder)
    return True
