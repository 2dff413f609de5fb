"""Evaluate a released checkpoint: `python -m ablations.evaluate dfpir --weights dfpir.pth --data paper --root DATA`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ablations.cli import exit_code_of

_DESCRIPTION = """\
Score the images that a checkpoint restores under a named protocol, beside the
scores of the degraded input. The file must match the model key for key: a
missing weight is an error.

Examples:
  python -m ablations.evaluate dfpir --weights dfpir.pth --data paper
    --root ~/sets --reported 'DFPIR 3-task'
  python -m ablations.evaluate prenet --weights prenet6.pth --data paper
    --root ~/sets --protocol y-channel
  python -m ablations.evaluate --weights runs/RUN
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code (0 done, 1 some images were not scored, 2 bad input, 130 interrupted)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    return exit_code_of(
        lambda: _run(arguments),
        interrupted="Interrupted. With --out the same command continues.",
    )


def _run(arguments: Sequence[str]) -> int:
    # imports other packages of the suite, once `prepare` has checked them
    from ablations.checkpoint_options import EvaluateOptions
    from ablations.flags import parse, refuse_flags_without

    options = parse(EvaluateOptions, arguments, prog="python -m ablations.evaluate", description=_DESCRIPTION)
    if options.guessing.degradation != "auto":
        refuse_flags_without(options, EvaluateOptions(), ("guess_data", "runs"), "--degradation auto")
    from ablations.harness.evaluating import evaluate_command

    return evaluate_command.run(options)


if __name__ == "__main__":
    sys.exit(main())
