"""`python -m dfpir`: what there is."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

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
    argparse.ArgumentParser(prog="python -m dfpir", description="Say what this package offers.").parse_args(argv)
    print(TEXT, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
