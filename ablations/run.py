"""Run a study: `python -m ablations.run gamma_sweep`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ablations.cli import exit_code_of, fail, shell_command

_DESCRIPTION = """\
Train and evaluate the variants of a study, then write its table and an HTML
report. Finished runs are not repeated: after an interruption the same command
continues.

Examples:
  python -m ablations.run gamma_sweep
  python -m ablations.run components --budget quick --seeds 0-2 --device cuda
  python -m ablations.run gamma_sweep --data ~/photos --dry-run
  python -m ablations.run gamma_sweep --model.dim 16 --recipe.steps 5000
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code (0 done, 1 some runs failed, 2 bad input, 130 interrupted)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    return exit_code_of(
        lambda: _run(arguments),
        interrupted="Interrupted. The same command continues from here.",
    )


def _run(arguments: Sequence[str]) -> int:
    # imports other packages of the suite, once `prepare` has checked them
    from ablations.name_checks import check_names
    from ablations.run_options import parse_arguments, refuse_unused_flags

    options = parse_arguments(arguments, _DESCRIPTION)
    listing, selection = options.listing, options.selection
    refuse_unused_flags(options)
    check_names(
        options.study, selection.budget, only=selection.only, tasks=options.run.tasks, variants=listing.variants
    )
    if listing.list or listing.variants is not None:
        from ablations import listings

        if listing.list and options.study not in (None, "efficiency"):
            return listings.list_study(str(options.study))
        if listing.list:
            return listings.list_studies(names_only=listing.names)
        return listings.list_variants(str(listing.variants), study=options.study)
    if options.study is None:
        fail("a study is needed: python -m ablations.run STUDY (--list shows them)")
    if options.study == "efficiency":  # nothing is trained: another command measures
        from ablations import efficiency

        device, out = options.execution.device, options.execution.out
        return efficiency.main(["--budget", selection.budget, "--device", device, "--out", str(out)])
    from ablations import run_command

    outcome = run_command.run(options, command=shell_command("ablations.run", arguments))
    return 1 if outcome is not None and outcome.failed else 0


if __name__ == "__main__":
    sys.exit(main())
