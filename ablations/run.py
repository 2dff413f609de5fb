"""Run a study: `python -m ablations.run gamma_sweep`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ablations.cli import Parser, command_of, fail, fail_for
from ablations.startup import StartupError, prepare


def make_parser() -> argparse.ArgumentParser:
    """The command line. A test pins its flags: everything else is Python."""
    parser = Parser(
        prog="python -m ablations.run",
        description="Train and evaluate the variants of a study, then write its table and an HTML report. "
        "Runs that are done are not done again: the same command goes on where it was interrupted.",
        epilog="Examples: python -m ablations.run gamma_sweep; python -m ablations.run components --budget quick "
        "--seeds 0 1 2 --device cuda; python -m ablations.run gamma_sweep --data ~/photos --dry-run",
        allow_abbrev=False,
    )
    parser.add_argument("study", nargs="?", metavar="STUDY", help="name of a study (see --list)")
    parser.add_argument("--list", action="store_true", help="list the studies and stop")
    parser.add_argument(
        "--names", action="store_true", help="with --list: the studies' names alone, for other programs"
    )
    parser.add_argument("--variants", action="store_true", help="list the model variants with their size and stop")
    parser.add_argument("--only", nargs="+", metavar="VARIANT", help="run these variants of the study alone")
    parser.add_argument("--seeds", nargs="+", type=_seed, metavar="N", help="seeds to run (default: the budget's)")
    parser.add_argument(
        "--budget", default="demo", metavar="NAME", help="smoke, demo, small, quick or paper (default: %(default)s)"
    )
    parser.add_argument(
        "--tasks",
        nargs="+",
        metavar="TASK",
        help="tasks to train and test on: noise, rain, haze, blur, lowlight (default: the study's; the paper's "
        "ablations have noise, rain and haze)",
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
        "with --root), or a folder of images",
    )
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
        "--out", default="runs", type=Path, metavar="FOLDER", help="where runs are kept (default: runs)"
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
        "--launcher", default="local", metavar="NAME", help="local, ray, slurm or torchrun (default: local)"
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
    speed.add_argument("--compile", action="store_true", help="training steps by torch.compile")
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
    options = make_parser().parse_args(arguments)
    try:
        prepare()
        from ablations import commands

        if options.list:
            return commands.list_studies(names_only=options.names)
        if options.variants:
            return commands.list_variants()
        if options.study is None:
            fail("a study is needed: python -m ablations.run STUDY (--list shows them)")
        if options.study == "efficiency":  # nothing is trained: its own command measures
            from ablations import efficiency

            return efficiency.main(["--budget", options.budget, "--device", options.device, "--out", str(options.out)])
        return commands.run(options, command=command_of("ablations.run", arguments))
    except StartupError as error:
        fail(str(error))
    except (ValueError, OSError) as error:
        fail_for(error)
    except KeyboardInterrupt:
        print("Interrupted. The same command goes on from here.", file=sys.stderr)
        return 130


def _seed(text: str) -> int:
    if text == "auto":
        return 0  # cost.placement.AUTO, not imported for --help
    if not text.isdecimal() or int(text) >= 2**31:
        raise argparse.ArgumentTypeError(f"{text!r} is no seed: whole numbers from 0 to {2**31 - 1}")
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
