"""A study: its runs, its tidy table, its report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import pandas as pd
import torch
from rich.console import Console

from ablations.cli import print_prose
from ablations.harness.cost.measure import count_published_macs
from ablations.harness.extremes import write_extremes
from ablations.harness.launch.job import JobOptions, Launcher, pending_jobs
from ablations.harness.progress import StudyProgress, timed_status
from ablations.harness.run_one import MACS_SIDE, data_record, find_run
from ablations.harness.study_folder import (
    budget_record,
    earlier_rows_note,
    merge_rows,
    read_matching_study,
    registered_study,
    rows_only_in_earlier,
    settings_digest,
    study_folder,
)
from ablations.harness.terminal_summary import print_skipped_measures, print_table
from ablations.harness.training import snapshots
from ablations.measures.registry import metric_measures
from ablations.metrics import METRICS
from ablations.models import BaselineConfig, is_conditioned, model_ingredients, model_label
from ablations.plan import Plan
from ablations.spec import RunSpec
from datasets.tasks import task_named
from reports import schema
from reports.build import build_report
from reports.convergence import convergence_sentences, read_convergence
from reports.extra_metrics import parse_metrics, read_all_rows
from reports.figures.further import figure_named
from reports.files import write_json
from reports.load import load_study
from reports.run_state import is_done
from reports.subsets import main_subset
from reports.tables import build_table


@dataclass(frozen=True, kw_only=True)
class StudyResult:
    """Results of a study."""

    folder: Path  # with the table and the report
    report: Path  # the HTML page
    failed: list[RunSpec]  # runs that failed


def run_plan(
    plan: Plan, options: JobOptions, launcher: Launcher, *, max_parallel: int, command: str, console: Console
) -> StudyResult:
    """Execute every run of the plan, write the study's table and build its report.

    The plan names the measures; the report prints `command` for repetition.
    """
    root = options.root
    measures = (*plan.study.measures, *metric_measures(plan.study.metrics))
    options = replace(options, root=root.resolve(), measures=measures, measure_config=plan.budget.measuring)
    folder = study_folder(plan, root)
    print_folder_notes(plan, root, console)
    write_json(folder / schema.STUDY_FILE, study_record(plan, root, command, folder))
    with StudyProgress(plan.specs, console) as progress:
        pending = pending_jobs(plan.specs, options, progress)
        failed = (
            [job.spec for job in launcher(pending, max_parallel=max_parallel, progress=progress)] if pending else []
        )
    print_skipped_measures(plan, root, console)
    if not failed:
        for spec in plan.specs:
            snapshots.prune(find_run(root, spec), spec.recipe)
    return replace(report_plan(plan, root, options.device, command=command, console=console), failed=failed)


def report_plan(plan: Plan, root: Path, device: str, *, command: str, console: Console) -> StudyResult:
    """Write the study's table and report from those of the plan's runs that are finished.

    Args:
        plan: of the study.
        root: folder of all runs.
        device: restores the images with the largest differences again.
        command: as in `run_plan`.
        console: for the table.

    Returns:
        The study's results; `failed` is empty.
    """
    folder = study_folder(plan, root)
    # a run found under another label has that label in its folder's name: write the actual folders
    study = study_record(plan, root, command, folder)
    write_json(folder / schema.STUDY_FILE, study)
    with timed_status(console, "writing the table and the report"):
        write_table(study, root, folder)
        _restore_extremes(plan, root, folder, device, console)
        report = build_report([folder], folder)
    for sentence in convergence_sentences(read_convergence(folder / schema.MEASURES_FOLDER / "learning.csv")):
        print_prose(console, sentence)  # evidence for the table, first
    print_table(build_table(main_subset(load_study(folder))), console)
    return StudyResult(folder=folder, report=report, failed=[])


def _restore_extremes(plan: Plan, root: Path, folder: Path, device_name: str, console: Console) -> None:
    """Restore the images that the report's figures of differences show; without them it shows stored crops."""
    # a process that waits for a cluster's workers may have no GPU itself
    device = torch.device(device_name if torch.cuda.is_available() else "cpu")
    specs = {find_run(root, spec).name: spec for spec in plan.specs}
    try:
        write_extremes(folder, root, specs, device)
    except Exception as error:  # pictures must not cost the report
        reason = f"{type(error).__name__}: {error}"
        print_prose(console, f"The images with the largest differences were not restored again: {reason}")


def print_folder_notes(plan: Plan, root: Path, console: Console) -> None:
    """Print which rows of earlier commands stay in the table, or that its default folder belongs to another study."""
    folder = study_folder(plan, root)
    earlier = read_matching_study(plan, folder)
    if extra_rows := rows_only_in_earlier(_planned_rows(plan, root), earlier["rows"] if earlier else []):
        print_prose(console, earlier_rows_note(extra_rows, folder))
    if folder.name != plan.folder_name:
        notice = (
            f"{plan.folder_name} holds this study on other terms (data, text encoder, precision, protocol or recipe); "
            f"it stays as it is, and this one is kept in {folder.name}."
        )
        print_prose(console, notice)


def study_record(plan: Plan, root: Path, command: str, folder: Path | None = None) -> schema.StudyFile:
    """The content of study.json as the study is planned now, with the rows of the same terms in its folder, if any."""
    study = plan.study
    rows, earlier = _planned_rows(plan, root), read_matching_study(plan, folder) if folder else None
    if earlier and rows_only_in_earlier(rows, earlier["rows"]):
        study = registered_study(study)
        earlier_commands = [c for c in earlier.get("command", "").split(" && ") if c and c != command]
        command = " && ".join([*earlier_commands, command])  # the table needs all of them
    rows = merge_rows(rows, earlier["rows"] if earlier else [], plan.study)
    variants = dict.fromkeys(row["variant"] for row in rows)  # in the rows' order: equal studies, equal files
    metrics = [METRICS[name].definition.to_json() for name in study.metrics]
    figures = [{"name": figure.name, "title": figure.title} for figure in map(figure_named, study.figures)]
    axis: schema.Axis | None = None
    if study.axis is not None and study.axis_values is not None:
        axis = schema.Axis(name=study.axis, values={v: x for v, x in study.axis_values.items() if v in variants})
    return schema.StudyFile(
        schema=schema.SCHEMA_VERSION,
        study=study.name,
        title=plan.study.title,
        question=study.question,
        budget=budget_record(plan),
        data=data_record(plan.data),
        text_encoder={"name": plan.text_encoder, "note": plan.text_encoder_note},
        terms=settings_digest(plan),
        axis=axis,
        reference=study.reference if study.reference in variants else None,
        rows=rows,
        labels={variant: model_label(variant) for variant in variants},
        ingredients={variant: model_ingredients(variant) for variant in variants},
        conditioned=[variant for variant in variants if is_conditioned(variant)],
        macs=_comparator_macs(plan) | dict(earlier.get("macs", {}) if earlier else {}),
        featured=[variant for variant in study.featured if variant in variants],
        command=command,
        reported=study.reported,
        measures=list(plan.study.measures),
        primary=plan.study.primary,
        tasks=list(plan.tasks),
        task_styles=[task_named(task).style_json() for task in plan.tasks],
        contrasts=[
            schema.ContrastRecord(
                name=c.name,
                label=c.label,
                weights=c.weights,
                **({"note": c.note} if c.note else {}),  # type: ignore[typeddict-item]
            )
            for c in study.contrasts
            if set(c.weights) <= variants.keys()
        ],
        **({"metrics": metrics} if metrics else {}),  # type: ignore[typeddict-item]
        **({"figures": figures} if figures else {}),  # type: ignore[typeddict-item]
    )


def _comparator_macs(plan: Plan) -> dict[str, int]:
    """Multiply-adds of each comparator; those of DFPIR's variants are in spec.json."""
    configs = {spec.variant: spec.config for spec in plan.specs if isinstance(spec.config, BaselineConfig)}
    macs = {variant: count_published_macs(config, MACS_SIDE) for variant, config in configs.items()}
    return {variant: count for variant, count in macs.items() if count is not None}


def _planned_rows(plan: Plan, root: Path) -> list[schema.StudyRow]:
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
    """Write the tidy table of a `study_record` from its finished runs, if any; returns its number of rows."""
    parts = _table_parts(study, root)
    names = [metric["name"] for metric in study.get("metrics", ())]
    return schema.write_table(parts, folder / schema.TABLE_PARQUET_FILE, folder / schema.TABLE_CSV_FILE, metrics=names)


def _table_parts(study: schema.StudyFile, root: Path) -> Iterator[pd.DataFrame]:
    """The rows of each variant and seed, in the table's order; of several runs where each task has a model."""
    schema.declare_tasks(study.get("task_styles", ()))
    metrics = parse_metrics(study.get("metrics", ()))
    for _, rows in groupby(sorted(study["rows"], key=_variant_and_seed), _variant_and_seed):
        tables = []
        for row in rows:
            run = root / row["run_id"]
            if is_done(run):
                images = read_all_rows(run, metrics)
                tables.append(images.assign(variant=row["variant"], run_id=run.name, alias_of=row["alias_of"] or ""))
        if tables:
            yield pd.concat(tables, ignore_index=True)


def _variant_and_seed(row: schema.StudyRow) -> tuple[str, int]:
    return row["variant"], row["seed"]
