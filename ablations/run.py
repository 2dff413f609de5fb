"""Run a study: `python -m ablations.run gamma_sweep`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from ablations.cli import Parser, command_of, fail, fail_for
from ablations.names import check_names
from ablations.startup import StartupError, prepare
from ablations.unused_flags import folder, refuse_unused_flags

_MOST_SEEDS = 10_000


def make_parser() -> argparse.ArgumentParser:
    """The command line. A test pins its flags: everything else is Python."""
    from ablations.launchers import LAUNCHERS, one_of  # ours, once `startup.prepare` has looked
    from datasets.tasks import known_tasks

    parser = Parser(
        prog="python -m ablations.run",
        description="Train and evaluate the variants of a study, then write its table and an HTML report. "
        "Runs that are done are not done again: the same command goes on where it was interrupted.",
        epilog="Examples: python -m ablations.run gamma_sweep; python -m ablations.run components --budget quick "
        "--seeds 0 1 2 --device cuda; python -m ablations.run gamma_sweep --data ~/photos --dry-run",
        allow_abbrev=False,
    )
    parser.add_argument("study", nargs="?", metavar="STUDY", help="name of a study (see --list)")
    parser.add_argument(
        "--list", action="store_true", help="list the studies, or the variants and contrasts of STUDY, and stop"
    )
    parser.add_argument(
        "--names", action="store_true", help="with --list: the studies' names alone, for other programs"
    )
    parser.add_argument(
        "--variants",
        nargs="?",
        const="*",
        metavar="PATTERN",
        help="list the model variants with their size, those of STUDY or as 'dfpir_g*' says, and stop",
    )
    parser.add_argument(
        "--only", nargs="+", metavar="VARIANT", help="run these variants of the study alone; 'dfpir_g*' names several"
    )
    parser.add_argument(
        "--seeds", nargs="+", type=_seeds, metavar="N", help="seeds, as in 0 1 2, 0,1,2 or 0-4 (default: the budget's)"
    )
    parser.add_argument(
        "--budget", default="demo", metavar="NAME", help="smoke, demo, small, quick or paper (default: %(default)s)"
    )
    parser.add_argument(
        "--tasks",
        nargs="+",
        metavar="TASK",
        help=f"tasks to train and test on: {', '.join(task.name for task in known_tasks())} (default: the study's; "
        "the paper's ablations have noise, rain and haze)",
    )
    parser.add_argument(
        "--metrics", nargs="+", metavar="METRIC", help="further metrics of the table: of plug-ins (docs/extending.md)"
    )
    parser.add_argument(
        "--checkpoint",
        choices=("last", "best"),
        help="which weights are tested: the last ones, the same step for all, or those that validated best (default: "
        "the budget's: last)",
    )
    parser.add_argument(
        "--data",
        default="embedded",
        metavar="NAME|FOLDER",
        help="'embedded' photographs, 'bsds' (BSDS500's, degraded here, with --root), 'paper' (the field's data sets, "
        "with --root), or a folder: of clean images, degraded here, or of pairs such as degraded/ and clean/",
    )
    parser.add_argument(
        "--split",
        nargs=3,
        type=_share,
        metavar="PERCENT",
        help="how a folder without train/, val/ and test/ is split to train, validate and test (default: 80 10 10)",
    )
    parser.add_argument("--skip-bad", action="store_true", help="leave out files of a folder that can't be used")
    parser.add_argument("--root", type=Path, metavar="FOLDER", help="where the data sets of --data bsds or paper lie")
    parser.add_argument("--exclude-leaks", action="store_true", help="train without images that stand in test sets")
    parser.add_argument(
        "--protocol",
        metavar="NAME",
        help="evaluation protocol, or 'all' to score under each (default: allinone for --data paper, else suite)",
    )
    parser.add_argument(
        "--text-encoder",
        metavar="NAME",
        help="clip, minilm or onehot: what encodes the prompts (default: minilm for smoke and demo; else clip, "
        "or minilm, said so, where CLIP's weights can't be had)",
    )
    parser.add_argument(
        "--out", default=Path("runs"), type=folder, metavar="FOLDER", help="where runs are kept (default: runs)"
    )
    parser.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu or cuda (default: auto)")
    parser.add_argument(
        "--jobs",
        type=_jobs,
        metavar="N",
        help="runs at once, or auto: as many as fit (default: what the processor holds; 1 on a GPU)",
    )
    parser.add_argument(
        "--precision",
        metavar="NAME",
        help="fp32, tf32 (GPU) or bf16 autocast, on a CPU too where it has bf16 instructions (default: the budget's)",
    )
    parser.add_argument(
        "--launcher", default="local", metavar="NAME", help=f"{one_of(list(LAUNCHERS))} (default: local)"
    )
    parser.add_argument(
        "--ray-address", metavar="ADDRESS", help="a Ray cluster, or 'auto' to find one (default: one for this study)"
    )
    parser.add_argument(
        "--slurm", nargs="+", default=[], metavar="KEY=VALUE", help="Slurm settings: partition, account, time, mem, ..."
    )
    parser.add_argument(
        "--gpus", type=_gpus, metavar="N", help="GPUs a run asks a cluster for; a fraction shares one (ray)"
    )
    parser.add_argument(
        "--hang-after",
        type=_minutes,
        default=60.0,
        metavar="MINUTES",
        help="end a run without a step or an image for so long; 0 never does (default: 60)",
    )
    parser.add_argument(
        "--log",
        default="jsonl",
        metavar="NAME",
        help="jsonl, or tensorboard for that too, in tensorboard/ beside the runs (default: jsonl)",
    )
    speed = parser.add_argument_group("speed and memory", "No part of a run's id; see docs/performance.md.")
    speed.add_argument("--kernels", metavar="NAME", help="torch, or triton on a GPU (default: DFPIR_KERNELS, or torch)")
    speed.add_argument("--compile", action="store_true", help="each block's training by torch.compile")
    speed.add_argument("--cuda-graphs", action="store_true", help="each training step as one CUDA graph")
    speed.add_argument(
        "--checkpointing", action="store_true", help="compute activations twice instead of keeping them: less memory"
    )
    parser.add_argument("--force", action="store_true", help="do finished runs again")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="print the runs, their ids, and the hours and memory they take; train nothing",
    )
    parser.add_argument(
        "--early-look",
        action="store_true",
        help="train nothing: a provisional report of the runs under way, from the last tenth that all of them reached",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code (0 done, 1 some runs failed, 2 bad input, 130 interrupted)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        prepare()
    except StartupError as error:
        fail(str(error))
    options = make_parser().parse_args(arguments)
    if options.seeds is not None:
        options.seeds = list(dict.fromkeys(chain.from_iterable(options.seeds)))
    try:
        refuse_unused_flags(options, make_parser())
        check_names(options.study, options.budget, only=options.only, tasks=options.tasks, variants=options.variants)
        from ablations import listings

        if options.list and options.study not in (None, "efficiency"):
            return listings.list_study(options.study)
        if options.list:
            return listings.list_studies(names_only=options.names)
        if options.variants is not None:
            return listings.list_variants(options.variants, study=options.study)
        if options.study is None:
            fail("a study is needed: python -m ablations.run STUDY (--list shows them)")
        if options.study == "efficiency":  # nothing is trained: its own command measures
            from ablations import efficiency

            return efficiency.main(["--budget", options.budget, "--device", options.device, "--out", str(options.out)])
        from ablations import commands

        outcome = commands.run(options, command=command_of("ablations.run", arguments))
        return 1 if outcome is not None and outcome.failed else 0
    except (ValueError, OSError) as error:
        fail_for(error)
    except KeyboardInterrupt:
        print("Interrupted. The same command goes on from here.", file=sys.stderr)
        return 130


def _seeds(text: str) -> list[int]:
    """The seeds of one word: `3`, `0,1,2` or `0-4`."""
    found: list[int] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        ends = [first, last] if dash else [first]
        if not all(end.isascii() and end.isdecimal() and len(end) <= 10 and int(end) < 2**31 for end in ends):
            raise argparse.ArgumentTypeError(
                f"{text!r} is no seed: whole numbers from 0 to {2**31 - 1} are, as in 0 1 2, 0,1,2 or 0-4"
            )
        low, high = int(ends[0]), int(ends[-1])
        if not 0 <= high - low < _MOST_SEEDS:
            raise argparse.ArgumentTypeError(
                f"{part!r}: a range of seeds goes up, as in 0-4, and has at most {_MOST_SEEDS:,}"
            )
        found += range(low, high + 1)
    return found


def _share(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 98:
        raise argparse.ArgumentTypeError(f"{text!r} per cent: three whole numbers from 1 to 98, as in 80 10 10")
    return int(text)


def _minutes(text: str) -> float:
    minutes = _number(text)
    if minutes is None or not 0 <= minutes <= 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} minutes: a number from 0 to a million")
    return minutes


def _gpus(text: str) -> float:
    count = _number(text)
    if count is None or not (0 <= count <= 1 or count in range(2, 65)):
        raise argparse.ArgumentTypeError(f"{text!r} GPUs: a fraction from 0 to 1, or a whole number up to 64")
    return count


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _jobs(text: str) -> int:
    if text == "auto":
        return 0  # cost.placement.AUTO, not imported for --help
    if not text.isdecimal() or not 1 <= int(text) <= 1024:
        raise argparse.ArgumentTypeError(f"{text!r} runs at once: a whole number from 1 to 1024, or auto")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
