"""What the command line does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import torch
from rich.console import Console

from ablations.budgets import budget_named
from ablations.cli import counted, print_prose
from ablations.data import FolderOptions, open_data
from ablations.devices import device_named
from ablations.forecast import PlannedStudy, pending_by_model, print_estimate, print_plan, runs_at_once
from ablations.harness.launch import LAUNCHERS, make_launcher
from ablations.harness.launch.job import JobOptions, Launcher
from ablations.harness.provisional_report import build_provisional_report
from ablations.harness.run_one import run_nonzero_rank
from ablations.harness.study import StudyResult, print_folder_notes, run_plan
from ablations.harness.training.acceleration import acceleration_record, set_acceleration
from ablations.harness.training.distributed import (
    SINGLE_PROCESS,
    ProcessGroup,
    TorchProcessGroup,
    abort_all_on_error,
    init_from_torchrun,
)
from ablations.harness.training.metric_logger import check_logger
from ablations.names import select_variants
from ablations.options import Images, RunOptions
from ablations.overrides import overridden
from ablations.plan import Plan, Selection, Terms, plan_study, study_for
from ablations.registry import STUDIES
from ablations.settings import text_of
from ablations.spec import Budget, Precision
from datasets.bundle import DataBundle
from datasets.protocols import PROTOCOLS, get_protocol
from datasets.tasks import conditions_of
from dfpir.prompts import TEXT_ENCODERS, TextEncoder, TextEncoderUnavailableError, load_prompts, without_codes
from dfpir.registry import UnknownNameError, suggestion

_KEPT_BYTES = 64 << 20
"""Of a folder's decoded images, where a study is only planned; its runs read them for themselves."""


def run(options: RunOptions, *, command: str, console: Console | None = None) -> StudyResult | None:
    """Plan a study and run it, or print the plan.

    Args:
        options: what is run, on what and how.
        command: the command line that does the same, for the report.
        console: where to say what happens; standard output by default.

    Returns:
        What the study left; None where nothing was to be run here: a dry run, an early look, or a process of torchrun
        that only follows the first.

    Raises:
        ValueError: an option that can't be used.
    """
    device, root = device_named(options.execution.device), options.execution.out
    team = init_from_torchrun(device) if LAUNCHERS[options.launching.launcher].joins else SINGLE_PROCESS
    console = console or Console(highlight=False)
    console.quiet = console.quiet or not team.is_main
    with abort_all_on_error(team):
        launcher = _launcher(options, device, team)
        plan, bundle = _planned(options, device)
    try:
        if isinstance(team, TorchProcessGroup) and not team.is_main:
            run_nonzero_rank(plan.specs, team.device, team)
            return None
        _announce(plan, options, device, console)
        here = PlannedStudy(plan=plan, bundle=bundle, root=root, device=device, console=console)
        return _do(options, here, launcher, command=command)
    finally:
        team.shutdown()


def _launcher(options: RunOptions, device: torch.device, team: ProcessGroup) -> Launcher:
    """The launcher; options that can't be used are refused before any data is read."""
    out = options.execution.out
    _budget(options)
    if out.exists() and not out.is_dir():
        raise ValueError(f"--out {out}: that is a file; a folder is needed.")
    check_logger(options.execution.log)
    set_acceleration(options.speed)  # for processes that torchrun started, too
    return make_launcher(options.launching, device, team)


def _planned(options: RunOptions, device: torch.device) -> tuple[Plan, DataBundle]:
    """What is to run, and on which data."""
    runs, images, budget = options.runs, options.images, _budget(options)
    tasks = runs.tasks or STUDIES[str(options.study)]().tasks or ()
    encoder, note = _text_encoder(runs.text_encoder, budget, [c.name for c in conditions_of(tasks)])
    protocol, also = _protocols(images)
    data, bundle = open_data(
        images.data,
        root=images.root,
        protocol=protocol,
        exclude_leaks=images.exclude_leaks,
        folder=FolderOptions(
            tasks=runs.tasks or (), split=images.split, skip_bad=images.skip_bad, keep_bytes=_KEPT_BYTES
        ),
    )
    terms = Terms(
        budget=budget,
        data=data,
        conditions=[condition.name for condition in bundle.conditions_with(tasks)],
        protocol=get_protocol(protocol).label,
        also_protocols=also,
        text_encoder=encoder,
        text_encoder_note=note,
        precision=_precision(runs.precision, budget, device),
    )
    selection = Selection(
        seeds=runs.seeds, only=runs.only, tasks=runs.tasks, checkpoint=runs.checkpoint, metrics=runs.metrics or ()
    )
    return plan_study(str(options.study), terms, selection), bundle


def _budget(options: RunOptions) -> Budget:
    """The budget with what the command replaces of it; unknown names end here, before any data is read."""
    budget, only = budget_named(options.runs.budget), options.runs.only
    study = study_for(str(options.study), budget, only)
    return overridden(
        budget, options.replaced, STUDIES[study.name](), select_variants(study.name, study.variants, only)
    )


def _do(options: RunOptions, here: PlannedStudy, launcher: Launcher, *, command: str) -> StudyResult | None:
    """Run the plan, or say what it would be."""
    plan, root, console, execution = here.plan, here.root, here.console, options.execution
    if execution.early_look:
        report = build_provisional_report(plan, root, here.device, console, command=command)
        console.print(f"Provisional report: {report.resolve()}", soft_wrap=True, markup=False)
        return None
    jobs = runs_at_once(here, execution.jobs, local=LAUNCHERS[options.launching.launcher].on_this_device)
    if execution.dry_run:
        print_plan(plan, root)
        print_folder_notes(plan, root, console)
        print_estimate(here, jobs)
        return None
    if execution.log != "jsonl" and not execution.force and not pending_by_model(plan, root):
        console.print(f"--log {execution.log}: no run is left to train, so nothing is logged (--force trains again).")
    each = JobOptions(
        root=root,
        device=str(here.device),
        force=execution.force,
        hang_s=execution.hang_after * 60 or None,
        log=execution.log,
        acceleration=options.speed,
    )
    outcome = run_plan(plan, each, launcher, max_parallel=jobs, command=command, console=console)
    if outcome.failed:
        console.print(
            f"{len(outcome.failed)} of {counted(len(plan.specs), 'run')} failed; the same command tries them again."
        )
    console.print(f"Report: {outcome.report.resolve()}", soft_wrap=True, markup=False)
    return outcome


def _protocols(images: Images) -> tuple[str, tuple[str, ...]]:
    """The protocol of a study's table, and the labels of those scored besides (`--protocol all`)."""
    usual = "allinone" if images.data == "paper" else "suite"
    if images.protocol == "all":
        if images.data != "paper":
            raise ValueError("--protocol all goes with --data paper; images degraded here follow 'suite'.")
        return usual, tuple(p.label for p in PROTOCOLS.values() if p.name != usual)
    return get_protocol(images.protocol or usual).name, ()


def _text_encoder(asked: str | None, budget: Budget, conditions: Sequence[str]) -> tuple[TextEncoder, str]:
    """The encoder to use and what the reader must know about it. CLIP is replaced only where nobody asked for it.

    A stand-in without codes of the sentences of `conditions`, those that the study asks for, is not taken.
    """
    if asked is not None:
        if asked not in TEXT_ENCODERS:
            raise UnknownNameError(f"Unknown text encoder {asked!r}.{suggestion(asked, TEXT_ENCODERS)}")
        return asked, "as asked"  # type: ignore[return-value]
    foreign = ", ".join(without_codes("minilm", conditions))
    stand_in: TextEncoder = "onehot" if foreign else "minilm"
    why = f"; minilm has no code for the sentence of {foreign}" if foreign else ""
    if budget.text_encoder != "auto" and foreign:
        return stand_in, f"a stand-in for CLIP that encodes any sentence{why}"
    if budget.text_encoder != "auto":
        return budget.text_encoder, f"the {budget.name} budget's: a stand-in for CLIP that needs no download"
    try:
        load_prompts("detailed", "clip")
    except TextEncoderUnavailableError as error:
        return stand_in, f"a stand-in: {error}{why}"
    return "clip", "CLIP ViT-B/32, as in the paper"


def _precision(asked: str | None, budget: Budget, device: torch.device) -> Precision:
    """As asked, or bf16 on a GPU fast at it where the budget allows it; it changes numbers, so it is in the id."""
    if asked is not None:
        if asked not in get_args(Precision):
            raise UnknownNameError(f"Unknown precision {asked!r}.{suggestion(asked, get_args(Precision))}")
        if asked == "tf32" and device.type != "cuda":
            raise ValueError(f"--precision tf32: the {device.type} has no TF32, which is GPUs'; use fp32 or bf16.")
        return asked  # type: ignore[return-value]
    if budget.precision == "auto" and device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return "bf16"
    return "fp32"


def _announce(plan: Plan, options: RunOptions, device: torch.device, console: Console) -> None:
    lines = [
        f"{plan.study.name}: {counted(len(plan.specs), 'run')}, budget {plan.budget.name}, {device.type}",
        f"Data: {plan.data.description}.",
    ]
    changed = plan.budget.overrides
    if changed:
        said = ", ".join(f"{name} {text_of(value)}" for name, value in changed.items())
        lines.append(f"Overrides of budget {plan.budget.name}: {said}.")
    asked = [f"{group}.{name}" for group, values in options.replaced.items() for name in values]
    idle = [f"--{name}" for name in asked if name not in changed]
    if idle:
        lines.append(f"{', '.join(idle)}: the value that is there already; nothing is replaced.")
    if plan.text_encoder != "clip":
        lines.append(f"Text encoder: {plan.text_encoder}, not CLIP ({plan.text_encoder_note}).")
    acts = [acceleration_record(spec.config, device) for spec in plan.specs]
    lines += [f"{name}: {how}" for found in acts for name, how in found.items()]
    lines += [f"Left out: {reason}" for reason in plan.left_out]
    lines += [f"Not trained twice: {row.variant}: {row.note}." for row in plan.rows if row.alias_of]
    for line in dict.fromkeys(lines):
        print_prose(console, line)
