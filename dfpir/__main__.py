"""`python -m dfpir`: what there is."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import metadata
from typing import NoReturn

TEXT = """\
In Python:
  dfpir.list_models("dfpir_g*")            names of variants
  dfpir.create_model("dfpir", gamma=0.9)   a model with first weights
  dfpir.load_released(model, "dfpir.pth")  released weights, strictly
On the command line:
  python -m ablations.run --variants       every variant, its switches and size
  python -m ablations.evaluate             score weights under a named protocol
  python -m ablations.restore              restore one's own images
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Print what the package is for; the exit code."""
    parser = _Parser(prog="python -m dfpir", description="Say what this package offers.")
    parser.add_argument("--version", action="store_true", help="print the suite's version and end")
    if parser.parse_args(argv).version:
        print(_version())
        return 0
    print(TEXT, end="")
    return 0


class _Parser(argparse.ArgumentParser):
    """As `reports.console.Parser`, which this package may not import: errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message} (see --help)\n")


def _version() -> str:
    try:
        return f"dfpir-suite {metadata.version('dfpir-suite')}"
    except metadata.PackageNotFoundError:
        return "dfpir-suite, not installed: run from its folder"


if __name__ == "__main__":
    sys.exit(main())
