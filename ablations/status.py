"""Progress of the studies in a folder: `python -m ablations.status RUNS`. Read-only; takes no locks."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ablations.cli import exit_code_of


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; exit code 0, or 2 for bad input."""
    words = list(sys.argv[1:] if argv is None else argv)
    return exit_code_of(lambda: _run(words))


def _run(words: Sequence[str]) -> int:
    # imports other packages of the suite, once `prepare` has checked them
    from ablations import status_command

    return status_command.run(words)


if __name__ == "__main__":
    sys.exit(main())
