"""What is made once for all processes of pytest-xdist: the first that needs it makes it, the others wait for it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from tests.support.tiny_study import run_here, tiny_plan

SPEC = tiny_plan().specs[0]
TWO = ("dfpir_g50", "dfpir_g100")


def cached_folder(base: Path, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that `make` filled; nobody may change it (copy it).

    Args:
        base: of this process (`tmp_path_factory.getbasetemp()`); workers of xdist have theirs in one folder.
        name: of the folder.
        make: fills the folder, which is there and empty; where it raises, the next tries anew.
    """
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, marker = shared / name, shared / f"{name}.whole"
    with FileLock(shared / f"{name}.lock"):
        if not marker.exists():
            folder.mkdir(exist_ok=True)
            make(folder)
            marker.touch()
    return folder


def tiny_run(root: Path) -> None:
    """A finished run of `SPEC`."""
    run_here(SPEC, root)


def smoke_study(out: Path) -> None:
    """Two variants of gamma_sweep by the smoke budget: a study of the suite's own with its measures and its report."""
    import ablations

    ablations.run_study("gamma_sweep", budget="smoke", only=list(TWO), seeds=(0,), out=out, quiet=True)
