"""What must be settled before torch or our own `datasets` is imported."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path


class StartupError(ValueError):
    """The installation is not usable as it is."""


def prepare() -> None:
    """Set how CPU threads wait, and make sure that `datasets` is this project's package.

    Raises:
        StartupError: another installed package named `datasets` would be imported instead of ours.
    """
    # threads that spin while they wait cost a factor of six when runs share the cores
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    if "TORCHELASTIC_RUN_ID" in os.environ:  # each process would warn of what it is asked to check
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    root = Path(__file__).resolve().parent.parent
    spec = importlib.util.find_spec("datasets")
    origin = Path(spec.origin).resolve() if spec is not None and spec.origin is not None else None
    if origin is None or origin.parent.parent != root:
        raise StartupError(
            f"Another package named 'datasets' hides this project's ({origin or 'no file'} instead of "
            f"{root / 'datasets'}): run from {root}, or uninstall the other one in this environment."
        )
