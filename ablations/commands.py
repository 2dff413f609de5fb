"""What the command line does."""

from __future__ import annotations

from typing import get_args

import torch
from rich.console import Console

from ablations.budgets import budget_named
from ablations.cli import counted, print_prose
from ablations.data import FolderOptions, open_data
from ablations.devices import device_named
from ablations.forecast import Setting, left, print_estimate, print_plan, runs_at_once
from ablations.harness.early import early_look
from ablations.harness.launch import make_launcher
from ablations.harness.launch_job import Options
from ablations.harness.run_one import run_nonzero_rank
from ablations.harness.study import Outcome, run_plan, say_folder
from ablations.harness.training.accelerate import Acceleration, applied, use
from ablations.harness.training.distributed import SINGLE_PROCESS, ProcessGroup, TorchProcessGroup, fail_together, join
from ablations.launchers import LAUNCHERS
from ablations.names import chosen
from ablations.options import Images, RunOptions
from ablations.overrides import Overrides, overridden
from ablations.plan import Plan, Selection, Terms, plan_study, study_for
from ablations.registry import STUDIES
from ablations.settings import text_of
from ablations.spec import Budget, Precision
from ablations.text_encoder import chosen_encoder
from datasets.bundle import DataBundle
from datasets.protocols import PROTOCOLS, get_protocol
from datasets.tasks import conditions_of
from dfpir.registry import UnknownNameError, suggestion

_KEPT_BYTES = 64 << 20
"""Of a folder's decoded images, where a study is only planned; its runs read them for themselves."""


def run(options: RunOptions, *, command: str, console: Console | None = None) -> Outcome | None:
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
    device = device_named(options.execution.device)
    team = join(device) if LAUNCHERS[options.launching.launcher].joins else SINGLE_PROCESS
    console = console or Console(highlight=False)
    console.quiet = console.quiet or not team.is_main
    with fail_together(team):
        plan, bundle, how = _planned(options, device, team)
    try:
        if isinstance(team, TorchProcessGroup) and not team.is_main:
            run_nonzero_rank(plan.specs, team.device, team)
            return None
        here = Setting(plan=plan, bundle=bundle, root=options.execution.out, device=device, console=console)
        _announce(plan, options, device, console)
        return _do(options, here, how, team, command=command)
    finally:
        team.shutdown()


def _planned(options: RunOptions, device: torch.device, team: ProcessGroup) -> tuple[Plan, DataBundle, Options]:
    """What is to run, on which data, and how; options that can't be used are refused here."""
    runs, images, out = options.runs, options.images, options.execution.out
    budget = _budget(options)
    tasks = runs.tasks or STUDIES[str(options.study)]().tasks or ()
    if out.exists() and not out.is_dir():
        raise ValueError(f"--out {out}: that is a file; a folder is needed.")
    how = _launching(options, device, team)
    encoder, note = chosen_encoder(runs.text_encoder, budget, [c.name for c in conditions_of(tasks)])
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
    return plan_study(str(options.study), terms, selection), bundle, how


def _budget(options: RunOptions) -> Budget:
    """The budget with what the command replaces of it; unknown names end here, before any data is read."""
    budget, only = budget_named(options.runs.budget), options.runs.only
    asked = Overrides(recipe=options.recipe, model=options.model, evaluation=options.evaluation)
    study = study_for(str(options.study), budget, only)
    return overridden(budget, asked, STUDIES[study.name](), chosen(study.name, study.variants, only))


def _do(options: RunOptions, here: Setting, how: Options, team: ProcessGroup, *, command: str) -> Outcome | None:
    """Run the plan, or say what it would be."""
    plan, root, console, execution = here.plan, here.root, here.console, options.execution
    if execution.early_look:
        report = early_look(plan, root, here.device, console, command=command)
        console.print(f"Provisional report: {report.resolve()}", soft_wrap=True, markup=False)
        return None
    jobs = runs_at_once(here, execution.jobs, local=LAUNCHERS[how.launcher].on_this_device)
    if execution.dry_run:
        print_plan(plan, root)
        say_folder(plan, root, console)
        print_estimate(here, jobs)
        return None
    if execution.log != "jsonl" and not execution.force and not left(plan, root):
        console.print(f"--log {execution.log}: no run is left to train, so nothing is logged (--force trains again).")
    outcome = run_plan(
        plan,
        root,
        here.device,
        jobs=jobs,
        force=execution.force,
        command=command,
        console=console,
        options=how,
        team=team,
    )
    if outcome.failed:
        console.print(
            f"{len(outcome.failed)} of {counted(len(plan.specs), 'run')} failed; the same command tries them again."
        )
    console.print(f"Report: {outcome.report.resolve()}", soft_wrap=True, markup=False)
    return outcome


def _launching(options: RunOptions, device: torch.device, team: ProcessGroup) -> Options:
    """How to launch; an option that can't be used is refused before any data is read."""
    asked, speed = options.launching, options.speed
    slurm = {}
    for text in asked.slurm:
        key, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"--slurm {text!r}: KEY=VALUE is needed, as in partition=gpu.")
        slurm[key] = value
    how = Options(
        launcher=asked.launcher,
        ray_address=asked.ray_address,
        gpus=asked.gpus,
        slurm=slurm,
        hang_s=options.execution.hang_after * 60 or None,
        log=options.execution.log,
        acceleration=Acceleration(
            kernels=speed.kernels,
            compile=speed.compile,
            cuda_graphs=speed.cuda_graphs,
            checkpointing=speed.checkpointing,
        ),
    )
    use(how.acceleration)  # for processes that torchrun started, too
    make_launcher(how, device, team)
    return how


def _protocols(images: Images) -> tuple[str, tuple[str, ...]]:
    """The protocol of a study's table, and the labels of those scored besides (`--protocol all`)."""
    usual = "allinone" if images.data == "paper" else "suite"
    if images.protocol == "all":
        if images.data != "paper":
            raise ValueError("--protocol all goes with --data paper; images degraded here follow 'suite'.")
        return usual, tuple(p.label for p in PROTOCOLS.values() if p.name != usual)
    return get_protocol(images.protocol or usual).name, ()


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
    asked = {"recipe": options.recipe, "model": options.model, "evaluation": options.evaluation}
    idle = [
        f"--{group}.{name}" for group, values in asked.items() for name in values if f"{group}.{name}" not in changed
    ]
    if idle:
        lines.append(f"{', '.join(idle)}: the value that is there already; nothing is replaced.")
    if plan.text_encoder != "clip":
        lines.append(f"Text encoder: {plan.text_encoder}, not CLIP ({plan.text_encoder_note}).")
    acts = [applied(spec.config, device) for spec in plan.specs]
    lines += [f"{name}: {how}" for found in acts for name, how in found.items()]
    lines += [f"Left out: {reason}" for reason in plan.left_out]
    lines += [f"Not trained twice: {row.variant}: {row.note}." for row in plan.rows if row.alias_of]
    for line in dict.fromkeys(lines):
        print_prose(console, line)
