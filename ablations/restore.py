"""Restore one's own images: `python -m ablations.restore IMAGES... --model M --weights FILE --degradation haze`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ablations.cli import Parser, fail, fail_for
from ablations.startup import StartupError, prepare
from ablations.unused_flags import folder, refuse_flags_without

RULES = """\
Files: each is written to --out under its own name and kind. 8-bit images stay 8-bit; a 16-bit PNG is read as
value / 65535, restored, and written as a 16-bit PNG. Grey images are restored as RGB and written grey. Alpha is kept
untouched: the colours alone are restored. A palette becomes RGB. EXIF orientation is applied, ICC profiles are kept.
JPEG is written at quality 95 without chroma subsampling, WebP without loss. 16-bit TIFF, CMYK, several frames and
broken files are named and left out; the others are done, and the exit code is 1.
An input is never written over, and an existing output only with --force.
Interrupted: the same command goes on. restored.jsonl in --out names each output with its model, weights and settings;
outputs of others need --force.

auto: a small classifier names each image's degradation; noise: it chooses among noise levels alone. It is trained once
on the training images of --data, in about half a minute, and kept under --runs. The paper's models are told the true
degradation; what is said here is a guess.

Example: python -m ablations.restore photos/*.png --model dfpir --weights dfpir.pth --degradation haze --out restored
"""


def make_parser() -> argparse.ArgumentParser:
    """The command line. A test pins its flags."""
    parser = Parser(
        prog="python -m ablations.restore",
        description="Restore images of any size, in overlapping tiles where they do not fit in memory.",
        epilog=RULES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("images", nargs="+", type=Path, metavar="IMAGES", help="files, or folders of files")
    parser.add_argument("--model", metavar="M", help="as for ablations.evaluate; a run says its own")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="a file, or a run's folder")
    parser.add_argument(
        "--config", nargs="+", default=[], metavar="KEY=VALUE", help="settings that the weights were trained with"
    )
    parser.add_argument("--use", choices=("plain", "averaged"), help="as for ablations.evaluate")
    parser.add_argument(
        "--degradation",
        required=True,
        metavar="NAME",
        help="noise-25 (any whole sigma), rain, haze, blur or lowlight; auto guesses it, noise its level",
    )
    parser.add_argument("--out", required=True, type=folder, metavar="DIR", help="folder to write to")
    parser.add_argument("--tile", type=int, metavar="N", help="side of tiles in pixels (default: what fits in memory)")
    parser.add_argument("--text-encoder", metavar="NAME", help="as for ablations.evaluate")
    parser.add_argument("--codes", type=Path, metavar="FILE", help="as for ablations.evaluate")
    parser.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu or cuda (default: auto)")
    parser.add_argument("--force", action="store_true", help="write over existing outputs")
    parser.add_argument(
        "--data", default="embedded", metavar="NAME|FOLDER", help="what auto is trained on (default: embedded)"
    )
    parser.add_argument("--root", type=Path, metavar="FOLDER", help="where the data sets of --data paper lie")
    parser.add_argument(
        "--runs",
        default=Path("runs"),
        type=Path,
        metavar="FOLDER",
        help="where auto's classifier is kept (default: runs)",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code (0 done, 1 some images failed, 2 bad input, 130 interrupted)."""
    options = make_parser().parse_args(list(sys.argv[1:] if argv is None else argv))
    try:
        prepare()
        if options.degradation not in ("auto", "noise"):
            refuse_flags_without(options, make_parser(), ("data", "root", "runs"), "--degradation auto or noise")
        from ablations.harness.restoring import own_images

        return own_images.run(options)
    except StartupError as error:
        fail(str(error))
    except (ValueError, OSError) as error:
        fail_for(error)
    except KeyboardInterrupt:
        print("Interrupted. What is written is whole; the same command does the rest.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
