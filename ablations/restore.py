"""Restore one's own images: `python -m ablations.restore IMAGES... --model M --weights FILE --degradation haze`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ablations.cli import exit_code_of, fail

_DESCRIPTION = """\
Restore images of any size, in overlapping tiles where they do not fit in
memory.

Files: each is written to --out under its own name and format. 8-bit images
stay 8-bit; a 16-bit PNG is read as value / 65535, restored, and written as
a 16-bit PNG. Grey images are restored as RGB and written grey. The alpha
channel is copied: only the colours are restored. A palette becomes RGB. EXIF
orientation is applied, ICC profiles are kept. JPEG is written at quality 95
without chroma subsampling, WebP without loss. 16-bit TIFF, CMYK, files with
several frames and broken files are listed and skipped; the others are
restored, and the exit code is 1. Inputs are never overwritten, existing
outputs only with --force. After an interruption the same command continues.
restored.jsonl in --out lists each output with its model, weights and
settings; outputs of other models or settings need --force.

auto: a small classifier guesses the degradation of each image; noise: it
guesses the noise level only. It is trained once on the training images of
--data, in about half a minute, and stored under --runs. The paper's models
are given the true degradation; these are guesses.

Example: python -m ablations.restore photos/*.png --model dfpir --weights
dfpir.pth --degradation haze --out restored
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code (0 done, 1 some images failed, 2 bad input, 130 interrupted)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    return exit_code_of(
        lambda: _run(arguments),
        interrupted="Interrupted. The outputs written are complete; the same command does the rest.",
    )


def _run(arguments: Sequence[str]) -> int:
    # imports other packages of the suite, once `prepare` has checked them
    from ablations.checkpoint_options import RestoreOptions
    from ablations.flags import parse, refuse_flags_without

    options = parse(RestoreOptions, arguments, prog="python -m ablations.restore", description=_DESCRIPTION)
    if options.missing:
        fail(f"the following arguments are required: {', '.join(options.missing)} (see --help)")
    if options.degradation not in ("auto", "noise"):
        refuse_flags_without(options, RestoreOptions(), ("data", "root", "runs"), "--degradation auto or noise")
    from ablations.harness.restoring import restore_command

    return restore_command.run(options)


if __name__ == "__main__":
    sys.exit(main())
