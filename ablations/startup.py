"""Checks and settings before torch or another package of the suite is imported."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path


class StartupError(ValueError):
    """The installation can't be used as it is."""


REQUIRED_FILES = {
    "baselines": ("catalog.py", "registry.py"),
    "datasets": ("catalog", "protocols.py"),
    "dfpir": ("variants.py", "data"),
    "reports": ("schema", "templates"),
}
"""Other packages of the suite -> files and folders that each must have."""

_HUGGING_FACE_FILE = "arrow_dataset.py"  # of Hugging Face's package `datasets`, not of the suite's


def prepare() -> None:
    """Check that the suite's own packages are imported, set how CPU threads wait, and make printing never fail.

    Raises:
        StartupError: a folder or another package would be imported instead of one of the suite's.
    """
    require_suite_packages()
    # threads that spin while they wait cost a factor of six when runs share the cores
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    if "TORCHELASTIC_RUN_ID" in os.environ:  # else each process warns about the check that it is asked for
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    from datasets.console import make_output_safe

    make_output_safe()


def require_suite_packages(root: Path | None = None) -> None:
    """Check that the packages that Python imports by the suite's names lie in `root` (by default beside this one).

    Raises:
        StartupError: one line that names the other package and the fix.
    """
    root = root or Path(__file__).resolve().parent.parent
    for name, files in REQUIRED_FILES.items():
        package = root / name
        if (package / _HUGGING_FACE_FILE).exists():
            raise StartupError(
                f"Hugging Face's package 'datasets' was installed into {package}, where the suite's package lies, and "
                "one has damaged the other: give the suite a separate environment (python -m venv suite) and install "
                "the other one again in this one."
            )
        missing = [part for part in ("__init__.py", *files) if not (package / part).exists()]
        if missing:
            raise StartupError(
                f"The suite's package {name!r} is damaged ({package} has no {missing[0]}): install it again "
                "(uv pip install --reinstall --no-deps dfpir-suite)."
            )
    for name in REQUIRED_FILES:
        package, imported_path = root / name, _imported_path(name)
        if imported_path is None or imported_path.resolve() != package:
            raise StartupError(
                f"{imported_path} is imported instead of the suite's package {name!r} ({package}): "
                f"{_fix_hint(name, imported_path)}"
            )


def _imported_path(name: str) -> Path | None:
    """The folder of the package, or the file of the module, that Python imports by this name."""
    spec = importlib.util.find_spec(name)
    if spec is None:
        return None
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)))
    return Path(spec.origin) if spec.origin else None


def _fix_hint(name: str, imported_path: Path | None) -> str:
    if imported_path is not None and imported_path.resolve().parent == Path.cwd():
        return "run the command in another folder (cd ..), or rename that one."
    if imported_path is not None and "site-packages" in imported_path.parts:
        return f"uv pip uninstall {name}, or give the suite a separate environment (python -m venv suite)."
    return "take that folder out of PYTHONPATH, or give the suite a separate environment (python -m venv suite)."
