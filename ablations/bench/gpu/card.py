"""What a result must be read with: card, driver, versions, commit, date; and packages that are missing."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

PROJECT = Path(__file__).resolve().parents[3]
"""The checkout; without one (an installed wheel) tests and fixtures are missing, and their steps are skipped."""

_SAME_NAME = (
    *("triton", "einops", "pandas", "pyarrow", "scipy", "matplotlib", "seaborn"),
    *("jinja2", "rich", "safetensors", "joblib", "threadpoolctl", "torchvision"),
)
DISTRIBUTIONS = {
    "open_clip": ("open_clip_torch", "ftfy", "wcwidth"),
    "pytest": ("pytest", "iniconfig", "pluggy"),
    "jaxtyping": ("jaxtyping", "wadler_lindig"),
    "sklearn": ("scikit-learn",),
    "skimage": ("scikit-image", "imageio", "tifffile", "lazy_loader"),
    **{name: (name,) for name in _SAME_NAME},
}
"""Modules that a step may need -> the distributions that bring them where torch and numpy are there."""


def missing(*modules: str) -> str:
    """Empty where Python finds these modules; else which not, and how to bring them to a machine without network."""
    absent = [name for name in modules if importlib.util.find_spec(name) is None]
    if not absent:
        return ""
    wheels = " ".join(dict.fromkeys(each for name in absent for each in DISTRIBUTIONS.get(name, (name,))))
    return (
        f"{', '.join(absent)} not installed; where there is a network: pip download --no-deps --dest wheels {wheels}; "
        f"here: pip install --no-deps --no-index --find-links wheels {wheels}"
    )


def fixtures_folder() -> Path | None:
    """Where the parity fixtures lie: beside the project, or in its folder `shared`."""
    for folder in (PROJECT.parent / "shared" / "parity", PROJECT / "shared" / "parity"):
        if (folder / "fixtures.py").is_file():
            return folder
    return None


def card(device: torch.device, toy: bool) -> Iterator[dict[str, Any]]:
    """One result: the machine."""
    import torch

    from ablations.harness.provenance import environment

    found = environment(device)
    facts: dict[str, Any] = {
        "card": found["device"].partition(": ")[2],
        "driver": _driver(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "triton": _version("triton"),
        "python": sys.version.split()[0],
        "cores": os.cpu_count(),
        "commit": found["commit"],
        "dirty": found["dirty"],
        "date": found["started_at"],
        "not_installed": [name for name in DISTRIBUTIONS if importlib.util.find_spec(name) is None],
    }
    if device.type == "cuda":
        facts["memory_gib"] = torch.cuda.get_device_properties(device).total_memory / 2**30
        facts["capability"] = ".".join(str(part) for part in torch.cuda.get_device_capability(device))
        facts["cudnn"] = torch.backends.cudnn.version()
        torch.ones(1, device=device).add_(1).cpu()  # a card that is listed may still fail
    yield facts


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _driver() -> str | None:
    """The NVIDIA driver's version, as nvidia-smi says it."""
    if shutil.which("nvidia-smi") is None:
        return None
    asked = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        said = subprocess.run(asked, capture_output=True, text=True, timeout=20, check=True).stdout.split()
    except (OSError, subprocess.SubprocessError):
        return None
    return said[0] if said else None
