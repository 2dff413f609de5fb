"""What each model costs: `python -m ablations.efficiency`."""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablations.cli import Parser, command_of, fail, folder
from ablations.startup import StartupError, prepare

if TYPE_CHECKING:
    import torch
    from rich.console import Console

    from ablations.harness.cost.measure import Measurement, TimingOptions
    from ablations.harness.cost.models import BenchmarkedModel

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


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that the options ask for, checked."""

    subjects: list[BenchmarkedModel]
    settings: list[Measurement]
    effort: TimingOptions
    device: torch.device
    budget: str
    out: Path
    psnr: Path | None = None
    command: str = ""
    where: dict[str, Any] = field(default_factory=dict)


def run(options: argparse.Namespace, console: Console, *, command: str) -> int:
    """Measure every model, write `<out>/efficiency/<device>-<budget>.csv` after each, then the page.

    Args:
        options: `budget`, `device` and `out`; and, where present, `models` (or `only`), `sizes`, `precisions`,
            `repeats` and `psnr` (a study folder whose PSNR the page shows).
        console: to print to.
        command: that made this, for the table.

    Returns:
        The exit code, 0.

    Raises:
        ValueError: an option that can't be used; one line.
    """
    from reports.cost_report import build_report
    from reports.costs import load_study_of

    plan = _plan(options, command)
    if plan.psnr is not None:
        load_study_of(plan.psnr)  # a wrong folder is told before an hour of measuring
    table = _measure(plan, console)
    page = build_report(table, study=plan.psnr)
    for what, path in (("Table", table), ("Report", page)):
        console.print(f"{what}: {path.resolve()}", soft_wrap=True, markup=False)
    return 0


def _plan(options: argparse.Namespace, command: str) -> Plan:
    from ablations.budgets import budget_named
    from ablations.devices import device_named
    from ablations.harness.cost.measure import PHASES, Measurement, TimingOptions
    from ablations.harness.cost.models import subjects
    from ablations.harness.provenance import environment

    if options.budget not in DEFAULTS:
        raise ValueError(f"--budget {options.budget}: efficiency has {' and '.join(DEFAULTS)}.")
    defaults = DEFAULTS[options.budget]
    if options.out.exists() and not options.out.is_dir():
        raise ValueError(f"--out {options.out}: that is a file; a folder is needed.")
    device = device_named(options.device)
    env = environment(device)
    sizes = dict.fromkeys(getattr(options, "sizes", None) or defaults.sizes_px)
    precisions = dict.fromkeys(getattr(options, "precisions", None) or PRECISIONS)
    names = getattr(options, "models", None) or getattr(options, "only", None)
    return Plan(
        subjects=subjects(budget_named(options.budget).model, names),
        settings=[
            *(Measurement(phase="count", size_px=size) for size in dict.fromkeys((*COUNTED_PX, *sizes))),
            *(Measurement(phase=phase, size_px=size, precision=precision)
              for phase in PHASES for precision in precisions for size in sizes),
        ],
        effort=TimingOptions(
            batch=defaults.batch, repeats=getattr(options, "repeats", None) or defaults.repeats,
            limit_s=defaults.limit_s,
        ),
        device=device,
        budget=options.budget,
        out=options.out / FOLDER,
        psnr=getattr(options, "psnr", None),
        where={
            "budget": options.budget, "device": env["device"], "threads": env["threads"],
            "torch": env["packages"].get("torch", ""), "python": env["python"],
            "commit": str(env["commit"] or "")[:12],
            "dirty": {None: "", True: "yes", False: "no"}[env["dirty"]],
            "at": env["started_at"], "command": command,
        },
    )  # fmt: skip


def _measure(plan: Plan, console: Console) -> Path:
    """Measure model by model; the table on disk grows with each, so that an interruption loses one model."""
    import pandas as pd

    from ablations.harness.cost.measure import measure
    from reports.costs import COST_COLUMNS, write_costs

    name = "cpu" if plan.device.type == "cpu" else _slug(plan.where["device"].removeprefix("cuda: "))
    path = plan.out / f"{name}-{plan.budget}.csv"
    empty = {column.name: "" if column.dtype == "str" else math.nan for column in COST_COLUMNS}
    rows: list[dict[str, Any]] = []
    for number, subject in enumerate(plan.subjects, start=1):
        found = measure(subject, plan.device, plan.settings, plan.effort)
        rows += [empty | row | plan.where for row in found]
        write_costs(pd.DataFrame(rows), path)
        said = f"{number}/{len(plan.subjects)} {subject.name}: {_summary(found)}"
        console.print(said, soft_wrap=True, markup=False)
    return path


def _summary(rows: list[dict[str, Any]]) -> str:
    """The largest forward pass in the first precision, or why there is none."""
    timed = [r for r in rows if r["phase"] == "forward"]
    row = max((r for r in timed if r["precision"] == timed[0]["precision"]), key=lambda r: r["size_px"])
    if "latency_ms" not in row:
        return str(row.get("latency_why", ""))
    return f"{row['params'] / 1e6:.3f} M parameters, {row['latency_ms']:.1f} ms at {row['size_px']} px"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = Parser(
        prog="python -m ablations.efficiency",
        description="Measure what each model costs (parameters, multiply-adds, latency, throughput, peak memory; "
        "forward and training step), then write a table and a page.",
        epilog="Examples: python -m ablations.efficiency; python -m ablations.efficiency --budget paper --device cuda "
        "--sizes 256; python -m ablations.efficiency --psnr runs/studies/three_task-demo-embedded",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--models", nargs="+", metavar="NAME", help="measure these alone (default: all)")
    add("--sizes", nargs="+", type=_size, metavar="PX", help="sides of the square images (default: the budget's)")
    add("--precisions", nargs="+", choices=PRECISIONS, metavar="NAME", help="fp32, bf16 (default: both)")
    add("--device", default="auto", metavar="NAME", help="auto, cpu or cuda (default: auto)")
    add("--repeats", type=_repeats, metavar="N", help="timed calls after the warm-up (default: the budget's)")
    add("--budget", default="demo", metavar="NAME", help="demo (small models) or paper (full size); default: demo")
    add("--psnr", type=Path, metavar="FOLDER", help="a study's folder: its average PSNR stands beside the costs")
    add("--out", default=Path("runs"), type=folder, metavar="FOLDER", help="writes FOLDER/efficiency (default: runs)")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code (0 done, 2 bad input, 130 interrupted)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    options = make_parser().parse_args(arguments)
    try:
        prepare()
        from rich.console import Console

        command = command_of("ablations.efficiency", arguments)
        return run(options, Console(highlight=False), command=command)
    except (StartupError, ValueError, OSError) as error:
        fail(str(error))
    except KeyboardInterrupt:
        print("Interrupted. The table holds the models measured so far.", file=sys.stderr)
        return 130


def _size(text: str) -> int:
    if not text.isdecimal() or not 64 <= int(text) <= 4096 or int(text) % SIZE_STEP_PX:
        raise argparse.ArgumentTypeError(f"{text!r} px: a multiple of {SIZE_STEP_PX} from 64 to 4096")
    return int(text)


def _repeats(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 10_000:
        raise argparse.ArgumentTypeError(f"{text!r} repeats: a whole number from 1 to 10000")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
