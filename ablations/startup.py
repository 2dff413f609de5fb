"""What must be settled before torch or another package of ours is imported."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path


class StartupError(ValueError):
    """The installation is not usable as it is."""


PARTS = {
    "baselines": ("catalog.py", "registry.py"),
    "datasets": ("catalog.py", "protocols.py"),
    "dfpir": ("variants.py", "data"),
    "reports": ("schema", "templates"),
}
"""Packages of ours beside this one -> what each must hold."""

_HUGGING_FACE = "arrow_dataset.py"  # in the folder of Hugging Face's `datasets`, and not in ours


def prepare() -> None:
    """Make sure that our own packages are imported, set how CPU threads wait, and let printing never end a command.

    Raises:
        StartupError: a folder or another package would be imported in place of one of ours.
    """
    require_own_packages()
    # threads that spin while they wait cost a factor of six when runs share the cores
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    if "TORCHELASTIC_RUN_ID" in os.environ:  # each process would warn of what it is asked to check
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    from datasets.console import steady_output

    steady_output()


def require_own_packages(root: Path | None = None) -> None:
    """Make sure that what Python finds under our packages' names are they, in `root` (beside this one by default).

    Raises:
        StartupError: one line that names what was found instead, and the mend.
    """
    root = root or Path(__file__).resolve().parent.parent
    for name, parts in PARTS.items():
        ours = root / name
        if (ours / _HUGGING_FACE).exists():
            raise StartupError(
                f"Hugging Face's package 'datasets' was installed into {ours}, where this suite's own lies, and one "
                "has damaged the other: give the suite an environment of its own (python -m venv suite) and install "
                "the other one again in this one."
            )
        missing = [part for part in ("__init__.py", *parts) if not (ours / part).exists()]
        if missing:
            raise StartupError(
                f"This suite's package {name!r} is damaged ({ours} has no {missing[0]}): install it again "
                "(uv pip install --reinstall --no-deps dfpir-suite)."
            )
    for name in PARTS:
        ours, found = root / name, _found(name)
        if found is None or found.resolve() != ours:
            raise StartupError(
                f"{found} is imported in place of this suite's package {name!r} ({ours}): {_mend(name, found)}"
            )


def _found(name: str) -> Path | None:
    """The folder of a package, or the file of a module, that Python finds under a name."""
    spec = importlib.util.find_spec(name)
    if spec is None:
        return None
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)))
    return Path(spec.origin) if spec.origin else None


def _mend(name: str, found: Path | None) -> str:
    if found is not None and found.resolve().parent == Path.cwd():
        return "run the command in another folder (cd ..), or rename that one."
    if found is not None and "site-packages" in found.parts:
        return f"uv pip uninstall {name}, or give the suite an environment of its own (python -m venv suite)."
    return "take that folder out of PYTHONPATH, or give the suite an environment of its own (python -m venv suite)."
