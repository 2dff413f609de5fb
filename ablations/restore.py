"""Restore one's own images: `python -m ablations.restore IMAGES... --model M --weights FILE --degradation haze`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ablations.cli import fail, fail_for
from ablations.startup import StartupError, prepare

RULES = """\
Restore images of any size, in overlapping tiles where they do not fit in
memory.

Files: each is written to --out under its own name and kind. 8-bit images
stay 8-bit; a 16-bit PNG is read as value / 65535, restored, and written as
a 16-bit PNG. Grey images are restored as RGB and written grey. Alpha is
kept untouched: the colours alone are restored. A palette becomes RGB. EXIF
orientation is applied, ICC profiles are kept. JPEG is written at quality 95
without chroma subsampling, WebP without loss. 16-bit TIFF, CMYK, several
frames and broken files are named and left out; the others are done, and the
exit code is 1. An input is never written over, and an existing output only
with --force. Interrupted: the same command goes on. restored.jsonl in --out
names each output with its model, weights and settings; outputs of others
need --force.

auto: a small classifier names each image's degradation; noise: it chooses
among noise levels alone. It is trained once on the training images of
--data, in about half a minute, and kept under --runs. The paper's models
are told the true degradation; what is said here is a guess.

Example: python -m ablations.restore photos/*.png --model dfpir --weights
dfpir.pth --degradation haze --out restored
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code (0 done, 1 some images failed, 2 bad input, 130 interrupted)."""
    try:
        prepare()
        from ablations.checkpoint_options import RestoreOptions
        from ablations.flags import parse, refuse_flags_without

        options = parse(
            RestoreOptions,
            list(sys.argv[1:] if argv is None else argv),
            prog="python -m ablations.restore",
            description=RULES,
        )
        if options.missing:
            fail(f"the following arguments are required: {', '.join(options.missing)} (see --help)")
        if options.degradation not in ("auto", "noise"):
            refuse_flags_without(options, RestoreOptions(), ("data", "root", "runs"), "--degradation auto or noise")
        from ablations.harness.restoring import restore_command

        return restore_command.run(options)
    except StartupError as error:
        fail(str(error))
    except (ValueError, OSError) as error:
        fail_for(error)
    except KeyboardInterrupt:
        print("Interrupted. What is written is whole; the same command does the rest.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
