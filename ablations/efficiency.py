"""What each model costs: `python -m ablations.efficiency`."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from ablations import command_line as read
from ablations.cli import command_of, exit_code_of
from ablations.command_line import OPTION, Switch, one, parse, several

if TYPE_CHECKING:
    import torch
    from rich.console import Console

    from ablations.harness.cost.measure import Measurement, TimingOptions
    from ablations.harness.cost.models import BenchmarkedModel

_DESCRIPTION = """\
Measure what each model costs (parameters, multiply-adds, latency, throughput,
peak memory; forward and training step), then write a table and a page.

Examples:
  python -m ablations.efficiency
  python -m ablations.efficiency --budget paper --device cuda --sizes 256
  python -m ablations.efficiency --psnr runs/studies/three_task-demo-embedded
"""

FOLDER = "efficiency"
PRECISIONS = ("fp32", "bf16")
COUNTED_PX = (64, 128, 256)
"""Sides for which multiply-adds are counted whatever is timed: counting takes no time."""

SIZE_STEP_PX = 16
"""Sides that every model takes without padding, which would be timed with it."""


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """What is measured when nothing else is asked for: square images of these sides, and how thoroughly."""

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


_REPEATS = read.number_in(1, 10_000, " repeats: a whole number from 1 to 10000")
_PRECISIONS = several("--precisions", "NAME ...", read.among(*PRECISIONS))


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Which models, and how thoroughly.

    Attributes:
        models: measure these alone (default: all)
        budget: demo (small models) or paper (full size)
        sizes: sides of the square images (default: the budget's)
        precisions: fp32, bf16 (default: both)
        repeats: timed calls after the warm-up (default: the budget's)
    """

    models: Annotated[tuple[str, ...], several("--models", "NAME ..."), OPTION] = ()
    budget: Annotated[str, one("--budget", "NAME"), OPTION] = "demo"
    sizes: Annotated[tuple[int, ...], several("--sizes", "PX ...", _size), OPTION] = ()
    precisions: Annotated[tuple[str, ...], _PRECISIONS, OPTION] = ()
    repeats: Annotated[int | None, one("--repeats", "N", _REPEATS), OPTION] = None


@dataclass(frozen=True, kw_only=True)
class Place:
    """On what, and where to.

    Attributes:
        device: auto, cpu or cuda
        psnr: a study's folder: its average PSNR stands beside the costs
        out: writes FOLDER/efficiency
        version: print the suite's version
    """

    device: Annotated[str, one("--device", "NAME"), OPTION] = "auto"
    psnr: Annotated[Path | None, one("--psnr", "FOLDER", Path), OPTION] = None
    out: Annotated[Path, one("--out", "FOLDER", read.folder), OPTION] = Path("runs")
    version: Switch = False


@dataclass(frozen=True, kw_only=True)
class EfficiencyOptions:
    """What is measured, and where.

    Attributes:
        measured: Which models, and how thoroughly.
        place: On what, and where to.
    """

    measured: Measured = field(default_factory=Measured)
    place: Place = field(default_factory=Place)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that the options ask for, checked."""

    subjects: list[BenchmarkedModel]
    settings: list[Measurement]
    effort: TimingOptions
    device: torch.device
    table: Path
    where: dict[str, Any]


def run(options: EfficiencyOptions, console: Console, *, command: str) -> int:
    """Measure every model, write `<out>/efficiency/<device>-<budget>.csv` after each, then the page.

    Args:
        options: what is measured, and where.
        console: to print to.
        command: that made this, for the table.

    Returns:
        The exit code, 0.

    Raises:
        ValueError: an option that can't be used; one line.
    """
    from reports.cost_report import build_report
    from reports.costs import load_study_of

    plan, psnr = _plan(options, command), options.place.psnr
    if psnr is not None:
        load_study_of(psnr)  # a wrong folder is told before an hour of measuring
    _measure(plan, console)
    page = build_report(plan.table, study=psnr)
    for what, path in (("Table", plan.table), ("Report", page)):
        console.print(f"{what}: {path.resolve()}", soft_wrap=True, markup=False)
    return 0


def _plan(options: EfficiencyOptions, command: str) -> Plan:
    from ablations.budgets import budget_named
    from ablations.devices import device_named
    from ablations.harness.cost.measure import PHASES, Measurement, TimingOptions
    from ablations.harness.cost.models import subjects
    from ablations.harness.provenance import environment

    asked, place = options.measured, options.place
    if asked.budget not in DEFAULTS:
        raise ValueError(f"--budget {asked.budget}: efficiency has {' and '.join(DEFAULTS)}.")
    defaults = DEFAULTS[asked.budget]
    if place.out.exists() and not place.out.is_dir():
        raise ValueError(f"--out {place.out}: that is a file; a folder is needed.")
    device = device_named(place.device)
    env = environment(device)
    sizes = dict.fromkeys(asked.sizes or defaults.sizes_px)
    precisions: dict[Any, None] = dict.fromkeys(asked.precisions or PRECISIONS)
    name = "cpu" if device.type == "cpu" else _slug(env["device"].removeprefix("cuda: "))
    repeats = asked.repeats or defaults.repeats
    return Plan(
        subjects=subjects(budget_named(asked.budget).model, asked.models),
        settings=[
            *(Measurement(phase="count", size_px=size) for size in dict.fromkeys((*COUNTED_PX, *sizes))),
            *(Measurement(phase=phase, size_px=size, precision=precision)
              for phase in PHASES for precision in precisions for size in sizes),
        ],
        effort=TimingOptions(batch=defaults.batch, repeats=repeats, limit_s=defaults.limit_s),
        device=device,
        table=place.out / FOLDER / f"{name}-{asked.budget}.csv",
        where={
            "budget": asked.budget, "device": env["device"], "threads": env["threads"],
            "torch": env["packages"].get("torch", ""), "python": env["python"],
            "commit": str(env["commit"] or "")[:12],
            "dirty": {None: "", True: "yes", False: "no"}[env["dirty"]],
            "at": env["started_at"], "command": command,
        },
    )  # fmt: skip


def _measure(plan: Plan, console: Console) -> None:
    """Measure model by model; the table on disk grows with each, so that an interruption loses one model."""
    import pandas as pd

    from ablations.harness.cost.measure import measure
    from reports.costs import COST_COLUMNS, write_costs

    empty = {column.name: "" if column.dtype == "str" else math.nan for column in COST_COLUMNS}
    rows: list[dict[str, Any]] = []
    for number, subject in enumerate(plan.subjects, start=1):
        found = measure(subject, plan.device, plan.settings, plan.effort)
        rows += [empty | row | plan.where for row in found]
        write_costs(pd.DataFrame(rows), plan.table)
        said = f"{number}/{len(plan.subjects)} {subject.name}: {_summary(found)}"
        console.print(said, soft_wrap=True, markup=False)


def _summary(rows: list[dict[str, Any]]) -> str:
    """The largest forward pass in the first precision, or why there is none."""
    timed = [r for r in rows if r["phase"] == "forward"]
    row = max((r for r in timed if r["precision"] == timed[0]["precision"]), key=lambda r: r["size_px"])
    if "latency_ms" not in row:
        return str(row.get("latency_note", ""))
    return f"{row['params'] / 1e6:.3f} M parameters, {row['latency_ms']:.1f} ms at {row['size_px']} px"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def options_of(arguments: Sequence[str]) -> EfficiencyOptions:
    """What a command line says; imports no torch."""
    return parse(EfficiencyOptions, arguments, prog="python -m ablations.efficiency", description=_DESCRIPTION)


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code (0 done, 2 bad input, 130 interrupted)."""
    arguments = list(sys.argv[1:] if argv is None else argv)

    def work() -> int:
        options = options_of(arguments)
        from rich.console import Console

        return run(options, Console(highlight=False), command=command_of("ablations.efficiency", arguments))

    return exit_code_of(work, interrupted="Interrupted. The table holds the models measured so far.")


if __name__ == "__main__":
    sys.exit(main())
