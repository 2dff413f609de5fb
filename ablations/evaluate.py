"""Evaluate a released checkpoint: `python -m ablations.evaluate dfpir --weights dfpir.pth --data paper --root DATA`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ablations.cli import fail, fail_for
from ablations.startup import StartupError, prepare

_DESCRIPTION = """\
Score a checkpoint's restored images under a named protocol, beside the
degraded input's own scores. The file must fit the model key for key; a weight
that it does not give is never made up.

Examples:
  python -m ablations.evaluate dfpir --weights dfpir.pth --data paper
    --root ~/sets --reported 'DFPIR 3-task'
  python -m ablations.evaluate prenet --weights prenet6.pth --data paper
    --root ~/sets --protocol y-channel
  python -m ablations.evaluate --weights runs/RUN
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code (0 done, 1 some images were not scored, 2 bad input, 130 interrupted)."""
    kept = ""
    try:
        prepare()
        from ablations.checkpoint_options import EvaluateOptions
        from ablations.flags import parse, refuse_flags_without

        options = parse(
            EvaluateOptions,
            list(sys.argv[1:] if argv is None else argv),
            prog="python -m ablations.evaluate",
            description=_DESCRIPTION,
        )
        if options.results.out is not None:
            kept = " The same command goes on from what --out holds."
        if options.guessing.degradation != "auto":
            refuse_flags_without(options, EvaluateOptions(), ("guess_data", "runs"), "--degradation auto")
        from ablations.harness.evaluating import evaluate_command

        return evaluate_command.run(options)
    except StartupError as error:
        fail(str(error))
    except (ValueError, OSError) as error:
        fail_for(error)
    except KeyboardInterrupt:
        print(f"Interrupted.{kept}", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
