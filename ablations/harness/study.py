"""A whole study: its runs, its tidy table, its report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import pandas as pd
import torch
from rich.console import Console

from ablations.cli import print_prose
from ablations.harness.closing import say_unmeasured, show_table
from ablations.harness.extremes import write_extremes
from ablations.harness.launch.job import JobOptions, Launcher, pending_jobs
from ablations.harness.progress import StudyProgress, working
from ablations.harness.run_one import data_file, find_run, is_done
from ablations.harness.study_folder import (
    budget_record,
    joined,
    kept_line,
    kept_rows,
    read_earlier,
    study_folder,
    terms_digest,
    whole,
)
from ablations.harness.training import snapshots
from ablations.measures.registry import metric_measures
from ablations.metrics import METRICS
from ablations.models import model_ingredients, model_label
from ablations.plan import Plan
from ablations.spec import RunSpec
from datasets.tasks import task_named
from reports import learning, schema
from reports.build import build_report
from reports.figures.further import figure_named
from reports.files import write_json
from reports.further_metrics import all_rows, metrics_of
from reports.load import load_study
from reports.tables import build_table


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a study left."""

    folder: Path  # with the table and the report
    report: Path  # the HTML page
    failed: list[RunSpec]  # runs that failed


def run_plan(
    plan: Plan, options: JobOptions, launch: Launcher, *, max_parallel: int, command: str, console: Console
) -> Outcome:
    """Make every run of the plan true, write the study's table and build its report.

    Which measures the jobs take the plan says; `command` is what the report's reader repeats.
    """
    root = options.root
    measures = (*plan.study.measures, *metric_measures(plan.study.metrics))
    options = replace(options, root=root.resolve(), measures=measures, sizes=plan.budget.measuring)
    folder = study_folder(plan, root)
    say_folder(plan, root, console)
    write_json(folder / schema.STUDY_FILE, study_file(plan, root, command, folder))
    with StudyProgress(plan.specs, console) as progress:
        todo = pending_jobs(plan.specs, options, progress)
        failed = [job.spec for job in launch(todo, max_parallel=max_parallel, progress=progress)] if todo else []
    say_unmeasured(plan, root, console)
    if not failed:
        for spec in plan.specs:
            snapshots.prune(find_run(root, spec), spec.recipe)
    # a run found under another label has that label in its folder's name: write where the runs really are
    study = study_file(plan, root, command, folder)
    write_json(folder / schema.STUDY_FILE, study)
    with working(console, "writing the table and the report"):
        write_table(study, root, folder)
        _restore_extremes(plan, root, folder, options.device, console)
        report = build_report([folder], folder)
    for sentence in learning.sentences(learning.read(folder / schema.MEASURES_FOLDER / "learning.csv")):
        print_prose(console, sentence)  # what the table rests on, first
    show_table(build_table(load_study(folder)), console)
    return Outcome(folder=folder, report=report, failed=failed)


def _restore_extremes(plan: Plan, root: Path, folder: Path, device_name: str, console: Console) -> None:
    """Restore the images that the report's figures of differences show; without them it shows stored crops."""
    # those who wait for a cluster's workers may have no GPU themselves
    device = torch.device(device_name if torch.cuda.is_available() else "cpu")
    specs = {find_run(root, spec).name: spec for spec in plan.specs}
    try:
        write_extremes(folder, root, specs, device)
    except Exception as error:  # pictures must not cost the report
        reason = f"{type(error).__name__}: {error}"
        print_prose(console, f"The images with the largest differences were not restored again: {reason}")


def say_folder(plan: Plan, root: Path, console: Console) -> None:
    """Say which rows of earlier commands stay in the table, or that its usual folder is another study's."""
    folder = study_folder(plan, root)
    earlier = read_earlier(plan, folder)
    if kept := kept_rows(_rows(plan, root), earlier["rows"] if earlier else []):
        print_prose(console, kept_line(kept, folder))
    if folder.name != plan.folder_name:
        line = (
            f"{plan.folder_name} holds this study on other terms (data, text encoder, precision, protocol or recipe); "
            f"it stays as it is, and this one is kept in {folder.name}."
        )
        print_prose(console, line)


def study_file(plan: Plan, root: Path, command: str, folder: Path | None = None) -> schema.StudyFile:
    """The content of study.json as the study is planned now, with the rows of the same terms in its folder, if any."""
    study = plan.study
    rows, earlier = _rows(plan, root), read_earlier(plan, folder) if folder else None
    if earlier and kept_rows(rows, earlier["rows"]):
        study = whole(study)
        before = [c for c in earlier.get("command", "").split(" && ") if c and c != command]
        command = " && ".join([*before, command])  # all of the table takes all of them
    rows = joined(rows, earlier["rows"] if earlier else [], plan.study)
    shown = {row["variant"] for row in rows}
    metrics = [METRICS[name].shown.to_json() for name in study.metrics]
    figures = [{"name": each.name, "title": each.title} for each in map(figure_named, study.figures)]
    axis: schema.Axis | None = None
    if study.axis is not None and study.axis_values is not None:
        axis = schema.Axis(name=study.axis, values={v: x for v, x in study.axis_values.items() if v in shown})
    return schema.StudyFile(
        schema=schema.SCHEMA_VERSION,
        study=study.name,
        title=plan.study.title,
        question=study.question,
        budget=budget_record(plan),
        data=data_file(plan.data),
        text_encoder={"name": plan.text_encoder, "note": plan.text_encoder_note},
        terms=terms_digest(plan),
        axis=axis,
        reference=study.reference if study.reference in shown else None,
        rows=rows,
        labels={variant: model_label(variant) for variant in shown},
        ingredients={variant: model_ingredients(variant) for variant in shown},
        featured=[variant for variant in study.featured if variant in shown],
        command=command,
        reported=study.reported,
        measures=list(plan.study.measures),
        primary=plan.study.primary,
        tasks=list(plan.tasks),
        task_styles=[task_named(task).shown() for task in plan.tasks],
        contrasts=[
            schema.ContrastRecord(name=c.name, label=c.label, weights=c.weights)
            for c in study.contrasts
            if set(c.weights) <= shown
        ],
        **({"metrics": metrics} if metrics else {}),  # type: ignore[typeddict-item]
        **({"figures": figures} if figures else {}),  # type: ignore[typeddict-item]
    )


def _rows(plan: Plan, root: Path) -> list[schema.StudyRow]:
    return [
        schema.StudyRow(
            variant=row.variant,
            seed=row.spec.seed,
            run_id=find_run(root, row.spec).name,
            alias_of=row.alias_of,
            note=row.note,
        )
        for row in plan.rows
    ]


def write_table(study: schema.StudyFile, root: Path, folder: Path) -> int:
    """Write the tidy table of a `study_file` from its finished runs, if any; returns its number of rows."""
    parts = _table_parts(study, root)
    names = [metric["name"] for metric in study.get("metrics", ())]
    return schema.write_table(parts, folder / schema.TABLE_PARQUET_FILE, folder / schema.TABLE_CSV_FILE, metrics=names)


def _table_parts(study: schema.StudyFile, root: Path) -> Iterator[pd.DataFrame]:
    """The rows of each variant and seed, in the table's order; of several runs where each task has a model."""
    schema.declare_tasks(study.get("task_styles", ()))
    metrics = metrics_of(study.get("metrics", ()))
    for _, rows in groupby(sorted(study["rows"], key=_place), _place):
        parts = []
        for row in rows:
            run = root / row["run_id"]
            if is_done(run):
                images = all_rows(run, metrics)
                parts.append(images.assign(variant=row["variant"], run_id=run.name, alias_of=row["alias_of"] or ""))
        if parts:
            yield pd.concat(parts, ignore_index=True)


def _place(row: schema.StudyRow) -> tuple[str, int]:
    return row["variant"], row["seed"]
