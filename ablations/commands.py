"""What the command line does."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import torch
from rich.console import Console
from rich.table import Table

from ablations.budgets import budget_named
from ablations.cli import counted, duration, print_prose
from ablations.data import image_bytes, open_data
from ablations.devices import device_named
from ablations.harness.cost.estimate import RunEstimate, estimate_run, summary
from ablations.harness.cost.placement import AUTO, place
from ablations.harness.early import early_look
from ablations.harness.evaluate import batch_pixels
from ablations.harness.launch import make_launcher
from ablations.harness.launch_job import Options
from ablations.harness.memory import free_bytes
from ablations.harness.run_one import find_run, follow, is_done
from ablations.harness.study import Outcome, run_plan, say_folder
from ablations.harness.training.accelerate import Acceleration, applied, use
from ablations.harness.training.distributed import ALONE, Team, TorchTeam, join, one_voice
from ablations.launchers import LAUNCHERS
from ablations.measures.registry import metric_measures
from ablations.plan import Plan, make_plan
from ablations.registry import STUDIES
from ablations.spec import Budget, Precision, RunSpec
from ablations.text_encoder import chosen_encoder
from datasets.corpus import DataBundle, serves
from datasets.protocols import PROTOCOLS, get_protocol
from datasets.tasks import condition_named, conditions_of
from dfpir.registry import UnknownNameError, suggestion

_KEPT_BYTES = 64 << 20
"""Of a folder's decoded images, where a study is only planned; its runs read them for themselves."""

_LIBRARIES_BYTES = 0.7 * 2**30  # measured: a run's process before its first image


def run(options: argparse.Namespace, *, command: str, console: Console | None = None) -> Outcome | None:
    """Plan a study and run it, or print the plan.

    Args:
        options: as `ablations.run.make_parser` gives them.
        command: the command line that does the same, for the report.
        console: where to say what happens; standard output by default.

    Returns:
        What the study left; None where nothing was to be run here: a dry run, an early look, or a process of torchrun
        that only follows the first.

    Raises:
        ValueError: an option that can't be used.
    """
    device = device_named(options.device)
    team = join(device) if LAUNCHERS[options.launcher].joins else ALONE
    console = console or Console(highlight=False)
    console.quiet = console.quiet or not team.is_main
    with one_voice(team):
        plan, bundle, how = _planned(options, device, team)
    try:
        if isinstance(team, TorchTeam) and not team.is_main:
            follow(plan.specs, team.device, team)
            return None
        return _do(options, plan, bundle, how, device, console, team, command=command)
    finally:
        team.part()


def _planned(options: argparse.Namespace, device: torch.device, team: Team) -> tuple[Plan, DataBundle, Options]:
    """What is to run, on which data, and how; options that can't be used are refused here."""
    budget = budget_named(options.budget)
    study = STUDIES[options.study]()  # an unknown name ends here, before any data is read
    tasks = options.tasks or study.tasks or ()
    if options.out.exists() and not options.out.is_dir():
        raise ValueError(f"--out {options.out}: that is a file; a folder is needed.")
    how = _launching(options, device, team)
    encoder, note = chosen_encoder(options.text_encoder, budget, [c.name for c in conditions_of(tasks)])
    protocol, also = _protocols(options.protocol, options.data)
    data, bundle = open_data(
        options.data,
        root=options.root,
        protocol=protocol,
        exclude_leaks=options.exclude_leaks,
        tasks=options.tasks or (),
        split=tuple(options.split) if options.split else None,
        skip_bad=options.skip_bad,
        keep_bytes=_KEPT_BYTES,
    )
    plan = make_plan(
        options.study,
        budget=budget,
        data=data,
        conditions=[condition.name for condition in bundle.conditions_with(tasks)],
        protocol=get_protocol(protocol).label,
        also_protocols=also,
        text_encoder=encoder,
        text_encoder_note=note,
        precision=_precision(options.precision, budget, device),
        seeds=options.seeds,
        only=options.only,
        tasks=options.tasks,
        checkpoint=options.checkpoint,
        metrics=options.metrics or (),
    )
    return plan, bundle, how


def _do(
    options: argparse.Namespace,
    plan: Plan,
    bundle: DataBundle,
    how: Options,
    device: torch.device,
    console: Console,
    team: Team,
    *,
    command: str,
) -> Outcome | None:
    """Run the plan, or say what it would be."""
    _announce(plan, device, console)
    jobs = _runs_at_once(options, plan, bundle, how, device, console)
    if options.dry_run:
        _print_plan(plan, options.out)
        say_folder(plan, options.out, console)
        _print_estimate(plan, bundle, options.out, device, jobs, console)
        return None
    if options.early_look:
        report = early_look(plan, options.out, device, console, command=command)
        console.print(f"Provisional report: {report.resolve()}", soft_wrap=True, markup=False)
        return None
    if options.log != "jsonl" and not options.force and not _left(plan, options.out):
        console.print(f"--log {options.log}: no run is left to train, so nothing is logged (--force trains again).")
    outcome = run_plan(
        plan,
        options.out,
        device,
        jobs=jobs,
        force=options.force,
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


def _launching(options: argparse.Namespace, device: torch.device, team: Team) -> Options:
    """How to launch; an option that can't be used is refused before any data is read."""
    settings = {}
    for text in options.slurm:
        key, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"--slurm {text!r}: KEY=VALUE is needed, as in partition=gpu.")
        settings[key] = value
    how = Options(
        launcher=options.launcher,
        ray_address=options.ray_address,
        gpus=options.gpus,
        slurm=settings,
        hang_s=options.hang_after * 60 or None,
        log=options.log,
        acceleration=Acceleration(
            kernels=options.kernels,
            compile=options.compile,
            cuda_graphs=options.cuda_graphs,
            checkpointing=options.checkpointing,
        ),
    )
    use(how.acceleration)  # for processes that torchrun started, too
    make_launcher(how, device, team)
    return how


def _protocols(asked: str | None, data: str) -> tuple[str, tuple[str, ...]]:
    """The protocol of a study's table, and the labels of those scored besides (`--protocol all`)."""
    usual = "allinone" if data == "paper" else "suite"
    if asked == "all":
        if data != "paper":
            raise ValueError("--protocol all goes with --data paper; images degraded here follow 'suite'.")
        return usual, tuple(p.label for p in PROTOCOLS.values() if p.name != usual)
    return get_protocol(asked or usual).name, ()


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


def _announce(plan: Plan, device: torch.device, console: Console) -> None:
    lines = [
        f"{plan.study.name}: {counted(len(plan.specs), 'run')}, budget {plan.budget.name}, {device.type}",
        f"Data: {plan.data.description}.",
    ]
    if plan.text_encoder != "clip":
        lines.append(f"Text encoder: {plan.text_encoder}, not CLIP ({plan.text_encoder_note}).")
    acts = [applied(spec.config, device) for spec in plan.specs]
    lines += [f"{name}: {how}" for found in acts for name, how in found.items()]
    lines += [f"Left out: {reason}" for reason in plan.left_out]
    lines += [f"Not trained twice: {row.variant}: {row.note}." for row in plan.rows if row.alias_of]
    for line in dict.fromkeys(lines):
        print_prose(console, line)


def _print_plan(plan: Plan, root: Path) -> None:
    for row in plan.rows:
        if row.alias_of is not None:
            state = f"same as {row.alias_of}"
        else:
            state = "done" if is_done(find_run(root, row.spec)) else "to run"
        print(row.variant, f"seed {row.spec.seed}", row.spec.run_id, state, sep="\t")  # tabs, for other programs


def _print_estimate(
    plan: Plan, bundle: DataBundle, root: Path, device: torch.device, jobs: int, console: Console
) -> None:
    """Time and memory of what is left to do, from a measured step of each model."""
    models = _left(plan, root)
    left = [spec for specs in models.values() for spec in specs]
    if not models:
        console.print("Nothing is left to do.")
        return
    found = _estimates([specs[0] for specs in models.values()], plan, bundle, device, console)
    table = Table(box=None, pad_edge=False)
    table.add_column("variant", no_wrap=True)
    for name in ("runs", "step", "run", "memory (GiB)"):
        table.add_column(name, justify="right")
    for specs, one in zip(models.values(), found, strict=True):
        step = f"{one.step_s * 1000:.0f} ms" if one.step_s < 10 else duration(one.step_s)
        memory = f"{one.memory_bytes / 2**30:.3g}"
        table.add_row(one.variant, str(len(specs)), step, duration(one.total_s), memory)
    console.print(table)
    seconds, most = summary(found, [len(specs) for specs in models.values()], jobs=jobs)
    jobs = min(jobs, len(left))
    at_once = f"{jobs} runs at once" if jobs > 1 else "one run at a time"
    print_prose(
        console,
        f"Estimated from one measured step a model on {device.type}: {counted(len(left), 'run')}, about "
        f"{duration(seconds)} with {at_once} (start-up, evaluation, measures and report counted roughly).",
    )
    print_prose(console, memory_words(bundle, most, jobs, device))


def memory_words(bundle: DataBundle, tensors_gib: float, jobs: int, device: torch.device) -> str:
    """What runs take in all: each is a process with the libraries and the decoded images of its own."""
    images = jobs * image_bytes(bundle) / 2**30
    libraries = jobs * _LIBRARIES_BYTES / 2**30
    host = f"{images:.2g} for decoded images, {libraries:.2g} for the libraries"
    if device.type == "cuda":
        return f"Memory: {tensors_gib:.2g} GiB of the GPU for tensors; about {images + libraries:.2g} GiB here: {host}."
    return f"Memory: about {tensors_gib + images + libraries:.2g} GiB: {tensors_gib:.2g} for tensors, {host}."


def _left(plan: Plan, root: Path) -> dict[str, list[RunSpec]]:
    """Runs that are not done, by model."""
    models: dict[str, list[RunSpec]] = {}
    for spec in plan.specs:
        if not is_done(find_run(root, spec)):
            models.setdefault(json.dumps([spec.config.identity(), spec.conditions]), []).append(spec)
    return models


def _estimates(
    specs: Sequence[RunSpec], plan: Plan, bundle: DataBundle, device: torch.device, console: Console
) -> list[RunEstimate]:
    """One measured step each, with as many threads as a run has."""
    threads = torch.get_num_threads()
    torch.set_num_threads(plan.budget.recipe.cpu_threads)
    found = []
    for spec in specs:
        with console.status(f"measuring a step of {spec.variant}"):
            sizes = _test_pixels(spec, bundle)
            most = max(batch_pixels(device), *sizes) if sizes else 0
            wanted = (*plan.study.measures, *metric_measures(plan.study.metrics))
            how_much = plan.budget.measuring
            found.append(estimate_run(spec, device, sum(sizes), most, measures=wanted, sizes=how_much))
    torch.set_num_threads(threads)
    return found


def _test_pixels(spec: RunSpec, bundle: DataBundle) -> list[int]:
    """Of each test image under each condition."""
    side, limit = spec.evaluation.max_side, spec.evaluation.limit
    sizes: list[int] = []
    for condition in (condition_named(name) for name in spec.tested):
        served = [s for s in bundle.test if serves(s, condition)][:limit]
        sizes += [min(s.clean.shape[0], side or 2**30) * min(s.clean.shape[1], side or 2**30) for s in served]
    return sizes


def _runs_at_once(
    options: argparse.Namespace, plan: Plan, bundle: DataBundle, how: Options, device: torch.device, console: Console
) -> int:
    """What --jobs says; `auto` on a GPU measures each model that is left to train and says what it chose, and why."""
    if not LAUNCHERS[how.launcher].on_this_device:
        return options.jobs or max(1, len(plan.specs))
    if options.jobs != AUTO or device.type != "cuda" or options.early_look:
        return options.jobs or _default_jobs(plan, device)
    models = _left(plan, options.out)
    estimates = _estimates([specs[0] for specs in models.values()], plan, bundle, device, console)
    torch.cuda.empty_cache()
    free = free_bytes(device)
    images = sum(s.clean.nbytes + (0 if s.degraded is None else s.degraded.nbytes) for s in bundle.train)
    placement = place(
        free_bytes=free,
        run_bytes=max((one.memory_bytes for one in estimates), default=0.0),
        shared_bytes=images if images <= free // 2 else 0,  # more than half stays in the host's memory
        runs=max(1, sum(len(specs) for specs in models.values())),
        cores=os.cpu_count() or 1,
        threads=plan.budget.recipe.cpu_threads,
    )
    print_prose(console, placement.reason)
    return placement.at_once


def _default_jobs(plan: Plan, device: torch.device) -> int:
    if device.type == "cuda":
        return 1
    return max(1, min(len(plan.specs), (os.cpu_count() or 1) // plan.budget.recipe.cpu_threads))
