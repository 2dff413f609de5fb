"""Evaluate a released checkpoint: `python -m ablations.evaluate dfpir --weights dfpir.pth --data paper --root DATA`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ablations.cli import Parser, fail, fail_for
from ablations.startup import StartupError, prepare
from ablations.unused_flags import folder, refuse_flags_without


def make_parser() -> argparse.ArgumentParser:
    """The command line. A test pins its flags."""
    parser = Parser(
        prog="python -m ablations.evaluate",
        description="Score a checkpoint's restored images under a named protocol, beside the degraded input's own "
        "scores. The file must fit the model key for key; a weight that it does not give is never made up.",
        epilog="Examples: python -m ablations.evaluate dfpir --weights dfpir.pth --data paper --root ~/sets "
        "--reported 'DFPIR 3-task'; python -m ablations.evaluate prenet --weights prenet6.pth --data paper --root "
        "~/sets --protocol y-channel; python -m ablations.evaluate --weights runs/RUN",
        allow_abbrev=False,
    )
    parser.add_argument(
        "model",
        nargs="?",
        metavar="MODEL",
        help="a variant, a comparator, ffdnet or prenet (an unknown name lists them); a run says its own",
    )
    parser.add_argument(
        "--weights",
        type=Path,
        metavar="FILE",
        help="safetensors or a torch file with released names, or a run's folder (then MODEL may be left out)",
    )
    parser.add_argument(
        "--config", nargs="+", default=[], metavar="KEY=VALUE", help="settings that the weights were trained with"
    )
    parser.add_argument(
        "--use",
        choices=("plain", "averaged"),
        help="which weights of a file that holds both (default: the averaged ones)",
    )
    parser.add_argument(
        "--protocol", metavar="NAME", help="evaluation protocol (default: allinone for files, else suite)"
    )
    parser.add_argument(
        "--data",
        default="embedded",
        metavar="NAME|FOLDER",
        help="'embedded' photographs, 'paper' (the field's test sets, with --root), or a folder: with test sets, with "
        "pairs such as degraded/ and clean/, or with clean images, which are degraded here",
    )
    parser.add_argument("--skip-bad", action="store_true", help="leave out files of a folder that can't be used")
    parser.add_argument("--root", type=Path, metavar="FOLDER", help="where the data sets of --data paper lie")
    parser.add_argument(
        "--tasks", nargs="+", metavar="NAME", help="tasks (rain) or conditions (noise-25); default: all that there are"
    )
    parser.add_argument("--limit", type=_count, metavar="N", help="at most N images a set and condition")
    parser.add_argument(
        "--text-encoder",
        metavar="NAME",
        help="clip, minilm or onehot: what encodes the prompts (default: clip, or the run's own)",
    )
    parser.add_argument(
        "--codes",
        type=Path,
        metavar="FILE",
        help="safetensors with a vector for each condition's name, instead of an encoder",
    )
    parser.add_argument(
        "--degradation",
        default="true",
        metavar="true|auto",
        help="auto: restore each image a second time, told what a classifier guesses, and say what that costs",
    )
    parser.add_argument(
        "--guess-data",
        default="embedded",
        metavar="NAME|FOLDER",
        help="whose training images the classifier of --degradation auto learns from (default: embedded)",
    )
    parser.add_argument(
        "--runs",
        default=Path("runs"),
        type=Path,
        metavar="FOLDER",
        help="where that classifier is kept (default: runs)",
    )
    parser.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu or cuda (default: auto)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.add_argument(
        "--out",
        type=folder,
        metavar="FOLDER",
        help="write images.parquet, evaluation.json and evaluation.html; rows are kept as they are made "
        "(images.jsonl), and the same command goes on from them",
    )
    parser.add_argument("--force", action="store_true", help="replace all results that --out holds")
    parser.add_argument(
        "--reported", metavar="'METHOD SETTING'", help="add the printed numbers, such as 'DFPIR 3-task'"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code (0 done, 1 some images were not scored, 2 bad input, 130 interrupted)."""
    options = make_parser().parse_args(list(sys.argv[1:] if argv is None else argv))
    try:
        prepare()
        if options.degradation != "auto":
            refuse_flags_without(options, make_parser(), ("guess_data", "runs"), "--degradation auto")
        from ablations.harness.evaluating import examine

        return examine.run(options)
    except StartupError as error:
        fail(str(error))
    except (ValueError, OSError) as error:
        fail_for(error)
    except KeyboardInterrupt:
        kept = " The same command goes on from what --out holds." if options.out is not None else ""
        print(f"Interrupted.{kept}", file=sys.stderr)
        return 130


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: a whole number, 1 or more")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
