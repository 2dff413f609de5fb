"""`python -m baselines`: the comparators' sizes and what to know of each, as Markdown."""

from __future__ import annotations

import sys

from datasets.console import Parser, steady_output


def main(argv: list[str] | None = None) -> int:
    """Print the table; the exit code: 0, or 2 where a library is missing."""
    steady_output()
    parser = Parser(
        prog="python -m baselines",
        description="Print what to know of each comparator, and its parameters: published, and those that training "
        "changes at the budgets demo, small and quick, beside DFPIR's.",
    )
    parser.parse_args(argv)
    from baselines import MissingExtraError  # torch comes with it, and --help and errors are told before
    from baselines.overview import BOUND, EXCEPTIONS, remarks, table

    try:
        text = table()
    except MissingExtraError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(text)
    print(f"Not within a factor of {BOUND} of DFPIR:")
    for name, why in EXCEPTIONS.items():
        print(f"- {name}: {why}")
    print(f"\n{remarks()}", end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
