"""The cost of each model: `python -m ablations.efficiency`."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from ablations import flags
from ablations.cli import exit_code_of, shell_command
from ablations.flags import OPTION, Switch, parse, single_value, value_list

if TYPE_CHECKING:
    import torch
    from rich.console import Console

    from ablations.harness.cost.measure import Measurement, TimingOptions
    from ablations.harness.cost.models import BenchmarkedModel

_DESCRIPTION = """\
Measure the cost of each model (parameters, multiply-adds, latency,
throughput, peak memory; forward and training step), then write a table and a
page.

Examples:
  python -m ablations.efficiency
  python -m ablations.efficiency --budget paper --device cuda --sizes 256
  python -m ablations.efficiency --psnr runs/studies/three_task-demo-embedded
"""

SUBFOLDER = "efficiency"
PRECISIONS = ("fp32", "bf16")
COUNTED_PX = (64, 128, 256)
"""Image sides for which multiply-adds are always counted, since counting is fast."""

SIZE_STEP_PX = 16
"""Sides are multiples of this, so that no model pads its input."""


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """The default measurements of a budget: sides of the square images, batch size, repeats and time limit."""

    sizes_px: tuple[int, ...]
    batch: int
    repeats: int
    limit_s: float


DEFAULTS = {
    "demo": Defaults(sizes_px=(64,), batch=2, repeats=5, limit_s=0.1),
    "paper": Defaults(sizes_px=(64, 128, 256), batch=8, repeats=20, limit_s=30.0),
}


def _size(text: str) -> int:
    if not text.isdecimal() or not 64 <= int(text) <= 4096 or int(text) % SIZE_STEP_PX:
        raise ValueError(f"{text!r} px: a multiple of {SIZE_STEP_PX} from 64 to 4096")
    return int(text)


_REPEATS = flags.integer_between(1, 10_000, " repeats: a whole number from 1 to 10000")
_PRECISIONS = value_list("--precisions", "NAME ...", flags.choice(*PRECISIONS))


@dataclass(frozen=True, kw_only=True)
class ModelSelection:
    """Models and measurements.

    Attributes:
        models: measure only these (default: all)
        budget: demo (small models) or paper (full size)
        sizes: sides of the square images (default: the budget's)
        precisions: fp32, bf16 (default: both)
        repeats: timed calls after the warm-up (default: the budget's)
    """

    models: Annotated[tuple[str, ...], value_list("--models", "NAME ..."), OPTION] = ()
    budget: Annotated[str, single_value("--budget", "NAME"), OPTION] = "demo"
    sizes: Annotated[tuple[int, ...], value_list("--sizes", "PX ...", _size), OPTION] = ()
    precisions: Annotated[tuple[str, ...], _PRECISIONS, OPTION] = ()
    repeats: Annotated[int | None, single_value("--repeats", "N", _REPEATS), OPTION] = None


@dataclass(frozen=True, kw_only=True)
class Output:
    """Device and output.

    Attributes:
        device: auto, cpu or cuda
        psnr: folder of a study, whose average PSNR is shown beside the costs
        out: write to FOLDER/efficiency
        version: print the suite's version
    """

    device: Annotated[str, single_value("--device", "NAME"), OPTION] = "auto"
    psnr: Annotated[Path | None, single_value("--psnr", "FOLDER", Path), OPTION] = None
    out: Annotated[Path, single_value("--out", "FOLDER", flags.folder_path), OPTION] = Path("runs")
    version: Switch = False


@dataclass(frozen=True, kw_only=True)
class EfficiencyOptions:
    """What is measured, where it is written.

    Attributes:
        selection: Models and measurements.
        output: Device and output.
    """

    selection: ModelSelection = field(default_factory=ModelSelection)
    output: Output = field(default_factory=Output)


@dataclass(frozen=True, kw_only=True)
class MeasurementPlan:
    """The checked options. `columns` are written in each row of the table."""

    benchmark_models: list[BenchmarkedModel]
    settings: list[Measurement]
    effort: TimingOptions
    device: torch.device
    table: Path
    columns: dict[str, Any]


def run(options: EfficiencyOptions, console: Console, *, command: str) -> int:
    """Measure every model, write `<out>/efficiency/<device>-<budget>.csv` after each, then the page.

    Args:
        options: what is measured, where it is written.
        console: to print to.
        command: the command line, for the table.

    Returns:
        The exit code, 0.

    Raises:
        ValueError: an option that can't be used; one line.
    """
    from reports.cost_report import build_report
    from reports.costs import load_study_of

    plan, psnr = _make_plan(options, command), options.output.psnr
    if psnr is not None:
        load_study_of(psnr)  # a wrong folder is an error before an hour of measuring
    _measure(plan, console)
    page = build_report(plan.table, study=psnr)
    for label, path in (("Table", plan.table), ("Report", page)):
        console.print(f"{label}: {path.resolve()}", soft_wrap=True, markup=False)
    return 0


def _make_plan(options: EfficiencyOptions, command: str) -> MeasurementPlan:
    from ablations.budgets import budget_named
    from ablations.devices import device_named
    from ablations.harness.cost.measure import PHASES, Measurement, TimingOptions
    from ablations.harness.cost.models import benchmark_models
    from ablations.harness.provenance import environment

    selection, output = options.selection, options.output
    if selection.budget not in DEFAULTS:
        raise ValueError(f"--budget {selection.budget}: efficiency has {' and '.join(DEFAULTS)}.")
    defaults = DEFAULTS[selection.budget]
    if output.out.exists() and not output.out.is_dir():
        raise ValueError(f"--out {output.out}: that is a file; a folder is needed.")
    device = device_named(output.device)
    env = environment(device)
    sizes = dict.fromkeys(selection.sizes or defaults.sizes_px)
    precisions: dict[Any, None] = dict.fromkeys(selection.precisions or PRECISIONS)
    name = "cpu" if device.type == "cpu" else _slug(env["device"].removeprefix("cuda: "))
    repeats = selection.repeats or defaults.repeats
    return MeasurementPlan(
        benchmark_models=benchmark_models(budget_named(selection.budget).model, selection.models),
        settings=[
            *(Measurement(phase="count", size_px=size) for size in dict.fromkeys((*COUNTED_PX, *sizes))),
            *(Measurement(phase=phase, size_px=size, precision=precision)
              for phase in PHASES for precision in precisions for size in sizes),
        ],
        effort=TimingOptions(batch=defaults.batch, repeats=repeats, limit_s=defaults.limit_s),
        device=device,
        table=output.out / SUBFOLDER / f"{name}-{selection.budget}.csv",
        columns={
            "budget": selection.budget, "device": env["device"], "threads": env["threads"],
            "torch": env["packages"].get("torch", ""), "python": env["python"],
            "commit": str(env["commit"] or "")[:12],
            "dirty": {None: "", True: "yes", False: "no"}[env["dirty"]],
            "at": env["started_at"], "command": command,
        },
    )  # fmt: skip


def _measure(plan: MeasurementPlan, console: Console) -> None:
    """Measure one model after the other and write the table after each: an interruption loses one model at most."""
    import pandas as pd

    from ablations.harness.cost.measure import measure
    from reports.costs import COST_COLUMNS, write_costs

    empty = {column.name: "" if column.dtype == "str" else math.nan for column in COST_COLUMNS}
    rows: list[dict[str, Any]] = []
    for number, model in enumerate(plan.benchmark_models, start=1):
        measured_rows = measure(model, plan.device, plan.settings, plan.effort)
        rows += [empty | row | plan.columns for row in measured_rows]
        write_costs(pd.DataFrame(rows), plan.table)
        message = f"{number}/{len(plan.benchmark_models)} {model.name}: {_summary(measured_rows)}"
        console.print(message, soft_wrap=True, markup=False)


def _summary(rows: list[dict[str, Any]]) -> str:
    """The forward pass of the largest image in the first precision, or why it was not timed."""
    timed = [r for r in rows if r["phase"] == "forward"]
    row = max((r for r in timed if r["precision"] == timed[0]["precision"]), key=lambda r: r["size_px"])
    if "latency_ms" not in row:
        return str(row.get("latency_note", ""))
    return f"{row['params'] / 1e6:.3f} M parameters, {row['latency_ms']:.1f} ms at {row['size_px']} px"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def parse_arguments(arguments: Sequence[str]) -> EfficiencyOptions:
    """Parse the arguments of a command line; imports no torch."""
    return parse(EfficiencyOptions, arguments, prog="python -m ablations.efficiency", description=_DESCRIPTION)


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code (0 done, 2 bad input, 130 interrupted)."""
    arguments = list(sys.argv[1:] if argv is None else argv)

    def command_main() -> int:
        options = parse_arguments(arguments)
        from rich.console import Console

        return run(options, Console(highlight=False), command=shell_command("ablations.efficiency", arguments))

    return exit_code_of(command_main, interrupted="Interrupted. The table holds the models measured so far.")


if __name__ == "__main__":
    sys.exit(main())
