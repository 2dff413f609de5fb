"""Plan and run a study, as `python -m ablations.run` and `run_study` do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

import torch
from rich.console import Console

from ablations.budgets import budget_named
from ablations.cli import counted, print_prose
from ablations.data import FolderOptions, open_data
from ablations.devices import device_named
from ablations.forecast import PlannedStudy, choose_parallel_runs, pending_by_model, print_estimate, print_plan
from ablations.harness.launch import LAUNCHERS, make_launcher
from ablations.harness.launch.job import JobOptions, Launcher
from ablations.harness.provisional_report import build_provisional_report
from ablations.harness.run_one import find_run, run_nonzero_rank
from ablations.harness.study import StudyResult, print_folder_notes, report_plan, run_plan
from ablations.harness.training.acceleration import acceleration_record, set_acceleration
from ablations.harness.training.distributed import (
    SINGLE_PROCESS,
    ProcessGroup,
    TorchProcessGroup,
    abort_all_on_error,
    init_from_torchrun,
)
from ablations.harness.training.metric_logger import check_logger
from ablations.name_checks import select_variants
from ablations.override_flags import format_value
from ablations.overrides import apply_overrides
from ablations.plan import Plan, PlanContext, Selection, plan_study, study_for
from ablations.registry import STUDIES
from ablations.run_options import Images, RunOptions, to_command
from ablations.spec import Budget, Precision
from datasets.bundle import DataBundle
from datasets.protocols import PROTOCOLS, get_protocol
from datasets.tasks import conditions_of
from dfpir.prompts import TEXT_ENCODERS, TextEncoder, TextEncoderUnavailableError, conditions_without_code, load_prompts
from dfpir.registry import UnknownNameError, suggestion
from reports.run_state import is_done

_CACHE_BYTES = 64 << 20
"""Cache of a folder's decoded images while the study is planned; its runs, as processes, read them again."""


def run(options: RunOptions, *, command: str, console: Console | None = None) -> StudyResult | None:
    """Plan a study and run it, or print the plan.

    Args:
        options: what to run, on which images and how.
        command: the equivalent command line, for the report.
        console: for messages; standard output by default.

    Returns:
        The outcome of the study; None for a dry run, an early look, and in processes of torchrun other than the
        first.

    Raises:
        ValueError: an option that can't be used.
    """
    device, root = device_named(options.execution.device), options.execution.out
    process_group = init_from_torchrun(device) if LAUNCHERS[options.launching.launcher].joins else SINGLE_PROCESS
    console = console or Console(highlight=False)
    console.quiet = console.quiet or not process_group.is_main
    with abort_all_on_error(process_group):
        launcher = _make_launcher(options, device, process_group)
        plan, bundle = _make_plan(options, device)
    try:
        if isinstance(process_group, TorchProcessGroup) and not process_group.is_main:
            run_nonzero_rank(plan.specs, process_group.device, process_group)
            return None
        _print_summary(plan, options, device, console)
        planned = PlannedStudy(plan=plan, bundle=bundle, root=root, device=device, console=console)
        return _execute(options, planned, launcher, command=command)
    finally:
        process_group.shutdown()


def _make_launcher(options: RunOptions, device: torch.device, process_group: ProcessGroup) -> Launcher:
    """The launcher; invalid options are refused before any data is read."""
    out = options.execution.out
    _budget_with_overrides(options)
    if out.exists() and not out.is_dir():
        raise ValueError(f"--out {out}: that is a file; a folder is needed.")
    check_logger(options.execution.log)
    set_acceleration(options.speed)  # for processes that torchrun started, too
    return make_launcher(options.launching, device, process_group)


def _make_plan(options: RunOptions, device: torch.device) -> tuple[Plan, DataBundle]:
    """The plan and its images."""
    run, images, budget = options.run, options.images, _budget_with_overrides(options)
    tasks = run.tasks or STUDIES[str(options.study)]().tasks or ()
    encoder, note = _choose_text_encoder(run.text_encoder, budget, [c.name for c in conditions_of(tasks)])
    protocol, also_protocols = _choose_protocols(images)
    data, bundle = open_data(
        images.data,
        root=images.root,
        protocol=protocol,
        exclude_leaks=images.exclude_leaks,
        folder=FolderOptions(
            tasks=run.tasks or (), split=images.split, skip_bad=images.skip_bad, keep_bytes=_CACHE_BYTES
        ),
    )
    context = PlanContext(
        budget=budget,
        data=data,
        conditions=[condition.name for condition in bundle.conditions_with(tasks)],
        protocol=get_protocol(protocol).label,
        also_protocols=also_protocols,
        text_encoder=encoder,
        text_encoder_note=note,
        precision=_choose_precision(run.precision, budget, device),
    )
    selection = Selection(
        seeds=options.selection.seeds,
        only=options.selection.only,
        tasks=run.tasks,
        checkpoint=run.checkpoint,
        metrics=options.selection.metrics or (),
    )
    return plan_study(str(options.study), context, selection), bundle


def _budget_with_overrides(options: RunOptions) -> Budget:
    """The budget with the overrides; unknown names are refused here, before any data is read."""
    budget, only = budget_named(options.selection.budget), options.selection.only
    study = study_for(str(options.study), budget, only)
    return apply_overrides(
        budget, options.replaced, STUDIES[study.name](), select_variants(study.name, study.variants, only)
    )


def _execute(options: RunOptions, planned: PlannedStudy, launcher: Launcher, *, command: str) -> StudyResult | None:
    """Run the plan, or print it."""
    plan, root, console, execution = planned.plan, planned.root, planned.console, options.execution
    if execution.early_look:
        report = build_provisional_report(plan, root, planned.device, console, command=command)
        console.print(f"Provisional report: {report.resolve()}", soft_wrap=True, markup=False)
        return None
    if execution.report_only:
        if not any(is_done(find_run(root, spec)) for spec in plan.specs):
            raise ValueError(
                f"No run of {plan.study.name} with these options is finished in {root}: nothing to report."
            )
        print_folder_notes(plan, root, console)
        running = replace(options, execution=replace(execution, report_only=False))  # the command that the page prints
        outcome = report_plan(plan, root, str(planned.device), command=to_command(running), console=console)
        console.print(f"Report: {outcome.report.resolve()}", soft_wrap=True, markup=False)
        return outcome
    jobs = choose_parallel_runs(planned, execution.jobs, local=LAUNCHERS[options.launching.launcher].on_this_device)
    if execution.dry_run:
        print_plan(plan, root)
        print_folder_notes(plan, root, console)
        print_estimate(planned, jobs)
        return None
    if execution.log != "jsonl" and not execution.force and not pending_by_model(plan, root):
        console.print(f"--log {execution.log}: all runs are finished, so nothing is logged (--force repeats them).")
    job_options = JobOptions(
        root=root,
        device=str(planned.device),
        force=execution.force,
        hang_s=execution.hang_after * 60 or None,
        log=execution.log,
        acceleration=options.speed,
    )
    outcome = run_plan(plan, job_options, launcher, max_parallel=jobs, command=command, console=console)
    if outcome.failed:
        console.print(
            f"{len(outcome.failed)} of {counted(len(plan.specs), 'run')} failed; the same command retries them."
        )
    console.print(f"Report: {outcome.report.resolve()}", soft_wrap=True, markup=False)
    return outcome


def _choose_protocols(images: Images) -> tuple[str, tuple[str, ...]]:
    """The protocol of the study's table, and the labels of further ones (`--protocol all`)."""
    default = "allinone" if images.data == "paper" else "suite"
    if images.protocol == "all":
        if images.data != "paper":
            raise ValueError("--protocol all goes with --data paper; synthetic degradations follow 'suite'.")
        return default, tuple(p.label for p in PROTOCOLS.values() if p.name != default)
    return get_protocol(images.protocol or default).name, ()


def _choose_text_encoder(requested: str | None, budget: Budget, conditions: Sequence[str]) -> tuple[TextEncoder, str]:
    """The text encoder and a note for the report. CLIP is replaced only where no encoder was requested.

    A stand-in must have codes of the sentences of `conditions`, those of the study.
    """
    if requested is not None:
        if requested not in TEXT_ENCODERS:
            raise UnknownNameError(f"Unknown text encoder {requested!r}.{suggestion(requested, TEXT_ENCODERS)}")
        return requested, "as requested"  # type: ignore[return-value]
    uncovered = ", ".join(conditions_without_code("minilm", conditions))
    stand_in: TextEncoder = "onehot" if uncovered else "minilm"
    reason = f"; minilm has no code for the sentence of {uncovered}" if uncovered else ""
    if budget.text_encoder != "auto" and uncovered:
        return stand_in, f"a stand-in for CLIP that encodes any sentence{reason}"
    if budget.text_encoder != "auto":
        return budget.text_encoder, f"the {budget.name} budget's: a stand-in for CLIP that needs no download"
    try:
        load_prompts("detailed", "clip")
    except TextEncoderUnavailableError as error:
        return stand_in, f"a stand-in: {error}{reason}"
    return "clip", "CLIP ViT-B/32, as in the paper"


def _choose_precision(requested: str | None, budget: Budget, device: torch.device) -> Precision:
    """As requested, else bf16 on a GPU that is fast at it where the budget allows it; part of the run's id."""
    if requested is not None:
        if requested not in get_args(Precision):
            raise UnknownNameError(f"Unknown precision {requested!r}.{suggestion(requested, get_args(Precision))}")
        if requested == "tf32" and device.type != "cuda":
            raise ValueError(f"--precision tf32: the {device.type} has no TF32, only GPUs do; use fp32 or bf16.")
        return requested  # type: ignore[return-value]
    if budget.precision == "auto" and device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return "bf16"
    return "fp32"


def _print_summary(plan: Plan, options: RunOptions, device: torch.device, console: Console) -> None:
    lines = [
        f"{plan.study.name}: {counted(len(plan.specs), 'run')}, budget {plan.budget.name}, {device.type}",
        f"Data: {plan.data.description}.",
    ]
    changed = plan.budget.overrides
    if changed:
        overrides = ", ".join(f"{name} {format_value(value)}" for name, value in changed.items())
        lines.append(f"Overrides of budget {plan.budget.name}: {overrides}.")
    settings = [f"{group}.{name}" for group, values in options.replaced.items() for name in values]
    unused = [f"--{name}" for name in settings if name not in changed]
    if unused:
        lines.append(f"{', '.join(unused)}: equal to the budget's value; nothing changes.")
    if plan.text_encoder != "clip":
        lines.append(f"Text encoder: {plan.text_encoder}, not CLIP ({plan.text_encoder_note}).")
    accelerations = [acceleration_record(spec.config, device) for spec in plan.specs]
    lines += [f"{name}: {status}" for acceleration in accelerations for name, status in acceleration.items()]
    lines += [f"Excluded: {reason}" for reason in plan.left_out]
    lines += [f"Not trained twice: {row.variant}: {row.note}." for row in plan.rows if row.alias_of]
    for line in dict.fromkeys(lines):
        print_prose(console, line)
